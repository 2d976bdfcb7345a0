"""The ladder: which rung is taken, and what it gives."""

import numpy as np
import pytest

from calcimetry.errors import UsageError
from calcimetry.plan import Plan
from calcimetry.quantity import calibrate, hu_threshold
from calcimetry.quantity.calibration import slopes_of, water_path_mm
from calcimetry.quantity.kvp_table import slope_at, slope_at_kev


def cylinder(radius: float, value: float = 0.0, slices: int = 6, size: int = 160) -> np.ndarray:
    y, x = np.indices((size, size)) - size / 2
    return np.repeat(np.where(np.hypot(y, x) < radius, value, -1000.0)[None], slices, axis=0)


@pytest.mark.parametrize("radius", [20.0, 40.0, 60.0])
def test_water_path_of_a_water_cylinder_is_its_diameter(make_scan, radius: float) -> None:
    path = water_path_mm(make_scan(cylinder(radius), (5.0, 1.0, 1.0)))
    assert path == pytest.approx(2 * radius, rel=0.02)


def test_table_takes_voltage_and_size(make_scan) -> None:
    scale = calibrate(make_scan(cylinder(40.0), (5.0, 1.0, 1.0), kvp=80.0), Plan())
    assert scale.source == "table"
    assert scale.mg_cm3_per_hu == pytest.approx(0.474, abs=0.003)  # 8 cm forearm, 80 kVp
    assert scale.relative_sd == pytest.approx(0.15 / 1.96, rel=1e-3)
    assert scale.flags == ()


def test_table_follows_the_body_along_z(make_scan) -> None:
    arm = np.concatenate([cylinder(15.0, slices=40), cylinder(60.0, slices=40)])
    scale = calibrate(make_scan(arm, (5.0, 1.0, 1.0)), Plan())
    assert scale.per_slice is not None
    assert scale.per_slice[5] == pytest.approx(float(slope_at(120.0, 30.0)), rel=0.01)
    assert scale.per_slice[-5] == pytest.approx(float(slope_at(120.0, 120.0)), rel=0.01)
    assert slopes_of(scale, 5, 6) == pytest.approx(scale.per_slice[5])


def test_unknown_voltage_is_flagged_and_wider(make_scan) -> None:
    scale = calibrate(make_scan(cylinder(40.0), kvp=None), Plan())
    assert [flag.code for flag in scale.flags] == ["KVP_UNKNOWN"]
    assert scale.relative_sd == pytest.approx(0.25 / 1.96, rel=1e-3)
    assert scale.mg_cm3_per_hu == pytest.approx(0.654, abs=0.003)


def test_monoenergetic_images_go_by_energy(make_scan) -> None:
    scale = calibrate(make_scan(cylinder(40.0), kev=60.0), Plan())
    assert scale.mg_cm3_per_hu == pytest.approx(slope_at_kev(60.0))


@pytest.mark.parametrize("given", [0.764, "0.764", "c=0.764", " c = 0.764 "])
def test_the_users_own(make_scan, given: str | float) -> None:
    scale = calibrate(make_scan(cylinder(40.0)), Plan(), user=given)
    assert (scale.source, scale.mg_cm3_per_hu) == ("user", 0.764)


def test_the_users_own_with_its_error(make_scan) -> None:
    scale = calibrate(make_scan(cylinder(40.0)), Plan(), user="c=0.8+-0.04")
    assert scale.relative_sd == pytest.approx(0.05)


@pytest.mark.parametrize("given", ["", "c=", "c=much", "c=0.01", "7", "-0.7"])
def test_what_is_no_slope_is_refused(make_scan, given: str) -> None:
    with pytest.raises(UsageError, match="CALIBRATION_BAD"):
        calibrate(make_scan(cylinder(40.0)), Plan(), user=given)


