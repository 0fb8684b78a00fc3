"""What a clip in another format costs beside the same clip as WAV: docs/formats.md.

    python -m tests.bench.formats [--repeats 31]

One second of 16 kHz mono in each format, all in turns, to a service of its own; few votes, so that the rest shows.
Prints Markdown: milliseconds a request, how many more than the WAV file took, and the CPU time of the process that
decoded it, its start included, which other work on the machine changes least.
"""

import argparse
import io
import statistics
import time

import httpx
import psutil
import soundfile
from tests.bench.case import YES
from tests.bench.server import running

FORMATS = {
    "WAV": ("WAV", "PCM_16"),
    "FLAC": ("FLAC", "PCM_16"),
    "Ogg Vorbis": ("OGG", "VORBIS"),
    "Ogg Opus": ("OGG", "OPUS"),
    "MP3": ("MP3", "MPEG_LAYER_III"),
}
FIELDS = {"n0": "10", "n": "20", "sigma": "0.0025"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=31)
    repeats = parser.parse_args().repeats
    clips = {name: encoded(*kind) for name, kind in FORMATS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in clips}
    decoding: dict[str, list[float]] = {name: [] for name in clips}
    with running(SOUNDPROOF_FORMATS="flac,ogg,mp3") as (process, client, _):
        for round_ in range(-2, repeats):
            for name, clip in clips.items():
                before = of_children(process)
                took = ask(client, clip)
                if round_ >= 0:  # the first two are to warm up
                    seconds[name].append(took)
                    decoding[name].append(of_children(process) - before)
    plain = statistics.median(seconds["WAV"])
    print("| clip | bytes | ms a request, median | least | more than WAV | CPU ms to decode |\n" + "|---" * 6 + "|")
    for name, all_of in seconds.items():
        median = statistics.median(all_of)
        shown = f"{1e3 * median:.0f} | {1e3 * min(all_of):.0f} | {1e3 * (median - plain):.0f}"
        print(f"| {name} | {len(clips[name])} | {shown} | {1e3 * statistics.median(decoding[name]):.0f} |")


def of_children(process: psutil.Process) -> float:
    """Seconds that the ended processes of a process have computed: those that decoded, as its worker goes on."""
    times = process.cpu_times()
    return times.children_user + times.children_system


def encoded(title: str, subtype: str) -> bytes:
    samples, rate_hz = soundfile.read(YES, dtype="int16")
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=title, subtype=subtype)
    return file.getvalue()


def ask(client: httpx.Client, clip: bytes) -> float:
    started = time.perf_counter()
    client.post("/certify", files={"audio": clip}, data=FIELDS).raise_for_status()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
