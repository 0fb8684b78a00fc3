"""A model folder on disk -> a classifier on a device, verified before anything is certified with it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from torch import nn

from soundproof.errors import ModelRefused
from soundproof.nets.classifier import Classifier, Linear, LogMelCnn
from soundproof.nets.manifest import WEIGHTS, ModelManifest, read_folder
from soundproof.nets.specs import CnnSpec

# Float32 sums differ by their order, which differs with the batch size; anything larger is another clip's doing.
INVARIANCE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Model:
    """A verified classifier and its description."""

    manifest: ModelManifest
    classifier: Classifier


def load(folder: Path, device: torch.device | str = "cpu") -> Model:
    """Load, verify and optimize the model of `folder`.

    ModelRefused names what is wrong: the manifest, the digest, the weights' names, shapes or types, values that are
    not finite, a network that no clip fits through, the number of classes, logits that are not finite, or logits that
    depend on the rest of the batch.
    """
    manifest, content = read_folder(folder)  # the very bytes that were hashed are those that are loaded
    network = _build(manifest)
    try:
        weights = parse(content)
    except SafetensorError as error:
        raise ModelRefused(f"{folder}: {WEIGHTS} is not a safetensors file ({error}).") from error
    # The front end has no weights of its own: its window and filters follow from the manifest.
    target: nn.Module = network.cnn if isinstance(network, LogMelCnn) else network
    expected = {name: _kind(tensor) for name, tensor in target.state_dict().items()}
    found = {name: _kind(tensor) for name, tensor in weights.items()}
    if expected != found:
        raise ModelRefused(f"{folder}: the tensors in {WEIGHTS} do not fit: {_difference(expected, found)}.")
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values() if tensor.is_floating_point()):
        raise ModelRefused(f"{folder}: {WEIGHTS} holds values that are not finite.")
    target.load_state_dict(weights)
    network.optimize()
    network.to(device)
    model = Model(manifest, network)
    try:
        verify(model, device)
    except ModelRefused as error:
        raise ModelRefused(f"{folder}: {error.detail}", error.hint) from error
    return model


@torch.inference_mode()
def verify(model: Model, device: torch.device | str = "cpu") -> None:
    """Hold a classifier to what certification needs of it; ModelRefused says which promise it breaks."""
    generator = torch.Generator().manual_seed(0)
    # Levels far apart, so that anything taken over the whole batch shows in the quiet clips.
    levels = torch.tensor([1.0, 1e-3, 30.0, 0.1]).unsqueeze(1)
    waveforms = levels * torch.randn(4, model.manifest.clip_samples, generator=generator)
    waveforms = waveforms.to(device)
    try:
        features = model.classifier.features(waveforms)
        logits = model.classifier.head(features)
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise  # the device's fault, not the model's
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        length = model.manifest.clip_samples
        raise ModelRefused(f"the network cannot take a clip of {length} samples: {reason}.") from error
    if features.shape[1:] != model.manifest.feature_shape:
        raise ModelRefused(
            f"features have shape {tuple(features.shape[1:])}, the manifest says {model.manifest.feature_shape}."
        )
    classes = len(model.manifest.classes)
    if logits.shape != (4, classes):
        raise ModelRefused(f"the network answers {logits.shape[-1]} classes, the manifest names {classes}.")
    if not logits.isfinite().all():
        raise ModelRefused("the network's logits on a probe are not finite.")
    for i in range(4):
        alone = model.classifier.head(model.classifier.features(waveforms[i : i + 1]))[0]
        scale = max(1.0, float(logits[i].abs().max()))
        if float((alone - logits[i]).abs().max()) > INVARIANCE_TOLERANCE * scale:
            raise ModelRefused(
                "a clip's logits depend on the other clips of its batch.",
                "Votes must be independent: nothing in a network may look across the batch.",
            )


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
