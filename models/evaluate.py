"""Measure a model folder with the service's own code, and write what came out into model.json and CARD.md.

    python models/evaluate.py models/speech-commands-12 DATA_FOLDER [--per-class 20] [--n 1000]

Clean accuracy on the whole test split; then, on `per_class` test clips of every class, certificates at each sigma of
the waveform contract (n0 = 100, alpha = 0.001) and the perturbation geometry of every transform at sigma 0.0025.
The noise seed is fixed and each clip has its own stream, so the figures can be had again.
"""

import argparse
import hashlib
import statistics
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

import datasets
from soundproof.audio.prepare import Prepared, prepare
from soundproof.nets.folder import Model, load
from soundproof.nets.manifest import CARD, Measured, ModelManifest, write_manifest
from soundproof.smoothing.certification import Abstained, Certification, Certified, Geometry
from soundproof.smoothing.contracts import contract_for
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import BoundName, ContractName, Plan, TransformName
from soundproof.smoothing.voting import CHUNK_SAMPLES, vote
from soundproof.stats.radius import snr_db
from soundproof.stats.rounding import format_down, format_up

SIGMAS = (0.0025, 0.02)
GEOMETRY_SIGMA = 0.0025
N0, ALPHA, SEED = 100, 0.001, 1


@dataclass(frozen=True)
class Result:
    """One certified clip."""

    label: str
    outcome: Certified | Abstained
    snr_db: float | None

    def right(self, model: ModelManifest) -> bool:
        return isinstance(self.outcome, Certified) and model.classes[self.outcome.prediction] == self.label


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--per-class", type=int, default=20)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    command = f"python models/evaluate.py {args.folder} DATA_FOLDER --per-class {args.per_class} --n {args.n}"

    model = load(args.folder, args.device)
    manifest = model.manifest
    test = [clip for clip in datasets.speech_commands(args.data) if clip.split == "test"]
    chosen = datasets.balanced(test, manifest.classes, args.per_class)

    clean = clean_accuracy(model, test, args.device)
    spoken = clean_accuracy(model, [clip for clip in test if clip.label != datasets.SILENCE], args.device)
    print(f"clean accuracy {clean:.4f} on {len(test)} clips; {spoken:.4f} without {datasets.SILENCE}", flush=True)
    certified = {}
    for sigma in SIGMAS:
        certified[sigma] = [certify(model, clip, sigma, args.n, args.device) for clip in tqdm(chosen, f"{sigma:g}")]
        print(f"sigma {sigma:g}: {summary(manifest, certified[sigma])}", flush=True)
    geometry = {transform: mean_geometry(model, chosen, transform, args.device) for transform in TransformName}
    for transform, measured in geometry.items():
        print(f"{transform.value}: D_geom {measured.d_geom:.3g}, norm ratio {measured.effective_norm_ratio:.6g}")

    manifest = manifest.model_copy(
        update={
            "measured": Measured(
                split="test",
                clean_accuracy=round(clean, 4),
                clean_clips=len(test),
                positive_radius_accuracy={f"{s:g}": round(accuracy(manifest, r), 4) for s, r in certified.items()},
                certified_clips=len(chosen),
                n0=N0,
                n=args.n,
                alpha=ALPHA,
                command=command,
            )
        }
    )
    write_manifest(args.folder, manifest)
    card = write_card(manifest, spoken, certified, geometry, len(test) - sum(c.label == datasets.SILENCE for c in test))
    (args.folder / CARD).write_text(card)


@torch.inference_mode()
def clean_accuracy(model: Model, clips: list[datasets.Clip], device: str) -> float:
    """The base classifier's accuracy without noise."""
    right = 0
    for clip in tqdm(clips, "clean", leave=False):
        logits = model.classifier.head(
            model.classifier.features(prepared(model, clip).x.float().unsqueeze(0).to(device))
        )
        right += model.manifest.classes[int(logits.argmax())] == clip.label
    return right / len(clips)


def certify(model: Model, clip: datasets.Clip, sigma: float, n: int, device: str) -> Result:
    """One fixed-budget certificate of the waveform contract, as the service computes it."""
    plan = plan_for(model.manifest, clip, ContractName.WAVEFORM, TransformName.FIXED, sigma, n)
    ready = prepared(model, clip).to(device)
    contract = contract_for(plan, model.classifier, ready)
    point = contract.anchor(ready)
    certification = Certification(plan)
    for block in certification.wanted():
        certification.record(block, vote(contract, point, plan, block, CHUNK_SAMPLES[point.device.type]))
    outcome = certification.outcome()
    return Result(
        clip.label, outcome, snr_db(ready.facts.norm, outcome.radius) if isinstance(outcome, Certified) else None
    )


def mean_geometry(model: Model, clips: list[datasets.Clip], transform: TransformName, device: str) -> Geometry:
    """The selection stage's geometry, summed over clips."""
    total = Geometry()
    for clip in tqdm(clips, transform.value, leave=False):
        plan = plan_for(model.manifest, clip, ContractName.POST_PROCESSED, transform, GEOMETRY_SIGMA, 10)
        ready = prepared(model, clip).to(device)
        contract = contract_for(plan, model.classifier, ready)
        point = contract.anchor(ready)
        for block in plan.blocks(Stage.SELECTION)[:1]:
            total += vote(contract, point, plan, block, CHUNK_SAMPLES[point.device.type]).geometry
    return total


def prepared(model: Model, clip: datasets.Clip) -> Prepared:
    manifest = model.manifest
    return prepare(
        clip.read(), sample_rate_hz=manifest.sample_rate_hz, clip_samples=manifest.clip_samples, gain=manifest.gain
    )


