"""What the runner makes of a clip that ends the service again and again, and of a store that answers nothing."""

import asyncio
from typing import Any, cast

import pytest
from tests.store.made import claimed, clip, job

from soundproof.api.certifier import Certifier
from soundproof.api.jobs.runner import MOST_CLAIMS, Runner
from soundproof.api.keeper import Keeper
from soundproof.errors import EmptyAudio, StoreUnavailable
from soundproof.store.clips import Claim, Clips
from soundproof.store.states import Counts


class Unwilling:
    """A certifier that counts what it is asked."""

    asked = 0

    async def certify_kept(self, *_: Any) -> None:
        self.asked += 1
        raise EmptyAudio("It has no samples.")


@pytest.mark.parametrize(
    ("claims", "code", "asked"), [(MOST_CLAIMS, "empty_audio", 1), (MOST_CLAIMS + 1, "worker_lost", 0)]
)
async def test_a_clip_that_was_begun_too_often_is_not_begun_again(claims: int, code: str, asked: int) -> None:
    keeper, certifier = Keeper(""), Unwilling()
    store = keeper.store
    accepted = store.jobs.submit(job([clip(1)])).job
    claim = claimed(store)
    for _ in range(claims - 1):
        store.clips.release(claim)
        claim = claimed(store)
    await Runner(keeper, cast(Certifier, certifier), places=1)._serve(claim)
    [result] = store.results.page(accepted.id)
    await keeper.close()
    assert result.problem is not None
    assert (result.problem["code"], certifier.asked) == (code, asked)


class Slow:
    """A certifier that is told when to go on, and writes down which clips it is asked for."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.go_on = asyncio.Event()

    async def certify_kept(self, _: object, audio: bytes, *__: Any) -> None:
        self.asked.append(audio)
        await self.go_on.wait()
        raise EmptyAudio("It has no samples.")


async def test_a_clip_that_was_given_without_an_answer_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the connection is lost behind the server's COMMIT. What is worked on meanwhile stays as it is."""
    keeper, certifier = Keeper(""), Slow()
    claim, given = Clips.claim, 0

    def claims(clips: Clips) -> Claim | None:
        nonlocal given
        found = claim(clips)
        given += 1
        if given == 2:
            assert found is not None
            raise StoreUnavailable("The store cannot be reached.")
        return found

    monkeypatch.setattr(Clips, "claim", claims)
    accepted = keeper.store.jobs.submit(job([clip(1), clip(2)])).job
    runner = Runner(keeper, cast(Certifier, certifier), places=2)
    work = asyncio.create_task(runner.run())
    while len(certifier.asked) < 2:
        await asyncio.sleep(0.02)
    certifier.go_on.set()
    while keeper.store.jobs.get(accepted.id).clips != Counts(failed=2):
        await asyncio.sleep(0.02)
    await runner.hand_back()
    assert work.cancelled()
    assert certifier.asked == [clip(1).audio(), clip(2).audio()]
    await keeper.close()
