"""Rods drawn into a scan are found where they lie; what only looks like rods is not taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.quantity.rods import from_rods, phantoms

SLOPE = 200 / 280
TURNS = st.floats(0.0, 2 * np.pi)


def drawn(
    values=(300.0, 20.0),
    turn: float = 0.0,
    spacing: float = 22.5,
    radius: float = 10.0,
    slices=(3, 8),
    body: float = 60.0,
    noise: float = 6.0,
    size: int = 160,
):
    """Rods on a straight line from the middle of a body, the densest first; voxels 3 x 1 x 1 mm."""
    y, x = np.indices((size, size)) - size / 2
    hu = np.repeat(np.where(np.hypot(y, x) < 0.47 * size, body, -1000.0)[None], 10, axis=0)
    for n, value in enumerate(values):
        at = n * spacing * np.sin(turn), n * spacing * np.cos(turn)
        inside = np.hypot(y - at[0], x - at[1]) < radius
        hu[slices[0] : slices[1], inside] = value
    return hu + np.random.default_rng(5).normal(0, noise, hu.shape)


def found(make_scan, hu, expected=SLOPE, noise=6.0):
    return from_rods(make_scan(hu, (3.0, 1.0, 1.0)), expected, noise)


@settings(max_examples=12, deadline=None)
@given(turn=TURNS, spacing=st.floats(21.0, 24.5), radius=st.floats(9.6, 10.4))
def test_a_phantom_is_found_however_it_is_turned(make_scan, turn, spacing, radius):
    scale = found(make_scan, drawn(turn=turn, spacing=spacing, radius=radius))
    assert scale is not None
    assert scale.source == "rods"
    assert scale.mg_cm3_per_hu == pytest.approx(SLOPE, rel=0.01)
    assert scale.water_hu == pytest.approx(20.0, abs=2.0)
    assert phantoms()[0].name in scale.detail
    assert "slices 3-7" in scale.detail or "slices 4-6" in scale.detail


@pytest.mark.parametrize("slope", [0.5, 0.7, 0.9])
def test_the_slope_is_density_over_hu(make_scan, slope):
    hu = drawn((20.0 + 200.0 / slope, 20.0))
    scale = found(make_scan, hu, expected=slope)
    assert scale is not None
    assert scale.mg_cm3_per_hu == pytest.approx(slope, rel=0.01)


@pytest.mark.parametrize("factor", [0.6, 1.6])
def test_a_slope_far_from_the_tables_is_no_phantom(make_scan, factor):
    assert found(make_scan, drawn(), expected=SLOPE * factor) is None


def test_five_rods_of_a_table_not_verified_are_flagged_and_less_sure(make_scan):
    values = [20.0 + density / SLOPE for density in (200.0, 150.0, 100.0, 50.0, 0.0)]
    hu = drawn(values, spacing=16.0, radius=7.0, size=200)
    scale = found(make_scan, hu)
    assert scale is not None
    assert scale.mg_cm3_per_hu == pytest.approx(SLOPE, rel=0.02)
    assert [flag.code for flag in scale.flags] == ["ROD_TABLE_UNVERIFIED"]
    assert scale.relative_sd > 0.03
    assert scale.per_slice is None


def test_material_around_the_rods_carries_the_scale_along_z(make_scan):
    """Elsewhere the material reads (HU + 1000) 1 % higher: HU of mineral do so too."""
    hu = drawn(noise=2.0)
    hu[0:3] = np.where(hu[0:3] > -500, (hu[0:3] + 1000) * 1.01 - 1000, hu[0:3])
    scale = found(make_scan, hu, noise=2.0)
    assert scale is not None
    assert scale.per_slice is not None
    assert scale.per_slice[1] == pytest.approx(scale.per_slice[5] / 1.01, rel=0.003)


NO_PHANTOMS = {
    "no rods": drawn(()),
    "one rod alone": drawn((300.0,)),
    "rods too small": drawn(radius=6.0),
    "rods too far apart": drawn(spacing=30.0),
    "one slice only": drawn(slices=(4, 5)),
    "bone, not water, beside it": drawn((300.0, 150.0)),
    "air beside it": drawn((300.0, -1000.0)),
    "water that does not stand out": drawn((300.0, 56.0)),
    "an uneven rod": np.where(
        (drawn(noise=0.0) == 300.0) & (np.indices((10, 160, 160))[1] % 8 < 4), 390.0, drawn()
    ),
}


@pytest.mark.parametrize("case", NO_PHANTOMS)
def test_what_is_no_phantom_gives_no_calibration(make_scan, case):
    assert found(make_scan, NO_PHANTOMS[case]) is None


def test_rods_do_not_depend_on_threads(make_scan):
    scan = make_scan(drawn(turn=0.7), (3.0, 1.0, 1.0))
    assert from_rods(scan, SLOPE, 6.0, jobs=3) == from_rods(scan, SLOPE, 6.0)


def test_every_phantom_of_the_table_has_rising_densities_and_bounds():
    for phantom in phantoms():
        assert list(phantom.densities) == sorted(set(phantom.densities))
        assert len(phantom.densities) >= 2
        for low, high in (phantom.diameter_mm, phantom.spacing_mm):
            assert 0 < low < high
        assert 0 < phantom.densities_sd < 0.1
        assert phantom.source
