"""Small ONNX files made by hand: logits = waveform @ weight + bias."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLIP, CLASSES = 16, 3
WEIGHT = np.random.default_rng(0).standard_normal((CLIP, CLASSES)).astype(np.float32)
BIAS = np.array([0.5, -0.5, 0.0], dtype=np.float32)
LOGITS = [helper.make_node("Gemm", ["waveform", "weight", "bias"], ["logits"])]


def model(
    nodes: Sequence[Any] = LOGITS,
    *,
    shape: Sequence[int | str] = ("batch", CLIP),
    kind: int = TensorProto.FLOAT,
    inputs: Sequence[str] = ("waveform",),
    outputs: Sequence[str] = ("logits",),
    domains: Sequence[str] = (),
) -> Any:
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info(name, kind, shape) for name in inputs],
        [helper.make_tensor_value_info(name, kind, ("batch", CLASSES)) for name in outputs],
        [numpy_helper.from_array(WEIGHT, "weight"), numpy_helper.from_array(BIAS, "bias")],
    )
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(domain, 1) for domain in domains)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    assert isinstance(made, onnx.ModelProto)
    return made


def content(*args: Any, **kwargs: Any) -> bytes:
    """The bytes of `model` with these arguments."""
    made: bytes = model(*args, **kwargs).SerializeToString()
    return made
