"""A real Prometheus on a live service under load: every query of a panel or an alert has an answer, and a right one."""

import math
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from tests.api.attack import GOOD
from tests.api.jobs.asking import ended, sound, submit
from tests.conftest import Service, serving
from tests.docker import dashboard
from tests.docker.alerts import alerts
from tests.docker.prometheus_server import Prometheus, Series, watching

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs Prometheus (Debian: apt-get install prometheus)"
)

WITHIN_S = 30
JOB_CLIPS, VOTES = 3, 300
Holds = Callable[[Sequence[float]], bool]


def positive(values: Sequence[float]) -> bool:
    return all(value >= 0 for value in values) and max(values) > 0


def not_negative(values: Sequence[float]) -> bool:
    return all(value >= 0 for value in values)


def shares(values: Sequence[float]) -> bool:
    return all(0 <= value <= 1 for value in values)


def each(wanted: float) -> Holds:
    return lambda values: all(value == wanted for value in values)


# By panel; what is not here must be positive somewhere, and nowhere negative.
EXPECTED: dict[str, Holds] = {
    "Waiting": not_negative,
    "Certifications": not_negative,
    "Available, last hour": each(1),
    "Alerts": each(0),
    "The oldest waits since": not_negative,
    "Abstentions, of all answers within an hour": shares,
    "Jobs": lambda values: sum(values) == 1,
    "Clips of jobs, by state": lambda values: sum(values) == JOB_CLIPS,
    "Clips unaccounted for": each(0),
    "The oldest clip waits since": each(0),
    "Store": each(1),
    "Silence of busy workers": lambda values: all(0 <= value < 30 for value in values),
    "Restarts and halved chunks, within 15 minutes": each(0),
    "Median, by model": lambda values: all(20 < value < 80 for value in values),
    "95 % are answered within": lambda values: all(0 < value < 60 for value in values),
}
# By panel, the series that there have to be: the values of their labels, in the order of the labels' names.
BY_CONTRACT: set[tuple[str, ...]] = {("waveform", "a-tiny"), ("post_processed", "a-tiny")}
SERIES: dict[str, set[tuple[str, ...]]] = {
    "Certificates per second, by model and contract": BY_CONTRACT,
    "Noise samples per second, by model and contract": BY_CONTRACT,
    "How certifications end": {("certified",), ("abstained",), ("refused",)},
    "Refused requests, by code": {("unknown_model",)},
    "Jobs": {(state,) for state in ("queued", "running", "done", "failed", "cancelled")},
    "Median, by model": {("a-tiny",)},
}
NO_GPU = "there is no GPU where this runs; tests/api/test_gpus.py has what is told of one"
NO_KEYS = "the service is open here; tests/api/access has what is told of keys"
EMPTY = {
    "GPU memory": NO_GPU,
    "GPU utilization": NO_GPU,
    "SoundproofDeviceMemory": NO_GPU,
    "Work by key, noise samples x clip samples per second": NO_KEYS,
    "Share of its budget that a key has left": NO_KEYS,
}


@pytest.fixture(scope="module")
def prometheus(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Of a service that is asked for all that it can be asked for, again and again, until the tests have ended."""
    folder = tmp_path_factory.mktemp("prometheus")
    over = threading.Event()
    with serving(models, folder / "service.log") as service, watching(f"127.0.0.1:{service.port}", folder) as running:
        asking = threading.Thread(target=ask, args=(service, over))
        asking.start()
        try:
            yield running
        finally:
            over.set()
            asking.join()


def ask(service: Service, over: threading.Event) -> None:
    """One job, then requests of all kinds until it is over."""
    with service.client() as client, service.client(kept=True) as kept:
        ended(client, submit(client, [(f"{number}.wav", sound(number)) for number in range(JOB_CLIPS)], n=VOTES)["id"])
        while not over.is_set():
            certify(client, sigma=0.01)
            certify(client, sigma=50.0)  # abstains
            certify(client, sigma=0.01, contract="post_processed", transform="rms")
            certify(kept, sigma=0.01, seed=time.monotonic_ns() % 1_000_000)
            certify(kept, sigma=0.01)  # from the store
            certify(client, model="nobodys")


def certify(client: httpx.Client, **fields: object) -> None:
    asked = {name: str(value) for name, value in ({"n": VOTES} | fields).items()}
    client.post("/certify", files={"audio": GOOD}, data=asked)


def eventually(prometheus: Prometheus, expr: str, holds: Callable[[list[Series]], bool]) -> list[Series]:
    """The answer, once it holds; what was answered last, if it never does."""
    deadline = time.monotonic() + WITHIN_S
    while not holds(found := prometheus.query(expr)) and time.monotonic() < deadline:
        threading.Event().wait(0.2)
    return found


@pytest.mark.parametrize("panel", dashboard.panels(), ids=lambda panel: panel.title)
def test_every_query_of_a_panel_has_the_answer_that_it_should(prometheus: Prometheus, panel: dashboard.Panel) -> None:
    holds, names = EXPECTED.get(panel.title, positive), SERIES.get(panel.title, set())

    def right(found: list[Series]) -> bool:
        values = [series.value for series in found]
        finite = bool(values) and all(math.isfinite(value) for value in values)
        return finite and holds(values) and names <= {series.values for series in found}

    assert panel.targets
    for target in panel.targets:
        if panel.title in EMPTY:
            assert prometheus.query(target.expr) == [], EMPTY[panel.title]
        else:
            found = eventually(prometheus, target.expr, right)
            assert right(found), (target.expr, found)
            if len(found) > 1:
                assert len({target.name(series.labels) for series in found}) == len(found), "a legend tells them apart"


@pytest.mark.parametrize("name", alerts())
def test_every_alert_looks_at_something_and_is_quiet(prometheus: Prometheus, name: str) -> None:
    expr = alerts()[name]["expr"]
    looked_at = re.sub(r"\s(?:[=!<>]=|<|>)\s[\d.]+", "", expr)
    assert looked_at != expr, "an alert compares"
    if name in EMPTY:
        assert prometheus.query(looked_at) == [], EMPTY[name]
    else:
        assert eventually(prometheus, looked_at, bool), looked_at
    assert prometheus.query(expr) == []


def test_every_rule_is_evaluated_without_a_fault(prometheus: Prometheus) -> None:
    def evaluated() -> list[str]:
        return [f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}" for rule in prometheus.rules()]

    eventually(prometheus, "soundproof:http_errors:ratio_rate6h", bool)
    assert evaluated()
    assert [line for line in evaluated() if not line.endswith(": ok ")] == []


def test_votes_and_certificates_are_counted_alike(prometheus: Prometheus) -> None:
    """Between two certifications there are as many votes as they have asked for, each time."""
    votes = 'sum(soundproof_noise_samples_total{stage="estimation"})'
    drawn = "sum(soundproof_certification_sampling_seconds_count)"
    [share] = eventually(prometheus, f"{votes} / {drawn}", lambda found: [one.value for one in found] == [VOTES])
    assert share.value == VOTES
