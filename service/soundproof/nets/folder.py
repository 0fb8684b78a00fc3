"""A model folder on disk -> a classifier on a device, verified before anything is certified with it."""

import math
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch

from soundproof.errors import ModelRefused
from soundproof.nets import exported, native
from soundproof.nets.chunk import MOST_CLIPS, MOST_CLIPS_OF_OUR_OWN, chunk_clips, chunk_sizes
from soundproof.nets.classifier import Classifier, LogMelCnn
from soundproof.nets.manifest import ModelManifest, read_folder
from soundproof.nets.specs import CnnSpec, ExportedSpec, HuggingFaceSpec, LinearSpec, OnnxSpec
from soundproof.terms import Precision

# Sums differ by their order, which differs with the batch size; anything larger is another clip's doing.
INVARIANCE_TOLERANCE = {Precision.FLOAT32: 1e-3, Precision.BFLOAT16: 5e-2}
LEAST_SCALE = 0.1  # of logits: below it they are differences of larger sums, whose rounding shows
# Of the probe's clips, far apart, so that anything taken over the whole batch shows in the quiet ones.
LEVELS = torch.tensor([1.0, 1e-3, 30.0, 0.1]).unsqueeze(1)
LOUD = 30.0


@dataclass(frozen=True)
class Model:
    """A verified classifier and its description."""

    manifest: ModelManifest
    classifier: Classifier
    precision: Precision = Precision.FLOAT32

    @property
    def backend(self) -> str:
        """What computes it: libraries and their versions."""
        libraries = ["onnxruntime" if isinstance(self.manifest.architecture, OnnxSpec) else "torch"]
        if isinstance(self.classifier, LogMelCnn) and self.classifier.ncnn:
            libraries.append("ncnn")  # behind torch's front end
        return ", ".join(f"{library} {version(library)}" for library in libraries)

    def most_clips(self, device: torch.device) -> int:
        """Forward passes at a time."""
        ours = isinstance(self.manifest.architecture, CnnSpec | LinearSpec)
        return (MOST_CLIPS_OF_OUR_OWN if ours else MOST_CLIPS)[device.type]


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


def at(model: Model, precision: Precision, device: torch.device) -> Model:
    """A loaded model in that precision, verified again; ModelRefused where it does not keep its promises."""
    if not isinstance(model.classifier, LogMelCnn):
        raise ModelRefused(f"it cannot compute in {precision.value}.")
    other = replace(model, classifier=model.classifier.at(precision), precision=precision)
    verify(other, device)
    return other


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
    logits, the same ones for the same batch bit for bit, and each clip's own whatever else is in the batch. A probe,
    not a proof: what a network does with clips that are not tried here is its own.
    """
    device, manifest = torch.device(device), model.manifest
    waveforms = (LEVELS * _noise(len(LEVELS), manifest.clip_samples, seed=0)).to(device)
    features, logits = _answer(model, waveforms)
    if features.shape[1:] != manifest.feature_shape:
        raise ModelRefused(
            f"features have shape {tuple(features.shape[1:])}, the manifest says {manifest.feature_shape}."
        )
    classes = len(manifest.classes)
    if logits.shape != (len(LEVELS), classes):
        raise ModelRefused(f"the network answers {logits.shape[-1]} classes, the manifest names {classes}.")
    if not logits.is_floating_point():
        raise ModelRefused(f"the network answers {logits.dtype} where logits are floating-point numbers.")
    if not logits.isfinite().all():
        raise ModelRefused("the network's logits on a probe are not finite.")
    if not torch.equal(_answer(model, waveforms)[1], logits):
        raise ModelRefused(
            "the same clips get other logits when they are asked about again.",
            "The classifier must be a function of its input: no dropout, no random numbers, no state.",
        )
    alone = torch.cat([_answer(model, clip)[1] for clip in torch.split(waveforms, 1)])
    if ((alone - logits).abs() > _rounding(logits, model.precision)).any():
        raise _dependent()
    most = model.most_clips(device)
    sizes = chunk_sizes(chunk_clips(device, manifest.clip_samples, most))
    if manifest.has_features:
        sizes |= chunk_sizes(chunk_clips(device, math.prod(manifest.feature_shape), most))
    for size in sorted(sizes):
        hold_to_independence(model, device, size)


@torch.inference_mode()
def hold_to_independence(model: Model, device: torch.device, size: int) -> None:
    """ModelRefused if, in a batch of just this size, a clip's logits change when others do, or when it changes its
    place. Votes are taken in such batches, so this is what makes them independent. On a CPU to the last bit."""
    clips, others = (_noise(size, model.manifest.clip_samples, seed=seed).to(device) for seed in (1, 2))
    logits = _answer(model, clips)[1]
    order = torch.randperm(size, generator=torch.Generator().manual_seed(3)).to(device)
    differences = [_answer(model, clips[order])[1] - logits[order]]
    for kept in (slice(0, size, 2), slice(1, size, 2)):
        mixed = LOUD * others
        mixed[kept] = clips[kept]
        differences.append(_answer(model, mixed)[1][kept] - logits[kept])
    tolerance = torch.zeros_like(logits[:1]) if device.type == "cpu" else _rounding(logits, model.precision)
    if any((difference.abs() > tolerance).any() for difference in differences):
        raise _dependent()


def _answer(model: Model, waveforms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(batch, time) on the device -> (features, logits). ModelRefused where the network cannot take it."""
    try:
        features = model.classifier.features(waveforms)
        return features, model.classifier.head(features)
    except (torch.OutOfMemoryError, torch.AcceleratorError, MemoryError):
        raise  # the device's fault, not the model's
    except Exception as error:  # whatever the format's own library raises
        reason = str(error).partition("\n")[0]
        raise ModelRefused(f"the network cannot take {_of(waveforms)}: {reason}.") from error


def _of(waveforms: torch.Tensor) -> str:
    clips, length = waveforms.shape
    return f"a clip of {length} samples" if clips <= len(LEVELS) else f"a batch of {clips} clips of {length} samples"


def _noise(clips: int, samples: int, seed: int) -> torch.Tensor:
    return torch.randn(clips, samples, generator=torch.Generator().manual_seed(seed))


def _rounding(logits: torch.Tensor, precision: Precision) -> torch.Tensor:
    """(1, classes): what sums in another order may differ by, beside how far a class's logits differ between
    clips. A constant added to them all, or a class masked away, widens nothing."""
    ranges = logits.amax(0, keepdim=True) - logits.amin(0, keepdim=True)
    last_places = 16 * torch.finfo(torch.float32).eps * logits.abs().amax(0, keepdim=True)
    return INVARIANCE_TOLERANCE[precision] * ranges.clamp_min(LEAST_SCALE) + last_places


def _dependent() -> ModelRefused:
    return ModelRefused(
        "a clip's logits depend on the other clips of its batch.",
        "Votes must be independent: nothing in a network may look across the batch.",
    )
