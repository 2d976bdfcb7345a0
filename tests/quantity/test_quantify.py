"""Mass and volume of deposits whose truth is known, and what must not change them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from calcimetry.plan import Plan
from calcimetry.quantity import quantify, total
from calcimetry.records import Calibration, Estimate, Kind

EXACT = Calibration(0.7, 0.0, "user")
PLAN = Plan()
FEW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def ball_mass(radius: float, mg_cm3: float) -> float:
    return 4 / 3 * np.pi * radius**3 * mg_cm3 / 1000


@pytest.fixture
def measure(make_scan, make_finding):
    """Quantify one dense object of an array."""

    def run(hu, spacing=(1.0, 1.0, 1.0), calibration=EXACT, plan=PLAN, **facts):
        scan = make_scan(hu, spacing, **facts)
        return quantify(scan, [make_finding(scan.hu >= 130)], calibration, plan)[0]

    return run


@pytest.mark.parametrize(
    ("radius", "density", "around"),
    [
        (5.0, 350.0, 40.0),  # 4/3 pi 125 x 0.35 = 183.3 mg, as soft tissue around as within
        (5.0, 700.0, 40.0),
        (4.0, 500.0, -100.0),  # in fat: its own soft tissue, 140 HU over fat, is not mineral
        (3.0, 500.0, -100.0),
    ],
)
def test_mass_and_volume_of_a_ball(measure, blurred_ball, radius, density, around) -> None:
    inside = density / 0.7 + 40.0 - around
    found = measure(around + inside * blurred_ball(radius, 0.8))
    assert found.mass_mg.value == pytest.approx(ball_mass(radius, density), rel=0.02)
    assert found.volume_mm3.value == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.06)
    assert found.density_mg_cm3.value == pytest.approx(density, rel=0.06)
    assert found.background_hu == pytest.approx(around, abs=1.0)


def test_three_errors_in_quadrature_by_hand(measure, blurred_ball) -> None:
    """A ball in muscle of its own HU: V = 523.6 mm3, c = 0.7, matrix +-20 HU.

    Matrix: 0.7 * 523.6 * 20 / 1000 = 7.33 mg. Calibration 10 % of 183.3 mg = 18.3 mg. Noise
    of 0.5 HU adds next to nothing: SD = sqrt(7.33^2 + 18.3^2) = 19.7 mg, interval +-38.7 mg.
    """
    found = measure(40 + 500 * blurred_ball(5.0, 0.8), calibration=replace(EXACT, relative_sd=0.1))
    assert found.relative_error["matrix"] * 183.3 == pytest.approx(7.33, rel=0.05)
    assert found.mass_mg.high - found.mass_mg.value == pytest.approx(38.7, rel=0.05)
    assert found.relative_error["calibration"] == 0.1


@pytest.mark.parametrize("spacing", [(0.6, 0.6, 0.6), (1.5, 0.6, 0.6), (3.0, 0.6, 0.6)])
def test_spacing_does_not_matter(measure, blurred_ball, spacing) -> None:
    fine = blurred_ball(4.0, 0.7, (0.3, 0.6, 0.6), half=12)
    factor = round(spacing[0] / 0.3)
    whole = fine[: len(fine) // factor * factor]
    hu = 40 + 500 * whole.reshape(-1, factor, *fine.shape[1:]).mean(axis=1)
    found = measure(hu, spacing)
    assert found.mass_mg.value == pytest.approx(ball_mass(4.0, 350.0), rel=0.03)
    assert found.volume_mm3.value == pytest.approx(268.1, rel=0.1)


def test_two_tissues_are_modelled_and_said(measure, blurred_ball) -> None:
    ball = blurred_ball(4.0, 0.7)
    y = np.indices(ball.shape)[1] - ball.shape[1] // 2
    border = np.where(y >= 1, 50.0, -100.0)  # off centre
    hu = border * (1 - ball) + ball * (40.0 + 500.0)
    found = measure(hu + np.random.default_rng(0).normal(0, 5, hu.shape))
    assert "TWO_TISSUES" in {flag.code for flag in found.flags}
    assert found.mass_mg.value == pytest.approx(ball_mass(4.0, 350.0), rel=0.06)
    assert found.mass_mg.low < ball_mass(4.0, 350.0) < found.mass_mg.high


def bone_beside(ball: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A deposit whose side a wall of bone has cut off; HU, and both masks."""
    x = np.broadcast_to(np.arange(ball.shape[2]) - ball.shape[2] // 2, ball.shape)
    bone = (x > 2) & (x < 7)
    deposit = (ball > 0.5) & ~bone
    sharp = 40 + 500.0 * deposit + 1200.0 * bone
    return ndimage.gaussian_filter(sharp, 0.7), deposit, bone


def test_bone_spills_neither_in_nor_out(make_scan, make_finding, blurred_ball) -> None:
    hu, deposit, bone = bone_beside(blurred_ball(5.0, 0.01))
    scan = make_scan(hu)
    dense = scan.hu >= 130
    x = np.broadcast_to(np.arange(hu.shape[2]) - hu.shape[2] // 2, hu.shape)
    own = dense & (x <= 2) & ~(dense & (x > 1) & (hu > 900))
    own &= np.linalg.norm(np.indices(hu.shape) - hu.shape[0] // 2, axis=0) < 7.5
    findings = [make_finding(own), make_finding(dense & ~own, Kind.BONE)]
    found = quantify(scan, findings, EXACT, PLAN)[0]
    truth = 0.7 * 500 * deposit.sum() / 1000
    assert found.mass_mg.value == pytest.approx(truth, rel=0.08)
    assert found.mass_mg.low < truth < found.mass_mg.high
    assert "SHARED_BORDER" in {flag.code for flag in found.flags}
    assert found.relative_error["segmentation"] > 0.01
    assert bone.any()


def test_under_the_skin_what_air_cuts_off_is_put_back(measure, blurred_ball) -> None:
    solid = np.clip(blurred_ball(4.0, 0.2), 0, 1)
    sharp = 40 + 500 * solid
    sharp[:, : solid.shape[1] // 2 - 4] = -1000.0  # air right above the deposit
    found = measure(ndimage.gaussian_filter(sharp, 0.8))
    assert "AIR_WITHIN_REACH" in {flag.code for flag in found.flags}
    truth = 0.7 * (sharp[sharp > 50] - 40).sum() / 1000
    assert found.mass_mg.value == pytest.approx(truth, rel=0.15)
    assert found.mass_mg.low < truth < found.mass_mg.high


@FEW
@given(factor=st.floats(0.5, 3.0))
def test_mass_is_proportional_to_excess(measure, blurred_ball, factor) -> None:
    one = measure(40 + 400 * blurred_ball(4.0, 0.8))
    more = measure(40 + 400 * factor * blurred_ball(4.0, 0.8))
    assert more.mass_mg.value == pytest.approx(factor * one.mass_mg.value, rel=0.015)
    assert more.volume_mm3.value == pytest.approx(one.volume_mm3.value, rel=0.04)


@FEW
@given(shift=st.tuples(*[st.integers(-3, 3)] * 3))
def test_place_does_not_matter(measure, blurred_ball, shift) -> None:
    hu = 40 + 500 * blurred_ball(4.0, 0.8)
    moved = np.roll(hu, shift, axis=(0, 1, 2))
    assert measure(moved).mass_mg.value == pytest.approx(measure(hu).mass_mg.value, rel=0.002)


@FEW
@given(
    slope=st.floats(0.4, 1.0),
    sd=st.floats(0.0, 0.15),
    noise=st.floats(0.0, 30.0),
    density=st.floats(200.0, 900.0),
)
def test_intervals_hold_their_values(measure, blurred_ball, slope, sd, noise, density) -> None:
    ball = blurred_ball(3.0, 0.8)
    hu = 40 + density / 0.7 * ball + np.random.default_rng(1).normal(0, 1, ball.shape) * noise
    found = measure(hu, calibration=Calibration(slope, sd, "user"))
    for part in (found.mass_mg, found.volume_mm3, found.density_mg_cm3):
        if part.value is not None:
            assert 0 <= part.low <= part.value <= part.high


def test_mass_is_in_units_of_the_slope(measure, blurred_ball) -> None:
    hu = 40 + 500 * blurred_ball(4.0, 0.8)
    double = measure(hu, calibration=Calibration(1.4, 0.0, "user"))
    assert double.mass_mg.value == pytest.approx(2 * measure(hu).mass_mg.value)
    assert double.volume_mm3.value == pytest.approx(measure(hu).volume_mm3.value)


def test_order_of_findings_and_jobs_do_not_matter(make_scan, make_finding, blurred_ball) -> None:
    ball = blurred_ball(3.0, 0.8)
    hu = 40 + 500 * np.concatenate([ball, 0.7 * ball, 1.3 * ball])
    scan = make_scan(hu)
    third = len(ball)
    masks = []
    for n in range(3):
        mask = np.zeros(hu.shape, bool)
        mask[n * third : (n + 1) * third] = True
        masks.append(make_finding(mask & (scan.hu >= 130)))
    forward = quantify(scan, masks, EXACT, PLAN)
    backward = quantify(scan, masks[::-1], EXACT, PLAN, jobs=3)
    assert forward == backward[::-1]


def test_noise_widens_the_interval(measure, blurred_ball) -> None:
    ball = blurred_ball(3.0, 0.8)
    rng = np.random.default_rng(2)
    widths = []
    for noise in (3.0, 12.0, 40.0):
        found = measure(40 + 400 * ball + rng.normal(0, noise, ball.shape))
        widths.append(found.relative_error["noise"])
    assert widths == sorted(widths)
    assert widths[2] > 5 * widths[0]


def test_a_speck_of_noise_is_not_a_mass(measure) -> None:
    hu = 40 + np.random.default_rng(3).normal(0, 25, (24, 24, 24))
    hu = np.minimum(hu, 125.0)
    hu[12, 12, 11:14] = 135.0
    found = measure(hu)
    assert "BELOW_DETECTION" in {flag.code for flag in found.flags}
    assert found.mass_mg.value >= 0
    assert found.mass_mg.low == 0
    assert found.detection_limit_mg > 0


def test_less_than_nothing_is_reported_as_nothing(measure) -> None:
    hu = np.full((24, 24, 24), 60.0)
    hu[10:15, 10:15, 10:15] = -20.0  # a pocket of fat with one dense voxel
    hu[12, 12, 12] = 140.0
    found = measure(hu)
    assert found.mass_mg.value == 0.0
    assert found.density_mg_cm3 == Estimate()


def test_voxels_at_the_ceiling_leave_no_upper_end(measure, blurred_ball) -> None:
    hu = np.minimum(40 + 5000 * blurred_ball(4.0, 0.8), 3071)
    found = measure(hu)
    assert found.ceiling_voxels == int((np.round(hu) >= 3071).sum())
    assert "AT_CEILING" in {flag.code for flag in found.flags}
    assert found.mass_mg.high is None
    low = measure(np.minimum(hu, 2000), hu_ceiling=2000)
    assert low.ceiling_voxels > 0


def test_a_deposit_that_the_field_cuts_is_flagged(measure, blurred_ball) -> None:
    hu = 40 + 500 * blurred_ball(4.0, 0.8)
    assert "CUT_BY_FIELD" not in {flag.code for flag in measure(hu).flags}
    assert "CUT_BY_FIELD" in {flag.code for flag in measure(hu[14:]).flags}


def test_other_kinds_get_voxel_volume_and_plain_mass(make_scan, make_finding) -> None:
    hu = np.full((10, 10, 10), 50)
    hu[2:5, 2:6, 2:7] = 1050
    finding = make_finding(hu > 130, Kind.BONE)
    found = quantify(make_scan(hu, (2.0, 0.5, 0.5)), [finding], EXACT, PLAN)[0]
    assert found.volume_mm3 == Estimate(60 * 0.5)
    assert found.mass_mg.value == pytest.approx(0.7 * 1000 * 30 / 1000)  # c x excess x volume
    assert found.agatston is None


def test_nothing_found_gives_nothing(make_scan) -> None:
    assert quantify(make_scan(np.zeros((4, 8, 8))), [], EXACT, PLAN) == ()


def test_totals_share_their_calibration(measure, blurred_ball) -> None:
    """Two equal masses m with calibration error e: 2 m +- 1.96 * 2 m e, not sqrt(2) m e."""
    scale = replace(EXACT, relative_sd=0.1)
    bare = PLAN.changed("quantity", {"matrix_sd_hu": 0.0})
    one = measure(40 + 500 * blurred_ball(5.0, 0.8), calibration=scale, plan=bare)
    both = total([one, one], scale)
    assert both.mass_mg.value == pytest.approx(2 * one.mass_mg.value)
    half = both.mass_mg.high - both.mass_mg.value
    assert half == pytest.approx(1.96 * 0.1 * both.mass_mg.value, rel=0.02)
    assert total([], scale).mass_mg == Estimate(0.0, 0.0, 0.0)


def test_independent_errors_of_a_total_add_in_quadrature(measure, blurred_ball) -> None:
    one = measure(40 + 500 * blurred_ball(4.0, 0.8))
    noisy = replace(one, relative_error={"noise": 0.2, "matrix": 0.0, "calibration": 0.0})
    half = 1.959964 * 0.2 * one.mass_mg.value * np.sqrt(4)
    both = total([noisy] * 4, EXACT).mass_mg
    assert both.high - both.value == pytest.approx(half)


def test_a_total_with_an_open_end_is_open(measure, blurred_ball) -> None:
    one = measure(40 + 500 * blurred_ball(4.0, 0.8))
    top = replace(one, mass_mg=replace(one.mass_mg, high=None))
    assert total([one, top], EXACT).mass_mg.high is None
