"""A run beside its baseline: pairs, tests, and what is not comparable."""

import pytest
from scipy.stats import binomtest
from tests.client.made import CURVE, GATE, report, result

from soundproof.client.gate.comparison import Comparison, check_comparable
from soundproof.client.gate.decision import Outcome
from soundproof.client.gate.faults import SuiteFault
from soundproof.client.gate.journal import PastRun
from soundproof.client.gate.question import Question
from soundproof.client.gate.result import Result


def run(held: range, of: int, question: Question = GATE, label: str = "yes") -> list[Result]:
    return [result(f"{i}.wav", "certified" if i in held else "refuted", label=label) for i in range(of)]


def test_lost_and_won_are_told_with_their_test() -> None:
    past, now = PastRun(GATE, tuple(run(range(10, 60), 60))), run(range(50), 60)
    found = Comparison.of(past, now, GATE)
    assert [change.result.clip for change in found.lost] == [f"{i}.wav" for i in range(50, 60)]
    assert [change.result.clip for change in found.won] == [f"{i}.wav" for i in range(10)]
    assert found.p == pytest.approx(binomtest(10, 20, 0.5, "greater").pvalue)
    assert (found.pairs, found.held_before, found.held_now, float(found.drop)) == (60, 50, 50, 0.0)
    assert not found.failed


@pytest.mark.parametrize(("lost", "failed"), [(0, False), (4, False), (5, True)])
def test_a_significant_loss_fails_the_gate_whatever_the_share(lost: int, failed: bool) -> None:
    past = PastRun(GATE, tuple(run(range(100), 100)))
    told = report(run(range(lost, 100), 100), past=past, least=0.5)
    assert told.comparison is not None
    assert told.comparison.failed is failed  # 1/2 to the power of 5 is below 0.05
    assert told.outcome is (Outcome.FAIL if failed else Outcome.PASS)
    assert ("It got worse" in " ".join(told.reasons)) is failed


@pytest.mark.parametrize(("allowed", "failed"), [(0.0, True), (0.05, True), (0.06, False)])
def test_an_allowed_drop_takes_the_place_of_the_test(allowed: float, failed: bool) -> None:
    past = PastRun(GATE, tuple(run(range(100), 100)))
    found = Comparison.of(past, run(range(6, 100), 100), GATE, allowed)
    assert found.failed is failed
    assert not Comparison.of(past, run(range(100), 100), GATE, allowed).failed


def test_an_improvement_never_fails() -> None:
    past = PastRun(GATE, tuple(run(range(50), 100)))
    for allowed in (None, 0.0):
        assert not Comparison.of(past, run(range(100), 100), GATE, allowed).failed


def test_clips_are_paired_by_their_sound_not_by_their_name() -> None:
    before = [result("old/1.wav"), result("2.wav"), result("3.wav")]
    renamed = before[0].model_copy(update={"clip": "new/1.wav"})
    now = [renamed, result("4.wav"), result("3.wav", "refuted")]
    found = Comparison.of(PastRun(GATE, tuple(before)), now, GATE)
    assert found.pairs == 2
    assert found.only_now == ("4.wav",)
    assert found.only_before == ("2.wav",)
    assert [change.result.clip for change in found.lost] == ["3.wav"]


def test_a_clip_whose_label_was_mended_is_another_clip() -> None:
    found = Comparison.of(
        PastRun(GATE, (result("1.wav"), result("2.wav"))), [result("1.wav"), result("2.wav", label="no")], GATE
    )
    assert found.pairs == 1


def test_runs_without_a_clip_in_common_cannot_be_compared() -> None:
    with pytest.raises(SuiteFault, match="no clip of this suite"):
        Comparison.of(PastRun(GATE, (result("1.wav"),)), [result("2.wav")], GATE)


def test_classes_are_tested_with_holms_adjustment() -> None:
    before = [*run(range(10), 10), *(result(f"n{i}.wav", label="no") for i in range(10))]
    now = [*run(range(5, 10), 10), *before[10:]]
    found = Comparison.of(PastRun(GATE, tuple(before)), now, GATE)
    no, yes = found.by_class
    assert (yes.label, yes.lost, yes.won, yes.pairs) == ("yes", 5, 0, 10)
    assert yes.p == pytest.approx(2 * 0.5**5)
    assert no.p == 1.0


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (GATE.model_copy(update={"at_snr_db": 60.0}), r"at_snr_db 60.0, now 70.0"),
        (GATE.model_copy(update={"contract": "feature", "at_snr_db": None, "at_radius": 1.0}), "contract feature"),
        (GATE.model_copy(update={"transform": "rms"}), "transform rms, now none"),
    ],
)
def test_another_question_is_no_baseline(before: Question, words: str) -> None:
    with pytest.raises(SuiteFault, match=words):
        check_comparable(PastRun(before, (result("1.wav"),)), GATE)


def test_a_curve_answers_for_every_snr_and_differences_are_told() -> None:
    past = PastRun(
        CURVE.model_copy(update={"at_snr_db": 60.0, "sigma": 0.5, "transform": "fixed"}), tuple(run(range(9), 9))
    )
    check_comparable(past, GATE)
    found = Comparison.of(past, run(range(9), 9), GATE)
    assert found.different == ("curve True, now False", "sigma 0.5, now by default")
    assert found.held_before == 9
