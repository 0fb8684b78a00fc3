"""The states of clips and jobs, and the ways between them."""

from dataclasses import dataclass, replace

from soundproof.job import State

__all__ = ["EDGES", "Counts", "State", "job_state"]

# Every step that a clip can take. There is no way back from a settled state.
EDGES = frozenset(
    {
        (State.QUEUED, State.RUNNING),  # claimed
        (State.RUNNING, State.QUEUED),  # released, or found running after a restart
        (State.RUNNING, State.DONE),
        (State.RUNNING, State.FAILED),
        (State.QUEUED, State.CANCELLED),
        (State.RUNNING, State.CANCELLED),
    }
)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many of something are in each state."""

    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.queued + self.running + self.done + self.failed + self.cancelled

    @property
    def open(self) -> int:
        return self.queued + self.running

    @property
    def settled(self) -> int:
        return self.total - self.open

    def moved(self, source: State, target: State, how_many: int = 1) -> "Counts":
        """The counts after so many went from one state to another. ValueError for a step that there is not."""
        if (source, target) not in EDGES:
            raise ValueError(f"no clip goes from {source} to {target}")
        return replace(
            self,
            **{
                source.value: getattr(self, source.value) - how_many,
                target.value: getattr(self, target.value) + how_many,
            },
        )


def job_state(clips: Counts, *, started: bool) -> State:
    """The state of a job with these clips: `failed` when no clip got a certificate and none was cancelled; a job whose
    clips went back to the queue stays `running`, since it has begun."""
    if clips.open:
        return State.RUNNING if started else State.QUEUED
    if clips.cancelled:
        return State.CANCELLED
    return State.DONE if clips.done else State.FAILED
