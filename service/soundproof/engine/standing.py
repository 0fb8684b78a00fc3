"""What can be served now, read off the workers' places."""

from collections.abc import Sequence
from dataclasses import dataclass

from soundproof.engine.protocol import Source
from soundproof.engine.slot import Slot

# A worker that ended so many times in a row before it was ready is not waited for.
MOST_FAILED_STARTS = 3


@dataclass(frozen=True)
class Standing:
    """Of all workers of a service; models are named by their digests."""

    slots: Sequence[Slot]

    def holders(self, digest: str) -> tuple[str, ...]:
        """The devices whose workers have loaded that model."""
        return tuple(slot.device for slot in self.slots if slot.shelf.holds(digest))

    def expected(self, digest: str) -> bool:
        """Whether a worker has loaded that model, or is about to."""
        return any(slot.shelf.expects(digest) for slot in self.slots)

    def unavailable(self, digest: str) -> str | None:
        """Why no worker can be expected to serve a model; None while one does, or still may."""
        reasons = []
        for slot in self.slots:
            if digest in slot.refused:
                reasons.append(slot.refused[digest])
            elif not slot.ready and slot.failed_starts >= MOST_FAILED_STARTS:
                reasons.append(f"the worker ended {slot.failed_starts} times before it was ready; see the log")
            else:
                return None
        return "; ".join(dict.fromkeys(reasons))

    def obstacle(self, offered: Sequence[Source]) -> str | None:
        """Why no work can make progress now; None when it can. A worker counts from its first loaded model on: to load
        another one is progress, unless it takes too long."""
        if any(slot.ready and slot.has_loaded and slot.silent_s < slot.patience.unready_s for slot in self.slots):
            return None
        reasons = [self.unavailable(source.digest) for source in offered]
        if all(reasons):
            return "; ".join(dict.fromkeys(reason for reason in reasons if reason)) or "no model is offered"
        if any(slot.silent_s >= slot.patience.unready_s for slot in self.slots):
            return "the worker has been silent for too long"
        return "the worker is loading its first model"
