"""The clock is set while the service runs: nothing waits, fails or is deleted because of it."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from tests.api.attack import certificate, problem, wait_for
from tests.api.jobs.asking import ended, events, results, sound, state, submit
from tests.conftest import Service, serving
from tests.faults.injecting import certify, readiness, under_way, votes

from soundproof.api.clock_steps import DOUBT_S, ClockSteps
from soundproof.api.jobs.view import job_document
from soundproof.store.jobs import Job
from soundproof.store.states import Counts, State

YEARS_S = 10 * 365 * 86_400
PROGRAM = (sys.executable, str(Path(__file__).with_name("changed_service.py")), "clock")


@pytest.fixture(scope="module")
def offset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """How far the clock of the service is ahead, in seconds."""
    file = tmp_path_factory.mktemp("clock") / "offset"
    file.write_text("0")
    return file


@pytest.fixture(scope="module")
def service(linear: Path, offset: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("service") / "log"
    with serving(linear, log, program=(*PROGRAM, str(offset)), SOUNDPROOF_DRAIN_S="0") as running:
        yield running
    assert "Traceback" not in log.read_text()


def set_to(offset: Path, seconds: float) -> None:
    new = offset.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(offset)


@pytest.mark.parametrize("step_s", [YEARS_S, -YEARS_S], ids=["ahead", "back"])
def test_what_is_under_way_when_the_clock_is_set_ends_as_it_should(
    service: Service, offset: Path, step_s: float
) -> None:
    set_to(offset, 0)
    seed = int(step_s > 0)
    clips = [(f"{number}.wav", sound(2 * number + seed, 16_000)) for number in range(2)]
    with service.client() as client:
        job = submit(client, clips, n=2_000, sigma=2)["id"]
        before = votes(service)
        assert wait_for(lambda: votes(service) > before)
        with under_way(service, seed=seed) as asked:
            set_to(offset, step_s)
            assert readiness(client) == 200
            state(client, job)  # which tells when it is expected to end
            certificate(asked.result(60))
        assert ended(client, job)["clips"]["done"] == len(clips)
        assert len(results(client, job)) == len(clips)
        assert [name for name, *_ in events(service, job)][-1] == "end"
        assert client.get("/metrics").is_success
        issued = certificate(certify(client, seed=seed))["created_at"]
        assert (issued > "2030") == (step_s > 0)


def test_a_retry_after_does_not_come_from_the_clock(service: Service, offset: Path) -> None:
    """Two requests of so many votes are more work than is let in at once."""
    with service.client() as client, under_way(service, n=1_000_000, seed=1) as asked:
        told = []
        for seconds in (0, YEARS_S, -YEARS_S):
            set_to(offset, seconds)
            answer = certify(client, seed=2, n=1_000_000, sigma=2)
            problem(answer, 429, "queue_full")
            told.append(int(answer.headers["retry-after"]))
        assert all(1 <= each <= 600 for each in told)
        assert not asked.done()
        psutil.Process(service.pid).terminate()  # it would take minutes


class Clocks:
    """The time of day, and that which nobody sets."""

    def __init__(self) -> None:
        self.now, self.ahead = 1000.0, 0.0

    def steps(self) -> ClockSteps:
        return ClockSteps(wall=lambda: self.now + self.ahead, running=lambda: self.now)


@pytest.mark.parametrize("step_s", [YEARS_S, -YEARS_S, 3600.0])
def test_a_clock_that_was_set_is_not_believed_for_a_day(step_s: float) -> None:
    clocks = Clocks()
    steps = clocks.steps()
    clocks.now += 3600
    assert steps.trusted()
    clocks.ahead = step_s
    assert not steps.trusted()
    clocks.now += DOUBT_S - 1
    assert not steps.trusted()
    clocks.now += 1
    assert steps.trusted()


def test_a_clock_that_is_set_right_again_is_doubted_for_another_day_and_small_corrections_are_not_noticed() -> None:
    clocks = Clocks()
    steps = clocks.steps()
    clocks.ahead = 30.0
    assert steps.trusted()
    clocks.ahead = YEARS_S
    assert not steps.trusted()
    clocks.now += DOUBT_S / 2
    clocks.ahead = 0
    assert not steps.trusted()
    clocks.now += DOUBT_S / 2
    assert not steps.trusted()
    clocks.now += DOUBT_S / 2
    assert steps.trusted()


def test_an_end_in_some_thousand_years_is_not_told() -> None:
    """What a job's speed comes to when the clock was set while it ran."""
    begun = datetime(1970, 1, 1, tzinfo=UTC)
    kept = Job(
        id="job_1",
        state=State.RUNNING,
        fields={},
        idempotency_key=None,
        created_at=begun,
        started_at=begun,
        finished_at=None,
        clips=Counts(running=1),
        samples_planned=1_000_000,
        samples_done=1,
    )
    told = job_document(kept)
    assert told.eta_s is None
    assert told.expected_end is None
