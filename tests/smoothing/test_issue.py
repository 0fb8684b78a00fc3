"""The certificate document: what it says in words and numbers, and its content address."""

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.smoothing.plans import plan_with

from soundproof.audio.facts import ClipFacts
from soundproof.certificate import UNADDRESSED, Certificate, Compute, canonical_json, content_id
from soundproof.nets.manifest import ModelManifest, Training
from soundproof.nets.specs import CnnSpec, LogMelSpec
from soundproof.smoothing.certification import Abstained, Certified, Geometry, Tally
from soundproof.smoothing.issue import Circumstances, issue
from soundproof.smoothing.plan import BoundName, ContractName, Plan, TransformName
from soundproof.terms import Gain, GainPolicy

unhurried = settings(deadline=None, derandomize=True)
# The paper's Table 1: sigma 0.0025, 10,000 unanimous votes, RMS 1 over 16,000 samples.
PLAN = plan_with(sigma=0.0025, n=10_000)
RADIUS, NORM = 0.00799644378684583, math.sqrt(16_000)
MANIFEST = ModelManifest(
    name="tiny",
    version="1",
    architecture=CnnSpec(),
    front_end=LogMelSpec(),
    classes=("no", "yes", "it's"),
    sample_rate_hz=16_000,
    clip_samples=16_000,
    gain=Gain(GainPolicy.RMS, 1.0),
    training=Training(noise_sigma=(0.0,), epochs=1, seed=0, clips=1),
    recommended_sigma={"waveform": 0.02, "feature": 0.02},
    data="none",
    data_licence="none",
    licence="none",
    weights_sha256="ab" * 32,
)
FACTS = ClipFacts(
    sample_rate_hz=44_100,
    channels=2,
    frames=44_100,
    duration_s=1.0,
    rms_dbfs=-20.0,
    peak_dbfs=-6.0,
    file_norm=29.7,
    steps=("mono", "resample", "gain"),
    cropped_frames=0,
    padded_frames=0,
    gain_policy=GainPolicy.RMS,
    gain_target=1.0,
    gain=8.0,
    operator_norm=0.5,
    linear_norm=NORM / 8,
    norm=NORM,
    peak=3.5,
    dimension=16_000,
    prepared_rate_hz=16_000,
)
SILENT = replace(
    FACTS,
    rms_dbfs=None,
    peak_dbfs=None,
    file_norm=0.0,
    steps=("mono", "resample"),
    gain_policy=GainPolicy.NONE,
    gain_target=None,
    gain=1.0,
    linear_norm=0.0,
    norm=0.0,
    peak=0.0,
)
TALLY = Tally(selection=(1, 99, 0), estimation=(0, 10_000, 0), invalid=0, geometry=Geometry(6.5e-6, 100.0000001, 100))
CERTIFIED = Certified(prediction=1, radius=RADIUS, p_a_lower=0.9993, saturated=True, tally=TALLY)
ABSTAINED = Abstained(
    reason="5000 of 10000 votes for the selected class do not show that it leads",
    candidate=1,
    p_a_lower=0.48,
    tally=replace(TALLY, estimation=(4_900, 5_000, 0), invalid=100),
)
CIRCUMSTANCES = Circumstances(
    audio_sha256="cd" * 32,
    generator="numpy philox-4x64, ziggurat, float32",
    backend="torch 2.11.0",
    label=None,
    seed_source="service",
    compute=Compute(device="cpu", queue_s=0.1, run_s=1.5, samples_per_second=6_733.3),
)


def document(
    plan: Plan = PLAN,
    facts: ClipFacts = FACTS,
    outcome: Certified | Abstained = CERTIFIED,
    circumstances: Circumstances = CIRCUMSTANCES,
    manifest: ModelManifest = MANIFEST,
) -> dict[str, Any]:
    """The certificate as JSON gives it back."""

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    text = issue(plan, manifest, facts, outcome, circumstances).model_dump_json()
    parsed: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return parsed


def plan_of(contract: ContractName, transform: TransformName = TransformName.FIXED) -> Plan:
    return replace(PLAN, contract=contract, transform=transform)


CLIP = "the clip at 16000 Hz, 16000 samples, gain held fixed"
SMOOTHED = "With confidence 99.9 %, the smoothed classifier (model 'tiny' 1, noise sigma 0.0025)"
LIFTED = (
    ", that is down to an SNR of 83.984 dB. In the uploaded file's samples (full scale 1) the distance is 0.00199911 "
    "with the gain held, 0.00199911 with the gain recomputed."
)
AT_RMS_1 = "l2 distance 0.00799644 (waveform amplitude at RMS 1)"


