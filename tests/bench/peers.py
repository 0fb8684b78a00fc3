"""The service beside what else one would certify with: the same model, clip, votes, alpha, sigma and machine.

    make bench-peers        (python -m tests.bench.peers [--n 10000] [--repeats 3] [--only ours,art] [--scaling])

Each contender is a process of its own, started once and warmed up. They take turns, and the order shifts with every
round, so that what else the machine does falls on all of them; medians. Prints Markdown; nothing here asserts.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import distributions

import httpx
from tests.bench import agreement, scaling
from tests.bench.case import ALPHA, MODEL, N0, SIGMA, Case, N, Outcome
from tests.bench.contender import (
    APART,
    ART,
    COHEN,
    GATE,
    LOOPS,
    NAMES,
    OURS,
    PEERS,
    ROUNDED,
    Contender,
    contenders,
    loop,
)
from tests.bench.machine import described

# Noise samples that a loop's network may be given at a time; ART runs with the fastest of them.
BATCHES = (32, 100, 128, 1000)
COHEN_BATCH = 100
WARM = 1000  # votes, at most, before anything is measured
GATE_RADIUS = 2.0  # in sigmas
SPLIT_SIGMA = 0.35  # where this clip's votes are divided, so that agreement means something
SPLIT_SHARE, LEAST_SPLIT = 5, 500  # a check there has so many times fewer votes, but at least so many
CAPTIONS = {
    OURS: "Soundproof, over HTTP",
    ROUNDED: "Soundproof in bfloat16, over HTTP",
    GATE: f"Soundproof, gate at R = {GATE_RADIUS:g} sigma, over HTTP",
    ART: "ART",
    COHEN: "Cohen-style loop",
}
# What the project asks of itself, at n = 10,000 on a CPU: times faster, and the share of the memory.
FASTER = ((ART, OURS, 4.5), (COHEN, OURS, 3.5), (ART, ROUNDED, 4.5), (COHEN, ROUNDED, 3.5), (ART, GATE, 60.0))
MEMORY_SHARE = 1 / 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=N, help="estimation votes of each certificate")
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    parser.add_argument("--only", default=",".join(NAMES), help=f"contenders, of {', '.join(NAMES)}")
    parser.add_argument("--art-batch", type=int, choices=BATCHES, help="ART's batch; default: the fastest, by trial")
    parser.add_argument("--cohen-batch", type=int, choices=BATCHES, default=COHEN_BATCH, help="that of the plain loop")
    parser.add_argument("--scaling", action="store_true", help="instead: against votes, clip length, requests at once")
    options = parser.parse_args()
    names = tuple(name for name in NAMES if name in options.only.split(","))
    if set(names) != set(options.only.split(",")) or not (20 <= options.n <= 100_000 and 1 <= options.repeats <= 100):
        parser.error("--only takes names of contenders, --n 20 to 100000, --repeats 1 to 100")
    print(f"{described()}{with_art(names)}\n")
    print(f"{MODEL}, yes.wav, n0 {N0}, n {options.n}, alpha {ALPHA:g}, sigma {SIGMA:g}; {options.repeats} rounds\n")
    case = Case(n=options.n)
    batches = {ART: options.art_batch or 0, COHEN: options.cohen_batch}
    if ART in names and not batches[ART]:
        batches[ART] = fastest_batch(replace(case, n=min(case.n, WARM)), names)
    with contenders(names, batches) as started:
        for name in warmed(started, case):
            del started[name]
        if options.scaling:
            scaling.print_all(started, case, options.repeats)
            return
        outcomes = rounds(started, case, options.repeats)
        print_contenders(outcomes, batches)
        print_ratios(outcomes)
        certain = {CAPTIONS[name]: found for name, found in outcomes.items() if name not in APART}
        print_agreement(case, certain)
        split = replace(case, sigma=SPLIT_SIGMA, n=max(case.n // SPLIT_SHARE, LEAST_SPLIT))
        print_agreement(split, {CAPTIONS[n]: [ask(n, c, split)] for n, c in started.items() if n not in APART})


def with_art(names: Sequence[str]) -> str:
    if ART not in names:
        return ""
    for art in distributions(name="adversarial-robustness-toolbox", path=[str(PEERS)]):
        return f"; ART {art.version}"
    raise SystemExit(f"ART is not installed in {PEERS}: make bench-peers")


def fastest_batch(case: Case, names: Sequence[str]) -> int:
    """ART's, after a table of the loops' votes a second by batch: the better of two turns."""
    print(f"| votes a second at n {case.n}, by batch | {' | '.join(map(str, BATCHES))} |\n|---|{'---|' * len(BATCHES)}")
    fastest = 0
    for name in LOOPS:
        if name in names:
            speeds = dict.fromkeys(BATCHES, 0.0)
            with loop(name, BATCHES[0]) as contender:
                contender.certify(case)
                for contender.batch in BATCHES * 2:
                    outcome = contender.certify(case)
                    speeds[contender.batch] = max(speeds[contender.batch], outcome.votes / outcome.seconds)
            print(f"| {CAPTIONS[name]} | {' | '.join(f'{speed:.0f}' for speed in speeds.values())} |")
            fastest = max(speeds, key=speeds.__getitem__) if name == ART else fastest
    print(flush=True)
    return fastest


def ask(name: str, contender: Contender, case: Case) -> Outcome:
    """The outcome of `case`; from the gate, whether the clip holds at GATE_RADIUS, which takes some votes to tell."""
    if name == ROUNDED:
        case = replace(case, precision="bfloat16")
    if name == GATE:
        case = replace(
            case, n=max(case.n, WARM), target_snr_db=20 * math.log10(math.sqrt(16_000) / (GATE_RADIUS * case.sigma))
        )
    outcome = contender.certify(case)
    print(f"{name}: {outcome.votes} votes, {outcome.seconds:.2f} s", file=sys.stderr, flush=True)
    return outcome


def warmed(started: dict[str, Contender], case: Case) -> list[str]:
    """Touch all memory once; the names of those that cannot do what is asked, after saying why."""
    unable = []
    for name, contender in started.items():
        try:
            ask(name, contender, replace(case, n=min(case.n, WARM), seed=1_000_000))
        except httpx.HTTPStatusError as error:
            print(f"{CAPTIONS[name]}: {error.response.status_code} {error.response.text}\n")
            unable.append(name)
    return unable


def rounds(started: dict[str, Contender], case: Case, repeats: int) -> dict[str, list[Outcome]]:
    outcomes: dict[str, list[Outcome]] = {name: [] for name in started}
    order = list(started)
    for turn in range(repeats):
        for name in order:
            outcomes[name].append(ask(name, started[name], replace(case, seed=turn)))
        order = order[1:] + order[:1]
    return outcomes


def print_contenders(outcomes: dict[str, list[Outcome]], batches: dict[str, int]) -> None:
    print("Of cores: what all threads computed, which a busy machine stretches less than what a clock shows.\n")
    print(
        "| contender | seconds a certificate (least, most) | of cores | samples/s | peak memory, MiB | radius | votes |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, found in outcomes.items():
        caption = f"{CAPTIONS[name]}, batches of {batches[name]}" if name in batches else CAPTIONS[name]
        seconds = sorted(outcome.seconds for outcome in found)
        computed = statistics.median(outcome.cpu_s for outcome in found)
        speed = statistics.median(outcome.votes / outcome.seconds for outcome in found)
        peak = max(outcome.peak_mib for outcome in found)
        radii = ", ".join(unique("abstained" if o.radius is None else f"{o.radius:.6f}" for o in found))
        votes = ", ".join(unique(f"{outcome.count}/{outcome.n}" for outcome in found))
        spread = f"{statistics.median(seconds):.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f})"
        print(f"| {caption} | {spread} | {computed:.2f} | {speed:.0f} | {peak:.0f} | {radii} | {votes} |")
    print(flush=True)


def print_ratios(outcomes: dict[str, list[Outcome]]) -> None:
    """Each the median over the rounds of the ratio within a round, whose turns lie close together in time."""
    if ART not in outcomes and COHEN not in outcomes:
        return
    print("| ratio | measured | by cores | asked for at n 10000 |\n|---|---|---|---|")
    for peer, name, least in FASTER:
        if {peer, name} <= set(outcomes):
            pairs = list(zip(outcomes[peer], outcomes[name], strict=True))
            times = statistics.median(theirs.seconds / ours.seconds for theirs, ours in pairs)
            computed = statistics.median(theirs.cpu_s / ours.cpu_s for theirs, ours in pairs)
            what = f"{CAPTIONS[name]}: times faster than {CAPTIONS[peer]}"
            print(f"| {what} | {times:.2f} | {computed:.2f} | {least:g} or more |")
    if {ART, OURS} <= set(outcomes):
        ours, theirs = (max(outcome.peak_mib for outcome in outcomes[name]) for name in (OURS, ART))
        share = f"{MEMORY_SHARE:.3f} or less"
        print(f"| {CAPTIONS[OURS]}: share of the peak memory of {CAPTIONS[ART]} | {ours / theirs:.3f} | | {share} |")
    print(flush=True)


def print_agreement(case: Case, outcomes: Mapping[str, Sequence[Outcome]]) -> None:
    if len(outcomes) > 1:
        print(f"At sigma {case.sigma:g}, n {case.n} a round:\n")
        print("\n".join(agreement.compared(case, outcomes)), end="\n\n", flush=True)


def unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


if __name__ == "__main__":
    main()