def rods(noise: float = 6.0, radius: float = 10.0) -> np.ndarray:
    """200 mg/cm3 at 300 HU and water at 20, in a body of 60 HU; c = 200 / 280."""
    hu = cylinder(70.0, 60.0, slices=10)
    y, x = np.indices(hu.shape[1:])
    hu[3:8, np.hypot(y - 80, x - 75) < radius] = 300.0
    hu[3:8, np.hypot(y - 80, x - 97.5) < radius] = 20.0
    return hu + np.random.default_rng(1).normal(0, noise, hu.shape)


def test_rods_are_found_and_come_first(make_scan) -> None:
    scan = make_scan(rods(), (3.0, 1.0, 1.0))
    scale = calibrate(scan, Plan(), user="c=0.8")
    assert scale.source == "rods"
    assert scale.mg_cm3_per_hu == pytest.approx(200 / 280, rel=0.01)
    assert scale.water_hu == pytest.approx(20.0, abs=2.0)
    assert scale.relative_sd < 0.03
    assert [flag.code for flag in scale.flags] == ["USER_CALIBRATION_UNUSED"]


def test_rods_do_not_depend_on_threads(make_scan) -> None:
    scan = make_scan(rods(), (3.0, 1.0, 1.0))
    found = calibrate(scan, Plan(), jobs=3)
    assert found.source == "rods"
    assert found == calibrate(scan, Plan())


def test_the_plan_can_pass_rods_by(make_scan) -> None:
    scan = make_scan(rods(), (3.0, 1.0, 1.0))
    table = Plan().changed("quantity", {"calibration": "table"})
    assert calibrate(scan, table).source == "table"
    own = Plan().changed("quantity", {"calibration": "user"})
    assert calibrate(scan, own, user=0.8).mg_cm3_per_hu == 0.8


def test_a_dense_disc_without_its_water_is_no_phantom(make_scan) -> None:
    hu = rods()
    hu[hu < 40] = np.where(hu[hu < 40] > -500, 60.0, hu[hu < 40])
    assert calibrate(make_scan(hu, (3.0, 1.0, 1.0)), Plan()).source == "table"


def test_rods_of_another_size_are_no_phantom(make_scan) -> None:
    assert calibrate(make_scan(rods(radius=7.0), (3.0, 1.0, 1.0)), Plan()).source == "table"


def test_internal_reference_only_when_asked_for(make_scan) -> None:
    body = cylinder(70.0, -100.0, slices=12) + np.random.default_rng(2).normal(0, 8, (12, 160, 160))
    scan = make_scan(body, (5.0, 1.0, 1.0))
    assert calibrate(scan, Plan()).source == "table"
    scale = calibrate(scan, Plan().changed("quantity", {"calibration": "internal"}))
    assert scale.source == "internal"
    assert 0.4 < scale.mg_cm3_per_hu < 0.7
    assert [flag.code for flag in scale.flags] == ["CALIBRATION_EXPERIMENTAL"]


def test_threshold_in_mineral(make_scan) -> None:
    # Spectral model: 100 mg/cm3 is tissue + 157 HU in a hand at 120 kVp (c = 0.638).
    scale = calibrate(make_scan(cylinder(30.0), (5.0, 1.0, 1.0)), Plan())
    assert hu_threshold(scale, 100.0) == pytest.approx(40 + 157, abs=1.5)


def test_a_row_of_rods_is_found_and_its_table_doubted(make_scan) -> None:
    """Five rods, 0 to 200 mg/cm3 at 10 to 270 HU: c = 200 / 260."""
    hu = cylinder(90.0, 0.0, slices=8, size=200)
    y, x = np.indices(hu.shape[1:])
    for n, density in enumerate((0, 50, 100, 150, 200)):
        hu[:, np.hypot(y - 130, x - (50 + 25 * n)) < 8.0] = 10.0 + 1.3 * density
    scan = make_scan(hu + np.random.default_rng(6).normal(0, 6, hu.shape), (3.0, 1.0, 1.0))
    scale = calibrate(scan, Plan())
    assert scale.source == "rods"
    assert scale.mg_cm3_per_hu == pytest.approx(200 / 260, rel=0.015)
    assert [flag.code for flag in scale.flags] == ["ROD_TABLE_UNVERIFIED"]
