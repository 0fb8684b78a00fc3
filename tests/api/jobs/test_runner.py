"""What the runner makes of a clip that ends the service again and again."""

from typing import Any, cast

import pytest
from tests.store.made import claimed, clip, job

from soundproof.api.certifier import Certifier
from soundproof.api.jobs.runner import MOST_CLAIMS, Runner
from soundproof.api.keeper import Keeper
from soundproof.errors import EmptyAudio


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
