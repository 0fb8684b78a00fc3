"""An ONNX file answers what its arithmetic says, and is refused where it is more, or less, than a classifier."""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from tests.nets.onnx_files import BIAS, CLASSES, CLIP, LOGITS, WEIGHT, content, model

from soundproof.errors import ModelRefused
from soundproof.nets.onnx_file import load

CPU = torch.device("cpu")


COPIED = [helper.make_node("Identity", ["waveform"], ["logits"])]


def refusal(file: bytes, device: torch.device = CPU) -> str:
    with pytest.raises(ModelRefused) as caught:
        load(file, CLIP, CLASSES, device)
    return str(caught.value)


@pytest.mark.parametrize("batch", [1, 4, 128])
def test_a_graph_answers_its_arithmetic(batch: int) -> None:
    waveform = torch.randn(batch, CLIP, generator=torch.Generator().manual_seed(batch))
    classifier = load(content(), CLIP, CLASSES, CPU)
    expected = waveform @ torch.from_numpy(WEIGHT) + torch.from_numpy(BIAS)
    torch.testing.assert_close(classifier.head(classifier.features(waveform)), expected)


def test_the_session_runs_on_the_workers_device_with_the_workers_threads() -> None:
    session = load(content(), CLIP, CLASSES, CPU).session
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == torch.get_num_threads()


def test_a_device_that_the_runtime_has_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert "has no CUDAExecutionProvider. Install onnxruntime-gpu" in refusal(content(), torch.device("cuda:0"))


def test_a_graph_for_another_length_is_refused() -> None:
    with pytest.raises(ModelRefused, match="takes clips of 16 samples, the manifest says 17"):
        load(content(), CLIP + 1, CLASSES, CPU)


def elsewhere(location: str) -> bytes:
    """The weight is said to lie in another file."""
    made = model()
    weight = made.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", location
    file: bytes = made.SerializeToString()
    return file


def test_weights_in_another_file_are_refused_even_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHT.tobytes())
    monkeypatch.chdir(tmp_path)
    assert onnxruntime.InferenceSession(elsewhere("weights.bin"), providers=["CPUExecutionProvider"])  # it would read
    assert "'weight' lies in another file" in refusal(elsewhere("weights.bin"))
    assert "lies in another file" in refusal(elsewhere("/etc/passwd"))


def within_a_branch() -> bytes:
    """An operator of another domain, hidden in a subgraph of a subgraph."""
    hidden = helper.make_node("Evil", ["logits_then"], ["out"], domain="evil.ops")

    def branch(*nodes: object) -> object:
        return helper.make_graph(list(nodes), "branch", [], [helper.make_tensor_value_info("out", 1, None)])

    yes = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("v", TensorProto.BOOL, [], [True]))
    inner = helper.make_node("If", ["yes"], ["out"], then_branch=branch(hidden), else_branch=branch(hidden))
    outer = helper.make_node("If", ["yes"], ["x"], then_branch=branch(inner), else_branch=branch(inner))
    return content([*LOGITS, yes, outer], domains=["evil.ops"])


def random() -> bytes:
    noise = helper.make_node("RandomNormalLike", ["clean"], ["noise"])
    clean = helper.make_node("Gemm", ["waveform", "weight", "bias"], ["clean"])
    return content([clean, noise, helper.make_node("Add", ["clean", "noise"], ["logits"])])


