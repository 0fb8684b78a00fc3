"""Clips for `soundproof gate` and the tiny linear model, and how its tests ask and read."""

import json
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import TINY_SAMPLES, Service
from tests.test_cli import run

from soundproof.client.gate.audio import _wav

EASY = ("--sigma", "0.002", "--n", "150")  # for the tiny linear model: most clips hold
CLIPS = 24


def noise(seed: int) -> bytes:
    """A clip that the tiny model hears whole: 400 random samples."""
    draw = random.Random(seed)  # noqa: S311
    samples = [draw.randint(-12_000, 12_000) for _ in range(TINY_SAMPLES)]
    return _wav(struct.pack(f"<{TINY_SAMPLES}h", *samples), 1, 16, 16_000, 1)


def write_suite(folder: Path, service: Service) -> None:
    """Clips in folders by what the tiny model answers to them; two of them in the wrong one."""
    answers: dict[int, str] = {}
    with service.client() as client:
        for seed in range(CLIPS):
            files = {"audio": ("a.wav", noise(seed), "audio/wav")}
            certificate = client.post("/certify", data={"sigma": "0.002", "n": "20"}, files=files).json()
            answers[seed] = certificate["prediction"]["label"]
    for seed, answer in answers.items():
        label = answer if seed not in (3, 7) else f"class-{(int(answer[-1]) + 1) % 3}"
        (folder / label).mkdir(exist_ok=True)
        (folder / label / f"{seed:02d}.wav").write_bytes(noise(seed))


def gate(suite: Path, *options: str, least: float = 0.8, **environment: str) -> "subprocess.CompletedProcess[str]":
    return run("gate", str(suite), "--min-certified-accuracy", f"{least}", *options, **environment)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def lasting(path: Path) -> list[dict[str, Any]]:
    """A run's lines without what two runs of the same thing differ in."""
    found = lines(path)
    for line in found[1:]:
        if line["certificate"]:
            line["certificate"]["created_at"] = line["certificate"]["compute"] = None
    return found
