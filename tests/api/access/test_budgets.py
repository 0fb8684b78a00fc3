"""Budgets of a running service: what each request takes, gives back, and is refused. Nothing comes back meanwhile that
would show: the budgets are filled in a year."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.access.keys import Made, made, write
from tests.api.attack import certificate, connection, form, head, part, problem, wait_for
from tests.api.jobs.asking import FEW, ended, sound, submit
from tests.conftest import TINY_SAMPLES, Service, serving

from soundproof.api_keys import Budget, Scope

YEAR_S = 365 * 86400.0
N0, N = 100, 200
COST = (N0 + N) * TINY_SAMPLES
ADMIN = made("admin", Scope.ADMIN)


def key(name: str, certificates: float) -> Made:
    """A key that may have so many certificates of 300 votes."""
    return made(name, Scope.CERTIFY, Scope.READ, budget=Budget(cost=certificates * COST, refill_s=YEAR_S))


NAMES = ("certify", "cached", "gate", "sweep", "verify", "job", "cancel", "again", "left")
KEYS = {name: key(name, 2.5) for name in NAMES} | {
    "large": key("large", 1e4),
    "leaving": key("leaving", 1e4),
    "gate": key("gate", 4),
}
FREE = made("free", Scope.CERTIFY)


@pytest.fixture(scope="module")
def metered(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("metered")
    keys = write(folder / "keys.toml", [*KEYS.values(), FREE, ADMIN])
    with serving(models, folder / "log", SOUNDPROOF_API_KEYS=str(keys), SOUNDPROOF_JOB_PLACES="1") as running:
        yield running


@pytest.fixture
def client(metered: Service) -> Iterator[Any]:
    """`client(name)`: of whoever holds that key."""
    clients = []

    def of(name: str, *, kept: bool = False) -> httpx.Client:
        clients.append(metered.client(kept=kept))
        clients[-1].headers.update((KEYS | {"free": FREE, "admin": ADMIN})[name].headers)
        return clients[-1]

    yield of
    for each in clients:
        each.close()


def certify(client: httpx.Client, number: int = 0, address: str = "/certify", **fields: Any) -> httpx.Response:
    data = {"n0": str(N0), "n": str(N)} | {name: str(value) for name, value in fields.items()}
    data |= {} if "settings" in fields else {"sigma": "0.01"}
    return client.post(address, files={"audio": ("a.wav", sound(number))}, data=data)


def exposition(client: httpx.Client) -> dict[str, float]:
    lines = client.get("/metrics").raise_for_status().text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def spent(client: httpx.Client, name: str) -> tuple[float, float]:
    """What was worked for a key, and what its budget misses, both in certificates."""
    told = exposition(client)
    left = told[f'soundproof_key_budget_left_ratio{{key="{name}"}}']
    whole = KEYS[name].entry.budget
    assert whole
    return told[f'soundproof_key_cost_total{{key="{name}"}}'] / COST, round((1 - left) * whole.cost / COST, 2)


def test_beyond_the_budget_is_429_with_the_seconds_until_it_is_there_and_nothing_is_drawn(client: Any) -> None:
    asking, admin = client("certify"), client("admin")
    for number in range(2):
        certificate(certify(asking, number))
    before = exposition(admin)['soundproof_noise_samples_total{contract="waveform",model="a-tiny",stage="estimation"}']
    answer = certify(asking, 2)
    told = problem(answer, 429, "budget_exhausted")
    # Half a certificate is missing of a budget that holds two and a half and is filled in a year.
    assert int(answer.headers["retry-after"]) == pytest.approx(YEAR_S / 5, rel=1e-3)
    assert f"in {answer.headers['retry-after']} s" in told["hint"]
    after = exposition(admin)['soundproof_noise_samples_total{contract="waveform",model="a-tiny",stage="estimation"}']
    assert before == after
    assert spent(admin, "certify") == (2, 2)
    certificate(certify(asking, 3, n=50))  # what is left is there for what it is enough for


def test_what_a_budget_never_holds_is_403(client: Any) -> None:
    answer = certify(client("certify"), n=1000)
    problem(answer, 403, "budget_too_small")
    assert "retry-after" not in answer.headers


def test_a_certificate_from_the_store_costs_nothing(client: Any) -> None:
    kept = client("cached", kept=True)
    first = certify(kept, 10)
    assert first.headers["cached"] == "false"
    for _ in range(5):
        again = certify(kept, 10)
        assert (again.headers["cached"], again.content) == ("true", first.content)
    assert spent(client("admin"), "cached") == (1, 1)


def test_a_gate_gives_back_what_it_did_not_draw(client: Any) -> None:
    """The most that it may draw has to be there: with n 800 three certificates of the four that the budget holds."""
    gates = client("gate")
    used = 0
    for number in range(2):
        told = certificate(certify(gates, 20 + number, n=800, target_snr_db=66.1))
        assert told["verdict"] == "certified"
        assert told["sampling"]["samples_used"] < 100
        used += N0 + told["sampling"]["samples_used"]
    worked, missing = spent(client("admin"), "gate")
    assert worked == pytest.approx(used / (N0 + N))
    assert missing == pytest.approx(worked, abs=0.01)
    problem(certify(gates, 22, n=1000, target_snr_db=66.1), 429, "budget_exhausted")


def test_what_is_refused_or_failed_costs_nothing(client: Any) -> None:
    asking = client("left")
    problem(certify(asking, 0, label="nobodys"), 422, "unknown_label")
    problem(certify(asking, 0, model="nobodys"), 404, "unknown_model")
    problem(certify(asking, 0, target_snr_db=0, n=400), 422, "impossible_plan")
    assert spent(client("admin"), "left") == (0, 0)


def test_a_sweep_is_paid_for_whole_or_not_begun(client: Any) -> None:
    kept = client("sweep", kept=True)
    problem(certify(kept, 30, "/certify/sweep", settings="waveform:0.01,rms:0.01,clip:0.01"), 403, "budget_too_small")
    assert spent(client("admin"), "sweep") == (0, 0)
    assert certify(kept, 30, "/certify/sweep", settings="waveform:0.01,rms:0.01").is_success
    assert spent(client("admin"), "sweep") == (2, 2)
    problem(certify(kept, 30, "/certify/sweep", settings="waveform:0.01,clip:0.01"), 429, "budget_exhausted")
    # Both are kept by now: another answer costs nothing, however little is left.
    assert certify(kept, 30, "/certify/sweep", settings="waveform:0.01,rms:0.01").is_success
    assert spent(client("admin"), "sweep") == (2, 2)


def test_a_verification_costs_what_it_draws(client: Any) -> None:
    asking, admin = client("verify"), client("admin")
    document = certify(client("free"), 40).content

    def verify(**fields: str) -> httpx.Response:
        files = {"audio": ("a.wav", sound(40)), "certificate": ("c.json", document)}
        answer: httpx.Response = asking.post("/verify", files=files, data=fields)
        return answer

    assert verify(rerun="false", fresh_votes="0").json()["result"] == "inconclusive"  # nothing was drawn
    assert spent(admin, "verify") == (0, 0)
    assert verify(fresh_votes="149").json()["result"] == "passed"
    assert spent(admin, "verify") == (1.5, 1.5)
    problem(verify(fresh_votes="149"), 429, "budget_exhausted")
    assert spent(admin, "verify") == (1.5, 1.5)


def test_a_job_is_paid_for_when_it_is_handed_in_and_gives_back_what_its_clips_did_not_use(client: Any) -> None:
    asking, admin = client("job"), client("admin")
    clips = [("good.wav", sound(50)), ("bad.wav", b"no sound")]
    too_many = [("audio", (f"{number}.wav", sound(number))) for number in range(3)]
    problem(asking.post("/jobs", files=too_many, data=FEW | {"n0": str(N0)}), 403, "budget_too_small")
    job = ended(asking, submit(asking, clips, n0=N0)["id"])
    assert (job["clips"]["done"], job["clips"]["failed"]) == (1, 1)
    assert spent(admin, "job") == (1, 1)
    again = ended(asking, submit(asking, clips[:1], n0=N0)["id"])  # the same clip is in the store
    assert again["clips"]["done"] == 1
    assert spent(admin, "job") == (1, 1)


def test_of_a_cancelled_job_what_has_not_begun_is_given_back(client: Any, metered: Service) -> None:
    asking, admin = client("large"), client("admin")
    clips = [(f"{number}.wav", sound(60 + number)) for number in range(4)]
    job = submit(asking, clips, n0=N0, n=100_000)
    assert wait_for(lambda: asking.get(f"/jobs/{job['id']}").json()["clips"]["running"] == 1)
    one = (N0 + 100_000) / (N0 + N)
    assert spent(admin, "large")[1] == pytest.approx(4 * one, rel=1e-3)
    assert asking.delete(f"/jobs/{job['id']}").is_success
    assert wait_for(lambda: exposition(admin)["soundproof_queue_depth"] == 0)
    assert spent(admin, "large")[1] in (pytest.approx(one, rel=1e-3), pytest.approx(2 * one, rel=1e-3))


@pytest.mark.parametrize("progress", ["false", "true"])
def test_whoever_leaves_has_paid(client: Any, metered: Service, progress: str) -> None:
    admin = client("admin")
    _, missing = spent(admin, "leaving")
    n = 100_000
    body = form(part("audio", sound(90), "a.wav"), part("n", str(n)), part("n0", str(N0)), part("progress", progress))
    with connection(metered) as opened:
        opened.send(head(Content_Length=len(body), **KEYS["leaving"].headers), body)
        assert wait_for(lambda: exposition(admin)["soundproof_queue_depth"] == 1)
    assert wait_for(lambda: exposition(admin)["soundproof_queue_depth"] == 0)
    worked, now_missing = spent(admin, "leaving")
    whole = (N0 + n) / (N0 + N)
    assert now_missing - missing == pytest.approx(whole, rel=1e-3)
    assert worked == pytest.approx(now_missing, rel=1e-3)


def test_a_job_that_is_sent_again_is_paid_for_once(client: Any) -> None:
    asking, admin = client("again"), client("admin")
    named = {"Idempotency-Key": "again-1"}
    first = submit(asking, [("a.wav", sound(70)), ("b.wav", sound(71))], headers=named, n0=N0)
    again = submit(asking, [("a.wav", sound(70)), ("b.wav", sound(71))], headers=named, n0=N0)
    assert again["id"] == first["id"]
    ended(asking, first["id"])
    assert spent(admin, "again") == (2, 2)


def test_a_key_without_a_budget_is_counted_and_never_refused(client: Any, metered: Service) -> None:
    before = exposition(client("admin"))['soundproof_key_cost_total{key="free"}']
    for number in range(3):
        certificate(certify(client("free"), 80 + number))
    told = exposition(client("admin"))
    assert told['soundproof_key_cost_total{key="free"}'] - before == 3 * COST
    assert 'soundproof_key_budget_left_ratio{key="free"}' not in told
    assert told['soundproof_problems_total{code="budget_exhausted"}'] >= 1
