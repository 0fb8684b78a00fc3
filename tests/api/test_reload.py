"""Models that change under a running service: what is asked meanwhile is answered, with one version or the other."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.api.attack import metric, wait_for
from tests.api.crowd import asking
from tests.api.publishing import SIGMA, broken, counts_of, publish, switch
from tests.api.reloading import ask, certify, listed, model, reload
from tests.conftest import Service, serving
from tests.model_folders import RMS_GAIN, write_linear

from soundproof.nets.manifest import MANIFEST, read_manifest, write_manifest


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds models `steady`, the default, and `x`."""
    folder = tmp_path_factory.mktemp("reload")
    publish(folder / "steady", 1)
    publish(folder / "x", 1)
    return folder


@pytest.fixture(scope="module")
def reloaded(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of its own, which may be told to read its models again."""
    log = tmp_path_factory.mktemp("log") / "log"
    with serving(models, log, SOUNDPROOF_DEFAULT_MODEL="steady") as running:
        yield running
    assert "Traceback" not in log.read_text()


@pytest.fixture
def service(reloaded: Service, models: Path) -> Iterator[Service]:
    """Version 1 of `steady` and `x`, and nothing else."""
    for place in models.iterdir():
        place.unlink() if place.is_symlink() else shutil.rmtree(place)
    publish(models / "steady", 1)
    publish(models / "x", 1)
    reload(reloaded)
    losses = metric(reloaded, "soundproof_worker_losses_total")
    yield reloaded
    assert metric(reloaded, "soundproof_worker_losses_total") == losses
    assert metric(reloaded, "soundproof_queue_depth") == 0


def test_nothing_fails_and_no_votes_are_mixed_while_versions_change(
    service: Service, models: Path, tmp_path: Path
) -> None:
    """Clients ask without a pause through a dozen reloads: in place, by a renamed folder, by a link, and broken ones.
    Every certificate must carry the very counts that its own digest's weights give, drawn here without any engine."""
    expected: dict[str, list[int]] = {}
    for version in (1, 2, 3):
        manifest = publish(tmp_path / f"x-{version}", version, name="x")
        expected[manifest.digest] = counts_of(tmp_path / f"x-{version}")
    first, second, third = expected
    assert len({tuple(counts) for counts in expected.values()}) == 3
    assert all(min(counts) > 0 for counts in expected.values())

    with asking(service) as crowd:
        crowd.answered_with(first)
        for _ in range(2):
            publish(models / "x", 2)  # written over in place
            assert reload(service)["result"] == "applied"
            crowd.answered_with(second)
            shutil.copytree(tmp_path / "x-3", models / ".x-3")  # beside it, then in its place
            (models / "x").rename(models / ".x-2")
            (models / ".x-3").rename(models / "x")
            assert reload(service)["result"] == "applied"
            crowd.answered_with(third)
            shutil.rmtree(models / ".x-2")
            broken(models / "x")
            assert reload(service)["result"] == "partial"
            crowd.answered_with(third)
            shutil.rmtree(models / "x")
            switch(models / "x", tmp_path / "x-2")
            assert reload(service)["result"] == "applied"
            crowd.answered_with(second)
            switch(models / "x", tmp_path / "x-1")
            for _ in range(20):  # a burst of signals is no more than a few reloads
                os.kill(service.pid, signal.SIGHUP)
            crowd.answered_with(first)
            (models / "x").unlink()
            publish(models / "x", 1)
            assert reload(service)["result"] == "unchanged"
    assert not crowd.faults
    assert [answer.text for answer in crowd.answers if answer.status_code != 200] == []
    certificates = [answer.json() for answer in crowd.answers]
    assert {certificate["model"]["digest"] for certificate in certificates} == set(expected)
    for certificate in certificates:
        assert certificate["sampling"]["counts"] == expected[certificate["model"]["digest"]]
        assert sum(certificate["sampling"]["counts"]) == 500
    versions = {(certificate["model"]["digest"], certificate["model"]["version"]) for certificate in certificates}
    assert versions == {(first, "1"), (second, "2"), (third, "3")}


def test_a_run_under_way_finishes_with_the_version_it_began_with(service: Service, models: Path) -> None:
    old = model(service, "x")["digest"]
    answers: list[dict[str, Any]] = []
    drawn = metric(service, "soundproof_noise_samples_total")
    long = threading.Thread(target=lambda: answers.append(certify(service, "x", n="300000")))
    long.start()
    assert wait_for(lambda: metric(service, "soundproof_noise_samples_total") > drawn + 1000)
    publish(models / "x", 2)
    reload(service)
    new = certify(service, "x")
    assert long.is_alive()
    assert new["model"]["version"] == "2"
    assert metric(service, "soundproof_models_loaded") == 3  # steady, and both versions of x
    long.join()
    assert (answers[0]["model"]["digest"], answers[0]["model"]["version"]) == (old, "1")
    assert wait_for(lambda: metric(service, "soundproof_models_loaded") == 2)


def test_a_folder_that_breaks_keeps_its_loaded_version_and_says_why(service: Service, models: Path) -> None:
    counts = certify(service, "x")["sampling"]["counts"]
    broken(models / "x")
    done = reload(service)
    assert done["result"] == "partial"
    assert "x: the digest of weights.safetensors" in done["reason"]
    entry = model(service, "x")
    assert (entry["state"], entry["version"]) == ("ready", "1")
    assert "digest" in entry["reason"]
    assert [each["name"] for each in listed(service)["models"]] == ["steady", "x"]  # once
    assert certify(service, "x")["sampling"]["counts"] == counts
    assert "partial: x: the digest of weights.safetensors" in service.log.read_text()


def test_a_new_version_that_no_worker_can_load_does_not_take_over(service: Service, models: Path) -> None:
    certify(service, "x")
    weight = torch.full((3, 400), torch.nan)
    manifest = write_linear(models / "x", weight, torch.zeros(3), gain=RMS_GAIN)
    write_manifest(models / "x", manifest.model_copy(update={"version": "2"}))
    assert reload(service)["result"] == "partial"
    entry = model(service, "x")
    assert (entry["state"], entry["version"]) == ("ready", "1")
    assert "finite" in entry["reason"]
    assert certify(service, "x")["model"]["version"] == "1"
    publish(models / "x", 3)
    assert reload(service)["result"] == "applied"
    assert certify(service, "x")["model"]["version"] == "3"


def test_a_version_that_was_never_asked_for_is_refused_when_it_is_and_tried_again_after_a_reload(
    service: Service, models: Path
) -> None:
    write_linear(models / "y", torch.full((3, 400), torch.nan), torch.zeros(3), gain=RMS_GAIN)
    assert reload(service)["result"] == "applied"
    assert model(service, "y")["state"] == "available"
    answer = ask(service, "y")
    assert (answer.status_code, answer.json()["code"]) == (503, "model_unavailable")
    assert "'y' cannot be served" in answer.json()["detail"]
    assert str(models) not in answer.text
    assert model(service, "y")["state"] == "refused"
    assert "finite" in model(service, "y")["reason"]
    certify(service, "x")
    publish(models / "y", 2)
    certify(service, "y")  # its folder has changed: no reload is needed


def test_models_come_and_go_and_the_default_changes_nothing_else(service: Service, models: Path) -> None:
    publish(models / "a-new", 1)
    reload(service)
    assert listed(service)["default"] == "steady"
    assert model(service, "a-new")["state"] == "available"
    certify(service, "a-new")
    assert model(service, "a-new")["devices"] == ["cpu"]
    shutil.rmtree(models / "a-new")
    reload(service)
    answer = ask(service, "a-new")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_model")
    with service.client() as client:
        assert client.get("/models/a-new").status_code == 404


def test_a_reload_that_would_take_the_default_away_is_rejected_and_shown(service: Service, models: Path) -> None:
    (models / "steady" / MANIFEST).unlink()
    publish(models / "x", 2)
    rejections = metric(service, "soundproof_model_reloads_total", result="rejected")
    read_at = listed(service)["read_at"]
    done = reload(service)
    assert done["result"] == "rejected"
    assert "steady" in done["reason"]
    assert metric(service, "soundproof_model_reloads_total", result="rejected") == rejections + 1
    assert listed(service)["read_at"] == read_at
    certify(service, "steady")
    with service.client() as client:
        assert client.get("/readyz").is_success


def test_the_entry_of_a_model_says_what_a_request_may_expect(service: Service, models: Path) -> None:
    certify(service, "x")
    answer = listed(service)
    [steady, x] = answer["models"]
    assert steady["name"] == "steady"
    manifest = read_manifest(models / "x")
    assert x == x | {
        "name": "x",
        "version": "1",
        "state": "ready",
        "reason": None,
        "digest": manifest.digest,
        "weights_sha256": manifest.weights_sha256,
        "format": "linear",
        "contracts": ["waveform", "post_processed"],
        "devices": ["cpu"],
    }
    assert x["size_bytes"] == (models / "x" / "weights.safetensors").stat().st_size
    assert x["manifest"]["classes"] == ["class-0", "class-1", "class-2"]
    assert answer["memory"]["budget_bytes"] == 2 << 30
    [worker] = answer["memory"]["workers"]
    assert worker == {"device": "cpu", "models": 2, "size_bytes": steady["size_bytes"] + x["size_bytes"]}


def test_a_folder_whose_name_is_no_text_is_shown_as_refused(service: Service, models: Path) -> None:
    place = models / os.fsdecode(b"z\xff\x1b")
    place.mkdir()
    (place / MANIFEST).write_text("{}")
    assert reload(service)["result"] == "partial"
    assert model(service, "z\ufffd\ufffd")["state"] == "refused"
    assert listed(service)["models"][-1]["name"] == "z\ufffd\ufffd"


def test_the_watch_takes_up_what_has_changed(tmp_path: Path) -> None:
    models = tmp_path / "models"
    publish(models / "x", 1)
    with serving(models, tmp_path / "log", SOUNDPROOF_MODELS_WATCH_S="0.1") as service:
        publish(models / "y", 1)
        assert wait_for(lambda: len(listed(service)["models"]) == 2)
        publish(models / "x", 2)
        assert wait_for(lambda: model(service, "x")["version"] == "2")
        assert certify(service, "x", sigma=str(SIGMA))["sampling"]["counts"] == counts_of(models / "x")
        shutil.rmtree(models / "y")
        assert wait_for(lambda: len(listed(service)["models"]) == 1)
