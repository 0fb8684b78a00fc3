"""The votes and looks that a certificate states: only what a run can have had is taken, and proves what it proved."""

from typing import Any

import pytest
from tests.smoothing.issuing import CIRCUMSTANCES, FACTS, MANIFEST
from tests.smoothing.test_gated_words import LOOKS, PLAN, outcome_of, question
from tests.verify.certificates import altered, as_bytes

from soundproof.smoothing.gated import Verdict
from soundproof.smoothing.issue import issue
from soundproof.smoothing.recount import Issued, vote_faults
from soundproof.smoothing.recount import outcome_of as recounted
from soundproof.smoothing.reissue import differences, plan_of
from soundproof.verify.document import read

# Looks after 359, 467, 608 ... votes that certify with 0, 0, 1 ... errors; those of test_gated_words.py are made up.
BOUNDARIES = list(zip(question().gate.looks, question().gate.most_errors, strict=True))


def gated(errors: list[int], selection: tuple[int, ...] = (1, 99, 0)) -> dict[str, Any]:
    """A certificate whose gate found so many errors at its looks, with the rest to match."""
    found = issue(PLAN, MANIFEST, FACTS, outcome_of(Verdict.CERTIFIED), CIRCUMSTANCES).model_dump(mode="json")
    looks = [
        {"votes": votes, "errors": count, "most_errors": most}
        for count, (votes, most) in zip(errors, BOUNDARIES, strict=False)
    ]
    used = looks[-1]["votes"] if looks else BOUNDARIES[0][0]
    wrong = errors[-1] if errors else 0
    return altered(
        found,
        {
            "gate.looks": looks,
            "sampling.samples_used": used,
            "sampling.counts": [wrong, used - wrong, 0],
            "sampling.selection_counts": list(selection),
        },
    )


def stated(found: dict[str, Any]) -> Issued:
    return read(as_bytes(found)).certificate


def faults(found: dict[str, Any]) -> list[str]:
    return vote_faults(stated(found), PLAN, question())


def test_looks_that_end_at_the_first_that_decides_are_taken() -> None:
    assert faults(gated([0])) == []
    assert faults(gated([1, 1, 1])) == []
    assert faults(gated([200])) == []  # refuted
    assert faults(gated([], selection=(0, 0, 0))) == []


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (gated([0, 0]), "look 1 of 2 has decided already"),
        (gated([1]), "look 1 of 1 decides nothing"),
        (gated([2, 1]), "look 2 has 1 errors after 2"),
        (gated([1, 110]), "look 2 has 110 errors after 1"),
        (gated([]), "0 looks"),
        (gated([0], selection=(0, 0, 0)), "selection found no class"),
        (altered(gated([1, 1, 1]), {"gate.looks.1.most_errors": 9}), "it has to be after"),
        (altered(gated([1, 1, 1]), {"gate.looks.0.votes": 362}), "it has to be after 359"),
        (altered(gated([0]), {"sampling.counts": [1, 358, 0]}), "the counts have 1 errors"),
        (altered(gated([0]), {"sampling.counts": [0, 360, 0], "sampling.samples_used": 360}), "360 votes were used"),
        (altered(gated([0]), {"sampling.counts": [0, 359]}), "2 classes"),
        (altered(gated([0]), {"sampling.counts": [-1, 360, 0]}), "negative"),
        (altered(gated([0]), {"sampling.selection_counts": [1, 100, 0]}), "101 votes of 100"),
        (altered(gated([0]), {"diagnostics.samples": 99}), "99 samples"),
    ],
    ids=range(14),
)
def test_looks_and_counts_that_no_run_can_have_are_named(found: dict[str, Any], fault: str) -> None:
    assert fault in "; ".join(faults(found))


@pytest.mark.parametrize("errors", [[0], [1, 1, 1], [200], []], ids=["first", "third", "refuted", "abstained"])
def test_what_the_looks_prove_is_what_is_issued(errors: list[int]) -> None:
    made = stated(gated(errors, selection=(1, 99, 0) if errors else (0, 0, 0)))
    outcome = recounted(made, PLAN, question())
    assert outcome.answer is not None
    certificate = issue(PLAN, MANIFEST, FACTS, outcome, CIRCUMSTANCES)
    again = certificate.model_copy(update={"diagnostics": certificate.diagnostics.model_copy(update={"samples": 100})})
    assert plan_of(again, MANIFEST, PLAN.clip_sha256).target_snr_db == PLAN.target_snr_db
    assert list(differences(again, PLAN, MANIFEST, FACTS, outcome)) == []
    assert len(LOOKS) == len(Verdict)
