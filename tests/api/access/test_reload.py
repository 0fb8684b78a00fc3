"""Keys that change under a running service."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.api.access.keys import Made, made, write
from tests.api.attack import wait_for
from tests.conftest import Service, serving

from soundproof.api.access.keyring import Keyring
from soundproof.api.metrics import Metrics
from soundproof.api_keys import Budget, Scope

OLD, NEW = made("old", Scope.READ), made("new", Scope.READ)


def status(service: Service, key: Made) -> int:
    with service.client() as client:
        return client.get("/models", headers=key.headers).status_code


def test_a_hangup_reads_the_keys_again_and_a_faulty_file_changes_nothing(models: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "keys.toml", [OLD])

    def hang_up(until: Callable[[], bool]) -> None:
        os.kill(service.pid, signal.SIGHUP)
        assert wait_for(until), service.log.read_text()

    with serving(models, tmp_path / "log", SOUNDPROOF_API_KEYS=str(file)) as service:
        assert (status(service, OLD), status(service, NEW)) == (200, 401)
        write(file, [NEW])
        hang_up(lambda: "new: new; gone: old" in service.log.read_text())
        assert (status(service, OLD), status(service, NEW)) == (401, 200)
        file.write_text("[[key]]\nname = 'half")
        hang_up(lambda: "API keys stay as they were: " in service.log.read_text())
        assert (status(service, OLD), status(service, NEW)) == (401, 200)
        file.unlink()
        hang_up(lambda: "cannot be read (No such file or directory)" in service.log.read_text())
        assert (status(service, OLD), status(service, NEW)) == (401, 200)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def series(metrics: Metrics, name: str) -> dict[str, float]:
    return {
        sample.labels["key"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


async def test_what_was_spent_stays_spent_and_series_of_keys_that_are_gone_end(
    tmp_path: Path, metrics: Metrics
) -> None:
    """Whatever becomes of the file: a key that comes back does not come back full while its name is in force."""
    slow = Budget(cost=100, refill_s=3e7)
    first = made("ci", Scope.CERTIFY, budget=slow)
    keyring = Keyring(write(tmp_path / "keys.toml", [first, OLD]), metrics)
    with keyring.holders["ci"].purse.charge(70):
        # A charge that is under way while the keys are exchanged gives back to the same budget.
        await keyring.reload()
    assert series(metrics, "soundproof_key_cost_total") == {"ci": 70, "old": 0}

    rotated = made("ci", Scope.CERTIFY, budget=slow)
    write(tmp_path / "keys.toml", [rotated])
    await keyring.reload()
    assert keyring.holder_of(first.secret) is None
    assert keyring.holders.keys() == {"ci"}
    keyring.measure()
    assert series(metrics, "soundproof_key_budget_left_ratio") == {"ci": pytest.approx(0.3, abs=1e-3)}
    assert series(metrics, "soundproof_key_cost_total") == {"ci": 70}

    write(tmp_path / "keys.toml", [made("ci", Scope.CERTIFY, budget=Budget(cost=1000, refill_s=3e7))])
    await keyring.reload()
    keyring.measure()
    assert series(metrics, "soundproof_key_budget_left_ratio") == {"ci": pytest.approx(0.93, abs=1e-3)}

    write(tmp_path / "keys.toml", [made("ci", Scope.CERTIFY)])
    await keyring.reload()
    keyring.measure()
    assert series(metrics, "soundproof_key_budget_left_ratio") == {}


async def test_a_charge_that_outlives_its_key_tells_no_series(tmp_path: Path, metrics: Metrics) -> None:
    keyring = Keyring(write(tmp_path / "keys.toml", [OLD, NEW]), metrics)
    with keyring.holders["old"].purse.charge(5):
        write(tmp_path / "keys.toml", [NEW])
        await keyring.reload()
    assert series(metrics, "soundproof_key_cost_total") == {"new": 0}
