"""A backup taken while the service works is a whole store: a service on it goes on from there."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.api.attack import certificate, wait_for
from tests.api.jobs.asking import ended, sound, state, submit
from tests.conftest import serving
from tests.faults.injecting import certify, votes

from soundproof.store.store import Store


@pytest.mark.slow
def test_a_store_that_was_backed_up_at_work_is_restored_with_its_jobs_and_certificates(
    linear: Path, tmp_path: Path
) -> None:
    store, backup = tmp_path / "store.db", tmp_path / "backup.db"
    clips = [(f"{number}.wav", sound(number, 16_000)) for number in range(3)]
    with (
        serving(linear, tmp_path / "log", SOUNDPROOF_STORE=f"sqlite:///{store}") as service,
        service.client(kept=True) as client,
    ):
        kept = certify(client, seed=1)
        certificate(kept)
        before = votes(service)
        job = submit(client, clips, n=2_000, sigma=2)["id"]
        assert wait_for(lambda: votes(service) > before)
        with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(backup)) as target:
            source.backup(target)  # what `sqlite3 store.db ".backup 'backup.db'"` does
        expected = ended(client, job)["clips"]
    with Store(f"sqlite:///{backup}") as opened:
        assert opened.conservation.faults() == ()
    with (
        serving(linear, tmp_path / "log", SOUNDPROOF_STORE=f"sqlite:///{backup}") as service,
        service.client(kept=True) as client,
    ):
        assert ended(client, job)["clips"] == expected == state(client, job)["clips"]
        again = certify(client, seed=1)
        assert again.headers["cached"] == "true"
        assert again.content == kept.content
