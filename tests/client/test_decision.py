"""Where clips stand, the verdict, and the claims: by hand and against scipy."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom
from tests.client.made import CURVE, GATE, report, result, several

from soundproof.client.gate.decision import Bar, Decision, Outcome
from soundproof.client.gate.faults import SuiteFault
from soundproof.client.gate.result import Standing
from soundproof.client.gate.tally import confusion, percent


@pytest.mark.parametrize(
    ("outcome", "standing"),
    [
        ("certified", Standing.HELD),
        ("refuted", Standing.REFUTED),
        ("undecided", Standing.UNDECIDED),
        ("abstained", Standing.ABSTAINED),
        ("refused", Standing.REFUSED),
    ],
)
def test_a_gates_verdict_is_where_a_clip_stands(outcome: str, standing: Standing) -> None:
    assert result("a.wav", outcome).standing(GATE) is standing


def test_a_wrong_answer_never_holds_however_far_it_is_proven() -> None:
    assert result("a.wav", answer="no", snr=40.0).standing(GATE) is Standing.WRONG
    assert result("a.wav", answer="no", snr=40.0, gate=False).standing(CURVE) is Standing.WRONG


@pytest.mark.parametrize(
    ("snr", "floor", "standing"),
    [
        (69.99, 65.0, Standing.HELD),
        (70.0, 65.0, Standing.HELD),
        (70.01, 65.0, Standing.SHORT),
        (72.0, 71.0, Standing.UNDECIDED),  # not even unanimous votes reach 70 dB: more of them might
    ],
)
def test_a_largest_radius_holds_down_to_its_snr(snr: float, floor: float, standing: Standing) -> None:
    assert result("a.wav", snr=snr, floor=floor, gate=False).standing(CURVE) is standing


def test_a_radius_is_compared_in_its_own_unit() -> None:
    far = result("a.wav", gate=False)
    assert far.certificate is not None
    radius, ceiling = far.certificate["radius"], far.certificate["radius_ceiling"]
    asked = GATE.model_copy(update={"at_snr_db": None, "contract": "feature"})
    for target, standing in (
        (radius, Standing.HELD),
        ((radius + ceiling) / 2, Standing.SHORT),
        (2 * ceiling, Standing.UNDECIDED),
    ):
        assert far.standing(asked.model_copy(update={"at_radius": target})) is standing


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [
        ({"certified": 9, "refuted": 1}, Outcome.PASS),
        ({"certified": 8, "refuted": 2}, Outcome.FAIL),
        ({"certified": 8, "undecided": 1, "wrong": 1}, Outcome.UNDECIDED),
        ({"certified": 8, "abstained": 1, "refused": 1}, Outcome.UNDECIDED),
        ({"certified": 7, "undecided": 1, "abstained": 1, "wrong": 1}, Outcome.UNDECIDED),
        ({"certified": 7, "undecided": 1, "refuted": 2}, Outcome.FAIL),
        ({"certified": 9, "undecided": 1}, Outcome.PASS),
        ({"abstained": 10}, Outcome.UNDECIDED),
    ],
)
def test_the_verdict_counts_open_clips_both_ways(counts: dict[str, int], outcome: Outcome) -> None:
    assert Decision.of(Bar(0.9), several(**counts), GATE).outcome is outcome


def test_shares_are_compared_exactly() -> None:
    for tenths in range(11):
        assert Bar(tenths / 10).needed(10) == tenths
    assert Bar(0.07).needed(100) == 7  # 0.07 * 100 is 7.000000000000001 in binary
    assert Bar(0.901).needed(10) == 10


@pytest.mark.parametrize("clips", [1, 51, 52, 200])
@pytest.mark.parametrize(("alpha", "confidence"), [(0.001, 0.95), (0.05, 0.5), (0.01, 0.999)])
def test_the_claim_is_less_by_scipys_quantile(clips: int, alpha: float, confidence: float) -> None:
    question = GATE.model_copy(update={"alpha": alpha})
    found = Decision.of(Bar(0.0, confidence), [result(f"{i}.wav") for i in range(clips)], question)
    assert found.allowance == int(binom.isf(1 - confidence, clips, alpha))
    assert found.lower == Fraction(clips - found.allowance, clips)


def test_confidence_0_compares_the_plain_share() -> None:
    results = several(certified=9, refuted=1)
    question = GATE.model_copy(update={"alpha": 0.3})
    plain = Decision.of(Bar(0.9, 0.0), results, question)
    assert (plain.allowance, plain.outcome) == (0, Outcome.PASS)
    sure = Decision.of(Bar(0.9, 0.95), results, question)
    assert (sure.allowance, sure.sure, sure.outcome) == (int(binom.isf(0.05, 10, 0.3)), 4, Outcome.FAIL)


def test_copies_of_a_sound_do_not_count_as_independent() -> None:
    question = GATE.model_copy(update={"alpha": 0.02})
    alone = [result(f"{i}.wav") for i in range(40)]
    copies = [result(f"{i}.wav", sound="ab" * 32) for i in range(40, 60)]
    decision = Decision.of(Bar(0.5), [*alone, *copies], question)
    assert decision.sounds == 41
    assert decision.allowance == 20 + int(binom.isf(0.05, 41, 0.02)) - 1  # one of those false may be the copied one


def test_a_sound_asked_twice_counts_twice_in_alpha() -> None:
    question = GATE.model_copy(update={"alpha": 0.01})
    twice = [result(f"{i}.wav", sound="ab" * 32, fields={"sigma": 0.1 * (i + 1)}) for i in range(2)]
    results = [*twice, *(result(f"x{i}.wav") for i in range(100))]
    found = Decision.of(Bar(0.5), results, question)
    assert found.allowance == 1 + int(binom.isf(0.05, 101, 0.02))


def test_refused_clips_count_against_the_share_but_not_for_the_allowance() -> None:
    decision = Decision.of(Bar(0.5), several(certified=1, refused=1), GATE)
    assert percent(decision.tally.share) == "50.0 %"
    assert decision.sounds == 1


def test_a_gate_that_cannot_be_passed_is_refused_with_what_could() -> None:
    Bar(1.0).check(50, 0.001)
    with pytest.raises(SuiteFault, match=r"3 may be false .* 997 of the 1,000 .* --alpha 5.1e-05 .* at most 0.997"):
        Bar(1.0).check(1000, 0.001)
    Bar(1.0).check(1000, 5.1e-05)
    Bar(0.997).check(1000, 0.001)
    Bar(1.0, 0.0).check(1000, 0.001)


def test_the_claim_is_true_as_often_as_it_says() -> None:
    """10,000 suites of 200 clips of which 150 truly hold; the other 50 are certified falsely with probability alpha
    each, and all who hold are. More than 150 claimed in at most 5 %; above 6 % has probability below 1e-5."""
    generator = np.random.default_rng(2)
    alpha, bar = 0.02, Bar(0.5)
    false = generator.binomial(50, alpha, 10_000)
    allowed = Decision.of(bar, [result(f"{i}.wav") for i in range(200)], GATE.model_copy(update={"alpha": alpha}))
    assert float((150 + false - allowed.allowance > 150).mean()) <= 0.06


def test_the_claims_say_their_numbers() -> None:
    told = report([result(f"{i}.wav") for i in range(58)] + several(refuted=2))
    each, accuracy, expected, together = told.claims
    assert "99.9 % (alpha 0.001 per clip)" in each
    assert "With confidence 95 %" in accuracy
    assert "at least 57 of these 60 clips (95.0 %)" in accuracy
    assert "an SNR of 70 dB or more" in accuracy
    assert "at most 0.06 false" in expected
    assert "at once with confidence 94 % or more" in together
    assert "58 of 60 clips (96.6 %)" in told.headline
    assert "asked for are 54 (90.0 %)" in told.headline


def test_nothing_is_claimed_of_all_at_once_where_nothing_can_be() -> None:
    question = GATE.model_copy(update={"alpha": 0.5})
    assert "Nothing is claimed of all certificates at once" in report(several(certified=3), question=question).claims[3]


def test_a_confusion_has_every_clip_once_and_abstentions_last() -> None:
    columns, rows = confusion([*several(certified=3, wrong=2, abstained=1, refused=1), result("n.wav", label="no")])
    assert columns == ["no", "yes", "no certificate", "refused"]
    assert rows["yes"] == {"yes": 3, "no": 2, "no certificate": 1, "refused": 1}
    assert rows["no"] == {"no": 1}