def plan_for(  # noqa: PLR0913
    manifest: ModelManifest,
    clip: datasets.Clip,
    contract: ContractName,
    transform: TransformName,
    sigma: float,
    n: int,
) -> Plan:
    return Plan(
        model=manifest.name,
        model_digest=manifest.digest,
        classes=len(manifest.classes),
        contract=contract,
        transform=transform,
        sigma=sigma,
        n0=N0,
        n=n,
        alpha=ALPHA,
        bound=BoundName.CLOPPER_PEARSON,
        seed=SEED,
        clip_sha256=hashlib.sha256(clip.name.encode()).hexdigest(),
    )


def accuracy(manifest: ModelManifest, results: list[Result]) -> float:
    """Positive-radius accuracy: the share of clips whose smoothed prediction is right with a positive radius."""
    return sum(result.right(manifest) for result in results) / len(results)


def median_radius(results: list[Result]) -> float:
    return statistics.median(r.outcome.radius if isinstance(r.outcome, Certified) else 0.0 for r in results)


def median_snr_db(results: list[Result]) -> float:
    """Over the certified clips."""
    return statistics.median(result.snr_db for result in results if result.snr_db is not None)


def summary(manifest: ModelManifest, results: list[Result]) -> str:
    abstained = sum(isinstance(result.outcome, Abstained) for result in results)
    return (
        f"positive-radius accuracy {accuracy(manifest, results):.4f} on {len(results)} clips, "
        f"median radius {format_down(median_radius(results), 5)}, "
        f"median SNR {format_up(median_snr_db(results), 4)} dB, "
        f"{abstained} abstained"
    )


def write_card(
    manifest: ModelManifest,
    spoken: float,
    certified: dict[float, list[Result]],
    geometry: dict[TransformName, Geometry],
    spoken_clips: int,
) -> str:
    """CARD.md: what the model is, what it was measured to do, and what not to read into it."""
    measured = manifest.measured
    assert measured is not None
    without_silence = {
        sigma: [result for result in results if result.label != datasets.SILENCE]
        for sigma, results in certified.items()
    }
    table = "\n".join(
        f"| {sigma:g} | {100 * accuracy(manifest, results):.1f} % "
        f"| {100 * accuracy(manifest, without_silence[sigma]):.1f} % | {format_down(median_radius(results), 5)} "
        f"| {format_up(median_snr_db(results), 4)} |"
        for sigma, results in certified.items()
    )
    per_class = "\n".join(
        f"| {label} | "
        + " | ".join(f"{100 * accuracy(manifest, only(r, label)):.0f} %" for r in certified.values())
        + " |"
        for label in manifest.classes
    )
    shapes = "\n".join(
        f"| {transform.value} | {g.d_geom:.3g} | {g.effective_norm_ratio:.6g} |" for transform, g in geometry.items()
    )
    sigmas = " | ".join(f"sigma {sigma:g}" for sigma in certified)
    return f"""# {manifest.name}, version {manifest.version}

The log-mel CNN of arXiv:2606.04210 for {len(manifest.classes)} classes: {", ".join(manifest.classes)}.
Weights: {manifest.licence}. Trained with the paper's optimizer and schedule ({manifest.training.epochs} epochs, AdamW,
cosine decay), time shifts, masking, class weights and Gaussian waveform noise of standard deviation
{", ".join(f"{s:g}" for s in manifest.training.noise_sigma)} (each clip draws one; 0, so
that exact digital silence is trained on too). Not trained for noise on features, nor evaluated under it.

## Data

{manifest.data}; {manifest.data_licence}. {manifest.training.clips} training clips;
training, validation and test speakers are disjoint. **Not comparable with published Speech Commands figures**: it is a
part of the full set, divided differently.
Train on the full official set with

    python models/train.py models/recipes/speech-commands-12.toml FOLDER_OF_THE_OFFICIAL_ARCHIVE

**Accuracy on `_silence_` is optimistic**: its test clips are cut from the same six long recordings as its training
clips. Figures without it stand beside.

## Measured

With the service's own code, by

    {measured.command}

Clean accuracy of the base classifier on the test split: **{100 * measured.clean_accuracy:.1f} %** of
{measured.clean_clips} clips ({100 * spoken:.1f} % of the {spoken_clips} that are not silence).

Certificates of the waveform contract: n0 = {measured.n0}, n = {measured.n}, alpha = {measured.alpha:g},
{measured.certified_clips} test clips, {measured.certified_clips // len(manifest.classes)} of each class.
Positive-radius accuracy is the share whose smoothed prediction is right with a positive radius; an abstention counts as
radius 0. Where the median radius is the ceiling of n = {measured.n} unanimous votes, more votes would raise it:
it shows the number of votes, not where the model breaks.

| sigma | positive-radius accuracy | without silence | median radius | median SNR dB |
|---|---|---|---|---|
{table}

By class, positive-radius accuracy:

| class | {sigmas} |
|---|{"---|" * len(certified)}
{per_class}

What a transform after the noise does to the perturbation, at sigma {GEOMETRY_SIGMA:g}, {measured.n0} noise samples a
clip:

| transform | D_geom | effective norm ratio |
|---|---|---|
{shapes}

## Not for

Deciding anything about people; words outside the list; clips longer than a second, of which only the middle is heard.
"""


def only(results: list[Result], label: str) -> list[Result]:
    return [result for result in results if result.label == label]


if __name__ == "__main__":
    main()
