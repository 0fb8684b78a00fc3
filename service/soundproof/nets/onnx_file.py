"""A classifier from an ONNX file, run by onnxruntime on the worker's own device."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from soundproof.errors import ModelRefused

try:
    import onnx
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
ONLY_ERRORS = 3


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
        self.session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return logits


def load(content: bytes, clip_samples: int, classes: int, device: torch.device) -> OnnxFile:
    """The classifier of an ONNX file's bytes.

    ModelRefused for external data, operators of other domains, random operators, more than one input or output, an
    input other than (batch, clip_samples) float32 with a free batch, or a runtime without the device.
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
    options.intra_op_num_threads = torch.get_num_threads()
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
    local = {(function.domain, function.name) for function in model.functions}
    for message in _messages(model):
        match message:
            case onnx.TensorProto() if message.external_data or message.data_location == onnx.TensorProto.EXTERNAL:
                raise ModelRefused(
                    f"the tensor {message.name[:100]!r} lies in another file, whose content no digest vouches for.",
                    "Save the model as one file: onnx.save(model, path, save_as_external_data=False).",
                )
            case onnx.NodeProto() if message.domain not in DOMAINS and (message.domain, message.op_type) not in local:
                raise ModelRefused(
                    f"the operator {message.op_type[:99]!r} of domain {message.domain[:99]!r} is not of the standard.",
                    "Only ai.onnx and ai.onnx.ml are run: a custom operator is code, and none is run.",
                )
            case onnx.NodeProto() if message.op_type in RANDOM:
                raise ModelRefused(f"the operator {message.op_type!r} draws random numbers.")


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
