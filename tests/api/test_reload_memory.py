"""Models that change where memory has no room for two versions: no votes are mixed, no untested one takes over."""

import threading
from pathlib import Path
from typing import Any

import psutil
import torch
from tests.api.attack import metric, wait_for
from tests.api.publishing import broken, counts_of, publish, switch
from tests.api.reloading import ask, certify, reload
from tests.conftest import serving
from tests.model_folders import RMS_GAIN, write_linear

from soundproof.nets.manifest import write_manifest


def test_without_a_reload_a_run_whose_bytes_are_gone_is_begun_anew_with_those_that_are_there(
    tmp_path: Path,
) -> None:
    """The worker is killed, so that nobody holds the old version, and little memory evicts the rest."""
    models = tmp_path / "models"
    publish(models / "steady", 1)
    publish(models / "x", 1)
    memory = (models / "x" / "weights.safetensors").stat().st_size
    with serving(
        models,
        tmp_path / "log",
        SOUNDPROOF_DEFAULT_MODEL="steady",
        SOUNDPROOF_MODEL_MEMORY_BYTES=str(memory),
        SOUNDPROOF_MODELS_WATCH_S="0",
    ) as service:
        first = certify(service, "x")
        assert metric(service, "soundproof_model_evictions_total") == 1
        publish(models / "steady", 2)
        assert certify(service, "steady")["model"]["version"] == "2"
        publish(models / "x", 2)
        drawn = metric(service, "soundproof_noise_samples_total")
        answers: list[dict[str, Any]] = []
        long = threading.Thread(target=lambda: answers.append(certify(service, "steady", n="100000")))
        long.start()
        assert wait_for(lambda: metric(service, "soundproof_noise_samples_total") > drawn + 1000)
        publish(models / "steady", 3)
        [worker] = psutil.Process(service.pid).children()
        worker.kill()
        long.join()
        assert answers[0]["model"]["version"] == "3"  # none of the votes of version 2 are in it
        assert sum(answers[0]["sampling"]["counts"]) == 100_000
        second = certify(service, "x")
        assert (first["model"]["version"], second["model"]["version"]) == ("1", "2")
        assert second["sampling"]["counts"] == counts_of(models / "x")
        assert "was changed in place" in service.log.read_text()
        broken(models / "x")
        certify(service, "steady")
        answer = ask(service, "x")
        assert answer.status_code == 503
        assert "digest of weights.safetensors" in answer.json()["detail"]


def test_where_two_versions_do_not_fit_an_untested_one_never_takes_over(tmp_path: Path) -> None:
    models, store = tmp_path / "models", tmp_path / "store"
    models.mkdir()
    for version in (1, 2, 3):
        publish(store / f"x-{version}", version, name="x")
    bad = write_linear(store / "x-2", torch.full((3, 400), torch.nan), torch.zeros(3), gain=RMS_GAIN)
    write_manifest(store / "x-2", bad.model_copy(update={"name": "x", "version": "2"}))
    switch(models / "x", store / "x-1")
    memory = (store / "x-1" / "weights.safetensors").stat().st_size
    with serving(models, tmp_path / "log", SOUNDPROOF_MODEL_MEMORY_BYTES=str(memory)) as service:
        switch(models / "x", store / "x-2")
        done = reload(service)  # tried in the place of version 1, which comes back
        assert done["result"] == "partial"
        assert "finite" in done["reason"]
        assert certify(service, "x")["model"]["version"] == "1"
        switch(models / "x", store / "x-3")
        assert reload(service)["result"] == "applied"
        assert certify(service, "x")["model"]["version"] == "3"
        publish(store / "x-3", 4, name="x")  # written over in place: version 3 could not come back
        done = reload(service)
        assert done["result"] == "partial"
        assert "does not fit into memory beside the old one" in done["reason"]
        assert certify(service, "x")["model"]["version"] == "3"
        [worker] = psutil.Process(service.pid).children()
        worker.kill()
        assert certify(service, "x")["model"]["version"] == "4"  # of version 3 nothing is left
