"""A classifier from an ONNX file, run by onnxruntime on the worker's own device."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from soundproof.errors import ModelRefused

try:
    import onnx
    import onnx.numpy_helper
    import onnxruntime
    from google.protobuf.message import DecodeError
except ModuleNotFoundError as error:
    raise ModelRefused(
        f"ONNX models need a library that is not installed ({error.name}).", "pip install soundproof[onnx]"
    ) from error

# The standard's own operators. Those of other domains are the runtime's extensions, some of which open files.
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
# A runtime has operators of its own in these: a local function of such a name only pretends to be what is run.
RUNTIME_DOMAINS = ("ai.onnx", "com.microsoft", "com.ms", "org.pytorch")
MOST_NODES = 100_000  # with every local function in the place of its calls
MOST_TRIPS = 10_000  # of one loop
MOST_STEPS = 10_000_000  # nodes, each as often as the loops around it turn
DEEPEST_CALL = 100
ONLY_ERRORS = 3
# How onnxruntime says that memory was short; it has no exception for it.
OUT_OF_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation", "out of memory")


class OnnxFile:
    """An ONNX graph in a session of onnxruntime. It has no feature stage: the features are the waveform itself."""

    def __init__(self, session: Any, classes: int, device: torch.device) -> None:
        self.session = session
        self.classes = classes
        self.device = device
        self.input: str = session.get_inputs()[0].name
        self.output: str = session.get_outputs()[0].name

    def features(self, waveform: Tensor) -> Tensor:
        return waveform

    def head(self, features: Tensor) -> Tensor:
        """(batch, time) float32 -> (batch, classes) logits."""
        if self.device.type == "cuda":
            return self._head_on_cuda(features.contiguous())
        with _memory_told():
            [logits] = self.session.run([self.output], {self.input: features.numpy()})
        return torch.from_numpy(logits)

    def _head_on_cuda(self, features: Tensor) -> Tensor:
        """From device memory to device memory: both tensors are contiguous and outlive the run."""
        logits = torch.empty(len(features), self.classes, device=self.device)
        binding = self.session.io_binding()
        for bind, name, tensor in (
            (binding.bind_input, self.input, features),
            (binding.bind_output, self.output, logits),
        ):
            bind(name, "cuda", self.device.index or 0, np.float32, tuple(tensor.shape), tensor.data_ptr())
        torch.cuda.current_stream(self.device).synchronize()  # onnxruntime computes on a stream of its own
        with _memory_told():
            self.session.run_with_iobinding(binding)
            binding.synchronize_outputs()
        return logits


@contextmanager
def _memory_told() -> Iterator[None]:
    """MemoryError where onnxruntime fails for want of memory, so that a worker tries again with fewer clips."""
    try:
        yield
    except Exception as error:  # onnxruntime's exceptions have no common base but this
        if any(words in str(error) for words in OUT_OF_MEMORY):
            raise MemoryError(str(error).partition("\n")[0][:300]) from error
        raise


def load(content: bytes, clip_samples: int, classes: int, device: torch.device) -> OnnxFile:
    """The classifier of an ONNX file's bytes.

    ModelRefused for external data, operators of other domains, random operators, layers in training mode, loops or
    local functions without bound, more than one input or output, an input other than (batch, clip_samples) float32
    with a free batch, or a runtime without the device.
    """
    _hold_to_the_standard(content)
    provider: tuple[str, dict[str, int]] = ("CPUExecutionProvider", {})
    if device.type == "cuda":
        # use_tf32: else "float32" would keep 10 bits on a recent GPU
        provider = ("CUDAExecutionProvider", {"device_id": device.index or 0, "use_tf32": 0})
    if provider[0] not in onnxruntime.get_available_providers():
        raise ModelRefused(
            f"this installation of onnxruntime has no {provider[0]}.", "Install onnxruntime-gpu in its place."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # of every thread that runs it
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting would cost the API process
    options.log_severity_level = ONLY_ERRORS
    options.add_session_config_entry("session.load_model_format", "ONNX")  # what was checked, not onnxruntime's own
    try:
        session = onnxruntime.InferenceSession(content, options, providers=[provider])
    except Exception as error:  # onnxruntime's exceptions have no common base but this
        raise ModelRefused(f"onnxruntime cannot run the graph: {str(error).partition(chr(10))[0][:300]}.") from error
    if session.get_providers()[0] != provider[0]:  # it falls back to the CPU in silence
        raise ModelRefused(f"onnxruntime could not start its {provider[0]}.")
    _hold_to_shape(session, clip_samples)
    return OnnxFile(session, classes, device)


def _hold_to_the_standard(content: bytes) -> None:
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ModelRefused(f"the file is not an ONNX model ({error}).") from error
    local = _functions(model)
    for message in _messages(model):
        match message:
            case onnx.TensorProto() if message.external_data or message.data_location == onnx.TensorProto.EXTERNAL:
                raise ModelRefused(
                    f"the tensor {message.name[:100]!r} lies in another file, whose content no digest vouches for.",
                    "Save the model as one file: onnx.save(model, path, save_as_external_data=False).",
                )
            case onnx.NodeProto() if message.domain not in DOMAINS and _called(message) not in local:
                raise ModelRefused(
                    f"the operator {message.op_type[:99]!r} of domain {message.domain[:99]!r} is not of the standard.",
                    "Only ai.onnx and ai.onnx.ml are run: a custom operator is code, and none is run.",
                )
            case onnx.NodeProto() if message.op_type in RANDOM:
                raise ModelRefused(f"the operator {message.op_type!r} draws random numbers.")
            case onnx.NodeProto() if message.domain in DOMAINS and _trains(message):
                raise ModelRefused(
                    f"the operator {message.op_type!r} may run in training mode.",
                    "Call eval() before the export. Dropout must have no third input, BatchNormalization one output.",
                )
    _hold_to_bounds(model, local)


def _trains(node: Any) -> bool:
    """Whether it draws random numbers, or looks across its batch, or might at some batch sizes."""
    if node.op_type == "Dropout":
        return any(node.input[2:])
    if node.op_type == "BatchNormalization":
        modes = [attribute for attribute in node.attribute if attribute.name == "training_mode"]
        return any(node.output[1:]) or any(mode.i or mode.ref_attr_name for mode in modes)
    return False


Called = tuple[str, str, str]


def _called(node: Any) -> Called:
    return node.domain, node.op_type, node.overload


def _functions(model: Any) -> dict[Called, Any]:
    """The model's own functions. ModelRefused for two of a name, and where the runtime has, or may have, another."""
    local: dict[Called, Any] = {}
    for function in model.functions:
        key = function.domain, function.name, function.overload
        taken = any(function.domain == name or function.domain.startswith(f"{name}.") for name in RUNTIME_DOMAINS)
        if taken or not function.domain or key in local:
            raise ModelRefused(
                f"the model defines {function.name[:99]!r} of domain {function.domain[:99]!r} itself, "
                "which is the runtime's, or defined twice."
            )
        local[key] = function
    return local


