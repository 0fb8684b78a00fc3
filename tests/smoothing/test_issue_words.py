"""What a certificate says in words, of each contract and of none, and how it rounds."""

import math
from dataclasses import replace

import pytest
from tests.smoothing.issuing import ABSTAINED, CERTIFIED, CLIP, FACTS, NORM, PLAN, SMOOTHED, document, plan_of

from soundproof.smoothing.plan import ContractName, TransformName

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


def test_a_label_with_a_quote_is_quoted_whole() -> None:
    found = document(outcome=replace(CERTIFIED, prediction=2))
    assert 'answers "it\'s" for' in found["statement"]
