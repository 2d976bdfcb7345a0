"""What the weights are taught from: painted truth is where it was painted, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from training.natural import ground, to_grid
from training.paint import (
    FINE_MM,
    IGNORE,
    PATCH,
    Paint,
    axis_matrix,
    deposit,
    project,
    rendered,
)
from training.patches import World, cut, patch
from training.shapes import Shape, bank, menu
from training.sources import TEST_LIMBS, TRAIN_LIMBS, VALIDATE_LIMBS, cases

from calcimetry.deposits.resample import GRID_MM, folded, unfolded

SPACING = (3.0, 1.0, 1.0)
MIDDLE = np.full(3, (PATCH - 1) / 2 * GRID_MM)


@pytest.fixture(scope="module")
def limb():
    """A limb of muscle under fat, with one bone of cortex and marrow."""
    z, y, x = np.indices((60, 120, 120)) * np.array(SPACING)[:, None, None, None]
    hu = np.full(z.shape, -1000.0)
    hu[np.hypot(y - 60, x - 60) < 54] = -100
    hu[np.hypot(y - 60, x - 60) < 42] = 55
    hu[np.hypot(y - 60, x - 50) < 14] = 1100
    hu[np.hypot(y - 60, x - 50) < 8] = -30
    hu += np.random.default_rng(0).normal(0, 8, hu.shape)
    return ground("limb", np.round(hu).astype(np.int16), SPACING, unsure=False)


def _ball(radius, density=1.0):
    axis = np.arange(-radius - 1, radius + 1.01, 0.5)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    points = points[(points**2).sum(1) < radius**2].astype(np.float32)
    return Shape("ball", 2 * radius, points, np.full(len(points), density, np.float32), 0.125)


def _painted(shape, closed=None, density=500.0, natural=50.0):
    paint = Paint.empty()
    closed = np.zeros((PATCH,) * 3, bool) if closed is None else closed
    deposit(paint, shape, MIDDLE, np.eye(3), density, closed)
    matrices = tuple(axis_matrix(0, spacing, 1.2) for spacing in SPACING)
    hu = np.full((PATCH,) * 3, natural, np.float32)
    return rendered(hu, paint, matrices, 1.4, 40.0), paint, matrices


@pytest.mark.parametrize("corner", [0, 7, 30])
@pytest.mark.parametrize("spacing", [0.5, 1.0, 3.27, 5.0])
def test_a_matrix_keeps_an_even_field_even(corner, spacing):
    matrix = axis_matrix(corner, spacing, 1.0)
    sums = matrix.sum(1)
    inner = slice(8, -8) if spacing > 4 else slice(4, -4)
    assert np.allclose(sums[inner], 1, atol=1e-3)


def test_painting_keeps_volume_and_place():
    shape = _ball(7.0)
    _, paint, matrices = _painted(shape)
    fraction = project(paint.fill, matrices)
    drawn = len(shape.points) * shape.cell_mm3
    assert fraction.sum() * GRID_MM**3 == pytest.approx(drawn, rel=0.02)
    assert paint.fill.sum() * FINE_MM**3 == pytest.approx(drawn, rel=1e-4)
    centre = [(fraction.sum(axis=o) * np.arange(PATCH)).sum() / fraction.sum()
              for o in ((1, 2), (0, 2), (0, 1))]  # fmt: skip
    assert np.allclose(centre, (PATCH - 1) / 2, atol=0.5)


def test_labels_follow_the_paint_and_hu_are_right_in_the_middle():
    (hu, label), *_ = _painted(_ball(8.0))
    half = PATCH // 2
    assert hu[half, half, half] == pytest.approx(40 + 500 * 1.4, rel=0.03)
    assert label[half, half, half] == 1
    assert label[:8].max() == 0
    volume = (label == 1).sum() * GRID_MM**3
    assert 0.9 < volume / (4 / 3 * np.pi * 8**3) < 2.2


def test_nothing_is_painted_in_bone():
    closed = np.zeros((PATCH,) * 3, bool)
    closed[:, :, : PATCH // 2] = True
    _, paint, matrices = _painted(_ball(8.0), closed)
    fraction = project(paint.fill, matrices)
    assert fraction[:, :, : PATCH // 2 - 3].max() < 0.02
    assert fraction[:, :, PATCH // 2 :].max() > 0.9


def test_where_bone_and_deposit_mix_the_loss_stays_away():
    (_, label), *_ = _painted(_ball(8.0), natural=600.0)
    half = PATCH // 2
    assert label[half, half, half] == IGNORE


def test_ground_knows_bone_with_marrow_and_places_outside_it(limb):
    z, y, x = (int(c / GRID_MM) for c in (90, 60, 50))
    assert limb.bone[z, y, x]
    assert not limb.bone[z, y, int(90 / GRID_MM)]
    for name in ("fat", "muscle", "bone"):
        points = limb.places[name]
        assert len(points) > 100
        assert not limb.bone[tuple(points.T)].any()
    assert limb.hu[tuple(limb.places["fat"].T)].mean() < -70
    assert 30 < limb.hu[tuple(limb.places["muscle"].T)].mean() < 80


def test_the_grid_of_training_is_that_of_inference(limb):
    hu = np.random.default_rng(1).integers(-1000, 1000, (20, 30, 30)).astype(np.int16)
    assert to_grid(hu, SPACING).shape == (39, 20, 20)
    assert limb.hu.shape == (119, 80, 80)


def test_patches_repeat_by_seed_and_hold_both_answers(limb):
    shapes = bank(24, 0, jobs=1)
    world = World([limb], np.ones(1), shapes)
    made = [patch(world, (3, k)) for k in range(12)]
    again = patch(world, (3, 5))
    assert np.array_equal(made[5][0], again[0])
    assert np.array_equal(made[5][1], again[1])
    assert sum((label == 1).any() for _, label in made) >= 4
    for hu, label in made:
        assert hu.dtype == np.int16
        assert set(np.unique(label)) <= {0, 1, IGNORE}


def test_a_patch_may_leave_the_scan(limb):
    box = cut(limb.hu, np.array([-20, -20, -20]), -1000)
    assert (box[:20] == -1000).all()
    assert np.array_equal(box[20:, 20:, 20:], limb.hu[:28, :28, :28])


def test_the_menu_has_what_calcinosis_looks_like():
    families = menu()
    assert {"ring", "sheet", "chicken_wire", "fluid_level", "cluster", "stone"} <= set(families)
    assert sum(share for share, *_ in families.values()) == pytest.approx(1, abs=0.05)


def test_no_patient_is_in_two_parts():
    parts = [set(TRAIN_LIMBS), set(VALIDATE_LIMBS), set(TEST_LIMBS)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert {3, 7, 37, 45, 49} <= parts[2]
    assert len(parts[2]) >= 8


def test_what_may_not_train_does_not(shared_data):
    chosen = {case.name: case for case in cases(shared_data)}
    assert chosen["head"].part == "test"
    assert all(case.path.exists() for case in chosen.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_twenty_steps_learn_and_export_says_the_same(limb, tmp_path):
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    pytest.importorskip("onnx", reason="the extra `train` is not installed")
    from training.export import export
    from training.loop import Recipe, train

    from calcimetry.offline import onnxruntime

    world = World([limb], np.ones(1), bank(12, 0, jobs=1))
    recipe = Recipe(steps=20, batch=2, round_patches=8, reuse=1, bfloat16=False)
    finder, steps = train(world, recipe, tmp_path, tmp_path / "log.txt")
    assert steps >= 20
    assert (tmp_path / "state.pt").exists()
    hu = np.random.default_rng(0).normal(0, 300, (24, 32, 40)).astype(np.float32)
    export(finder, tmp_path / "finder.onnx", [hu])
    session = onnxruntime().InferenceSession((tmp_path / "finder.onnx").read_bytes())
    with torch.no_grad():
        expected = finder(torch.from_numpy(hu)[None, None])[0, 0].numpy()
    found = unfolded(session.run(None, {"hu": folded(hu)})[0])
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