def _hold_to_bounds(model: Any, local: dict[Called, Any]) -> None:
    """Refuse, before the runtime unfolds them, functions that grow beyond measure and loops that need not end."""
    known: dict[Called, tuple[int, int]] = {}
    trips = _constants(model)

    def weighed(holder: Any, depth: int) -> tuple[int, int]:
        """(nodes, steps) of a graph or a function, with those of what it calls."""
        if depth > DEEPEST_CALL:
            raise ModelRefused(f"the model's functions or graphs nest deeper than {DEEPEST_CALL}, or call themselves.")
        nodes = steps = 0
        for node in holder.node:
            inner = [weighed(graph, depth + 1) for graph in _graphs(node)]
            key = _called(node)
            if key in local:
                if key not in known:
                    known[key] = weighed(local[key], depth + 1)
                inner.append(known[key])
            times = 1
            if node.op_type == "Loop" and node.domain in DOMAINS:
                times = max(1, trips.get(node.input[0] if node.input else "", MOST_TRIPS + 1))
                if times > MOST_TRIPS:
                    raise ModelRefused(
                        f"a Loop's trip count is not a constant of at most {MOST_TRIPS}: nothing says when it ends."
                    )
            nodes += 1 + sum(part[0] for part in inner)
            steps += 1 + times * sum(part[1] for part in inner)
            if nodes > MOST_NODES or steps > MOST_STEPS:
                raise ModelRefused(
                    f"the graph is of more than {MOST_NODES} nodes with its functions, or {MOST_STEPS} with its loops."
                )
        return nodes, steps

    weighed(model.graph, 0)
    for function in model.functions:
        weighed(function, 0)


def _graphs(node: Any) -> list[Any]:
    return [graph for part in node.attribute for graph in (part.g, *part.graphs) if graph.node]


def _constants(model: Any) -> dict[str, int]:
    """The largest value of every whole number that is a constant wherever its name stands in the model."""
    found: dict[str, int] = {}
    changing: set[str] = set()
    for message in _messages(model):
        match message:
            case onnx.GraphProto():
                changing.update(part.name for part in message.input)
                for tensor in message.initializer:
                    _note(found, changing, tensor.name, tensor)
            case onnx.FunctionProto():
                changing.update(message.input)
            case onnx.NodeProto() if message.op_type == "Constant" and message.domain in DOMAINS:
                value = [part.t for part in message.attribute if part.name == "value" and not part.ref_attr_name]
                for name in message.output:
                    _note(found, changing, name, value[0] if value else None)
            case onnx.NodeProto():
                changing.update(message.output)
    return {name: value for name, value in found.items() if name not in changing}


def _note(found: dict[str, int], changing: set[str], name: str, tensor: Any) -> None:
    if tensor is None or tensor.data_type != onnx.TensorProto.INT64 or math.prod(tensor.dims) != 1:
        changing.add(name)
        return
    try:
        value = int(onnx.numpy_helper.to_array(tensor).item())
    except (ValueError, TypeError):  # of a tensor that is not as large as it says
        changing.add(name)
        return
    found[name] = max(found.get(name, value), value)


def _messages(message: Any) -> Iterator[Any]:
    """A protobuf message and all within it, whatever field they stand in."""
    waiting = [message]
    while waiting:
        message = waiting.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting += value if field.is_repeated else [value]


def _hold_to_shape(session: Any, clip_samples: int) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelRefused(
            f"the graph has {len(inputs)} inputs and {len(outputs)} outputs; it must have one of each.",
            "The input is the waveform, the output the logits.",
        )
    [waveform], [logits] = inputs, outputs
    if waveform.type != "tensor(float)" or logits.type != "tensor(float)" or len(waveform.shape) != 2:
        raise ModelRefused(
            f"the graph takes {waveform.type} {waveform.shape} and answers {logits.type}; "
            "it must take (batch, time) and answer (batch, classes), both float32."
        )
    batch, time = waveform.shape  # a number, or the name of a free size, or None
    if isinstance(batch, int):
        raise ModelRefused(
            f"the graph's batch size is fixed at {batch}.", "Export it with a free first dimension (dynamic_shapes)."
        )
    if isinstance(time, int) and time != clip_samples:
        raise ModelRefused(f"the graph takes clips of {time} samples, the manifest says {clip_samples}.")
