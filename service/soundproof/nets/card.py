"""CARD.md of a model that was added: what is known of it, what was checked, and what was not measured."""

from dataclasses import dataclass
from pathlib import Path

from soundproof.nets.manifest import ModelManifest

FORMATS = {
    "onnx": "ONNX",
    "torch-export": "torch.export program",
    "hugging-face": "Hugging Face audio classifier",
}
# Of a request that names none: n0 + n.
DEFAULT_VOTES = 100 + 10_000


@dataclass(frozen=True)
class Speed:
    """Forward passes a second, from waveform to logits, on `device` with `threads` CPU threads."""

    passes_per_second: float
    device: str
    threads: int


def card_of(manifest: ModelManifest, folder: Path, speed: Speed) -> str:
    """Markdown. `folder`: where the files are, for their sizes."""
    files = {manifest.main_file: manifest.weights_sha256, **manifest.files}
    rows = {
        "format": FORMATS[manifest.architecture.name],
        "input": f"{manifest.clip_samples} samples at {manifest.sample_rate_hz} Hz, {_gain(manifest)}",
        "classes": f"{len(manifest.classes)}: {', '.join(manifest.classes)}",
        "contracts": "waveform, post_processed"
        + (f", feature ({' x '.join(map(str, manifest.feature_shape))})" if manifest.has_features else ""),
        "default sigma": ", ".join(f"{space} {sigma:g}" for space, sigma in manifest.recommended_sigma.items()),
        "licence": manifest.licence,
        "data": f"{manifest.data}; licence: {manifest.data_licence}",
        "digest": manifest.digest,
    }
    table = "\n".join(f"| {key} | {_cell(value)} |" for key, value in rows.items())
    listed = "\n".join(f"| {name} | {(folder / name).stat().st_size} | {digest} |" for name, digest in files.items())
    shape = f"(4, {manifest.clip_samples}) to logits (4, {len(manifest.classes)})"
    return f"""# {manifest.name}, version {manifest.version}

Added with `soundproof models add`; how its weights were made is not known here.

| | |
|---|---|
{table}

| file | bytes | SHA-256 |
|---|---|---|
{listed}

## Checked

* The digests above, at every load: a file that changes is refused.
* Nothing was unpickled and no code of the model's own was run.
* {shape}, finite, on white noise of four levels from 0.001 to 30.
* The same batch twice: the same logits, bit for bit.
* Each clip alone and among the others: the same logits, so votes are independent.

## Speed

{speed.passes_per_second:.0f} forward passes a second on {speed.device} ({speed.threads} CPU threads), measured where
it was added: about {DEFAULT_VOTES / speed.passes_per_second:.0f} s for a default request of {DEFAULT_VOTES} votes.

## Not measured

**Accuracy: none, with or without noise.** No recording was classified, so nothing here says that an answer is right,
nor that the classes are in the right order. Whether it was trained with noise is not known either; a model that was
not abstains or errs at sigmas at which others certify. Certify recordings with a known `label` before relying on it.
"""


def _gain(manifest: ModelManifest) -> str:
    target = manifest.gain.target
    return f"gain {manifest.gain.policy.value}" + ("" if target is None else f" to {target:g}")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
