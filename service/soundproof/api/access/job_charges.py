"""What the clips of jobs were paid with, while this process lives: a restart forgets both budgets and these."""

from collections.abc import Callable, Mapping

from soundproof.api.access.purse import NOBODY, Charge, Prepaid, Purse
from soundproof.errors import ModelError
from soundproof.store.submission import NewJob


class JobCharges:
    """By job and position of the clip; only of clips that have not begun."""

    def __init__(self) -> None:
        self._of: dict[str, dict[int, Charge]] = {}

    def __len__(self) -> int:
        """How many clips are paid for and have not begun."""
        return sum(map(len, self._of.values()))

    def opened(self, job_id: str, paid: Mapping[int, Charge]) -> None:
        """A job is about to be accepted; its clips were paid for."""
        if paid:
            self._of[job_id] = dict(paid)

    def begun(self, job_id: str, position: int) -> Prepaid:
        """Of the clip that begins now. Nothing is given back of what nobody is known to have paid."""
        charges = self._of.get(job_id, {})
        charge = charges.pop(position, None)
        if not charges:
            self._of.pop(job_id, None)
        return Prepaid(charge or Charge(0.0, lambda _used, _unused: None))

    def cancelled(self, job_id: str) -> None:
        """The job was cancelled, or not accepted: clips that have not begun are given back."""
        for charge in self._of.pop(job_id, {}).values():
            with charge:
                charge.used = 0.0


def costs_of(new: NewJob, clip_samples: Callable[[str | None], int]) -> dict[int, float]:
    """Noise samples x clip samples, by position, of the clips that will be worked on. `clip_samples`: of the model of
    that name, or of the default one; ModelError where there is none or it is refused, which the clip will be
    told when it begins."""
    found = {}
    for position, clip in enumerate(new.clips):
        if clip.problem is None:
            try:
                samples = clip_samples(clip.overrides.get("model") or new.fields.get("model"))
            except ModelError:
                continue
            found[position] = clip.samples_planned * float(samples)
    return found


def pay(purse: Purse, costs: Mapping[int, float]) -> dict[int, Charge]:
    """A charge for each clip, all of them or none: raises as Purse.charge does. None where nobody pays."""
    if purse is NOBODY:
        return {}
    purse.check(sum(costs.values()))
    return {position: purse.charge(cost) for position, cost in costs.items()}
