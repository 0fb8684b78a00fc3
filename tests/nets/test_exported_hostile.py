"""A .pt2 file from an enemy: torch.export.load would run his code, and here it is never run.

Wherever a payload is planted, torch itself is shown to spring it, so that a trap which never worked proves nothing.
"""

import io
import json
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.nets.pt2_files import (
    CLIP,
    CONSTANTS,
    PROGRAM,
    SAMPLE_INPUTS,
    WEIGHTS,
    members,
    packed,
    refusal,
    tiny,
    with_json,
)

from soundproof.nets.exported import load

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def good() -> bytes:
    return tiny()


@pytest.fixture
def sprung(tmp_path: Path) -> Path:
    """The file that every trap here creates."""
    return tmp_path / "sprung"


class Trap:
    """Whoever unpickles it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def pickled(path: Path) -> bytes:
    file = io.BytesIO()
    torch.save((Trap(path),), file)
    return file.getvalue()


def code(path: Path) -> str:
    return f"__import__('pathlib').Path({str(path)!r}).touch() or 2"


def sprung_by_torch(content: bytes, sprung: Path) -> bool:
    """Whether torch.export.load, or the use of what it returns, creates the file. It is then removed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(Exception):  # it may also fail; what counts is what it did before
            torch.export.load(io.BytesIO(content)).module()(torch.zeros(2, CLIP))
    exists = sprung.exists()
    sprung.unlink(missing_ok=True)
    return exists


def test_the_pickle_of_sample_inputs_is_never_opened(good: bytes, sprung: Path) -> None:
    content = packed(members(good) | {SAMPLE_INPUTS: pickled(sprung)})
    assert sprung_by_torch(content, sprung)
    model = load(content, CLIP, CPU)
    assert torch.equal(model.head(torch.ones(2, CLIP)), load(good, CLIP, CPU).head(torch.ones(2, CLIP)))
    assert not sprung.exists()


def test_a_pickled_weight_is_refused_and_not_opened(good: bytes, sprung: Path) -> None:
    content = with_json(good, WEIGHTS, lambda table: table["config"]["linear.bias"].update(use_pickle=True))
    path = table_path(content, "linear.bias")
    content = packed(members(content) | {f"data/weights/{path}": pickled(sprung)})
    assert sprung_by_torch(content, sprung)
    assert "'linear.bias' is pickled, and nothing is unpickled here" in refusal(content)
    assert not sprung.exists()


def table_path(content: bytes, name: str) -> str:
    path: str = json.loads(members(content)[WEIGHTS])["config"][name]["path_name"]
    return path


def test_a_pickled_constant_is_refused_and_not_opened(good: bytes, sprung: Path) -> None:
    constant = {"path_name": "tensor_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    content = with_json(good, CONSTANTS, lambda table: table["config"].update(planted=constant))
    content = packed(members(content) | {"data/constants/tensor_0": pickled(sprung)})
    assert sprung_by_torch(content, sprung)
    assert "'planted' is pickled" in refusal(content)
    assert not sprung.exists()


def test_a_weights_file_of_the_old_form_is_refused_and_not_opened(good: bytes, sprung: Path) -> None:
    content = packed(members(good) | {"data/weights/model.pt": pickled(sprung)})
    assert sprung_by_torch(content, sprung)
    assert "'archive/data/weights/model.pt', which is no part of a plain exported program" in refusal(content)
    assert not sprung.exists()


def test_a_size_that_is_code_is_refused_and_not_evaluated(good: bytes, sprung: Path) -> None:
    def plant(program: Any) -> None:
        program["graph_module"]["graph"]["tensor_values"]["waveform"]["sizes"][0]["as_expr"]["expr_str"] = code(sprung)

    content = with_json(good, PROGRAM, plant)
    assert sprung_by_torch(content, sprung)
    assert "batch size is not free" in refusal(content)
    assert not sprung.exists()


def test_sizes_elsewhere_are_not_even_looked_at(good: bytes, sprung: Path) -> None:
    def plant(program: Any) -> None:
        values = program["graph_module"]["graph"]["sym_int_values"]
        values[next(iter(values))] = {"as_expr": {"expr_str": code(sprung), "hint": None}}

    content = with_json(good, PROGRAM, plant)
    assert sprung_by_torch(content, sprung)
    load(content, CLIP, CPU).head(torch.ones(2, CLIP))
    assert not sprung.exists()


def test_guards_are_not_run(good: bytes, sprung: Path) -> None:
    content = with_json(good, PROGRAM, lambda program: program.update(guards_code=[code(sprung)]))
    assert sprung_by_torch(content, sprung)
    load(content, CLIP, CPU).head(torch.ones(2, CLIP))
    assert not sprung.exists()


def calling(target: str, *inputs: dict[str, Any]) -> Callable[[Any], None]:
    """Puts a call before all others."""

    def plant(program: Any) -> None:
        node = {"target": target, "inputs": list(inputs), "outputs": [{"as_tensor": {"name": "planted"}}]}
        program["graph_module"]["graph"]["nodes"].insert(0, node | {"metadata": {}})

    return plant


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.evil.run.default",
        "torch.ops.aten.save.default",
        "torch.ops.aten.set_.source_Tensor",
        "torch.ops.aten._weight_norm.default",
        "torch.ops.aten.relu.default.__globals__",
        "torch.ops.aten.__class__.default",
        "torch.ops.aten.relu.__init__",
        "torch.ops.aten.relu_.default",
        "torch.ops.aten.rand.default",
        "torch.ops.aten.relu.out",
        "torch.ops.higher_order.cond",
        "torch.ops.load_library",
        "torch.load",
        "torch.hub.load",
        "_operator.methodcaller",
        "_operator.pow",
        "math.exp",
        "#evil:run",
        "os.system",
        "",
    ],
)
def test_an_operator_that_is_not_listed_is_refused_before_anything_is_run(good: bytes, target: str) -> None:
    message = refusal(with_json(good, PROGRAM, calling(target)))
    assert target in message
    assert "not among the operators" in message or "in place" in message or "no operator" in message


