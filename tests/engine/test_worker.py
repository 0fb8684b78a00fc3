"""What a worker keeps for each of its models."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from tests.engine.simulated import plan, source

from soundproof.engine.protocol import Halved, Link, Unload
from soundproof.engine.worker import Worker, _Run
from soundproof.nets import folder
from soundproof.smoothing import voting
from soundproof.smoothing.certification import Votes
from soundproof.smoothing.contracts import Contract
from soundproof.smoothing.lanes import Lanes
from soundproof.smoothing.plan import Block, Plan


def test_a_model_that_takes_much_memory_gets_smaller_chunks_and_the_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chunks: list[tuple[str, int]] = []

    def vote_all(
        contract: Contract, point: torch.Tensor, plan: Plan, blocks: Sequence[Block], chunk_samples: int, lanes: Lanes
    ) -> list[Votes]:
        if plan.model == "large" and chunk_samples > 4:
            raise torch.OutOfMemoryError
        chunks.append((plan.model, chunk_samples))
        return []

    probed: list[int] = []
    monkeypatch.setattr(voting, "vote_all", vote_all)
    monkeypatch.setattr(folder, "hold_to_independence", lambda _model, _device, size: probed.append(size))
    told: list[object] = []
    worker = Worker(cast(Link, SimpleNamespace(send=told.append)), torch.device("cpu"), Lanes(1))
    model = cast(folder.Model, SimpleNamespace(most_clips=lambda _device: 16))
    large, small = (_Run(plan(source(name, 1)), cast(Contract, None), torch.zeros(1)) for name in ("large", "small"))
    for run in (large, small):
        worker.models[run.plan.model_digest] = model
    for run in (large, small, large):
        worker._vote(run, ())
    assert probed == [8, 4]  # a model was held to its promise at the first size only
    assert chunks == [("large", 4), ("small", 16), ("large", 4)]
    assert told == [Halved(), Halved()]  # from 16 to 8 to 4
    worker._do(Unload(large.plan.model_digest))
    assert worker.smaller_chunks == {}
