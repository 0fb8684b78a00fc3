"""What a gate's certificate says, for each of its four verdicts."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter
from tests.smoothing.issuing import CIRCUMSTANCES, CLIP, FACTS, MANIFEST, NORM, SMOOTHED, TALLY, document
from tests.smoothing.plans import plan_with

from soundproof.certificate import Certificate, content_id
from soundproof.smoothing.certification import Abstained, Certified, answered
from soundproof.smoothing.gated import Answer, Look, Question, Verdict, question_of
from soundproof.smoothing.issue import issue
from soundproof.smoothing.plan import ContractName
from soundproof.stats.radius import snr_db

TARGET = 88.0712345  # dB, that is 1.998 sigmas
PLAN = plan_with(sigma=0.0025, n=10_000, target_snr_db=TARGET)
LOOKS = {
    Verdict.CERTIFIED: (Look(361, 2, 0), Look(470, 2, 2)),
    Verdict.REFUTED: (Look(361, 200, 0),),
    Verdict.UNDECIDED: (Look(361, 9, 0), Look(10_000, 200, 181)),
    Verdict.ABSTAINED: (),
}


def question() -> Question:
    found = question_of(PLAN, NORM)
    assert found is not None
    return found


def outcome_of(verdict: Verdict) -> Certified | Abstained:
    looks = LOOKS[verdict]
    votes, errors = (looks[-1].votes, looks[-1].errors) if looks else (361, 0)
    tally = replace(TALLY, estimation=(errors, votes - errors, 0))
    return answered(PLAN, 1 if looks else None, Answer(question(), looks, verdict), tally)


def gate_document(verdict: Verdict, **changes: Any) -> dict[str, Any]:
    return document(replace(PLAN, **changes), outcome=outcome_of(verdict))


def test_a_certified_gate_in_words() -> None:
    found = gate_document(Verdict.CERTIFIED)
    assert found["statement"].startswith(f"{SMOOTHED} answers 'yes' for every waveform within l2 distance 0.0049")
    assert f" of {CLIP}, that is down to the SNR asked for, 88.0712345 dB. In the uploaded file's" in found["statement"]
    printed = float(found["statement"].split("within l2 distance ")[1].split(" ")[0])
    assert printed <= found["radius"] == found["gate"]["target_radius"] == question().target_radius
    assert found["snr_cert_db"] == TARGET
    assert found["snr_cert_db"] == pytest.approx(snr_db(NORM, found["radius"]), abs=1e-9)
    assert found["p_a_lower"] == pytest.approx(1 - found["gate"]["null_error"])
    assert found["file_domain"]["radius"] == pytest.approx(found["radius"] / 4)
    assert not found["saturated"]
    assert found["radius"] <= found["radius_ceiling"]
    assert found["snr_floor_db"] <= TARGET


def test_a_refuted_gate_in_words_is_no_proof() -> None:
    found = gate_document(Verdict.REFUTED)
    assert found["statement"] == (
        "Refuted: 200 of 361 votes are not for the selected class; a gate of 10000 votes certifies with at most 181 "
        "such votes. This gate can no longer certify that the answer holds down to an SNR of 88.0712345 dB; that is no "
        f"proof that it does not. Nothing is claimed about {CLIP}."
    )


def test_an_undecided_gate_in_words() -> None:
    found = gate_document(Verdict.UNDECIDED)
    assert found["statement"] == (
        "Undecided: 200 of 10000 votes are not for the selected class; a gate of 10000 votes certifies with at most "
        "181 such votes, and all are drawn. This gate leaves open whether the answer holds down to an SNR of "
        f"88.0712345 dB; one of more votes may tell. Nothing is claimed about {CLIP}."
    )


def test_a_gate_that_found_no_class_in_words() -> None:
    found = gate_document(Verdict.ABSTAINED)
    assert found["statement"] == (
        "No certificate: no selection vote was for a class: the logits were not finite. "
        f"Nothing is claimed about {CLIP}."
    )
    assert found["gate"]["looks"] == []


@pytest.mark.parametrize("verdict", Verdict)
def test_the_record_of_a_gate(verdict: Verdict) -> None:
    found = gate_document(verdict)
    assert found["verdict"] == verdict.value
    assert found["outcome"] == ("certified" if verdict is Verdict.CERTIFIED else "abstained")
    gate = question().gate
    assert found["gate"] == {
        "target_snr_db": TARGET,
        "target_radius": question().target_radius,
        "null_error": gate.null_error,
        "n": 10_000,
        "looks": [
            {"votes": look.votes, "errors": look.errors, "most_errors": look.most_errors} for look in LOOKS[verdict]
        ],
        "hopeless_errors": gate.hopeless_errors,
    }
    votes = LOOKS[verdict][-1].votes if LOOKS[verdict] else 361
    assert found["sampling"]["samples_used"] == votes == sum(found["sampling"]["counts"])
    if verdict is not Verdict.CERTIFIED:
        assert [found[key] for key in ("prediction", "radius", "snr_cert_db", "p_a_lower", "file_domain")] == [None] * 5
        assert "Nothing is claimed" in found["statement"]


@pytest.mark.parametrize("verdict", Verdict)
def test_a_gates_certificate_survives_json_and_keeps_its_address(verdict: Verdict) -> None:
    certificate = issue(PLAN, MANIFEST, FACTS, outcome_of(verdict), CIRCUMSTANCES)
    schema: TypeAdapter[Any] = TypeAdapter(Certificate)
    assert schema.validate_json(certificate.model_dump_json()) == certificate
    assert content_id(certificate.model_dump(mode="json")) == certificate.certificate_id


def test_a_transform_is_named_by_the_gate_as_well() -> None:
    found = gate_document(Verdict.REFUTED, contract=ContractName.POST_PROCESSED)
    assert "for the classifier behind the transform 'fixed'" in found["statement"]


def test_without_a_target_there_is_no_gate() -> None:
    assert document()["verdict"] is None
    assert document()["gate"] is None
