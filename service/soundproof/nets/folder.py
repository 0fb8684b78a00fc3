"""A model folder on disk -> a classifier on a device, verified before anything is certified with it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from soundproof.errors import ModelRefused
from soundproof.nets import exported, native
from soundproof.nets.classifier import Classifier
from soundproof.nets.manifest import ModelManifest, read_folder
from soundproof.nets.specs import ExportedSpec, HuggingFaceSpec, OnnxSpec

# Float32 sums differ by their order, which differs with the batch size; anything larger is another clip's doing.
INVARIANCE_TOLERANCE = 1e-3
LEAST_SCALE = 0.1  # of logits: below it they are differences of larger sums, whose rounding shows


@dataclass(frozen=True)
class Model:
    """A verified classifier and its description."""

    manifest: ModelManifest
    classifier: Classifier


def load(folder: Path, device: torch.device | str = "cpu") -> Model:
    """Load and verify the model of `folder`, ready to run on `device`.

    ModelRefused names what is wrong: the manifest, a digest, a file that its format's loader does not take, a library
    that is not installed, or what `verify` finds.
    """
    device = torch.device(device)
    manifest, contents = read_folder(folder)  # the very bytes that were hashed are those that are loaded
    try:
        model = Model(manifest, classifier_of(manifest, contents, device))
        verify(model, device)
    except ModelRefused as error:
        raise ModelRefused(f"{folder}: {error.detail}", error.hint) from error
    return model


def classifier_of(manifest: ModelManifest, contents: dict[str, bytes], device: torch.device) -> Classifier:
    """The classifier that the files' contents hold, not yet verified. ModelRefused as the format's loader raises it."""
    weights = contents[manifest.main_file]
    match manifest.architecture:
        case OnnxSpec():
            from soundproof.nets import onnx_file  # noqa: PLC0415  (an extra of its own)

            return onnx_file.load(weights, manifest.clip_samples, len(manifest.classes), device)
        case ExportedSpec():
            return exported.load(weights, manifest.clip_samples, device)
        case HuggingFaceSpec():
            from soundproof.nets import hugging_face  # noqa: PLC0415  (an extra of its own)

            return hugging_face.load(contents, manifest.sample_rate_hz, manifest.clip_samples, device)
        case _:
            return native.load(manifest, weights, device)


@torch.inference_mode()
def verify(model: Model, device: torch.device | str = "cpu") -> None:
    """Hold a classifier to what certification needs of it; ModelRefused says which promise it breaks.

    It takes clips of the manifest's length, has the features and classes that the manifest says, answers finite
    logits, the same ones for the same batch bit for bit, and each clip's own whatever else is in the batch.
    """
    generator = torch.Generator().manual_seed(0)
    # Levels far apart, so that anything taken over the whole batch shows in the quiet clips.
    levels = torch.tensor([1.0, 1e-3, 30.0, 0.1]).unsqueeze(1)
    waveforms = levels * torch.randn(4, model.manifest.clip_samples, generator=generator)
    waveforms = waveforms.to(device)
    try:
        features = model.classifier.features(waveforms)
        logits = model.classifier.head(features)
    except (torch.OutOfMemoryError, torch.AcceleratorError, MemoryError):
        raise  # the device's fault, not the model's
    except Exception as error:  # whatever the format's own library raises
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
    if not torch.equal(model.classifier.head(model.classifier.features(waveforms)), logits):
        raise ModelRefused(
            "the same clips get other logits when they are asked about again.",
            "The classifier must be a function of its input: no dropout, no random numbers, no state.",
        )
    for i in range(4):
        alone = model.classifier.head(model.classifier.features(waveforms[i : i + 1]))[0]
        scale = max(LEAST_SCALE, float(logits[i].abs().max()))
        if float((alone - logits[i]).abs().max()) > INVARIANCE_TOLERANCE * scale:
            raise ModelRefused(
                "a clip's logits depend on the other clips of its batch.",
                "Votes must be independent: nothing in a network may look across the batch.",
            )
