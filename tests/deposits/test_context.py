"""What lies around a place, on anatomy that is drawn on the coarse grid."""

from __future__ import annotations

import numpy as np
import pytest

import anatomy_maker
from anatomy_maker import TURNS, Drawn, drawn
from calcimetry.deposits.context import SCALES_MM, TISSUES, bone_directions, tissue_shares

LEVELS = {"gas": -900, "fat": -100, "soft": 50, "bright": 200, "bone": 800, "outside": -1000}


def of_tissues(tissue: np.ndarray, places: np.ndarray, **about) -> Drawn:
    """Anatomy from the number of the tissue in each cell."""
    hu = np.array([LEVELS[name] for name in TISSUES], np.int16)[tissue]
    bone, outside = (tissue == TISSUES.index(name) for name in ("bone", "outside"))
    return drawn(hu, bone, ~outside, places, **about)


@pytest.fixture(scope="module")
def mixed() -> Drawn:
    """Cells of all tissues without any order, 24 x 36 x 48 mm."""
    rng = np.random.default_rng(1)
    tissue = rng.integers(0, len(TISSUES), (8, 12, 16))
    tissue[2:5, 3:9, :4] = TISSUES.index("bone")
    places = rng.uniform(0, 1, (12, 3)) * (7, 35, 47)
    return of_tissues(tissue, places)


def shares(one: Drawn) -> np.ndarray:
    found = tissue_shares(one.body, one.skeleton, one.places)
    return found.reshape(len(one.places), len(SCALES_MM), len(TISSUES))


def test_shares_are_shares_at_each_scale(mixed):
    found = shares(mixed)
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.sum(axis=2) == pytest.approx(np.ones(found.shape[:2]), abs=1e-5)


@pytest.mark.parametrize("name", TISSUES)
def test_amid_one_tissue_there_is_no_other_also_at_the_edge(name):
    tissue = np.full((9, 11, 13), TISSUES.index(name))
    places = np.array([[4.0, 15.0, 20.0], [0.0, 0.0, 0.0], [8.0, 32.0, 38.0]])
    found = shares(of_tissues(tissue, places))
    assert found[..., TISSUES.index(name)] == pytest.approx(np.ones(found.shape[:2]), abs=1e-5)


def test_what_lies_near_counts_more_at_the_small_scale():
    """A ball of 12 mm of gas in soft tissue: most of what is near, little of what is far."""
    middle = np.array([20.0, 20.0, 20.0])
    cells = np.indices((41, 41, 41))
    ball = np.linalg.norm(cells - middle[:, None, None, None], axis=0) * 3.0 < 12.0
    tissue = np.where(ball, TISSUES.index("gas"), TISSUES.index("soft"))
    places = np.array([middle * (1, 3, 3) + (0, 1, 1)])
    near, wide, widest = shares(of_tissues(tissue, places))[0, :, TISSUES.index("gas")]
    assert near > 3 * wide > 9 * widest > 0


@pytest.mark.parametrize("turn", TURNS)
def test_no_axis_is_special(mixed, turn):
    other = anatomy_maker.turned(mixed, turn)
    assert shares(other) == pytest.approx(shares(mixed), abs=1e-5)
    assert directions(other) == pytest.approx(directions(mixed), abs=1e-9)


def directions(one: Drawn) -> np.ndarray:
    return bone_directions(one.body, one.skeleton, one.places)


def test_a_shift_by_whole_cells_changes_nothing():
    """A body that lies further along in a field that is wide enough for all scales."""
    found = []
    for shift in (0, 2, 4):  # of 6 mm: two make a cell of the widest scale
        tissue = np.full((90, 90, 90), TISSUES.index("outside"))
        block = np.random.default_rng(4).integers(0, len(TISSUES) - 1, (6, 8, 10))
        tissue[41 + shift : 47 + shift, 41:49, 40 - shift : 50 - shift] = block
        places = np.array([[44.0 + shift, 45, 45 - shift], [43.0 + shift, 47, 49 - shift]])
        one = of_tissues(tissue, places, cell=(1, 1, 1), size_mm=(6.0, 6.0, 6.0))
        found.append((shares(one), directions(one)))
    for tissues, bone in found[1:]:
        assert tissues == pytest.approx(found[0][0], abs=1e-5)
        assert np.array_equal(bone, found[0][1])


def test_bone_on_one_side_and_all_around():
    tissue = np.full((40, 40, 40), TISSUES.index("soft"))
    tissue[:, :, 24:26] = TISSUES.index("bone")
    about = {"cell": (1, 1, 1), "size_mm": (3.0, 3.0, 3.0)}
    places = np.array([[20.0, 20.0, 22.0], [20.0, 20.0, 16.0], [20.0, 20.0, 5.0]])
    near, far = directions(of_tissues(tissue, places, **about)).T
    # Of 26 ways 9 lead to a wall on one side; the diagonal ones are longer by up to 1.7.
    assert near.tolist() == pytest.approx([9 / 26, 0, 0])
    assert far[0] == pytest.approx(9 / 26)
    assert 0 < far[1] <= 9 / 26
    assert far[2] == 0
    shell = np.linalg.norm(np.indices((40, 40, 40)) - 20.0, axis=0)
    ring = np.where((shell > 6) & (shell < 9), TISSUES.index("bone"), TISSUES.index("soft"))
    amid = of_tissues(ring, np.array([[20.0, 20.0, 20.0]]), **about)
    assert directions(amid).tolist() == [[0.0, 1.0]]


def test_beyond_the_field_there_is_no_bone():
    tissue = np.full((12, 12, 12), TISSUES.index("soft"))
    tissue[:, :, -1] = TISSUES.index("bone")
    places = np.array([[6.0, 6.0, 9.0], [6.0, 6.0, 0.0]])
    about = {"cell": (1, 1, 1), "size_mm": (3.0, 3.0, 3.0)}
    near = directions(of_tissues(tissue, places, **about))[:, 0]
    assert near[0] > 0
    assert near[1] == 0


def test_no_places_no_rows(mixed):
    none = Drawn(mixed.body, mixed.skeleton, np.zeros((0, 3)))
    assert shares(none).shape == (0, len(SCALES_MM), len(TISSUES))
    assert directions(none).shape == (0, 2)
