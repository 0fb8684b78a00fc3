"""The contenders, each in a process of its own: the service behind HTTP, and loops that are asked over a pipe.

A loop's process is `python -m tests.bench.contender NAME`: it reads a case a line, and writes an outcome a line.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import httpx
import psutil
from tests.bench.case import MODELS, ROOT, Case, Outcome, waveform
from tests.bench.cohen import plain_network
from tests.bench.machine import cpu_s, forget_peak, peak_mib
from tests.bench.server import LIMIT_S, post, running

from soundproof.nets.manifest import read_manifest

OURS, ROUNDED, GATE, ART, COHEN = "ours", "bfloat16", "gate", "art", "cohen"
SERVED = (OURS, ROUNDED, GATE)
# Not quite the same classifier, or not the same question: their votes are compared with nobody's.
APART = (ROUNDED, GATE)
NAMES = (*SERVED, ART, COHEN)
LOOPS = {ART: "tests.bench.toolbox", COHEN: "tests.bench.cohen"}
PEERS = Path(sys.prefix) / "peers"  # what ART needs beside the dev environment: make bench-peers


class Contender(Protocol):
    def certify(self, case: Case) -> Outcome:
        """The outcome, with the seconds from asking to knowing and the peak of all its processes meanwhile."""


class Service:
    """`soundproof serve` and its worker; the outcome is taken from the JSON that a caller gets."""

    def __init__(self, process: psutil.Process, client: httpx.Client) -> None:
        self._process = process
        self._client = client

    def certify(self, case: Case) -> Outcome:
        pids = [process.pid for process in (self._process, *self._process.children(recursive=True))]
        for pid in pids:
            forget_peak(pid)
        computed = sum(cpu_s(pid) for pid in pids)
        answer = self.answer(case)
        selection, counts = answer["sampling"]["selection_counts"], answer["sampling"]["counts"]
        top = selection.index(max(selection))
        n = sum(counts) + answer["sampling"]["invalid"]
        return Outcome(
            top=top,
            count=counts[top],
            n=n,
            votes=case.n0 + n,
            radius=answer["radius"],
            seconds=answer["seconds"],
            cpu_s=sum(cpu_s(pid) for pid in pids) - computed,
            peak_mib=sum(peak_mib(pid) for pid in pids),
        )

    def answer(self, case: Case) -> dict[str, Any]:
        return post(self._client, **{name: value for name, value in asdict(case).items() if value is not None})


class Loop:
    """A loop in a process of its own. `batch`: noise samples that its network is given at a time."""

    def __init__(self, process: "subprocess.Popen[str]", batch: int) -> None:
        self._process = process
        self.batch = batch

    def certify(self, case: Case) -> Outcome:
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps({"batch": self.batch, "case": asdict(case)}), file=self._process.stdin, flush=True)
        limit = threading.Timer(LIMIT_S, self._process.kill)
        limit.start()
        try:
            line = self._process.stdout.readline()
        finally:
            limit.cancel()
        if not line:
            raise ChildProcessError(f"a contender ended: exit status {self._process.wait(30)}")
        return Outcome(**json.loads(line))


@contextmanager
def service() -> Iterator[Service]:
    with running(SOUNDPROOF_DEVICES="cpu", SOUNDPROOF_MODELS=str(MODELS)) as (process, client, _):
        yield Service(process, client)


@contextmanager
def loop(name: str, batch: int) -> Iterator[Loop]:
    environment = dict(os.environ)
    if name == ART:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PEERS), environment.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "tests.bench.contender", name]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:  # leaving closes the pipe, which ends the loop
        try:
            yield Loop(process, batch)
        except BaseException:
            process.kill()
            raise


@contextmanager
def contenders(names: tuple[str, ...], batches: dict[str, int]) -> Iterator[dict[str, Contender]]:
    """The contenders of `names`, started; bfloat16 and a gate are asked of the same service."""
    with ExitStack() as started:
        found: dict[str, Contender] = {}
        if set(SERVED) & set(names):
            served = started.enter_context(service())
            found |= {name: served for name in SERVED if name in names}
        for name in LOOPS:
            if name in names:
                found[name] = started.enter_context(loop(name, batches[name]))
        yield found


def main() -> None:
    certify, pid = import_module(LOOPS[sys.argv[1]]).certify, os.getpid()
    for line in sys.stdin:
        asked = json.loads(line)
        case = Case(**asked["case"])
        network, x, classes = prepared(case.model)
        forget_peak(pid)
        started, computed = time.perf_counter(), cpu_s(pid)
        outcome = certify(network, x, case, classes, asked["batch"])
        seconds = time.perf_counter() - started
        outcome = replace(outcome, seconds=seconds, cpu_s=cpu_s(pid) - computed, peak_mib=peak_mib(pid))
        print(json.dumps(asdict(outcome)), flush=True)


@lru_cache
def prepared(model: str) -> tuple[object, object, int]:
    """The network as it was trained, the clip as it hears it, and how many classes it knows."""
    manifest = read_manifest(MODELS / model)
    return plain_network(MODELS / model), waveform(manifest), len(manifest.classes)


if __name__ == "__main__":
    main()
