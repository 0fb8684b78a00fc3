"""New versions, loaded before they take over: a version that no worker can load never replaces one that works."""

import asyncio

from soundproof.engine.placement import Placement
from soundproof.engine.protocol import Source
from soundproof.engine.standing import Standing
from soundproof.errors import ModelUnavailable


class Trials:
    """What was asked to be loaded and is not answered yet."""

    def __init__(self, placement: Placement, standing: Standing) -> None:
        self._placement = placement
        self._standing = standing
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def run(self, source: Source, replaced: str, *, in_its_place: bool) -> bool:
        """Load `source` beside the version it is about to replace. False where no worker has room for both now.
        `in_its_place`: the replaced one may go, where no run uses it.

        Raises ModelUnavailable, with the reason, when the worker refuses it or ends over it.
        """
        if not self._placement.try_out(source, replaced, in_its_place=in_its_place):
            return False
        if not self._standing.holders(source.digest):
            await self._waiting.setdefault(source.digest, asyncio.get_running_loop().create_future())
        return True

    def answered(self, digest: str, error: ModelUnavailable | None = None) -> None:
        """A worker loaded that model, or did not, for this reason."""
        waiting = self._waiting.pop(digest, None)
        if waiting is None or waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)
