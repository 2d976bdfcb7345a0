"""The body, its skin and depth under it, on scans whose truth is known."""

import numpy as np
import pytest

from calcimetry.anatomy import find_body, inside, part_of, skin_depth, skin_gap
from calcimetry.scan import read

FAT, LUNG, MUSCLE = -100, -850, 50


def ring(stage, y, x, radius, depth, z=30.0, count=16):
    """Points `depth` mm under the surface of a cylinder along z."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    far = radius - depth
    return stage.at(z, y + far * np.sin(turn), x + far * np.cos(turn))


@pytest.mark.parametrize("spacing", [(2.0, 1.0, 1.0), (5.0, 0.7, 0.7), (1.0, 0.45, 0.45)])
@pytest.mark.parametrize("depth", [1.0, 5.0, 20.0, 35.0])
def test_depth_under_a_round_limb(stage, spacing, depth):
    field = stage((60, 100, 100), spacing).limb(50, 50, 40)
    scan = field.scan()
    found = skin_depth(find_body(scan), scan, ring(field, 50, 50, 40, depth))
    assert np.abs(found - depth).max() < 0.7 * spacing[1]
    assert abs(np.mean(found - depth)) < 0.35 * spacing[1]


def test_a_finger_on_the_table_keeps_its_skin(stage):
    field = stage((60, 60, 80), (1.0, 0.5, 0.5))
    for x in (20, 38, 56):
        field.limb(30, x, 7, skin=1, fat=1, bone=4)
    field.box((-1, 99), (38, 41), (-1, 99), 100)  # a table top that touches all three
    scan = field.scan()
    body = find_body(scan)
    assert body.parts == 3
    upper = ring(field, 30, 38, 7, 1.0)
    upper = upper[upper[:, 1] <= 30 / 0.5]
    assert np.abs(skin_depth(body, scan, upper) - 1.0).max() < 0.5
    assert inside(body, field.at(30, 30, [20, 38, 56])).all()
    assert not inside(body, field.at(30, 39.5, [4, 76])).any()


def test_limbs_apart_are_all_body(stage):
    field = stage((60, 100, 160)).limb(50, 40, 30).limb(50, 120, 25)
    scan = field.scan()
    body = find_body(scan)
    assert body.parts == 2
    big, small = part_of(body, field.at(30, 50, [40, 120]))
    assert (big, small) == (1, 2)
    assert part_of(body, field.at(30, 50, 80)) == 0


def test_table_cushion_and_calibration_pad_are_not_body(stage):
    field = stage((200, 140, 160)).limb(60, 80, 45)
    field.box((-1, 999), (106, 116), (-1, 999), -920)  # foam
    field.box((-1, 999), (116, 119), (-1, 999), 150)  # table shell
    field.box((-1, 999), (119, 135), (-1, 999), -880)  # its core
    field.box((-1, 999), (90, 114), (10, 34), 15)  # a water-like pad beside the limb
    field.cylinder(102, 22, 5, 200)
    scan = field.scan()
    body = find_body(scan)
    assert body.parts == 1
    assert not inside(body, field.at(100, [110, 117, 125, 102, 95], [80, 80, 80, 22, 14])).any()
    down = skin_depth(body, scan, field.at(100, 100, 80))
    assert abs(down[0] - 5.0) < 1.0


def test_a_table_alone_is_no_body(stage):
    field = stage((200, 100, 160)).box((-1, 999), (60, 63), (-1, 999), 150)
    body = find_body(field.scan())
    assert body.parts == 0
    assert np.isnan(skin_depth(body, field.scan(), field.at(100, 61, 80))).all()


def test_gas_in_the_body_is_inside_and_no_skin(stage):
    field = stage((120, 200, 280), (3.0, 1.5, 1.5)).limb(100, 140, 90, fat=15)
    field.cylinder(100, 95, 30, LUNG)
    field.cylinder(100, 185, 30, LUNG)
    field.cylinder(60, 140, 9, -1000)  # trachea, through all slices
    field.cylinder(145, 140, 12, -1000, z=(40, 80))  # bowel gas
    scan = field.scan()
    body = find_body(scan)
    assert inside(body, field.at(60, [100, 100, 60, 145], [95, 185, 140, 140])).all()
    # 3 mm from the trachea, but 90 - 28 = 62 mm under the skin
    assert abs(skin_depth(body, scan, field.at(60, 72, 140))[0] - 62) < 2


@pytest.mark.parametrize("side", [0, 1])
def test_a_lung_that_the_field_cuts_is_not_outside(stage, side):
    field = stage((60, 150, 100)).limb(75, 0 if side == 0 else 100, 70)
    field.cylinder(75, 0 if side == 0 else 100, 35, LUNG)
    scan = field.scan(noise=20)
    body = find_body(scan)
    x = 5 if side == 0 else 95
    assert inside(body, field.at(30, 75, x)).all()
    point = field.at(30, 75, 45 if side == 0 else 55)  # 10 mm from lung, 25 mm under skin
    assert abs(skin_depth(body, scan, point)[0] - 25) < 1


def test_the_border_of_the_field_is_no_skin(stage):
    field = stage((60, 100, 100)).limb(50, 20, 60)  # cut by three sides
    scan = field.scan()
    body = find_body(scan)
    point = field.at(30, 50, 2)  # 2 mm from the border; skin meets the field at its corners
    corner = 20 + np.sqrt(60**2 - 50**2)
    assert abs(skin_depth(body, scan, point)[0] - np.hypot(50, corner - 2)) < 1.5
    assert np.isfinite(skin_depth(body, scan, field.at(0, 50, 50))).all()


def test_no_skin_in_the_field_gives_nan(stage):
    scan = stage((30, 60, 60)).cylinder(30, 30, 900, MUSCLE).cylinder(30, 30, 20, FAT).scan()
    body = find_body(scan)
    assert body.parts == 1
    assert np.isnan(skin_depth(body, scan, np.array([[5.0, 30.0, 30.0]]))).all()


@pytest.mark.parametrize("padding", [-2048, -1024, -3024])
def test_a_round_field_is_no_skin(stage, padding):
    # The limb reaches beyond the round field at its right; padding is not air.
    field = stage((60, 120, 120)).limb(60, 90, 50)
    scan = field.scan(circle=59, padding=padding)
    body = find_body(scan)
    point = field.at(30, 60, 115)  # 4 mm from the padding, 25 mm from skin beyond the field
    turn = np.linspace(0, 2 * np.pi, 3000)
    y, x = 60 + 50 * np.sin(turn), 90 + 50 * np.cos(turn)
    seen = np.hypot(y - 59.5, x - 59.5) < 59
    truth = np.hypot(y[seen] - 60, x[seen] - 115).min()
    assert abs(skin_depth(body, scan, point)[0] - truth) < 3
    assert not inside(body, field.at(30, 1, 1))[0]
    assert body.unseen.any()
    left = field.at(30, 60, 45)
    assert abs(skin_depth(body, scan, left)[0] - 5) < 0.7


def test_air_cut_off_at_one_value_is_still_air(stage):
    # No noise: air is the same number in every voxel, as padding would be.
    field = stage((60, 100, 100), air=-1024).limb(50, 50, 30)
    scan = field.scan(noise=0)
    body = find_body(scan)
    assert not body.unseen.any()
    assert abs(skin_depth(body, scan, field.at(30, 50, 25))[0] - 5) < 0.7


def test_depth_goes_through_the_affine(stage):
    field = stage((60, 100, 100), (2.0, 1.0, 1.0)).limb(50, 50, 40)
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.0, 1.0, 2.0])
    affine[:3, 3] = (-7, 900, 33)
    plain, turned = field.scan(), field.scan(affine=affine)
    points = ring(field, 50, 50, 40, 8.0)
    one = skin_depth(find_body(plain), plain, points)
    other = skin_depth(find_body(turned), turned, points)
    assert np.allclose(one, other, atol=1e-6)


def test_threads_change_nothing(stage):
    scan = stage((60, 100, 160)).limb(50, 40, 30).limb(50, 120, 25).scan()
    one, two = find_body(scan, jobs=1), find_body(scan, jobs=2)
    assert np.array_equal(one.hu, two.hu)
    assert np.array_equal(one.part, two.part)


def test_air_and_tiny_scans_have_no_body(stage):
    for shape in [(4, 4, 4), (10, 40, 40)]:
        scan = stage(np.array(shape) * 1.0, (1.0, 1.0, 1.0)).scan()
        body = find_body(scan)
        assert body.parts == 0
        assert not inside(body, np.zeros((1, 3)))[0]
        assert len(skin_depth(body, scan, np.zeros((0, 3)))) == 0


@pytest.mark.integration
@pytest.mark.parametrize(
    ("case", "litres", "parts"),
    [
        ("limbs/STS_001_CT", 5.4, 1),
        ("limbs/STS_017_CT", 7.0, 1),
        ("trunks/chest_lidc0314_1.5mm", 16.8, 1),
    ],
)
def test_real_scans_leave_their_tables_out(shared, case, litres, parts):
    file = shared / f"{case}.nii.gz"
    body = find_body(read(file))
    sizes = np.bincount(body.part.ravel())[1:] * np.prod(body.grid.size_mm) / 1e6
    assert body.parts == parts
    assert abs(sizes.sum() - litres) < 0.05 * litres


def test_the_gap_to_skin_is_the_least_depth(stage):
    field = stage((60, 100, 160), (2.0, 0.8, 0.8)).limb(50, 40, 30).limb(50, 120, 25)
    scan = field.scan()
    body = find_body(scan)
    rng = np.random.default_rng(4)
    for _ in range(20):
        middle = rng.uniform((20, 30, 20), (40, 70, 140))
        points = field.at(*(middle + rng.normal(0, 4, (60, 3))).T)
        assert skin_gap(body, scan, points) == skin_depth(body, scan, points).min()
    assert skin_gap(body, scan, np.empty((0, 3))) is None
