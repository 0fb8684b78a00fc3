"""`python models/evaluate.py` as tests run it."""

import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import evaluate
import measurement
import rows
from datasets import DATASETS
from rows import Row

N = 200
SPEECH, SOUNDS = DATASETS["speech-commands-12"], DATASETS["esc-10"]


class InThisProcess:
    """An executor that computes at once, or raises as told: what a pool does, without its processes."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.tasks: list[measurement.Task] = []
        self._fail_after = fail_after

    def submit(self, call: Any, task: measurement.Task) -> "Future[Row]":
        future: Future[Row] = Future()
        self.tasks.append(task)
        if self._fail_after is not None and len(self.tasks) > self._fail_after:
            future.set_exception(RuntimeError("out of luck"))
        else:
            future.set_result(call(task))
        return future

    def __enter__(self) -> "InThisProcess":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def run(monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: object) -> list[Row]:
    """`python models/evaluate.py ... --n 200 --device cpu --out OUT`; the rows that are there then."""
    command = ["evaluate.py", *arguments, "--n", N, "--device", "cpu", "--out", out]
    monkeypatch.setattr(sys, "argv", [str(part) for part in command])
    evaluate.main()
    return list(rows.read([out]))
