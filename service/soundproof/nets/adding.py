"""A model folder from somebody else's file: copied, described, verified, measured, or not made at all."""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from soundproof.errors import ModelRefused
from soundproof.nets import folder as model_folder
from soundproof.nets.card import Speed, card_of
from soundproof.nets.classifier import Classifier
from soundproof.nets.manifest import CARD, MAIN_FILE, MANIFEST, OTHER_FILES, ModelManifest, Space, write_manifest
from soundproof.nets.specs import ExportedSpec, HuggingFaceSpec, OnnxSpec
from soundproof.terms import Gain

MEASURED_BATCH = 32
MEASURED_S = 1.0
# What a Hugging Face folder may hold that would be code, or a pickle, to those who load it carelessly.
CODE = frozenset({".py", ".pyc", ".so", ".dll"})
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5"})


@dataclass(frozen=True, kw_only=True)
class Addition:
    """What the file does not say about itself. `classes` None: as a Hugging Face configuration names them."""

    name: str
    version: str
    classes: tuple[str, ...] | None
    sample_rate_hz: int
    clip_samples: int
    gain: Gain
    sigma: float
    feature_sigma: float | None
    licence: str
    data: str
    data_licence: str


def add_model(source: Path, folder: Path, wanted: Addition, device: str = "cpu") -> str:
    """Make the model folder `folder` from `source`; its card.

    Built beside its place, two levels down, where no service looks for it, and moved there when all is well: on any
    failure nothing is left. Raises ModelRefused for a source that is not taken or that fails a check, pydantic's
    ValidationError for a description that is wrong, FileExistsError for a folder that is there.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; nothing is overwritten.")
    architecture = _format(source)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / folder.name
        made.mkdir()
        files = _copy(source, architecture, made)
        manifest = _described(made, files, architecture, wanted, device)
        write_manifest(made, manifest)
        try:
            model = model_folder.load(made, device)
        except ModelRefused as error:
            raise ModelRefused(error.detail.replace(str(made), str(source)), error.hint) from error
        speed = _speed(model.classifier, model.manifest.clip_samples, torch.device(device))
        card = card_of(model.manifest, made, speed)
        (made / CARD).write_text(card)
        made.rename(folder)
    return card


def _format(source: Path) -> OnnxSpec | ExportedSpec | HuggingFaceSpec:
    if source.is_dir():
        if (source / MANIFEST).exists():
            raise ModelRefused(f"{source} is a model folder already: put it where SOUNDPROOF_MODELS points.")
        if (source / "config.json").exists():
            return HuggingFaceSpec()
    elif source.exists() and not source.is_file():
        raise ModelRefused(f"{source} is not a regular file.")  # a device would be copied without end
    elif source.suffix == ".onnx":
        return OnnxSpec()
    elif source.suffix == ".pt2":
        return ExportedSpec()
    raise ModelRefused(
        f"{source} is no model that can be added.",
        "Taken are a file ending in .onnx or .pt2, and a Hugging Face folder with config.json, "
        "preprocessor_config.json and model.safetensors.",
    )


def _copy(source: Path, architecture: OnnxSpec | ExportedSpec | HuggingFaceSpec, made: Path) -> list[str]:
    """Copy what is loaded, and only that; the names of the files beside the main one."""
    main = MAIN_FILE[architecture.name]
    if not isinstance(architecture, HuggingFaceSpec):
        shutil.copyfile(source, made / main)
        return []
    if code := sorted(path.name for path in source.rglob("*") if path.suffix in CODE):
        raise ModelRefused(
            f"{source} holds code ({', '.join(code[:5])}); no code of a model's own is run.",
            "Only transformers' own audio classifiers are taken. If theirs suffice, remove the code and add it again.",
        )
    others = sorted(OTHER_FILES[architecture.name])
    for name in (main, *others):
        if not (source / name).is_file():
            pickles = sorted(path.name for path in source.iterdir() if path.suffix in PICKLES)
            held = f" It has {', '.join(pickles)}, which is never opened." if pickles else ""
            raise ModelRefused(
                f"{source} has no {name}.{held}",
                'Save both: model.save_pretrained(folder, max_shard_size="1TB"), extractor.save_pretrained(folder).',
            )
        shutil.copyfile(source / name, made / name)
    return others


def _described(
    made: Path,
    files: list[str],
    architecture: OnnxSpec | ExportedSpec | HuggingFaceSpec,
    wanted: Addition,
    device: str,
) -> ModelManifest:
    """The manifest, with the classes and the features' shape that a Hugging Face folder has by itself."""
    contents = {name: (made / name).read_bytes() for name in (MAIN_FILE[architecture.name], *files)}
    classes = wanted.classes
    sigmas: dict[Space, float] = {"waveform": wanted.sigma}
    if isinstance(architecture, HuggingFaceSpec):
        from soundproof.nets import hugging_face  # noqa: PLC0415  (an extra of its own)

        classes = classes or hugging_face.labels(contents["config.json"])
        probed = hugging_face.load(contents, wanted.sample_rate_hz, wanted.clip_samples, torch.device(device))
        if probed.staged:
            probe = torch.zeros(1, wanted.clip_samples, device=device)
            architecture = HuggingFaceSpec(feature_shape=tuple(probed.features(probe).shape[1:]))
            sigmas["feature"] = wanted.feature_sigma or wanted.sigma
    if wanted.feature_sigma is not None and "feature" not in sigmas:
        raise ValueError("--feature-sigma: this model has no features before its classifier; leave it out.")
    if classes is None:
        raise ValueError("--classes is needed: this format does not name them.")
    return ModelManifest(
        name=wanted.name,
        version=wanted.version,
        architecture=architecture,
        classes=classes,
        sample_rate_hz=wanted.sample_rate_hz,
        clip_samples=wanted.clip_samples,
        gain=wanted.gain,
        training=None,
        recommended_sigma=sigmas,
        data=wanted.data,
        data_licence=wanted.data_licence,
        licence=wanted.licence,
        weights_sha256="",  # both written from the files
        files=dict.fromkeys(files, ""),
    )


@torch.inference_mode()
def _speed(classifier: Classifier, clip_samples: int, device: torch.device) -> Speed:
    """Forward passes a second, waveform to logits, over about a second after one batch to warm up."""
    waveforms = torch.randn(MEASURED_BATCH, clip_samples, generator=torch.Generator().manual_seed(0)).to(device)
    classifier.head(classifier.features(waveforms))
    started, passes, elapsed_s = time.perf_counter(), 0, 0.0
    while passes == 0 or elapsed_s < MEASURED_S:
        classifier.head(classifier.features(waveforms)).sum().item()  # waits for the device
        passes += MEASURED_BATCH
        elapsed_s = time.perf_counter() - started
    return Speed(passes / elapsed_s, str(device), torch.get_num_threads())
