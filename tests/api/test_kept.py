"""The same request is the same certificate: answered from the store, byte by byte."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.attack import metric, problem, wait_for
from tests.api.test_certify import CLIP
from tests.conftest import Service, serving

from soundproof.signing import signing_key

KEY = "a secret of at least thirty-two characters"


def ask(
    service: Service, address: str = "/certify", *, kept: bool = True, clip: bytes = CLIP, **fields: Any
) -> httpx.Response:
    with service.client(kept=kept) as client:
        answer = client.post(address, files={"audio": clip}, data={k: str(v) for k, v in fields.items()})
    assert answer.status_code == 200, answer.text
    return answer


def drawn(service: Service) -> float:
    return sum(metric(service, "soundproof_noise_samples_total", stage=stage) for stage in ("selection", "estimation"))


def test_asked_again_it_is_answered_from_the_store_and_nothing_is_drawn(service: Service) -> None:
    first = ask(service, n=300, sigma=0.0123)
    before, hits = drawn(service), metric(service, "soundproof_cache_hits_total")
    second = ask(service, n=300, sigma=0.0123)
    assert (first.headers["cached"], second.headers["cached"]) == ("false", "true")
    assert second.content == first.content
    assert drawn(service) == before
    assert metric(service, "soundproof_cache_hits_total") == hits + 1


@pytest.mark.parametrize(
    "other",
    [
        {"sigma": 0.0125},
        {"n": 301},
        {"n0": 99},
        {"alpha": 0.002},
        {"label": "class-1"},
        {"seed": 4},
        {"contract": "post_processed", "transform": "clip"},
        {"bound": "multiclass"},
        {"noise": "lattice"},
        {"target_snr_db": 90},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_question_has_an_answer_of_its_own(service: Service, other: dict[str, Any]) -> None:
    first = ask(service, n=300, sigma=0.0124)
    second = ask(service, **({"n": 300, "sigma": 0.0124} | other))
    assert second.headers["cached"] == "false"
    assert second.json()["certificate_id"] != first.json()["certificate_id"]


def test_another_sound_or_another_file_of_it_has_an_answer_of_its_own(service: Service) -> None:
    ask(service, n=300, sigma=0.0126)
    changed = bytearray(CLIP)
    changed[-1] ^= 1
    assert ask(service, clip=bytes(changed), n=300, sigma=0.0126).headers["cached"] == "false"
    padded = CLIP + b"junk" + (2).to_bytes(4, "little") + b"xx"  # another chunk behind the sound
    packed = ask(service, clip=padded, n=300, sigma=0.0126)
    assert packed.headers["cached"] == "false"
    assert packed.json()["audio"]["sha256"] != ask(service, n=300, sigma=0.0126).json()["audio"]["sha256"]


def test_no_store_draws_anew_and_keeps_nothing(service: Service) -> None:
    kept = ask(service, n=300, sigma=0.0127)
    before = drawn(service)
    anew = ask(service, kept=False, n=300, sigma=0.0127)
    assert anew.headers["cached"] == "false"
    assert drawn(service) == before + 400
    assert anew.json()["certificate_id"] == kept.json()["certificate_id"]
    assert ask(service, n=300, sigma=0.0127).content == kept.content
    ask(service, kept=False, n=300, sigma=0.0128)
    assert ask(service, n=300, sigma=0.0128).headers["cached"] == "false"


def test_a_stream_and_a_sweep_end_with_what_is_kept(service: Service) -> None:
    kept = ask(service, n=300, sigma=0.0129)
    before = drawn(service)
    streamed = ask(service, n=300, sigma=0.0129, progress="true").text
    assert f"event: certificate\ndata: {kept.text}" in streamed
    swept = ask(service, "/certify/sweep", settings="waveform:0.0129", n=300).json()
    assert swept["certificates"] == [kept.json()]
    assert drawn(service) == before


def test_a_certificate_is_found_by_its_address(service: Service) -> None:
    kept = ask(service, n=300, sigma=0.0131)
    with service.client() as client:
        found = client.get(f"/certificates/{kept.json()['certificate_id']}")
        assert (found.status_code, found.content) == (200, kept.content)
        problem(client.get("/certificates/sha256:" + 64 * "0"), 404, "unknown_certificate")
        problem(client.get("/certificates/..%2F..%2Fetc"), 404, "not_found")


def test_it_outlives_the_process_and_is_signed_with_the_key_of_the_day(models: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    with serving(models, tmp_path / "log", SOUNDPROOF_STORE=store) as service:
        unsigned = ask(service, n=300, sigma=0.01)
    with serving(models, tmp_path / "log", SOUNDPROOF_STORE=store, SOUNDPROOF_SIGNING_KEY=KEY) as service:
        signed = [ask(service, n=300, sigma=0.01) for _ in range(2)]
        assert [answer.headers["cached"] for answer in signed] == ["true", "true"]
        assert signed[0].content == signed[1].content
    document = signed[0].json()
    assert document["signature"]["key_id"] == signing_key(KEY).key_id
    assert document | {"signature": None} == unsigned.json()
    with serving(models, tmp_path / "log", SOUNDPROOF_STORE=store) as service:
        assert ask(service, n=300, sigma=0.01).content == unsigned.content


def test_without_a_seed_key_of_its_own_a_service_keeps_the_one_it_made(models: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    seeds = []
    for _ in range(2):
        with serving(models, tmp_path / "log", SOUNDPROOF_STORE=store, SOUNDPROOF_SEED_KEY="") as service:
            seeds.append(ask(service, kept=False, n=300, sigma=0.01).json()["sampling"]["seed"])
    assert seeds[0] == seeds[1]


def test_where_the_store_cannot_be_written_certificates_are_answered_all_the_same(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with serving(models, tmp_path / "log", SOUNDPROOF_STORE=f"sqlite:///{path}") as service:
        kept = ask(service, n=300, sigma=0.01)
        for part in ("store.db", "store.db-wal", "store.db-shm"):
            (tmp_path / part).write_bytes(b"no database" * 1000)
        assert ask(service, n=300, sigma=0.02).headers["cached"] == "false"
        again = ask(service, n=300, sigma=0.01)
        assert again.json()["certificate_id"] == kept.json()["certificate_id"]
        with service.client() as client:
            wait_for(lambda: client.get("/readyz").status_code == 503)
            assert "store" in problem(client.get("/readyz"), 503, "not_ready")["detail"]
            problem(client.get(f"/certificates/{kept.json()['certificate_id']}"), 503, "store_unavailable")
            assert "soundproof_store_up 0.0" in client.get("/metrics").text
    assert json.loads(again.content)


def test_a_jobs_results_are_signed_with_the_key_of_the_day_too(models: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    with serving(models, tmp_path / "log", SOUNDPROOF_STORE=store) as service, service.client() as client:
        files = [("audio", ("clip.wav", CLIP))]
        job = client.post("/jobs", files=files, data={"n": "300", "sigma": "0.01"}).raise_for_status().json()
        assert wait_for(lambda: client.get(f"/jobs/{job['id']}").json()["state"] == "done")
    with serving(models, tmp_path / "log", SOUNDPROOF_STORE=store, SOUNDPROOF_SIGNING_KEY=KEY) as service:
        alone = ask(service, n=300, sigma=0.01)
        assert (alone.headers["cached"], alone.json()["signature"] is None) == ("true", False)
        with service.client() as client:
            assert alone.content in client.get(f"/jobs/{job['id']}/results").content
            assert alone.text in client.get(f"/jobs/{job['id']}/events").text