@pytest.mark.parametrize(
    ("file", "named"),
    [
        (within_a_branch, "operator 'Evil' of domain 'evil.ops' is not of the standard"),
        (
            lambda: content([helper.make_node("EPContext", ["waveform"], ["logits"], domain="com.microsoft")]),
            "operator 'EPContext' of domain 'com.microsoft' is not of the standard",
        ),
        (random, "'RandomNormalLike' draws random numbers"),
        (lambda: content(shape=(1, CLIP)), "batch size is fixed at 1"),
        (lambda: content(COPIED, shape=("batch", 1, CLASSES)), "must take (batch, time)"),
        (lambda: content(COPIED, shape=("batch", CLASSES), kind=TensorProto.DOUBLE), "takes tensor(double)"),
        (lambda: content(inputs=("waveform", "other")), "2 inputs and 1 outputs"),
        (
            lambda: content([*LOGITS, helper.make_node("Neg", ["logits"], ["more"])], outputs=("logits", "more")),
            "1 inputs and 2 outputs",
        ),
        (lambda: content([helper.make_node("NoSuch", ["waveform"], ["logits"])]), "onnxruntime cannot run the graph"),
        (lambda: content()[:-50], "not an ONNX model"),
        (lambda: b"", "cannot run the graph"),
        (lambda: pickle.dumps({"a": 1}), "not an ONNX model"),
    ],
)
def test_what_is_no_classifier_of_waveforms_is_refused(file: Callable[[], bytes], named: str) -> None:
    assert named in refusal(file())


def test_onnxruntimes_own_format_is_not_taken_for_onnx() -> None:
    """It is told by four letters within the file, and would pass by every check above."""
    flatbuffer = bytearray(content())
    flatbuffer[4:8] = b"ORTM"
    assert refusal(bytes(flatbuffer))


def test_functions_of_the_models_own_are_run() -> None:
    local = helper.make_function(
        "local", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [helper.make_opsetid("", 18)]
    )
    nodes = [helper.make_node("Twice", ["waveform"], ["twice"], domain="local")]
    made = model([*nodes, helper.make_node("Gemm", ["twice", "weight", "bias"], ["logits"])], domains=["local"])
    made.functions.append(local)
    classifier = load(made.SerializeToString(), CLIP, CLASSES, CPU)
    waveform = torch.ones(2, CLIP)
    np.testing.assert_allclose(classifier.head(waveform).numpy(), 2 * waveform.numpy() @ WEIGHT + BIAS, rtol=1e-5)


def local_function(domain: str, name: str, *nodes: Any, overload: str = "") -> Any:
    body = nodes or (helper.make_node("Sub", ["x", "x"], ["y"]),)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    made = helper.make_function(domain, name, ["x"], ["y"], list(body), opsets)
    made.overload = overload
    return made


def with_functions(node: Any, *functions: Any) -> bytes:
    """waveform through `node` to x, and x to the logits."""
    last = helper.make_node("Gemm", ["x", "weight", "bias"], ["logits"])
    made = model([node, last], domains=[node.domain] if node.domain else [])
    made.functions.extend(functions)
    file: bytes = made.SerializeToString()
    return file


@pytest.mark.parametrize(
    ("domain", "name"),
    [("", "Relu"), ("ai.onnx", "Relu"), ("ai.onnx.ml", "Scaler"), ("com.microsoft", "Gelu"), ("com.ms.internal", "X")],
)
def test_a_function_in_the_place_of_the_runtimes_own_is_refused(domain: str, name: str) -> None:
    """onnxruntime would run its own of that name, which nothing here looked at, or this one for the standard's."""
    file = with_functions(helper.make_node(name, ["waveform"], ["x"], domain=domain), local_function(domain, name))
    assert f"the model defines '{name}' of domain '{domain}' itself" in refusal(file)


def test_a_function_of_another_overload_is_no_declaration() -> None:
    file = with_functions(
        helper.make_node("F", ["waveform"], ["x"], domain="local"), local_function("local", "F", overload="other")
    )
    assert "operator 'F' of domain 'local' is not of the standard" in refusal(file)


def test_functions_that_double_forty_times_are_refused_before_they_are_unfolded() -> None:
    functions = [local_function("local", "F0")]
    for i in range(1, 40):
        calls = [("x", "t"), ("t", "y")]
        nodes = [helper.make_node(f"F{i - 1}", [a], [b], domain="local") for a, b in calls]
        functions.append(local_function("local", f"F{i}", *nodes))
    file = with_functions(helper.make_node("F39", ["waveform"], ["x"], domain="local"), *functions)
    assert "more than 100000 nodes" in refusal(file)