def test_a_waveform_certificate_in_words() -> None:
    words = f"{SMOOTHED} answers 'yes' for every waveform within {AT_RMS_1} of {CLIP}{LIFTED}"
    assert document()["statement"] == words


def test_a_feature_certificate_in_words() -> None:
    assert document(plan_of(ContractName.FEATURE))["statement"] == (
        SMOOTHED.replace("classifier", "classifier head")
        + " answers 'yes' for every point within l2 distance 0.00799644 (log-mel, nats) of the features (64 x 101) of "
        + f"{CLIP}. This says nothing about waveforms."
    )


def test_a_post_processed_certificate_in_words() -> None:
    behind = f"{SMOOTHED} behind the transform 'peak' answers 'yes' for every waveform within {AT_RMS_1} of {CLIP}"
    assert document(plan_of(ContractName.POST_PROCESSED, TransformName.PEAK))["statement"] == behind + LIFTED


def test_what_was_cropped_or_padded_is_said() -> None:
    cropped = document(facts=replace(FACTS, cropped_frames=8_000))
    assert "the middle 16000 of the clip's 24000 samples at 16000 Hz, gain held fixed" in cropped["statement"]
    padded = document(facts=replace(FACTS, padded_frames=4_000))
    assert padded["contract"]["certified_object"] == (
        "the clip at 16000 Hz, 16000 samples (4000 of them zero padding), gain held fixed"
    )


def facts_at_unit_level(policy: GainPolicy) -> ClipFacts:
    """RMS 1 and peak 1, by this policy."""
    return replace(FACTS, gain_policy=policy, gain_target=1.0, peak=1.0)


def test_a_level_of_the_clips_own_is_said_and_no_recomputed_gain_is_claimed() -> None:
    """A pipeline that computes the gain anew would compute the transform's level anew as well: another classifier."""
    found = document(plan_of(ContractName.POST_PROCESSED, TransformName.PEAK_CLEAN))
    assert found["file_domain"]["gain_recomputed"] is None
    assert (
        "behind the transform 'peak_clean', whose level is held at this clip's own, 3.5, answers" in found["statement"]
    )
    assert "recomputed" not in found["statement"]


def test_a_radius_that_rounding_may_use_up_has_no_file_domain() -> None:
    found = document(facts=replace(FACTS, file_norm=1e12))
    assert found["file_domain"] is None
    assert "uploaded" not in found["statement"]


def test_the_document_begins_with_what_is_read_first() -> None:
    order = list(document())
    assert order.index("outcome") < order.index("statement") < order.index("prediction") < order.index("radius")
    assert order.index("radius") < order.index("contract") < order.index("sampling") < order.index("compute")


@pytest.mark.parametrize(
    ("contract", "what"),
    [
        (ContractName.WAVEFORM, "the clip at 16000 Hz, 16000 samples, gain held fixed"),
        (ContractName.FEATURE, "the features (64 x 101) of the clip at 16000 Hz, 16000 samples, gain held fixed"),
        (
            ContractName.POST_PROCESSED,
            "the clip at 16000 Hz, 16000 samples, gain held fixed, for the classifier behind the transform 'fixed'",
        ),
    ],
)
def test_an_abstention_in_words(contract: ContractName, what: str) -> None:
    found = document(plan_of(contract), outcome=ABSTAINED)
    assert found["statement"] == (
        "No certificate: 5000 of 10000 votes for the selected class do not show that it leads. "
        f"Nothing is claimed about {what}."
    )
    assert found["outcome"] == "abstained"
    assert [found[key] for key in ("prediction", "correct", "radius", "snr_cert_db", "file_domain")] == [None] * 5
    assert found["saturated"] is False
    assert found["p_a_lower"] == 0.48
    assert found["sampling"]["counts"] == [4_900, 5_000, 0]
    assert found["sampling"]["invalid"] == 100
    assert found["sampling"]["samples_used"] == 10_000


@pytest.mark.parametrize(
    ("radius", "printed"),
    [(0.0079969999, "0.00799699"), (0.008, "0.008"), (1.23456999, "1.23456"), (9.9999999e-7, "0.000000999999")],
)
def test_a_radius_is_never_printed_larger_than_it_is(radius: float, printed: str) -> None:
    found = document(outcome=replace(CERTIFIED, radius=radius))
    assert f"within l2 distance {printed} (" in found["statement"]
    assert float(printed) <= found["radius"] == radius


