from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from calcimetry.errors import GeometryError
from calcimetry.phantom import Family, Imaging, Placement, draw, insert, insert_into, step_for
from calcimetry.phantom.shapes import random_rotation
from calcimetry.records import Scan

MIDDLE = (10.3, -19.6, 30.4)


def nodule(diameter: float = 8.0, density: float = 500.0, **changes: object) -> Placement:
    shape = draw("nodule", diameter, np.random.default_rng(1))
    place = Placement(shape, step_for(diameter), MIDDLE, density)
    return replace(place, **changes)  # type: ignore[arg-type]


def measured_mass(before: Scan, after: np.ndarray, look: Imaging) -> float:
    gain = after.astype(np.float64) - before.hu
    return float(gain.sum() * before.voxel_mm3 / look.hu_per_mg_cm3 / 1000)


@pytest.mark.parametrize("spacing", [(0.6, 0.6, 0.6), (1, 1, 1), (3, 0.7, 0.7), (5, 0.98, 0.98)])
@pytest.mark.parametrize("fwhm", [(0.0, 0.0), (1.0, 0.8), (4.0, 2.0)])
def test_mass_in_the_image_is_the_truth_at_every_spacing_and_blur(
    flat: Callable[..., Scan], spacing: tuple[float, float, float], fwhm: tuple[float, float]
) -> None:
    scan = flat(spacing, tuple(int(36 / s) + 9 for s in spacing), hu=40)
    look = Imaging(fwhm_mm=fwhm)
    after, truth = insert(scan, [nodule()], imaging=look)
    assert measured_mass(scan, after.hu, look) == pytest.approx(truth.mass_mg, rel=0.005)
    exact = scan.hu.astype(np.float32)
    insert_into(exact, scan, [nodule()], np.random.default_rng(0), look)
    assert measured_mass(scan, exact, look) == pytest.approx(truth.mass_mg, rel=2e-4)


def test_truth_does_not_depend_on_the_grid(flat: Callable[..., Scan]) -> None:
    fine = insert(flat((0.6, 0.6, 0.6), (60, 60, 60)), [nodule()])[1].deposits[0]
    thick = insert(flat((5, 0.98, 0.98), (12, 40, 40)), [nodule()])[1].deposits[0]
    assert thick.mass_mg == pytest.approx(fine.mass_mg, rel=1e-6)
    assert thick.volume_mm3 == pytest.approx(fine.volume_mm3, rel=1e-6)
    assert thick.centroid_mm == pytest.approx(fine.centroid_mm, abs=1e-4)


def test_mass_is_density_times_volume_of_a_plain_cube(flat: Callable[..., Scan]) -> None:
    cube = Placement(np.ones((4, 5, 6), np.float32), 0.5, MIDDLE, 800.0)
    item = insert(flat(), [cube])[1].deposits[0]
    assert item.volume_mm3 == pytest.approx(4 * 5 * 6 * 0.125)
    assert item.mass_mg == pytest.approx(0.8 * 15)
    assert item.density_mg_cm3 == pytest.approx(800)
    assert item.centroid_mm == pytest.approx(MIDDLE)


@pytest.mark.parametrize("family", list(Family))
def test_centroid_of_the_image_is_the_truths(flat: Callable[..., Scan], family: Family) -> None:
    scan = flat((2.0, 0.8, 0.8), (22, 48, 48), hu=40)
    shape = draw(family, 9.0, np.random.default_rng(5))
    place = Placement(shape, step_for(9.0), MIDDLE, 600.0, family)
    exact = scan.hu.astype(np.float32)
    item = insert_into(exact, scan, [place], np.random.default_rng(0), Imaging())[0]
    gain = exact - 40
    zyx = [(gain * g).sum() / gain.sum() for g in np.indices(gain.shape)]
    off = np.abs(scan.to_zyx(np.array(item.centroid_mm)) - zyx)
    assert off.max() < 0.05


def test_rotation_keeps_mass_and_place_and_turns_the_shape(flat: Callable[..., Scan]) -> None:
    rod = Placement(np.ones((30, 4, 4), np.float32), 0.4, MIDDLE, 500.0)
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    still = insert(flat(), [rod])[1].deposits[0]
    after, truth = insert(flat(hu=40), [replace(rod, rotation=quarter)])
    turned = truth.deposits[0]
    assert turned.mass_mg == pytest.approx(still.mass_mg, rel=1e-5)
    assert turned.volume_mm3 == pytest.approx(still.volume_mm3, rel=1e-5)
    assert turned.centroid_mm == pytest.approx(MIDDLE, abs=0.02)
    extent = [int(np.ptp(np.nonzero(after.hu > 120)[axis])) for axis in range(3)]
    assert extent[1] > extent[0] + 6
    tilted = insert(flat(), [replace(rod, rotation=random_rotation(np.random.default_rng(3)))])
    assert tilted[1].mass_mg == pytest.approx(still.mass_mg, rel=1e-5)


