"""The exposition: its series and their labels, held against a list and against Prometheus's own linter."""

import shutil
import subprocess
from collections import defaultdict

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.api.attack import GOOD, problem, upload
from tests.api.jobs.asking import ended, submit
from tests.conftest import Service
from tests.engine import simulated

from soundproof.api.gpus import GpuUse
from soundproof.api.metrics import METHODS, UNKNOWN_MODEL, Metrics
from soundproof.api.observe import UNMATCHED
from soundproof.api.problems import FRAMEWORK, INTERNAL, TABLE
from soundproof.engine.vitals import Vitals, WorkerVitals
from soundproof.job import State
from soundproof.smoothing.plan import ContractName
from soundproof.store.states import Counts
from soundproof.store.tally import Tally

# Every series of ours, and its labels. A histogram is one; it has "le" besides.
SERIES: dict[str, tuple[str, ...]] = {
    "soundproof_http_requests": ("route", "method", "status"),
    "soundproof_http_request_seconds": ("route",),
    "soundproof_problems": ("code",),
    "soundproof_certifications": ("model", "contract", "outcome"),
    "soundproof_snr_cert_db": ("model",),
    "soundproof_cache_hits": (),
    "soundproof_verifications": ("result",),
    "soundproof_certification_queue_seconds": (),
    "soundproof_certification_run_seconds": (),
    "soundproof_certification_prepare_seconds": (),
    "soundproof_certification_sampling_seconds": (),
    "soundproof_certification_store_seconds": (),
    "soundproof_noise_samples": ("model", "contract", "stage"),
    "soundproof_queue_depth": (),
    "soundproof_queue_waiting": (),
    "soundproof_queue_oldest_seconds": (),
    "soundproof_jobs": ("state",),
    "soundproof_job_clips": ("state",),
    "soundproof_job_clips_accepted": (),
    "soundproof_job_oldest_waiting_seconds": (),
    "soundproof_store_up": (),
    "soundproof_ready": (),
    "soundproof_worker_up": ("device",),
    "soundproof_worker_heartbeat_age_seconds": ("device",),
    "soundproof_worker_busy_seconds": ("device",),
    "soundproof_worker_blocks": (),
    "soundproof_worker_blocks_room": (),
    "soundproof_worker_losses": (),
    "soundproof_memory_halvings": ("device",),
    "soundproof_device_memory_used_bytes": ("device",),
    "soundproof_device_memory_bytes": ("device",),
    "soundproof_device_utilization_ratio": ("device",),
    "soundproof_models_loaded": (),
    "soundproof_models_loaded_bytes": (),
    "soundproof_model_loads": ("result",),
    "soundproof_model_load_seconds": (),
    "soundproof_model_evictions": (),
    "soundproof_model_reloads": ("result",),
    "soundproof_key_cost": ("key",),
    "soundproof_key_budget_left_ratio": ("key",),
    "soundproof_trace_spans": ("result",),
}
CODES = {error.code for error in TABLE} | {code for code, *_ in FRAMEWORK.values()} | {INTERNAL[2], "http_error"}
VOTING = {"certified", "abstained", "refuted", "undecided", "refused", "failed", "cancelled"}


def exposition(service: Service) -> str:
    with service.client() as client:
        return client.get("/metrics").raise_for_status().text


def told_everything() -> Metrics:
    """Metrics that were told of one of everything."""
    metrics, plan = Metrics(), simulated.plan(simulated.source("a", 1))
    metrics.request("/certify", "POST", 200, 0.1)
    metrics.problem("queue_full")
    metrics.certification("a", "waveform", "certified")
    metrics.snr("a", 20.0)
    metrics.verification("passed")
    metrics.samples(plan, "estimation", 1)
    metrics.answered("cpu", 0.1)
    metrics.memory_halved("cpu")
    metrics.model_load("loaded", 0.1)
    metrics.reload("applied")
    metrics.keys(["ci"])
    metrics.spent("ci", 1.0)
    metrics.budget_left("ci", 0.5)
    metrics.spans("exported", 1)
    metrics.jobs(Tally(jobs=Counts(), clips=Counts(), clips_accepted=0))
    metrics.gpus([GpuUse(device="cuda:0", memory_used_bytes=1, memory_bytes=2, utilization=0.5)])
    metrics.vitals(
        Vitals(waiting=0, oldest_waiting_s=0.0, workers=(WorkerVitals(device="cpu", up=True, silent_s=0.0),))
    )
    return metrics


def test_these_are_all_series_and_their_labels() -> None:
    found = {
        family.name: {frozenset(sample.labels.keys() - {"le"}) for sample in family.samples}
        for family in told_everything().registry.collect()
        if family.name.startswith("soundproof_")
    }
    assert found == {name: {frozenset(labels)} for name, labels in SERIES.items()}


def test_labels_come_from_closed_sets_whatever_is_asked(service: Service) -> None:
    upload(service, GOOD, contract="transform")
    upload(service, GOOD, model="speech-commands-12", contract="feature", n=100, sigma=0.5, target_snr_db=-40)
    for number in range(3):
        problem(upload(service, GOOD, model=f"nobodys-{number}"), 404, "unknown_model")
        problem(upload(service, b"RIFF" + bytes(number)), 422, "malformed_wav")
    with service.client() as client:
        ended(client, submit(client)["id"])
        for method in ("GET", "BREW", "PROPFIND"):
            client.request(method, "/nowhere/at/all")
        routes = set(client.get("/openapi.json").json()["paths"])
        models = {model["name"] for model in client.get("/models").json()["models"]}

    closed = {
        "route": routes | {UNMATCHED, "/openapi.json", "/docs", "/metrics"},
        "method": METHODS | {"other"},
        "code": CODES,
        "model": models | {UNKNOWN_MODEL},
        "contract": {contract.value for contract in ContractName},
        "outcome": VOTING,
        "stage": {"selection", "estimation"},
        "state": {state.value for state in State},
        "device": {"cpu"},
        "result": {
            "passed",
            "failed",
            "inconclusive",
            "loaded",
            "refused",
            "applied",
            "unchanged",
            "partial",
            "rejected",
        },
    }
    found: dict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(exposition(service)):
        if family.name.startswith("soundproof_"):
            for sample in family.samples:
                for label, value in sample.labels.items():
                    found[label].add(value)
    found.pop("le")
    assert all(status.isdecimal() for status in found.pop("status"))
    for label, values in found.items():
        assert values <= closed[label], label
    assert UNKNOWN_MODEL in found["model"]
    assert found["model"] & models
    assert {"unknown_model", "malformed_wav", "not_found"} <= found["code"]


def test_promtool_finds_nothing_to_say_about_our_metrics(service: Service) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    ours = "".join(
        line
        for line in exposition(service).splitlines(keepends=True)
        if "soundproof_" in line and "_created" not in line
    )
    assert ours.count("# TYPE soundproof_") >= 9
    linted = subprocess.run([promtool, "check", "metrics"], input=ours, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert not linted.stdout + linted.stderr
