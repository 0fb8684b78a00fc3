"""How many votes a gate takes on real clips, and how long.

    PYTHONPATH=models python -m tests.bench.gate --data DATA [--clips 60]

DATA: Speech Commands in either layout that models/speech_commands.py reads. The bundled model, sigma 0.02, at most
10,000 votes; clips of the test split, as many of every class, chosen by a hash of their names. One process, one thread.
Prints Markdown; nothing here asserts.
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch

import speech_commands
from clips import Clip, balanced
from soundproof.audio.prepare import prepare
from soundproof.nets.folder import Model, load
from soundproof.smoothing.certification import Certification
from soundproof.smoothing.contracts import contract_for
from soundproof.smoothing.gated import Verdict, question_of
from soundproof.smoothing.plan import BoundName, ContractName, Plan, TransformName
from soundproof.smoothing.voting import vote_all

MODEL = Path(__file__).parents[2] / "models" / "speech-commands-12"
N0, N, ALPHA, SIGMA = 100, 10_000, 0.001, 0.02
# At RMS 1 and one second: radii of about 1 and 2 sigmas, 0.02 and 0.04.
TARGETS_DB = (76.03, 70.0)


@dataclass(frozen=True)
class Asked:
    """What a gate answered about one clip."""

    verdict: Verdict
    is_right: bool
    votes: int
    reach: float  # the target radius in sigmas
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load(MODEL)
    every = speech_commands.read(options.data)
    if every is None:
        parser.error(f"{options.data} has neither layout of Speech Commands")
    classes = model.manifest.classes
    chosen = balanced([clip for clip in every if clip.split == "test"], classes, -(-options.clips // len(classes)))
    print("| target, dB | r, sigmas | clips | verdict | of these right | mean votes | median | most | mean seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for target in TARGETS_DB:
        found = [ask(model, clip, target) for clip in chosen[: options.clips]]
        for name, of_kind in [("all", found), *((v.value, [a for a in found if a.verdict is v]) for v in Verdict)]:
            if of_kind:
                print(f"| {target:g} | {found[0].reach:.3f} | {len(of_kind)} | {name} | {described(of_kind)} |")


def described(asked: list[Asked]) -> str:
    votes = [each.votes for each in asked]
    right = sum(each.is_right for each in asked)
    seconds = statistics.mean(each.seconds for each in asked)
    return f"{right} | {statistics.mean(votes):.0f} | {statistics.median(votes):.0f} | {max(votes)} | {seconds:.2f}"


def ask(model: Model, clip: Clip, target_snr_db: float) -> Asked:
    started = time.perf_counter()
    manifest, waveform = model.manifest, clip.read()
    ready = prepare(
        waveform, sample_rate_hz=manifest.sample_rate_hz, clip_samples=manifest.clip_samples, gain=manifest.gain
    )
    plan = Plan(
        model=manifest.name,
        model_digest=manifest.digest,
        classes=len(manifest.classes),
        contract=ContractName.WAVEFORM,
        transform=TransformName.FIXED,
        sigma=SIGMA,
        n0=N0,
        n=N,
        alpha=ALPHA,
        bound=BoundName.CLOPPER_PEARSON,
        seed=1,
        clip_sha256=waveform.digest,
        dimension=manifest.clip_samples,
        target_snr_db=target_snr_db,
    )
    question = question_of(plan, ready.facts.norm)
    assert question is not None
    contract = contract_for(plan, model.classifier, ready)
    point = contract.anchor(ready)
    certification = Certification(plan)
    certification.ask(question)
    while wanted := certification.wanted():
        votes = vote_all(contract, point, plan, wanted, model.most_clips(point.device))
        for block, counted in zip(wanted, votes, strict=True):
            certification.record(block, counted)
    outcome = certification.outcome()
    assert outcome.answer is not None
    selection = outcome.tally.selection
    return Asked(
        verdict=outcome.answer.verdict,
        is_right=manifest.classes[selection.index(max(selection))] == clip.label,
        votes=outcome.tally.used,
        reach=question.target_radius / SIGMA,
        seconds=time.perf_counter() - started,
    )


if __name__ == "__main__":
    main()