def test_a_deposit_over_the_edge_reports_the_mass_inside(flat: Callable[..., Scan]) -> None:
    scan = flat(shape=(40, 40, 40), hu=40)
    cube = np.ones((8, 8, 8), np.float32)
    x, y, z = scan.to_lps(np.array([-0.5, 20.0, 20.0]))  # on the face of the array
    item = insert(scan, [Placement(cube, 1.0, (float(x), float(y), float(z)), 1000.0)])[1]
    assert item.deposits[0].mass_mg == pytest.approx(512)
    assert item.deposits[0].mass_in_field_mg == pytest.approx(256)
    x, y, z = scan.to_lps(np.array([-60.0, 20.0, 20.0]))
    gone = insert(scan, [Placement(cube, 1.0, (float(x), float(y), float(z)), 1000.0)])
    assert not gone[1].deposits
    assert np.array_equal(gone[0].hu, scan.hu)


def test_matrix_replaces_fat_and_the_ceiling_clips(flat: Callable[..., Scan]) -> None:
    fat = flat(hu=-100)
    null = Placement(np.ones((20, 20, 20), np.float32), 0.5, MIDDLE, 0.0, negative=True)
    after, truth = insert(fat, [null])
    assert after.hu.max() == 40
    assert not truth.deposits
    assert truth.negatives[0].mass_mg == 0
    dense = insert(fat, [replace(null, density_mg_cm3=2200.0)], imaging=Imaging(ceiling_hu=1500))
    assert dense[0].hu.max() == 1500


def test_confined_deposits_leave_bone_air_and_marrow_alone(flat: Callable[..., Scan]) -> None:
    scan = flat(hu=50)
    hu = scan.hu.copy()
    hu[:, :, 22:26], hu[:, :, 26:] = 900, -60  # a cortex, and marrow behind it
    hu[:, :8, :] = -1000
    scan = replace(scan, hu=hu)
    x, y, z = scan.to_lps(np.array([20.0, 12.0, 18.0]))
    big = Placement(np.ones((40, 40, 40), np.float32), 0.5, (float(x), float(y), float(z)), 400.0)
    look = Imaging(fwhm_mm=(0.0, 0.0))
    after, truth = insert(scan, [replace(big, confine=True)], imaging=look)
    changed = np.nonzero(after.hu != hu)
    assert changed[2].max() <= 22
    assert changed[1].min() >= 7
    assert truth.deposits[0].touches_bone is True
    assert truth.deposits[0].volume_mm3 < 8000
    free = insert(scan, [replace(big, confine=True, shape=big.shape[:8, :8, :8])], imaging=look)
    assert free[1].deposits[0].touches_bone is False


def test_labels_are_where_deposits_are_and_each_has_one(flat: Callable[..., Scan]) -> None:
    speck = Placement(np.ones((2, 2, 2), np.float32), 0.3, (2.6, -20.4, 30.6), 900.0)
    truth = insert(flat((3, 1, 1), (20, 40, 40)), [nodule(), speck])[1]
    labels = truth.labels()
    assert set(np.unique(labels)) == {0, 1, 2}
    assert (labels == 1).sum() * 3 == pytest.approx(truth.deposits[0].volume_mm3, rel=0.15)
    assert (labels == 2).sum() <= 4


def test_same_seed_same_bits_and_noise_only_where_deposit_is(flat: Callable[..., Scan]) -> None:
    look = Imaging(added_noise_hu=20.0, texture_kept=0.3)
    one = insert(flat(), [nodule()], 7, look)[0].hu
    assert np.array_equal(one, insert(flat(), [nodule()], 7, look)[0].hu)
    other = insert(flat(), [nodule()], 8, look)[0].hu
    assert not np.array_equal(one, other)
    assert np.array_equal(one[:5], flat().hu[:5])


def test_sheared_grids_are_refused(flat: Callable[..., Scan]) -> None:
    scan = flat()
    affine = scan.affine.copy()
    affine[1, 2] = 0.4
    with pytest.raises(GeometryError, match="PHANTOM_SHEARED"):
        insert(replace(scan, frame=replace(scan.frame, affine=affine)), [nodule()])
