"""What a run tells of its votes while it goes on, and what an earlier run of the same plan left."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from soundproof.audio.facts import ClipFacts
from soundproof.smoothing.certification import Votes
from soundproof.smoothing.plan import Block

VotedBlock = tuple[Block, Votes]


class Journal(Protocol):
    """Told on the loop, in order; must neither block nor raise."""

    def begun(self, facts: ClipFacts, generator: str, backend: str) -> None:
        """A worker has the clip at hand: what the votes to come are votes of. Told again when another worker has."""

    def voted(self, votes: Sequence[VotedBlock]) -> None:
        """Votes are in, as a worker sent them together."""


@dataclass(frozen=True)
class Earlier:
    """Votes of an earlier run of the same plan by the same version of the service. They add up with new ones of noise
    from the same `generator`, computed by the same `backend`; else they are dropped."""

    generator: str
    backend: str
    votes: tuple[VotedBlock, ...]
