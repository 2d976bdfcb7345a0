"""What the weights are taught from: painted truth is where it was painted, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from training.judged import Judged, answers, judged
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
from training.patches import World, cut, patch, shown
from training.scanner import tilted
from training.shapes import Shape, bank, menu
from training.sources import CALIBRATION, FOLDS, LIMBS, TEST, cases

from calcimetry.deposits.resample import GRID_MM, folded, unfolded
from calcimetry.scan import read

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
    return ground("limb", np.round(hu).astype(np.int16), SPACING)


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
    grid = to_grid(limb.hu, SPACING)
    for name in ("fat", "muscle", "bone"):
        points = limb.places[name]
        assert len(points) > 100
        assert not limb.bone[tuple(points.T)].any()
    assert grid[tuple(limb.places["fat"].T)].mean() < -70
    assert 30 < grid[tuple(limb.places["muscle"].T)].mean() < 80


def test_joints_are_beside_spongy_bone_and_not_beside_a_shaft(limb):
    assert len(limb.places["joint"]) < 0.02 * len(limb.places["bone"])
    hu = np.where(limb.hu > 400, np.int16(350), limb.hu)
    y, x = np.indices(hu.shape[1:]) * np.array(SPACING[1:])[:, None, None]
    hu[:, np.hypot(y - 60, x - 50) < 9] = 250
    spongy = ground("condyle", hu, SPACING)
    assert len(spongy.places["joint"]) > 0.9 * len(spongy.places["bone"])


def test_the_grid_of_training_is_that_of_inference(limb):
    hu = np.random.default_rng(1).integers(-1000, 1000, (20, 30, 30)).astype(np.int16)
    assert to_grid(hu, SPACING).shape == (39, 20, 20)
    assert limb.bone.shape == (119, 80, 80)


def test_a_patch_shows_the_grid_at_whole_positions_and_lies_between_at_others(limb):
    grid = to_grid(limb.hu, SPACING)
    corner = np.array([11.0, 20.0, 15.0])
    box = tuple(slice(int(c), int(c) + PATCH) for c in corner)
    assert np.allclose(shown(limb, corner), grid[box], atol=0.01)
    half = shown(limb, corner + np.array([0, 0, 0.5]))
    moved = shown(limb, corner + np.array([0, 0, 1.0]))
    assert np.abs(half - grid[box]).mean() < np.abs(moved - grid[box]).mean()


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
    box = cut(limb.bone, np.array([-20, -20, -20]), False)
    assert not box[:20].any()
    assert np.array_equal(box[20:, 20:, 20:], limb.bone[:28, :28, :28])
    hu = shown(limb, np.array([-20.0, -20.0, -20.0]))
    assert (hu[:20] == -1024).all()
    assert np.allclose(hu[20:, 20:, 20:], to_grid(limb.hu, SPACING)[:28, :28, :28], atol=0.01)


def _focus(radius_mm, middle_mm, hu=400):
    z, y, x = np.indices((30, 40, 40)) * GRID_MM
    away = np.sqrt(sum((a - m) ** 2 for a, m in zip((z, y, x), middle_mm, strict=True)))
    return np.where(away < radius_mm, np.int16(hu), np.int16(50))


def test_what_was_judged_is_told_and_no_more():
    middle = (20.0, 30.0, 30.0)
    grid = _focus(5, middle)
    told = answers(grid, (Judged(middle, 9.0, 1),))
    assert (told[grid > 300] == 1).all()
    assert set(np.unique(told[grid < 300])) == {0, IGNORE}
    assert told[0].max() == 0
    assert answers(grid, (Judged(middle, 9.0, 0),)).max() == 0
    assert set(np.unique(answers(grid, (Judged(middle, 9.0, IGNORE),)))) == {0, IGNORE}
    assert answers(grid, (Judged((20.0, 30.0, 50.0), 9.0, 1),)).max() == 0, "nothing dense there"


def test_a_deposit_at_a_bone_does_not_take_the_bone_along():
    middle = (20.0, 30.0, 20.0)
    grid = _focus(4, middle)
    grid[:, :, 16:20] = 600
    told = answers(grid, (Judged(middle, 6.0, 1),))
    assert told[13, 20, 13] == 1
    assert (told[np.abs(np.arange(30) * GRID_MM - 20) > 10] == 0).all()


def test_a_scan_that_is_shown_smaller_has_its_objects_there(limb):
    one = Judged((90.0, 60.0, 50.0), 9.0, 0)
    small = ground("limb", limb.hu, SPACING, objects=(one,), mined_mm=np.ones((2, 3)), scale=0.5)
    assert small.objects[0].tolist() == pytest.approx([30.0, 20.0, 50 / 3])
    assert len(small.objects) == 3
    assert small.bone.shape == (60, 40, 40)


def test_objects_are_drawn_alike_whatever_scan_holds_them(limb):
    few = replace(limb, objects=np.full((2, 3), 30, np.float32))
    many = replace(limb, objects=np.full((8, 3), 30, np.float32))
    world = World([limb, few, many], np.array([0.5, 0.25, 0.25]), [])
    assert world.hunted() == pytest.approx([0, 0.2, 0.8])


def test_a_tilted_patch_keeps_its_middle_and_its_labels():
    (hu, label), *_ = _painted(_ball(8.0))
    seen, told = tilted(hu, label, np.random.default_rng(2))
    half = PATCH // 2
    assert seen[half, half, half] == pytest.approx(hu[half, half, half], rel=0.05)
    assert (told == 1).sum() == pytest.approx((label == 1).sum(), rel=0.05)
    assert seen[told == 1].mean() == pytest.approx(hu[label == 1].mean(), rel=0.05)
    assert seen[told == 0].max() < hu[label == 1].mean()


def test_the_menu_has_what_calcinosis_looks_like():
    families = menu()
    assert {"ring", "sheet", "chicken_wire", "fluid_level", "cluster", "stone"} <= set(families)
    assert sum(share for share, *_ in families.values()) == pytest.approx(1, abs=0.05)


def test_no_patient_is_in_two_folds():
    assert not set(LIMBS["A"]) & set(LIMBS["B"])
    assert len(LIMBS["A"]) + len(LIMBS["B"]) == 30


def test_what_may_not_train_does_not(shared_data):
    chosen = {case.name: case for case in cases(shared_data)}
    assert chosen["head"].fold == chosen["chest_cmb-crc"].fold == TEST
    assert all(case.path.exists() for case in chosen.values())
    assert sum(case.fold in FOLDS for case in chosen.values()) >= 42


def test_a_fold_is_calibrated_on_the_other(shared_data):
    chosen = {case.name: case for case in cases(shared_data)}
    for fold, names in CALIBRATION.items():
        assert all(chosen[name].fold != fold for name in names)


def test_true_calcifications_are_told_where_they_lie(shared_data):
    """The places of judged.csv are turned into the scan's voxels rightly."""
    chosen = {case.name: case for case in cases(shared_data)}
    for name, least_mm3 in (("STS_037", 100), ("STS_049", 250)):
        scan = read(chosen[name].path)
        grid = to_grid(scan.hu, scan.spacing)
        told = answers(grid, judged(chosen[name], scan, shared_data))
        assert (told == 1).sum() * GRID_MM**3 > least_mm3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_twenty_steps_learn_and_export_says_the_same(limb, tmp_path):
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    pytest.importorskip("onnx", reason="the extra `train` is not installed")
    from training.export import export
    from training.finish import averaged
    from training.loop import Recipe, restored, train

    from calcimetry.offline import onnxruntime

    world = World([limb], np.ones(1), bank(12, 0, jobs=1))
    recipe = Recipe(steps=20, batch=2, round_patches=8, reuse=1)
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
    kept, told, done = restored(tmp_path)
    assert (told, done) == (recipe, steps)
    whole = averaged((kept, kept), (world,))
    assert torch.equal(whole.head.weight, finder.head.weight)
    assert all(torch.isfinite(p).all() for p in whole.state_dict().values())
