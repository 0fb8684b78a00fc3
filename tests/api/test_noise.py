"""POST /certify with noise: what a certificate of lattice noise says, over HTTP."""

import math
from pathlib import Path
from typing import Any

import pytest
from tests.api.test_certify import CLIP, certify
from tests.api.test_sweep import sweep
from tests.conftest import TINY_SAMPLES, YES, Service, serving
from tests.model_folders import random_linear, write_linear

from soundproof.certificate import content_id
from soundproof.smoothing.lattice import Lattice
from soundproof.stats.bounds import error_upper_bound
from soundproof.stats.radius import radius, snr_db
from soundproof.terms import Gain, GainPolicy

SIGMA = 0.01
SLACK = Lattice(SIGMA).slack(TINY_SAMPLES)


def test_float_noise_is_the_default_and_accounts_for_nothing(service: Service) -> None:
    named, plain = certify(service, sigma=SIGMA, n=200, noise="float"), certify(service, sigma=SIGMA, n=200)
    assert named["certificate_id"] == plain["certificate_id"]
    perturbation = plain["contract"]["perturbation"]
    assert perturbation["noise"] == "float"
    assert [perturbation[key] for key in ("step", "radius_slack", "error_slack")] == [None] * 3
    assert "ziggurat" in plain["sampling"]["generator"]


def test_lattice_noise_says_its_step_and_what_it_cost(service: Service) -> None:
    found = certify(service, sigma=SIGMA, n=1000, noise="lattice")
    assert found["contract"]["perturbation"] == {
        "distribution": "gaussian",
        "norm": "l2",
        "space": "waveform",
        "sigma": SIGMA,
        "noise": "lattice",
        "step": Lattice(SIGMA).step,
        "radius_slack": SLACK.distance,
        "error_slack": SLACK.error,
    }
    assert "rounded to a multiple of 2^-27" in found["statement"]
    assert found["sampling"]["generator"] == "numpy philox-4x64, 64-bit inversion, rounded to the lattice, groups of 32"
    right = found["sampling"]["counts"][found["prediction"]["index"]]
    around_point = radius(SIGMA, error_upper_bound(right, 1000, 0.001) + SLACK.error)
    assert around_point is not None
    assert found["radius"] == pytest.approx(around_point - SLACK.distance, rel=1e-9)
    assert found["radius"] <= found["radius_ceiling"] < certify(service, sigma=SIGMA, n=1000)["radius_ceiling"]
    assert found["snr_floor_db"] == snr_db(math.sqrt(TINY_SAMPLES), found["radius_ceiling"])
    gain, domain = found["contract"]["representation"]["gain"]["value"], found["file_domain"]
    assert domain["radius"] == pytest.approx(found["radius"] / (gain * domain["operator_norm"]), rel=1e-6)
    assert found["certificate_id"] == content_id(found)


def test_lattice_noise_is_repeatable_and_of_its_own(service: Service) -> None:
    fields: dict[str, Any] = {"sigma": 2.0, "n": 500}
    one, again = (certify(service, noise="lattice", **fields) for _ in range(2))
    assert one["certificate_id"] == again["certificate_id"]
    assert one["sampling"]["seed"] != certify(service, **fields)["sampling"]["seed"]
    on_lattice, plain = (certify(service, noise=noise, seed=3, **fields) for noise in ("lattice", "float"))
    assert on_lattice["sampling"]["counts"] != plain["sampling"]["counts"]


@pytest.mark.parametrize("contract", ["waveform", "feature", "post_processed"])
def test_the_bundled_model_is_certified_on_a_lattice_under_every_contract(service: Service, contract: str) -> None:
    fields = {"model": "speech-commands-12", "n": 200, "sigma": 0.02, "noise": "lattice", "contract": contract}
    found = certify(service, YES.read_bytes(), **fields)
    assert found["outcome"] == "certified"
    assert found["prediction"]["label"] == "yes"
    dimension = found["contract"]["representation"]["dimension"]
    assert dimension == (64 * 101 if contract == "feature" else 16_000)
    assert found["contract"]["perturbation"]["radius_slack"] == Lattice(0.02).distance_slack(dimension)


def test_a_gate_on_a_lattice_certifies_its_target(service: Service) -> None:
    target = 20 * math.log10(math.sqrt(TINY_SAMPLES) / (2 * SIGMA))
    found = certify(service, sigma=SIGMA, target_snr_db=target, noise="lattice")
    plain = certify(service, sigma=SIGMA, target_snr_db=target)
    assert found["verdict"] == plain["verdict"] == "certified"
    assert found["radius"] == plain["radius"] == found["gate"]["target_radius"]
    assert found["gate"]["null_error"] < plain["gate"]["null_error"] - SLACK.error
    assert found["p_a_lower"] < 1 - found["gate"]["null_error"] - SLACK.error


def test_a_sweep_is_asked_with_one_kind_of_noise(service: Service) -> None:
    found = sweep(service, CLIP, settings="waveform:0.01,clip:0.01", noise="lattice", n=200)
    assert [c["contract"]["perturbation"]["noise"] for c in found["certificates"]] == ["lattice"] * 2
    alone = certify(service, sigma=SIGMA, n=200, noise="lattice")
    assert found["certificates"][0]["certificate_id"] == alone["certificate_id"]


def test_another_kind_of_noise_is_refused(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/certify", files={"audio": CLIP}, data={"noise": "pink"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"
    assert "'float' or 'lattice'" in answer.text


def test_a_clip_too_loud_for_its_noise_is_refused_with_what_to_do(tmp_path: Path) -> None:
    write_linear(tmp_path / "models" / "loud", *random_linear(TINY_SAMPLES), gain=Gain(GainPolicy.PEAK, 1e4))
    with serving(tmp_path / "models", tmp_path / "log") as service, service.client() as client:
        fields = {"noise": "lattice", "sigma": "0.000001", "n": "100"}
        answer = client.post("/certify", files={"audio": CLIP}, data=fields)
        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid_plan"
        assert answer.json()["hint"] == "Ask for a larger sigma, or for noise 'float'."
        assert certify(service, noise="lattice", sigma=1e-3, n=100)["radius_ceiling"] > 0
