"""Pick from what a fuzzer has found the inputs worth committing: the smallest that together reach all that all reach.

    python -m tests.fuzz.distil wav FOLDER/wav

An input is added to the corpus where it runs from one line to another of the service that no smaller one has run.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.target import LONGEST, Target, target

WATCHED = "/soundproof/"
# Of one input that is committed, and of all that are added to one target.
MOST_BYTES, MOST_ADDED_BYTES = 4096, 12_000

# file, line before, line
Step = tuple[str, int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=list(LONGEST))
    parser.add_argument("found", type=Path, help="the fuzzer's folder of that target")
    chosen = parser.parse_args()
    added = distil(target(chosen.target), chosen.found.iterdir())
    print(f"{len(added)} inputs, {sum(path.stat().st_size for path in added)} bytes")


def distil(chosen: Target, found: Iterable[Path]) -> list[Path]:
    """The files added to the corpus."""
    known: set[Step] = set()
    for path in chosen.inputs:
        known |= steps(chosen, path.read_bytes())
    added: list[Path] = []
    size = 0
    for path in sorted(found, key=lambda each: (each.stat().st_size, each.name)):
        data = path.read_bytes()
        if len(data) > MOST_BYTES or size + len(data) > MOST_ADDED_BYTES:
            break
        new = steps(chosen, data) - known
        if new:
            known |= new
            size += len(data)
            added.append(chosen.corpus / hashlib.sha256(data).hexdigest()[:16])
            added[-1].write_bytes(data)
    return added


def steps(chosen: Target, data: bytes) -> set[Step]:
    """From which line to which a check runs, in the service's own files."""
    seen: set[Step] = set()
    before: dict[int, int] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if WATCHED not in frame.f_code.co_filename:
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, before.get(id(frame), 0), frame.f_lineno))
            before[id(frame)] = frame.f_lineno
        return trace

    sys.settrace(trace)
    try:
        chosen.check(data)
    finally:
        sys.settrace(None)
    return seen


if __name__ == "__main__":
    main()
