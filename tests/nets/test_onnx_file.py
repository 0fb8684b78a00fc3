"""An ONNX file answers what its arithmetic says, and is refused where it is more, or less, than a classifier."""

import pickle
from collections.abc import Callable
from pathlib import Path

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
