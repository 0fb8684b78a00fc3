"""A .pt2 file as an archive: what is no plain program's is refused before anything of it is read."""

import io
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.nets.pt2_files import (
    PROGRAM,
    WEIGHTS,
    members,
    packed,
    refusal,
    tiny,
    with_json,
)


@pytest.fixture(scope="module")
def good() -> bytes:
    return tiny()


@pytest.mark.parametrize(
    "name",
    [
        "../../escaped",
        "models/../../escaped.json",
        "/etc/passwd",
        "models/second.json",
        "data/aotinductor/model/code.so",
        "data/constants/custom_obj_0",
        "extra/notes.txt",
        "data/weights/weight_0.pt",
        "data/weights/weight_1\n",
    ],
)
def test_a_member_that_is_no_part_of_a_program_is_refused(good: bytes, name: str) -> None:
    assert "which is no part of a plain exported program" in refusal(packed(members(good) | {name: b"x"}))


def test_a_second_top_folder_or_a_second_member_of_a_name_is_refused(good: bytes) -> None:
    file = io.BytesIO(good)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("other/models/model.json", b"{}")
    assert "no part of a plain exported program" in refusal(file.getvalue())
    file = io.BytesIO(packed(members(good)))
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/models/model.json", b"{}")
    assert "two members of one name" in refusal(file.getvalue())


def test_a_bomb_of_compressed_zeros_is_refused_before_it_is_inflated(good: bytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members(good).items():
            archive.writestr(f"archive/{name}", content)
        archive.writestr("archive/data/weights/weight_9", bytes(100 << 20))
    assert len(file.getvalue()) < 1 << 20
    assert "larger, or more, than its bytes can hold" in refusal(file.getvalue())


def test_a_compressed_member_is_refused_even_where_it_is_small(good: bytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members(good).items():
            archive.writestr(f"archive/{name}", content, zipfile.ZIP_DEFLATED if "version" in name else None)
    assert "is compressed or encrypted" in refusal(file.getvalue())


def test_a_member_whose_size_is_a_lie_is_refused(good: bytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members(good).items():
            archive.writestr(f"archive/{name}", content)
        archive.filelist[0].file_size = archive.filelist[0].compress_size = 1 << 40
    assert "larger, or more, than its bytes can hold" in refusal(file.getvalue())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m.update(sizes=[{"as_int": 1 << 40}], strides=[{"as_int": 0}]), "larger than its bytes"),
        (lambda m: m.update(strides=[{"as_int": 1 << 40}]), "reaches beyond its bytes"),
        (lambda m: m.update(strides=[{"as_int": -1}]), "is not a number"),
        (lambda m: m.update(storage_offset={"as_int": 1}), "reaches beyond its bytes"),
        (lambda m: m.update(sizes=[{"as_expr": {"expr_str": "2"}}]), "is not a number"),
        (lambda m: m.update(dtype=8), "larger than its bytes"),
        (
            lambda m: m.update(
                sizes=[{"as_int": 0}, {"as_int": 1 << 47}, {"as_int": 1 << 47}], strides=3 * [{"as_int": 1}]
            ),
            "sizes that no tensor can have",
        ),
        (lambda m: m.update(sizes=[{"as_int": 0}], strides=[{"as_int": 1 << 70}]), "reaches beyond its bytes"),
        (lambda m: m.update(dtype=99), "a type or a layout that is not read"),
        (lambda m: m.update(layout=1), "a type or a layout that is not read"),
    ],
)
def test_a_tensor_beyond_its_bytes_is_refused(good: bytes, change: Callable[[Any], object], named: str) -> None:
    content = with_json(good, WEIGHTS, lambda table: change(table["config"]["linear.bias"]["tensor_meta"]))
    assert named in refusal(content)


def no_archive() -> list[bytes]:
    file = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, file)
    return [b"", b"PK\x03\x04", b"\x80\x04.", pickle.dumps({"a": 1}), file.getvalue(), packed({})]


@pytest.mark.parametrize("content", no_archive())
def test_what_is_no_program_is_refused(content: bytes) -> None:
    assert refusal(content)


def test_a_file_cut_short_is_refused(good: bytes) -> None:
    for cut in (10, len(good) // 2, len(good) - 1):
        assert refusal(good[:cut])


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_json_that_is_no_program_is_refused(good: bytes, text: bytes) -> None:
    assert "not of the form that torch.export saves" in refusal(packed(members(good) | {PROGRAM: text}))
