"""What a worker keeps for each of its models, and in which order it works."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from tests.engine.simulated import plan, source

from soundproof.engine.protocol import (
    ClipPrepared,
    Forget,
    Halved,
    Link,
    Load,
    RunFailed,
    Source,
    ToWorker,
    Unload,
    Voted,
    Work,
)
from soundproof.engine.worker import Worker, _Run, _UnderWay
from soundproof.nets import folder
from soundproof.smoothing import voting
from soundproof.smoothing.certification import Votes
from soundproof.smoothing.contracts import Contract
from soundproof.smoothing.fetching import Fetching
from soundproof.smoothing.lanes import Lanes
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, Plan


def test_a_model_that_takes_much_memory_gets_smaller_chunks_and_the_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chunks: list[tuple[str, int]] = []

    def begin(
        contract: Contract, point: torch.Tensor, plan: Plan, blocks: Sequence[Block], chunk_samples: int, lanes: Lanes
    ) -> voting.Begun:
        if plan.model == "large" and chunk_samples > 4:
            raise torch.OutOfMemoryError
        chunks.append((plan.model, chunk_samples))
        return voting.Begun(0, (), (), Fetching(()), Fetching(()))

    probed: list[int] = []
    monkeypatch.setattr(voting, "begin", begin)
    monkeypatch.setattr(folder, "hold_to_independence", lambda _model, _device, size: probed.append(size))
    told: list[object] = []
    worker = Worker(cast(Link, SimpleNamespace(send=told.append)), torch.device("cpu"), Lanes(1))
    model = cast(folder.Model, SimpleNamespace(most_clips=lambda _device: 16))
    large, small = (_Run(plan(source(name, 1)), cast(Contract, None), torch.zeros(1)) for name in ("large", "small"))
    for run in (large, small):
        worker.models[run.plan.model_digest] = model
    for run in (large, small, large):
        worker._begin(run, ())
    assert probed == [8, 4]  # a model was held to its promise at the first size only
    assert chunks == [("large", 4), ("small", 16), ("large", 4)]
    assert told == [Halved(), Halved()]  # from 16 to 8 to 4
    worker._do(Unload(large.plan.model_digest))
    assert worker.smaller_chunks == {}


@dataclass
class Counting:
    """Stands for voting.Begun: tells when it is waited for, and answers with the number of its block."""

    waited: list[str]
    name: str
    fault: Exception | None = None

    def votes(self) -> list[Votes]:
        self.waited.append(self.name)
        if self.fault:
            raise self.fault
        return [Votes((1,), 0)]


class Scripted:
    """A link whose messages have all arrived, and which is then gone."""

    def __init__(self, messages: list[ToWorker], heard: list[str]) -> None:
        self.messages, self.heard = messages, heard

    def waiting(self) -> bool:
        return bool(self.messages)

    def receive(self) -> ToWorker:
        if not self.messages:
            raise EOFError
        return self.messages.pop(0)

    def send(self, message: object) -> None:
        run = f" {message.run}" if isinstance(message, Voted | RunFailed | ClipPrepared) else ""
        self.heard.append(f"{type(message).__name__}{run}")


def served(
    monkeypatch: pytest.MonkeyPatch, messages: list[ToWorker], ahead: int, models: dict[int, str], faulty: int = -1
) -> list[str]:
    """What happens, in its order, when these messages are worked on. `models`: of the runs, by their names."""
    events: list[str] = []

    def begin(_: Contract, __: torch.Tensor, plan: Plan, blocks: Sequence[Block], *___: object) -> Counting:
        events.append(f"begin {plan.seed}")
        return Counting(events, f"wait {plan.seed}", ValueError("injected") if plan.seed == faulty else None)

    monkeypatch.setattr(voting, "begin", begin)
    worker = Worker(cast(Link, Scripted(messages, events)), torch.device("cpu"), Lanes(1), ahead=ahead)
    model = cast(folder.Model, SimpleNamespace(most_clips=lambda _device: 16))
    for run, name in models.items():
        asked = replace(plan(source(name, 1)), seed=run)
        worker.models[asked.model_digest] = model
        worker.runs[run] = _Run(asked, cast(Contract, None), torch.zeros(1))
    with pytest.raises(EOFError):
        worker.serve()
    return events


BLOCK = (Block(Stage.ESTIMATION, 0, 128),)
ONE_AHEAD = ["begin 1", "begin 2", "wait 1", "Voted 1", "begin 1", "wait 2", "Voted 2", "wait 1", "Voted 1"]


def test_a_gpu_is_given_the_next_message_before_the_votes_of_the_last_are_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def messages() -> list[ToWorker]:
        return [Work(1, BLOCK), Work(2, BLOCK), Work(1, BLOCK)]

    both = {1: "a", 2: "a"}
    assert served(monkeypatch, messages(), 1, both) == ONE_AHEAD
    each = [f"{what} {run}" for run in (1, 2, 1) for what in ("begin", "wait", "Voted")]
    assert served(monkeypatch, messages(), 0, both) == each
    # What ends the process is laid to the model of the first message under way: there must be no other among them.
    assert served(monkeypatch, messages(), 1, {1: "a", 2: "b"}) == each


def test_what_is_no_work_waits_until_all_under_way_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coordinator takes answers to come in the order of what it asked."""
    gone = Source("gone", "digest of gone", Path("nowhere"), 1)
    events = served(monkeypatch, [Work(1, BLOCK), Load(gone), Work(1, BLOCK)], 1, {1: "a"})
    assert events == ["begin 1", "wait 1", "Voted 1", "Refused", "begin 1", "wait 1", "Voted 1"]


def test_what_is_forgotten_under_way_is_not_waited_for() -> None:
    worker = Worker(cast(Link, SimpleNamespace()), torch.device("cpu"), Lanes(1), ahead=1)
    for run in (1, 2):
        worker.under_way.append(_UnderWay(Work(run, BLOCK), "a", voting.Begun(0, (), (), Fetching(()), Fetching(()))))
    worker._take(Forget(1))
    assert [each.work.run for each in worker.under_way] == [2]


def test_a_fault_in_votes_under_way_fails_their_run_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[ToWorker] = [Work(1, BLOCK), Work(2, BLOCK), Work(1, BLOCK)]
    events = served(monkeypatch, messages, 1, {1: "a", 2: "a"}, faulty=1)
    assert events == ["begin 1", "begin 2", "wait 1", "RunFailed 1", "wait 2", "Voted 2"]