def test_an_operator_that_makes_files_is_refused(good: bytes, sprung: Path) -> None:
    """aten.from_file with shared=True creates the file that it is told to map."""
    torch.ops.aten.from_file.default(str(sprung), True, 4)
    assert sprung.exists()
    sprung.unlink()
    inputs = [
        {"name": "filename", "arg": {"as_string": str(sprung)}, "kind": 1},
        {"name": "shared", "arg": {"as_bool": True}, "kind": 1},
        {"name": "size", "arg": {"as_int": 4}, "kind": 1},
    ]
    assert "from_file" in refusal(with_json(good, PROGRAM, calling("torch.ops.aten.from_file.default", *inputs)))
    assert not sprung.exists()


@torch.inference_mode()
def test_a_batch_norm_with_too_short_a_weight_is_caught(good: bytes) -> None:
    """torch's private operator reads beyond it; the one that stands in for it does not."""
    short, long = {"as_tensor": {"name": "b_scale"}}, {"as_tensor": {"name": "waveform"}}
    arguments = [long, short, {"as_none": True}, short, short, {"as_float": 0.1}, {"as_float": 1e-5}]
    names = ["input", "weight", "bias", "running_mean", "running_var", "momentum", "eps"]
    inputs = [{"name": name, "arg": argument, "kind": 1} for name, argument in zip(names, arguments, strict=True)]
    target = "torch.ops.aten._native_batch_norm_legit_no_training.default"

    def plant(program: Any) -> None:
        calling(target, *inputs)(program)
        none = {"as_none": True}
        program["graph_module"]["graph"]["nodes"][0]["outputs"] = [{"as_tensor": {"name": "planted"}}, none, none]

    with pytest.raises(RuntimeError, match="should contain 16 elements"):
        load(with_json(good, PROGRAM, plant), CLIP, CPU).head(torch.ones(2, CLIP))


@pytest.mark.parametrize(
    "argument",
    [
        {"as_custom_obj": {"name": "evil", "class_fqn": "os.system"}},
        {"as_operator": "os.system"},
        {"as_graph": {"name": "sub", "graph": {}}},
        {"as_strings": ["a"]},
        {"as_scalar_type": 99},
        {"as_int": "1"},
        {"as_tensor": {"name": "nowhere"}},
        {"as_int": 1, "as_float": 1.0},
        {},
    ],
)
def test_an_argument_of_another_kind_is_refused(good: bytes, argument: dict[str, Any]) -> None:
    plant = calling("torch.ops.aten.relu.default", {"name": "self", "arg": argument, "kind": 1})
    assert "the program" in refusal(with_json(good, PROGRAM, plant))


@pytest.mark.parametrize(
    "overload",
    ["add.t", "mul.left_t", "lstm.data", "gru.data", "repeat_interleave.Tensor", "repeat_interleave.self_Tensor"],
)
def test_an_overload_that_nobody_chose_is_refused(good: bytes, overload: str) -> None:
    """TorchScript's of a listed operator, and those that read or write beyond their tensors."""
    assert "not among the operators" in refusal(with_json(good, PROGRAM, calling(f"torch.ops.aten.{overload}")))


def test_logits_that_are_no_floating_point_numbers_are_refused(good: bytes) -> None:
    def compared(program: Any) -> None:
        graph = program["graph_module"]["graph"]
        [answer] = graph["outputs"]
        last = graph["nodes"][-1]
        assert last["outputs"] == [answer]
        last["outputs"] = [{"as_tensor": {"name": "before"}}]
        inputs = [
            {"name": "self", "arg": {"as_tensor": {"name": "before"}}, "kind": 1},
            {"name": "other", "arg": {"as_int": 0}, "kind": 1},
        ]
        graph["nodes"].append({"target": "torch.ops.aten.gt.Scalar", "inputs": inputs, "outputs": [answer]})

    def declared(program: Any) -> None:
        compared(program)
        graph = program["graph_module"]["graph"]
        graph["tensor_values"][graph["outputs"][0]["as_tensor"]["name"]]["dtype"] = 12

    assert "not floating-point numbers" in refusal(with_json(good, PROGRAM, declared))
    lying = load(with_json(good, PROGRAM, compared), CLIP, CPU)
    with pytest.raises(ValueError, match="not floating-point numbers"):
        lying.head(torch.ones(2, CLIP))
