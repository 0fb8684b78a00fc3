"""How time and memory grow: with the votes, with the clip, with the requests at once."""

import statistics
import sys
import threading
import time
from dataclasses import replace

import psutil
from tests.bench.case import MIB, MODEL, MODELS, Case, Outcome
from tests.bench.contender import APART, ART, OURS, Contender, Service

from soundproof.nets.manifest import read_manifest

VOTES = (0.1, 0.3, 1.0)  # times n
SHARE = 5  # longer clips and requests at once are measured with so many times fewer votes each
LENGTHS = (MODEL, "esc-10")
AT_ONCE = (1, 2, 4, 8)
LEAST_SHARE = 0.95  # of one stream's samples/s, that eight of them together must have
ART_BYTES = 16  # for each sample of each noised clip: float64 noise, and three float32 copies less what is freed


def print_all(started: dict[str, Contender], case: Case, repeats: int) -> None:
    loops = {name: contender for name, contender in started.items() if name not in APART}
    votes = [replace(case, n=round(times * case.n)) for times in VOTES]
    print(f"Against the votes ({MODEL}): seconds, peak MiB\n")
    print_cases(loops, [(f"n {one.n}", one) for one in votes], repeats)
    few = replace(case, n=case.n // SHARE)
    lengths = [(length(model), replace(few, model=model)) for model in LENGTHS]
    print(f"Against the clip's length, n {few.n}, the same architecture; the clip is padded: seconds, peak MiB\n")
    print_cases(loops, lengths, repeats)
    ours = started.get(OURS)
    if isinstance(ours, Service):
        print_at_once(ours, few, repeats)


def length(model: str) -> str:
    manifest = read_manifest(MODELS / model)
    return f"{manifest.clip_samples / manifest.sample_rate_hz:g} s ({model})"


def print_cases(contenders: dict[str, Contender], cases: list[tuple[str, Case]], repeats: int) -> None:
    """Rounds in which all take turns; from few votes to many, since memory that was had is not always given back."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for turn in range(repeats):
        for caption, case in cases:
            for name, contender in contenders.items():
                if name == ART and not has_room(case):
                    continue
                outcome = contender.certify(replace(case, seed=turn))
                print(f"{caption}, {name}: {outcome.seconds:.2f} s", file=sys.stderr, flush=True)
                found.setdefault((caption, name), []).append(outcome)
    print(f"| | {' | '.join(contenders)} |\n|---|{'---|' * len(contenders)}")
    for caption, _ in cases:
        print(f"| {caption} | {' | '.join(cell(found.get((caption, name), [])) for name in contenders)} |")
    print(flush=True)


def cell(outcomes: list[Outcome]) -> str:
    if not outcomes:
        return "left out: not enough memory"
    seconds = statistics.median(outcome.seconds for outcome in outcomes)
    return f"{seconds:.2f} s, {max(outcome.peak_mib for outcome in outcomes):.0f} MiB"


def has_room(case: Case) -> bool:
    """Whether the noise of all votes at once fits into what the machine has free, with a GiB to spare."""
    needed = ART_BYTES * case.n * read_manifest(MODELS / case.model).clip_samples
    return psutil.virtual_memory().available > needed + 1024 * MIB


def print_at_once(ours: Service, case: Case, repeats: int) -> None:
    """The same requests, so many of them at a time."""
    requests = max(AT_ONCE)
    speeds: dict[int, list[float]] = {count: [] for count in AT_ONCE}
    for turn in range(repeats):
        for count in AT_ONCE if turn % 2 == 0 else AT_ONCE[::-1]:
            cases = [replace(case, seed=100 * turn + number) for number in range(requests)]
            speeds[count].append(requests * (case.n0 + case.n) / together(ours, cases, count))
            print(f"{count} at once: {speeds[count][-1]:.0f} samples/s", file=sys.stderr, flush=True)
    print(f"Against the requests at once ({requests} of n {case.n} in all; {LEAST_SHARE} asked for with {requests}):\n")
    print("| at once | samples/s | of one stream's |\n|---|---|---|")
    for count, found in speeds.items():
        share = statistics.median(now / alone for now, alone in zip(found, speeds[1], strict=True))
        print(f"| {count} | {statistics.median(found):.0f} | {share:.3f} |")
    print(flush=True)


def together(ours: Service, cases: list[Case], streams: int) -> float:
    """Seconds until the last answer, each stream sending its next request when it has the answer to the one before."""
    faults: list[Exception] = []

    def send(stream: int) -> None:
        try:
            for case in cases[stream::streams]:
                ours.answer(case)
        except Exception as fault:  # raised again below, where it is seen
            faults.append(fault)

    threads = [threading.Thread(target=send, args=(stream,)) for stream in range(streams)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return time.perf_counter() - started
