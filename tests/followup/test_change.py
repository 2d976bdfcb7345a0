"""Amounts brought together by the difference of the images."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.followup.change import change
from calcimetry.followup.comparability import Comparability
from calcimetry.followup.repeatability import repeatability
from calcimetry.followup.summed_mass import ImageGain, SummedMass, added, reconcile

RULE, ALIKE = repeatability(), Comparability((), 0.0, True)
masses = st.floats(5, 500)
shares = st.floats(0.01, 0.8)


def made(mass, cut):
    return SummedMass(mass, 2 * mass, 0.02 * mass, cut * mass, 0.1 * mass, 0.08, 0.02 * mass)


@given(masses, shares, shares, st.floats(-0.8, 0.8))
def test_they_differ_by_the_gain_and_exchanging_the_visits_turns_it(mass, cut, other, part):
    first, second = made(mass, cut), made(1.1 * mass, other)
    gain = ImageGain(part * mass, 0.02 * mass)
    a, b = reconcile(first, second, gain)
    assert b.mass_mg - a.mass_mg == pytest.approx(gain.mg)
    d, c = reconcile(second, first, ImageGain(-gain.mg, gain.sd_mg))
    assert (c.mass_mg, d.mass_mg) == pytest.approx((a.mass_mg, b.mass_mg))
    assert a.cut_sd_mg == b.cut_sd_mg == 0.0


def test_the_surer_cut_has_more_say():
    a, b = reconcile(made(100.0, 0.05), made(200.0, 0.8), ImageGain(0.0, 1.0))
    assert a.mass_mg == b.mass_mg
    assert a.mass_mg < 110.0


def test_a_gain_that_does_not_fit_the_masses_is_not_taken():
    assert reconcile(made(10.0, 0.3), made(12.0, 0.3), ImageGain(40.0, 1.0)) is None
    assert reconcile(SummedMass(0.0, 0.0), made(12.0, 0.3), ImageGain(12.0, 1.0)) is None


def test_a_change_is_called_though_the_cut_is_in_doubt():
    """Two doubtful cuts say nothing of 40 %; the difference of the images does."""
    first, second = made(50.0, 0.5), made(70.0, 0.5)
    assert not change(first, second, ALIKE, RULE, None).called
    for mg, called in ((20.0, True), (1.0, False)):
        judged = reconcile(first, second, ImageGain(mg, 2.0))
        found = change(first, second, ALIKE, RULE, None, judged)
        assert found.called is called
        assert found.mass_pct.low <= found.mass_pct.value <= found.mass_pct.high
    assert found.density_pct.value == change(first, second, ALIKE, RULE, None).density_pct.value


def test_the_interval_holds_what_is_not_known_of_the_mass():
    first, second = made(50.0, 0.5), made(70.0, 0.5)
    sure, doubtful = (
        change(a, b, ALIKE, RULE, None, reconcile(a, b, ImageGain(20.0, 2.0)))
        for a, b in ((made(50.0, 0.01), made(70.0, 0.01)), (first, second))
    )
    widths = [math.log((100 + c.mass_pct.high) / (100 + c.mass_pct.low)) for c in (sure, doubtful)]
    assert widths[1] > 1.2 * widths[0]


def test_amounts_add_up_like_their_deposits():
    parts = [made(10.0, 0.3), made(20.0, 0.1)]
    whole = added(parts)
    assert whole.mass_mg == 30.0
    assert whole.cut_sd_mg == pytest.approx(math.hypot(3.0, 2.0))
    assert added([*parts, SummedMass(None, None)]).mass_mg is None
    assert added([]).mass_mg == 0.0
