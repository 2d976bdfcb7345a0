"""Even rods are told from balls, bars, lumps with a core, and from the inserts of a phantom."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from calcimetry.deposits.reasons import Verdict
from calcimetry.deposits.rod import is_rod, mark_rods
from calcimetry.describe.evidence import Evidence
from calcimetry.records import Kind, Rule, Scan
from calcimetry.runs import dense_objects, from_mask, object_runs
from calcimetry.scan import read

ARCHIVE = Path(__file__).parents[3] / "shared/data/phantom/qrm_canon_large_rep1_dicom.tar.xz"
NOISE = 15.0
SPACINGS = [(1.0, 1.0, 1.0), (3.0, 0.5, 0.5)]


def solid(shape, spacing=(1.0, 1.0, 1.0), hu=None, tilt=0.0):
    """A scan of an object at 300 HU in noise, and its voxels.

    shape : whether points (..., 3), mm (z, y, x) about the middle, lie in it
    hu : HU by these points, where they are not even
    tilt : of z against the object's own axis, degrees
    """
    size = np.ceil(60.0 / np.array(spacing)).astype(int)
    p = (np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), -1) + 0.5) * spacing - 30.0
    angle = np.deg2rad(tilt)
    turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    p = p @ np.array(turn)
    mask = shape(p)
    body = np.where(mask, 300.0 if hu is None else hu(p), 40.0)
    body += np.random.default_rng(3).normal(0, NOISE, body.shape)
    z, y, x = spacing
    scan = Scan.of(body.round().astype(np.int16), np.diag([x, y, z, 1.0]))
    return scan, from_mask(mask)


def cylinder(radius, length, axis=0):
    def inside(p):
        rest = [k for k in range(3) if k != axis]
        across = np.hypot(p[..., rest[0]], p[..., rest[1]])
        return (across <= radius) & (np.abs(p[..., axis]) <= length / 2)

    return inside


def told(shape, **how) -> bool:
    return is_rod(*solid(shape, **how), NOISE)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("radius", "length"), [(5.0, 15.0), (10.0, 22.0), (9.0, 50.0)])
def test_a_cylinder_along_any_axis(axis, radius, length):
    assert told(cylinder(radius, length, axis))


def test_thick_slices_and_a_tilted_table():
    assert told(cylinder(10.0, 22.0), spacing=(3.0, 0.5, 0.5))
    assert told(cylinder(8.0, 40.0), tilt=8.0)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("length", [2.0, 5.0])
def test_inserts_and_tablets_are_no_rods(spacing, length):
    assert not told(cylinder(2.5, 5.0), spacing=spacing)  # an insert
    assert not told(cylinder(10.0, length), spacing=spacing)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(
    "shape",
    [
        lambda p: np.linalg.norm(p, axis=-1) <= 11.0,
        lambda p: np.abs(p).max(axis=-1) <= 9.0,
        lambda p: np.linalg.norm(p / [2.0, 1.0, 1.0], axis=-1) <= 9.0,
        lambda p: (np.hypot(p[..., 1], 1.4 * p[..., 2]) <= 9.0) & (np.abs(p[..., 0]) <= 15.0),
        lambda p: np.hypot(p[..., 1] + p[..., 0] ** 2 / 60, p[..., 2]) <= 7.0,  # bent
        lambda p: np.hypot(p[..., 1], p[..., 2]) <= 8.0 + p[..., 0] / 10,  # a cone
    ],
)
def test_balls_bars_and_bent_or_tapering_ones_are_no_rods(spacing, shape):
    assert not told(shape, spacing=spacing)


def test_what_has_a_core_or_a_rind_is_no_rod():
    def core(p):
        return 300.0 + 200.0 * (np.hypot(p[..., 1], p[..., 2]) < 4.0)

    def marrow(p):
        return np.where(np.hypot(p[..., 1], p[..., 2]) < 5.0, 150.0, 1200.0)

    for hu in (core, marrow):
        assert not told(cylinder(9.0, 30.0), hu=hu)
    assert not told(lambda p: cylinder(9.0, 30.0)(p) & ~cylinder(5.0, 30.0)(p))


def test_through_the_whole_field_it_must_be_brighter_than_vessels():
    whole = cylinder(8.0, 99.0)
    assert not told(whole)
    assert told(whole, hu=lambda p: np.full(p.shape[:-1], 500.0))


def evidence(scan, runs) -> Evidence:
    return Evidence(runs.voxels, 1.0, 300.0, 350, (9.0, 9.0, 9.0), 1.0, False, False, None)


def test_only_what_would_be_listed_becomes_a_rod():
    scan, runs = solid(cylinder(9.0, 30.0))
    verdicts = [
        Verdict(Kind.DEPOSIT, Rule.NETWORK_POSITIVE, 1.0),
        Verdict(Kind.UNCERTAIN, Rule.LINEAR, 0.5),
        None,  # nothing was decided yet
        Verdict(Kind.BONE, Rule.SKELETON, 0.9),
    ]
    found = mark_rods(scan, [runs] * 4, verdicts, [evidence(scan, runs)] * 4)
    assert [(v.kind, v.rule) for v in found] == [
        (Kind.EXTERNAL, Rule.ROD),
        (Kind.EXTERNAL, Rule.ROD),
        (Kind.EXTERNAL, Rule.ROD),
        (Kind.BONE, Rule.SKELETON),
    ]


@pytest.mark.integration
@pytest.mark.skipif(not ARCHIVE.exists(), reason=f"{ARCHIVE.name} is not beside the repository")
def test_of_a_real_phantom_the_rod_and_nothing_else(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # 3.11.4 and later
        archive.extractall(tmp_path)
    scan = read(tmp_path)
    dense = dense_objects(scan.hu, 130.0)
    runs = object_runs(dense, np.flatnonzero(dense.voxels >= 3).tolist())
    rods = [part for part in runs if is_rod(scan, part, 25.0)]
    assert len(rods) == 1
    assert rods[0].voxels * scan.voxel_mm3 == pytest.approx(np.pi * 10.0**2 * 21.0, rel=0.1)
