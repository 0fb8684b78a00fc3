"""What becomes of what was paid: used, given back or kept, and each exactly once."""

import asyncio

import pytest

from soundproof.api.access.bucket import Bucket
from soundproof.api.access.job_charges import JobCharges, costs_of, pay
from soundproof.api.access.purse import NOBODY, Prepaid, Purse
from soundproof.api.together import together
from soundproof.api_keys import Budget
from soundproof.errors import BudgetExhausted, BudgetTooSmall, ModelUnavailable, UnknownModel, WorkerLost
from soundproof.store.submission import NewClip, NewJob


class Account:
    """A purse of 100 that is not filled while a test runs, and what its metric was told."""

    def __init__(self) -> None:
        self.spent = 0.0
        self.bucket = Bucket(Budget(cost=100, refill_s=3e7), lambda: 0.0)
        self.purse = Purse("ci", self.bucket, self._tell)

    def _tell(self, name: str, cost: float) -> None:
        assert name == "ci"
        self.spent += cost

    @property
    def told(self) -> tuple[float, float]:
        return self.bucket.left, self.spent


def test_what_a_run_did_not_use_is_given_back() -> None:
    account = Account()
    with account.purse.charge(60) as charge:
        assert account.told == (40, 0)
        charge.used = 25
    assert account.told == (75, 25)


def test_what_failed_costs_nothing() -> None:
    account = Account()
    with pytest.raises(WorkerLost), account.purse.charge(60):
        raise WorkerLost("gone")
    assert account.told == (100, 0)


@pytest.mark.parametrize("leaving", [asyncio.CancelledError, GeneratorExit])
def test_whoever_leaves_has_paid(leaving: type[BaseException]) -> None:
    account = Account()
    with pytest.raises(leaving), account.purse.charge(60):
        raise leaving
    assert account.told == (40, 60)


def test_what_is_refused_is_not_begun_and_costs_nothing() -> None:
    account = Account()
    with account.purse.charge(60), pytest.raises(BudgetExhausted):
        account.purse.charge(60)
    assert account.told == (40, 60)


def job(*clips: NewClip, **fields: object) -> NewJob:
    return NewJob(fields=dict(fields), clips=clips)


def clip(samples: int, problem: dict[str, object] | None = None, **overrides: object) -> NewClip:
    return NewClip(
        name="a", audio=bytes, audio_sha256="", samples_planned=samples, overrides=dict(overrides), problem=problem
    )


def clip_samples(name: str | None) -> int:
    lengths: dict[str | None, int] = {None: 1, "long": 10}
    if name == "refused":
        raise ModelUnavailable("refused at load")
    if name not in lengths:
        raise UnknownModel(f"no {name}")
    return lengths[name]


def test_a_job_costs_what_its_clips_plan_at_their_models_lengths() -> None:
    nobodys = (clip(8, model="nobodys"), clip(9, model="refused"))
    clips = (clip(5), clip(6, model="long"), clip(7, problem={"code": "audio_too_long"}), *nobodys)
    assert costs_of(job(*clips), clip_samples) == {0: 5.0, 1: 60.0}
    assert costs_of(job(*clips, model="long"), clip_samples) == {0: 50.0, 1: 60.0}


def test_a_job_is_paid_for_whole_or_not_at_all() -> None:
    account = Account()
    with pytest.raises(BudgetTooSmall, match="fewer clips"):
        pay(account.purse, {0: 60.0, 1: 41.0})
    assert account.told == (100, 0)
    assert pay(account.purse, {0: 60.0, 1: 40.0}).keys() == {0, 1}
    assert account.told == (0, 0)


def test_a_clip_of_a_job_gives_back_what_it_did_not_use() -> None:
    account, charges = Account(), JobCharges()
    charges.opened("job_1", pay(account.purse, {0: 30.0, 1: 30.0, 2: 30.0}))
    with charges.begun("job_1", 0) as payer, payer.charge(30) as charge:
        charge.used = 10
    assert account.told == (30, 10)
    with charges.begun("job_1", 1):
        pass  # answered from the store
    assert account.told == (60, 10)
    with pytest.raises(WorkerLost), charges.begun("job_1", 2) as payer, payer.charge(30):
        raise WorkerLost("gone")
    assert account.told == (90, 10)
    assert len(charges) == 0


def test_pieces_that_are_cancelled_because_another_failed_cost_nothing() -> None:
    account = Account()

    async def piece(payer: Prepaid, fails: bool) -> None:
        with payer.charge(30):
            if fails:
                raise WorkerLost("gone")
            await asyncio.Event().wait()

    async def whole() -> None:
        with Prepaid(account.purse.charge(60)) as payer:
            await together([piece(payer, fails=False), piece(payer, fails=True)])

    with pytest.raises(WorkerLost):
        asyncio.run(whole())
    assert account.told == (100, 0)


def test_of_a_cancelled_job_the_clips_that_have_not_begun_are_given_back() -> None:
    account, charges = Account(), JobCharges()
    charges.opened("job_1", pay(account.purse, {0: 30.0, 1: 30.0, 2: 30.0}))

    def work_that_is_cancelled() -> None:
        with charges.begun("job_1", 0) as payer, payer.charge(30):
            charges.cancelled("job_1")
            assert account.told == (70, 0)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        work_that_is_cancelled()
    assert account.told == (70, 30)
    charges.cancelled("job_1")
    assert account.told == (70, 30)


def test_a_clip_that_nobody_is_known_to_have_paid_for_is_worked_on() -> None:
    charges = JobCharges()
    with charges.begun("job_of_an_earlier_process", 3) as payer, payer.charge(1e30):
        pass
    charges.opened("job_2", pay(NOBODY, {0: 1e30}))
    assert len(charges) == 0
