"""Agatston scores worked out by hand, by the definitions in agatston.py."""

import numpy as np
import pytest

from calcimetry.plan import AGATSTON_PROFILES
from calcimetry.quantity import agatston
from calcimetry.records import Acquisition

SPACING = (3.0, 0.5, 0.5)  # 0.25 mm2 pixels: 1 mm2 is four of them


def plane(*blocks: tuple[int, int, float]) -> np.ndarray:
    """Rows of pixels: (row, count, HU)."""
    hu = np.zeros((1, 12, 20), np.float32)
    for row, count, value in blocks:
        hu[0, row, :count] = value
    return hu


def score(hu: np.ndarray, name: str = "classic", kvp: float = 120.0) -> float:
    return agatston.score(hu, hu > 0, SPACING, agatston.PROFILES[name], kvp)


@pytest.mark.parametrize(
    ("hu", "expected"),
    [
        (130.0, 1 * 2.0),  # 8 pixels are 2 mm2; Agatston 1990: 130-199 HU weigh 1
        (199.0, 1 * 2.0),
        (200.0, 2 * 2.0),
        (300.0, 3 * 2.0),
        (399.0, 3 * 2.0),
        (400.0, 4 * 2.0),
        (129.0, 0.0),
    ],
)
def test_weight_by_largest_hu(hu: float, expected: float) -> None:
    assert score(plane((2, 8, hu))) == pytest.approx(expected)


def test_components_score_apart_and_slices_add_up() -> None:
    # One lesion of 2 mm2 at 250 (weight 2) and one of 1 mm2 at 500 (weight 4): 4 + 4.
    one = plane((1, 8, 250.0), (5, 4, 500.0))
    assert score(one) == pytest.approx(8.0)
    assert score(np.concatenate([one, one])) == pytest.approx(16.0)


def test_weight_of_a_component_is_that_of_its_peak() -> None:
    hu = plane((1, 8, 150.0))
    hu[0, 1, 3] = 410.0
    assert score(hu) == pytest.approx(2.0 * 4)


def test_corners_do_not_connect() -> None:
    hu = np.zeros((1, 12, 20), np.float32)
    hu[0, 3:5, 3:5] = hu[0, 5:7, 5:7] = 150.0  # two squares of 1 mm2 that touch at a corner
    hu[0, 3, 3] = 450.0
    assert score(hu) == pytest.approx(4.0 + 1.0)


@pytest.mark.parametrize(
    ("name", "three", "two"),
    [
        ("classic", 0.0, 0.0),
        ("ge", 0.0, 0.0),
        ("siemens", 0.75, 0.5),
        ("philips", 0.75, 0.5),
        ("canon", 0.75, 0.0),
    ],
)
def test_smallest_lesion_by_maker(name: str, three: float, two: float) -> None:
    """FQM, PMC8360117: 1 mm2 (four of these pixels), 0, 0.5 mm2 (two), 3 pixels."""
    assert score(plane((2, 3, 150.0)), name) == pytest.approx(three)
    assert score(plane((2, 2, 150.0)), name) == pytest.approx(two)


def test_normalised_score_is_spacing_over_three() -> None:
    hu = plane((2, 8, 250.0))
    thin = (1.5, 0.5, 0.5)
    plain = agatston.score(hu, hu > 0, thin, agatston.PROFILES["classic"], 120.0)
    scaled = agatston.score(hu, hu > 0, thin, agatston.PROFILES["classic-3mm"], 120.0)
    assert scaled == pytest.approx(plain / 2)


@pytest.mark.parametrize(
    ("kvp", "starts"),
    [
        (80.0, [177, 271, 408, 544]),  # Graeni 2018, doi 10.1093/ehjci/jey019
        (100.0, [145, 222, 334, 446]),
        (110.0, [138, 211, 317, 423]),  # halfway to 130, 200, 300, 400
    ],
)
def test_weights_by_tube_voltage(kvp: float, starts: list[int]) -> None:
    assert agatston.weight_starts(kvp) == pytest.approx(starts, abs=0.6)


def test_threshold_and_weights_are_of_one_table() -> None:
    """The trap of a library that counts at 128 HU and weighs from 130: a voxel that counts
    always has a weight."""
    for kvp in np.arange(70.0, 141.0, 5.0):
        start = agatston.weight_starts(kvp)[0]
        assert score(plane((2, 8, float(start))), kvp=kvp) == pytest.approx(2.0)
        assert score(plane((2, 8, float(start) - 1)), kvp=kvp) == 0.0


@pytest.mark.parametrize(
    ("facts", "spacing_z", "name", "code"),
    [
        ({"kvp": None}, 3.0, "classic", "AGATSTON_KVP_UNKNOWN"),
        ({"kvp": 150.0}, 3.0, "classic", "AGATSTON_KVP"),
        ({"kvp": 120.0}, 1.0, "classic", "AGATSTON_SPACING"),
        ({"kvp": 120.0}, 8.0, "classic-3mm", "AGATSTON_SPACING"),
        ({"kvp": 120.0, "kev": 70.0}, 3.0, "classic", "AGATSTON_KEV"),
    ],
)
def test_withheld_where_it_means_nothing(
    facts: dict[str, float], spacing_z: float, name: str, code: str
) -> None:
    flag = agatston.withheld(agatston.PROFILES[name], Acquisition(**facts), spacing_z)
    assert flag is not None
    assert flag.code == code


def test_not_withheld_at_three_millimetres_or_when_normalised() -> None:
    acquisition = Acquisition(kvp=120.0)
    assert agatston.withheld(agatston.PROFILES["classic"], acquisition, 3.0) is None
    assert agatston.withheld(agatston.PROFILES["classic-3mm"], acquisition, 1.0) is None


def test_every_profile_that_a_plan_may_name_is_defined() -> None:
    assert set(agatston.PROFILES) == set(AGATSTON_PROFILES)
    assert all(name == profile.name for name, profile in agatston.PROFILES.items())