@pytest.mark.parametrize("radius", [0.0079, 0.00791, 0.1, 0.5, 3.0])
def test_a_signal_to_noise_ratio_is_never_printed_smaller_than_it_is(radius: float) -> None:
    found = document(outcome=replace(CERTIFIED, radius=radius))
    printed = float(found["statement"].split("an SNR of ")[1].split(" dB")[0])
    exact = 20 * math.log10(NORM / radius)
    assert exact <= found["snr_cert_db"] <= printed < exact + 0.002


@pytest.mark.parametrize(
    ("alpha", "printed"),
    [
        (0.001, "99.9"),
        (0.002, "99.8"),
        (0.05, "95"),
        (0.5, "50"),
        (0.0005, "99.95"),
        (1e-9, "99.9999999"),
        (0.0123456789012345, "98.7654321098"),
    ],
)
def test_the_confidence_is_one_minus_alpha_as_it_was_asked_for(alpha: float, printed: str) -> None:
    assert document(replace(PLAN, alpha=alpha))["statement"].startswith(f"With confidence {printed} %, ")


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


ALL_KINDS = [
    (plan_of(contract), facts, outcome)
    for contract in ContractName
    for facts in (FACTS, SILENT)
    for outcome in (CERTIFIED, ABSTAINED)
]


@pytest.mark.parametrize(("plan", "facts", "outcome"), ALL_KINDS)
def test_a_certificate_survives_json(plan: Plan, facts: ClipFacts, outcome: Certified | Abstained) -> None:
    certificate = issue(plan, MANIFEST, facts, outcome, CIRCUMSTANCES)
    schema: TypeAdapter[Any] = TypeAdapter(Certificate)
    assert schema.validate_json(certificate.model_dump_json()) == certificate
    assert schema.validate_json(canonical_json(certificate.model_dump(mode="json"))) == certificate


@pytest.mark.parametrize(("plan", "facts", "outcome"), ALL_KINDS)
def test_the_id_is_the_address_of_the_document(plan: Plan, facts: ClipFacts, outcome: Certified | Abstained) -> None:
    found = document(plan, facts, outcome)
    assert found["certificate_id"] == content_id(found)
    assert document(plan, facts, outcome)["certificate_id"] == found["certificate_id"]


@unhurried
@given(st.randoms(use_true_random=False))
def test_the_id_does_not_depend_on_the_order_of_keys(random: Any) -> None:
    def shuffled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: shuffled(part[key]) for key in random.sample(list(part), len(part))}
        return part

    found = document()
    reordered = json.loads(json.dumps(shuffled(found), indent=random.choice([None, 2])))
    assert content_id(reordered) == found["certificate_id"]


def leaves(part: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values that hold no others."""
    inner = list(part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ())
    if not inner:
        yield path
    for key, value in inner:
        yield from leaves(value, (*path, key))


def altered(value: Any) -> Any:
    """The smallest change there is."""
    match value:
        case bool():
            return not value
        case float():
            return math.nextafter(value, math.inf)
        case int():
            return value + 1
        case str():
            return value + " "
        case _:
            return "something"


@pytest.mark.parametrize("path", list(leaves(document())), ids=lambda path: ".".join(map(str, path)))
def test_any_change_of_an_addressed_value_changes_the_id(path: tuple[str | int, ...]) -> None:
    found = document()
    tampered = copy.deepcopy(found)
    part: Any = tampered
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = altered(part[path[-1]])
    assert tampered != found
    assert (content_id(tampered) == content_id(found)) is (path[0] in UNADDRESSED)


def test_only_what_two_runs_may_differ_in_is_left_out_of_the_id() -> None:
    assert set(UNADDRESSED) == {"certificate_id", "created_at", "service_version", "compute", "signature"}
    found = document()
    assert content_id({key: value for key, value in found.items() if key not in UNADDRESSED}) == content_id(found)
    slower = replace(CIRCUMSTANCES, compute=CIRCUMSTANCES.compute.model_copy(update={"device": "cuda:0", "run_s": 9.0}))
    assert document(circumstances=slower)["certificate_id"] == found["certificate_id"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_know_has_no_address(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_id(document() | {"radius": value})


def test_a_label_with_a_quote_is_quoted_whole() -> None:
    found = document(outcome=replace(CERTIFIED, prediction=2))
    assert 'answers "it\'s" for' in found["statement"]
