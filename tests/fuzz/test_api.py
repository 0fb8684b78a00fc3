"""The whole API, as its description has it, tried by schemathesis: every operation, with data that should be accepted
and data that should not, and with what one answer names in the request that follows.

Held to: no status of 500 or above; every status, content type, header and document as described; what the description
excludes is refused; only the described methods.
"""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.attack import GOOD, certificate, metric, upload
from tests.api.conftest import failed
from tests.conftest import ROOT, Service, serving

MOST_SAMPLES = 300
DESCRIBED = ROOT / "openapi" / "openapi.json"
FORMS = ("/certify", "/certify/sweep", "/verify", "/jobs")
EVENTS = ("progress", "certificate", "problem", "clip", "end")


@pytest.fixture(scope="module")
def tried(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of few votes, unharmed at the end."""
    log = tmp_path_factory.mktemp("tried") / "log"
    with serving(models, log, SOUNDPROOF_MAX_SAMPLES=str(MOST_SAMPLES), SOUNDPROOF_BODY_DEADLINE_S="5") as running:
        failures = failed(running)  # of /readyz, while it started
        before = certificate(upload(running, GOOD))["certificate_id"]
        yield running
        assert certificate(upload(running, GOOD))["certificate_id"] == before
        assert failed(running) == failures
        assert metric(running, "soundproof_worker_losses_total") == 0
        assert "Traceback" not in log.read_text()


def test_the_api_keeps_to_its_description(tried: Service, tmp_path: Path) -> None:
    run(tried, described(), tmp_path, "examples,coverage,fuzzing", examples=6)


def test_what_can_be_accepted_is_and_leads_on(tried: Service, tmp_path: Path) -> None:
    """With forms narrowed to what this service has: most are accepted, and jobs and certificates are asked for."""
    run(tried, narrowed(described()), tmp_path, "fuzzing,stateful", examples=8, good_clips=True)
    for route in ("/certify", "/certify/sweep", "/verify", "/certificates/{certificate_id}", "/jobs/{job_id}/results"):
        assert metric(tried, "soundproof_http_requests_total", route=route, status="200") > 0, route
    assert metric(tried, "soundproof_http_requests_total", route="/jobs", status="202") > 0


@pytest.mark.slow
@pytest.mark.parametrize("good_clips", [False, True])
def test_the_api_keeps_to_its_description_for_longer(tried: Service, tmp_path: Path, good_clips: bool) -> None:
    document = narrowed(described()) if good_clips else described()
    run(tried, document, tmp_path, "examples,coverage,fuzzing,stateful", examples=300, good_clips=good_clips)


def described() -> dict[str, Any]:
    """The committed description, as schemathesis can read it: what is said of a stream of events it takes for what is
    said of each, and the two kinds of a job's form, where they are one with parts that exclude each other, it breaks
    over ("Unsupported type: 'Binary'", 4.32)."""
    found: dict[str, Any] = json.loads(DESCRIBED.read_text())
    event = {"type": "object", "required": ["event", "data"], "properties": {"event": {"enum": EVENTS}}}
    for operations in found["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                if stream := response.get("content", {}).get("text/event-stream"):
                    stream.clear()
                    stream["itemSchema"] = event
    form = found["paths"]["/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    del form["oneOf"]
    archive, clips = copy.deepcopy(form) | {"required": ["archive"]}, form | {"required": ["audio"]}
    del archive["properties"]["audio"], clips["properties"]["archive"]
    found["paths"]["/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"] = {
        "oneOf": [clips, archive]
    }
    return found


def run(
    service: Service,
    document: dict[str, Any],
    folder: Path,
    phases: str,
    *,
    examples: int,
    good_clips: bool = False,
) -> None:
    """Let schemathesis try the service; it has nothing against it. `examples`: for each operation and phase.
    `good_clips`: only requests that may be accepted."""
    place = folder / "openapi.json"
    place.write_text(json.dumps(document))
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color"]
    command += ["--config-file", str(Path(__file__).with_name("schemathesis.toml"))]
    command += ["run", str(place), "--url", service.url, "--phases", phases, "--max-examples", str(examples)]
    command += ["--mode", "positive" if good_clips else "all", "--seed", "1", "--generation-database", "none"]
    command += ["--suppress-health-check", "all", "--warnings", "off", "--continue-on-failure"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.fuzz.api_hooks", "PYTHONPATH": str(ROOT)}
    if good_clips:
        environment["FUZZ_GOOD_CLIPS"] = "1"
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """The same, but forms ask for the tiny model and few votes of good clips."""
    found = copy.deepcopy(document)
    narrow = {
        "model": {"enum": ["a-tiny"]},
        "label": {"enum": ["class-0", "class-1", "class-2"]},
        "contract": {"enum": ["waveform"]},
        "transform": {"enum": ["fixed"]},
        "bound": {"enum": ["clopper_pearson"]},
        "precision": {"enum": ["float32"]},
        "settings": {"enum": ["waveform:0.01,clip:0.1", "peak"]},
        "target_snr_db": {"minimum": 60, "maximum": 80},
        "n": {"minimum": 100, "maximum": MOST_SAMPLES},
        "n0": {"minimum": 1, "maximum": MOST_SAMPLES},
        "alpha": {"minimum": 0.01},
        "fresh_votes": {"maximum": MOST_SAMPLES},
    }
    for path in FORMS:
        content = found["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]
        form = content["schema"] = content["schema"].get("oneOf", [content["schema"]])[0]
        properties = form["properties"]
        for name, facets in narrow.items():
            if name in properties:
                properties[name] |= facets
        if path == "/jobs":
            del properties["manifest"]
            properties["audio"] |= {"minItems": 1, "maxItems": 1}
        form["required"] = [*form["required"], *(["n"] if "n" in properties else [])]
    return found
