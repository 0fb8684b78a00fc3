"""Rows on disk: what was added is read back, whatever interrupted the adding."""

from pathlib import Path

import pytest
from tests.models.made_rows import certificate, clean, shape_of

import rows
from rows import Row

THREE: list[Row] = [
    clean("up", "go"),
    shape_of("a/1.wav", "up", dataset="speech-commands-12"),
    certificate("up", "up"),
]


def written(path: Path, added: list[Row]) -> Path:
    with rows.appending(path) as add:
        for row in added:
            add(row)
    return path


def test_rows_are_read_back_as_they_were(tmp_path: Path) -> None:
    every = [*THREE, certificate("up", None), certificate("up", "up", setting="feature:0.02", share=1 / 3)]
    path = written(tmp_path / "deeper" / "rows.jsonl", every)
    assert list(rows.read([path])) == every
    assert list(rows.read([path, path])) == every + every


def test_a_row_is_in_the_file_as_soon_as_it_is_added(tmp_path: Path) -> None:
    with rows.appending(tmp_path / "rows") as add:
        add(THREE[0])
        assert list(rows.read([tmp_path / "rows"])) == THREE[:1]


def test_what_is_added_later_comes_after(tmp_path: Path) -> None:
    written(tmp_path / "rows", THREE[:1])
    assert list(rows.read([written(tmp_path / "rows", THREE[1:])])) == THREE


@pytest.mark.parametrize(
    "kept", [1, 20, -2, -1], ids=["a byte", "a few bytes", "all but one", "all but the end of line"]
)
@pytest.mark.parametrize("whole", [0, 2])
def test_half_a_line_is_neither_read_nor_continued(tmp_path: Path, whole: int, kept: int) -> None:
    """`whole` rows, then one of which an interruption left the first `kept` bytes."""
    path = written(tmp_path / "rows", THREE[:whole])
    half = (THREE[2].model_dump_json() + "\n").encode()[:kept]
    with path.open("ab") as file:
        file.write(half)
    assert list(rows.read([path])) == THREE[:whole]
    written(path, THREE[2:])
    assert list(rows.read([path])) == [*THREE[:whole], THREE[2]]
    assert path.read_bytes().count(b"\n") == whole + 1


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "rows", THREE)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1].replace('"sigma"', '"sgima"') + lines[2])
    with pytest.raises(ValueError, match=r"rows, line 2: (.|\n)*sgima"):
        list(rows.read([path]))


def test_two_evaluations_do_not_write_to_one_file(tmp_path: Path) -> None:
    with (
        rows.appending(tmp_path / "rows"),
        pytest.raises(BlockingIOError, match="another evaluation is adding rows to"),
        rows.appending(tmp_path / "rows"),
    ):
        pass
    written(tmp_path / "rows", THREE)


def test_the_key_tells_apart_what_is_another_evaluation() -> None:
    row = certificate("up", "up")
    others = [
        certificate("up", "up", seed=2),
        certificate("up", "up", clip="a/2.wav"),
        certificate("up", "up", setting="waveform:0.01"),
        certificate("up", "up", n=10_000),
        row.model_copy(update={"alpha": 0.01}),
        row.model_copy(update={"n0": 10}),
        clean("up", "up"),
    ]
    assert len({row.key, *(other.key for other in others)}) == 1 + len(others)
    assert certificate("up", None, share=0.5).key == row.key
