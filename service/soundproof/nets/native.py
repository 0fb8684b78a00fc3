"""Our own architectures: a manifest and a safetensors file -> a network in its fastest form."""

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from torch import nn

from soundproof.errors import ModelRefused
from soundproof.nets.classifier import Linear, LogMelCnn
from soundproof.nets.manifest import WEIGHTS, ModelManifest
from soundproof.nets.specs import CnnSpec


def load(manifest: ModelManifest, content: bytes, device: torch.device) -> LogMelCnn | Linear:
    """The network that `manifest` describes with the weights of `content`, a safetensors file.

    ModelRefused for weights of other names, shapes or types, or with values that are not finite.
    """
    network = _build(manifest)
    try:
        weights = parse(content)
    except SafetensorError as error:
        raise ModelRefused(f"{WEIGHTS} is not a safetensors file ({error}).") from error
    # The front end has no weights of its own: its window and filters follow from the manifest.
    target: nn.Module = network.cnn if isinstance(network, LogMelCnn) else network
    expected = {name: _kind(tensor) for name, tensor in target.state_dict().items()}
    found = {name: _kind(tensor) for name, tensor in weights.items()}
    if expected != found:
        raise ModelRefused(f"the tensors in {WEIGHTS} do not fit: {_difference(expected, found)}.")
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values() if tensor.is_floating_point()):
        raise ModelRefused(f"{WEIGHTS} holds values that are not finite.")
    target.load_state_dict(weights)
    network.optimize(device)
    return network.to(device)


def _build(manifest: ModelManifest) -> LogMelCnn | Linear:
    if isinstance(manifest.architecture, CnnSpec):
        assert manifest.front_end is not None  # noqa: S101  (the manifest's own validation)
        return LogMelCnn(manifest.architecture, manifest.front_end, manifest.sample_rate_hz, len(manifest.classes))
    return Linear(manifest.clip_samples, len(manifest.classes))


def _kind(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _difference(expected: dict[str, str], found: dict[str, str]) -> str:
    faults = [f"{name} is missing" for name in expected.keys() - found.keys()]
    faults += [f"{name} is not known" for name in found.keys() - expected.keys()]
    faults += [
        f"{name} is {found[name]}, expected {expected[name]}"
        for name in expected.keys() & found.keys()
        if expected[name] != found[name]
    ]
    return "; ".join(sorted(faults)[:5])
