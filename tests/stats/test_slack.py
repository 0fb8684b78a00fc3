"""What is given up is given up on the safe side, and nothing where there is nothing to give up."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundproof.stats.bounds import error_upper_bound
from soundproof.stats.radius import radius_ceiling
from soundproof.stats.slack import NO_SLACK, Slack

unhurried = settings(deadline=None, derandomize=True)
shares, lengths = st.floats(1e-12, 1), st.floats(1e-9, 1e3)
slacks = st.builds(Slack, st.floats(1e-12, 1e-2), st.floats(1e-12, 1e-2))


@unhurried
@given(shares, lengths)
def test_without_slack_every_number_stays_as_it_is(share: float, length: float) -> None:
    assert (NO_SLACK.widened(share), NO_SLACK.narrowed(share)) == (share, share)
    assert (NO_SLACK.lessened(length), NO_SLACK.enlarged(length)) == (length, length)
    assert NO_SLACK.lessened(None) is None


@unhurried
@given(slacks, shares, lengths)
def test_every_number_gives_up_at_least_its_slack(slack: Slack, share: float, length: float) -> None:
    error, distance = Fraction(slack.error), Fraction(slack.distance)
    assert slack.widened(share) >= min(Fraction(1), Fraction(share) + error)
    assert slack.narrowed(share) <= max(Fraction(0), Fraction(share) - error)
    assert slack.enlarged(length) >= Fraction(length) + distance
    left = slack.lessened(length)
    assert left is None or 0 < left <= Fraction(length) - distance
    assert left is not None or length <= slack.distance * (1 + 2**-30)


@unhurried
@given(slacks, st.floats(1e-3, 1e3))
def test_a_radius_enlarged_and_lessened_is_the_same_and_no_more(slack: Slack, length: float) -> None:
    again = slack.lessened(slack.enlarged(length))
    assert again == pytest.approx(length, rel=1e-9)


def test_slack_may_take_the_whole_ceiling() -> None:
    assert radius_ceiling(1.0, 1_000, 0.001, Slack(0.0, 3.0)) == 0.0
    assert radius_ceiling(1.0, 1_000, 0.001, Slack(0.5 - error_upper_bound(1_000, 1_000, 0.001), 0.0)) == 0.0
    assert 2.4 < radius_ceiling(1.0, 1_000, 0.001, Slack(1e-9, 0.01)) < radius_ceiling(1.0, 1_000, 0.001) - 0.01