def test_a_function_that_calls_itself_is_refused() -> None:
    call = helper.make_node("F", ["x"], ["y"], domain="local")
    file = with_functions(
        helper.make_node("F", ["waveform"], ["x"], domain="local"), local_function("local", "F", call)
    )
    assert "call themselves" in refusal(file)


def looping(trips: int, deep: int = 1, *, constant: bool = True) -> bytes:
    """The waveform through `deep` loops within each other that leave it as it is."""

    def body(inner: Sequence[Any]) -> Any:
        kinds: list[tuple[str, int, list[int] | None]] = [
            ("i", TensorProto.INT64, []),
            ("go", TensorProto.BOOL, []),
            ("v", TensorProto.FLOAT, None),
        ]
        inputs = [helper.make_tensor_value_info(*kind) for kind in kinds]
        kept = [helper.make_node("Identity", [a], [b]) for a, b in (("go", "go_on"), ("v", "w"))]
        outputs = [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ]
        return helper.make_graph([*kept, *inner], "body", inputs, outputs)

    nodes: list[Any] = []
    for _ in range(deep):
        nodes = [helper.make_node("Loop", ["trips", "yes", "waveform"], ["x"], body=body(nodes))]
    told = helper.make_tensor("t", TensorProto.INT64, [], [trips])
    yes = helper.make_tensor("y", TensorProto.BOOL, [], [True])
    given = [helper.make_node("Constant", [], ["trips" if constant else "told"], value=told)]
    if not constant:
        given.append(helper.make_node("Identity", ["told"], ["trips"]))
    last = helper.make_node("Gemm", ["x", "weight", "bias"], ["logits"])
    return content([*given, helper.make_node("Constant", [], ["yes"], value=yes), *nodes, last])


def test_a_loop_that_ends_is_run() -> None:
    classifier = load(looping(3), CLIP, CLASSES, CPU)
    np.testing.assert_allclose(classifier.head(torch.ones(2, CLIP)), np.ones((2, CLIP)) @ WEIGHT + BIAS, rtol=1e-5)


def test_a_loop_that_need_not_end_is_refused() -> None:
    assert "trip count is not a constant of at most 10000" in refusal(looping(1 << 62))
    assert "trip count is not a constant of at most 10000" in refusal(looping(3, constant=False))
    assert "or 10000000 with its loops" in refusal(looping(10_000, deep=3))


def in_training(operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> bytes:
    """In a branch, which is run at every batch size or at some."""
    node = helper.make_node(operator, inputs, outputs, **attributes)
    keep = helper.make_node("Identity", ["waveform"], ["kept"])

    def branch(node: Any) -> Any:
        outputs = [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)]
        return helper.make_graph([node], "branch", [], outputs)

    yes = helper.make_tensor("y", TensorProto.BOOL, [], [True])
    half = helper.make_tensor("h", TensorProto.FLOAT, [], [0.5])
    return content(
        [
            helper.make_node("Constant", [], ["yes"], value=yes),
            helper.make_node("Constant", [], ["half"], value=half),
            helper.make_node("If", ["yes"], ["x"], then_branch=branch(node), else_branch=branch(keep)),
            helper.make_node("Gemm", ["x", "weight", "bias"], ["logits"]),
        ]
    )


def test_layers_in_training_mode_are_refused_in_a_branch_too() -> None:
    statistics = ["waveform", "a", "a", "a", "a"]
    for file in (
        in_training("Dropout", ["waveform", "half", "yes"], ["y"]),
        in_training("BatchNormalization", statistics, ["y"], training_mode=1),
        in_training("BatchNormalization", statistics, ["y", "m", "v"]),
    ):
        assert "may run in training mode" in refusal(file)
    assert load(in_training("Dropout", ["waveform", "half"], ["y"]), CLIP, CLASSES, CPU)


def test_memory_that_is_short_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = load(content(), CLIP, CLASSES, CPU)

    class Exhausted:
        def run(self, *_: object) -> None:
            raise RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 9")

    monkeypatch.setattr(classifier, "session", Exhausted())
    with pytest.raises(MemoryError, match="Failed to allocate memory"):
        classifier.head(torch.ones(2, CLIP))
