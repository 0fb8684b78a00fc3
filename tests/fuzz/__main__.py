"""Let a coverage-guided fuzzer (atheris, libFuzzer) loose on one target, or on all of them in turn.

    python -m tests.fuzz wav --seconds 60
    python -m tests.fuzz all --seconds 60 --found FOLDER

Starts from the committed corpus and ends with 1 at the first broken promise; the input is then in --found as crash-...,
slow-unit-... or oom-.... Inputs that reached something new are left in --found/TARGET; tests/fuzz/distil.py picks from
those what is worth committing.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.target import LONGEST, target

# What one input may take: far more than any of a few KiB should.
MOST_SECONDS, MOST_RSS_MIB = 10, 2048
# What is watched while it runs: ours, and the Python below it that reads what others have written.
WATCHED = ["soundproof", "python_multipart", "zipfile", "starlette.formparsers", "httpx", "json", "csv"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=[*LONGEST, "all"])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer; 0: another one each time")
    parser.add_argument("--found", type=Path, help="folder for what is found; default: one in the temporary directory")
    chosen = parser.parse_args()
    found = chosen.found or Path(tempfile.mkdtemp(prefix="fuzz-"))
    if chosen.target == "all":
        # A process each: the fuzzer never returns.
        options = [f"--seconds={chosen.seconds}", f"--seed={chosen.seed}", f"--found={found}"]
        ended = [subprocess.run([sys.executable, "-m", "tests.fuzz", name, *options], check=False) for name in LONGEST]
        return int(any(each.returncode for each in ended))
    fuzz(chosen.target, chosen.seconds, chosen.seed, found)
    return 0


def fuzz(name: str, seconds: int, seed: int, found: Path) -> None:
    """Ends the process."""
    import atheris  # type: ignore[import-untyped]  # noqa: PLC0415  (Linux on x86-64 only; the targets do without)

    with atheris.instrument_imports(include=WATCHED, enable_loader_override=False):
        chosen = target(name)
    logging.disable()  # of every form that is none there is a line
    new = found / name
    new.mkdir(parents=True, exist_ok=True)
    print(f"{name}: what is found goes to {found}", file=sys.stderr)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={chosen.longest}",
        f"-timeout={MOST_SECONDS}",
        f"-rss_limit_mb={MOST_RSS_MIB}",
        f"-artifact_prefix={found}/",
        f"-seed={seed}",
        "-print_final_stats=1",
        f"{new}",
        f"{chosen.corpus}",
    ]
    if chosen.words:
        words = found / f"{name}.words"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in chosen.words))
        options.insert(0, f"-dict={words}")
    atheris.Setup([sys.argv[0], *options], chosen.check)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    """As libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    sys.exit(main())
