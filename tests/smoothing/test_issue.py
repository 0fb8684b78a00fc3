"""The numbers and facts of a certificate: those of its plan, its clip and its votes, none that nothing is known of."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.smoothing.issuing import CIRCUMSTANCES, FACTS, PLAN, RADIUS, SILENT, document, plan_of

from soundproof.audio.facts import ClipFacts
from soundproof.smoothing.plan import BoundName, ContractName, TransformName
from soundproof.terms import GainPolicy


def facts_at_unit_level(policy: GainPolicy) -> ClipFacts:
    """RMS 1 and peak 1, by this policy."""
    return replace(FACTS, gain_policy=policy, gain_target=1.0, peak=1.0)


def test_the_document_begins_with_what_is_read_first() -> None:
    order = list(document())
    assert order.index("outcome") < order.index("statement") < order.index("prediction") < order.index("radius")
    assert order.index("radius") < order.index("contract") < order.index("sampling") < order.index("compute")


def test_a_silent_clip_without_a_gain_has_no_signal_to_noise_ratio() -> None:
    found = document(facts=SILENT)
    assert found["radius"] == RADIUS
    assert found["snr_cert_db"] is None
    assert found["snr_floor_db"] is None
    assert found["file_domain"]["snr_db"] is None
    assert found["file_domain"]["gain_recomputed"]["snr_db"] is None
    assert found["audio"]["rms_dbfs"] is None
    assert found["audio"]["peak_dbfs"] is None
    assert "SNR" not in found["statement"]
    assert "0.00799644 (waveform amplitude, full scale 1)" in found["statement"]


def test_a_feature_certificate_has_no_numbers_about_audio() -> None:
    found = document(plan_of(ContractName.FEATURE))
    assert [found[key] for key in ("snr_cert_db", "snr_floor_db", "file_domain")] == [None] * 3
    assert found["radius_unit"] == "log-mel, nats"
    assert found["contract"]["perturbation"]["space"] == "feature"
    assert found["contract"]["reporting_scale"] == "radius"
    assert found["contract"]["representation"]["shape"] == [64, 101]
    assert found["contract"]["representation"]["dimension"] == 6_464
    assert found["contract"]["representation"]["steps"] == ["mono", "resample", "gain", "log_mel"]


@pytest.mark.parametrize(
    ("facts", "unit"),
    [
        (FACTS, "waveform amplitude at RMS 1"),
        (replace(FACTS, gain_policy=GainPolicy.PEAK, gain_target=0.25), "waveform amplitude at peak 0.25"),
        (replace(FACTS, gain_policy=GainPolicy.NONE, gain_target=None), "waveform amplitude, full scale 1"),
    ],
)
def test_the_unit_of_a_radius_says_at_which_level(facts: ClipFacts, unit: str) -> None:
    assert document(facts=facts)["radius_unit"] == unit


@pytest.mark.parametrize(
    ("transform", "level", "owner"),
    [
        (TransformName.FIXED, None, None),
        (TransformName.RMS, 1.0, GainPolicy.RMS),
        (TransformName.CLIP, 1.0, None),
        (TransformName.PEAK, 1.0, None),
        (TransformName.PEAK_CLEAN, 1.0, GainPolicy.PEAK),
    ],
)
def test_a_transform_says_whether_its_level_is_the_clips_own(
    transform: TransformName, level: float | None, owner: GainPolicy | None
) -> None:
    """It is, unless the gain policy brings every clip to that level."""
    for policy in (GainPolicy.RMS, GainPolicy.PEAK):
        found = document(plan_of(ContractName.POST_PROCESSED, transform), facts=facts_at_unit_level(policy))[
            "contract"
        ]["transform"]
        assert found["name"] == transform.value
        assert found["level"] == (None if level is None else pytest.approx(level))
        assert found["uses_clean_level"] is (owner is not None and policy is not owner)


@pytest.mark.parametrize(("label", "correct"), [(None, None), ("yes", True), ("no", False)])
def test_a_prediction_is_judged_only_by_a_label(label: str | None, correct: bool | None) -> None:
    found = document(circumstances=replace(CIRCUMSTANCES, label=label))
    assert found["label"] == label
    assert found["correct"] is correct
    assert found["prediction"] == {"index": 1, "label": "yes"}


def test_the_sampling_and_the_diagnostics_are_those_of_the_tally() -> None:
    found = document(replace(PLAN, bound=BoundName.MULTICLASS))
    assert found["sampling"] == {
        "n0": 100,
        "n": 10_000,
        "alpha": 0.001,
        "bound": "multiclass",
        "seed": 7,
        "seed_source": "service",
        "selection_counts": [1, 99, 0],
        "counts": [0, 10_000, 0],
        "invalid": 0,
        "samples_used": 10_000,
        "block_samples": 128,
        "generator": "numpy philox-4x64, ziggurat, float32",
        "precision": "float32",
        "backend": "torch 2.11.0",
    }
    assert found["diagnostics"]["samples"] == 100
    assert found["diagnostics"]["d_geom"] == pytest.approx(6.5e-8)
    assert found["diagnostics"]["effective_norm_ratio"] == pytest.approx(1.000000001)


def test_the_ceiling_and_the_floor_are_the_plans() -> None:
    found = document()
    assert found["radius_ceiling"] == PLAN.radius_ceiling == pytest.approx(RADIUS)
    assert found["snr_floor_db"] == pytest.approx(83.9832620545311)
    assert found["file_domain"]["radius"] == pytest.approx(RADIUS / (8.0 * 0.5))


def test_the_time_of_issue_is_utc() -> None:
    issued = datetime.fromisoformat(document()["created_at"])
    assert issued.utcoffset() == datetime.now(UTC).utcoffset()
    assert abs((datetime.now(UTC) - issued).total_seconds()) < 60
