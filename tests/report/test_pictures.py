"""Pictures: the right way round, in true proportions, of the right slice, and small."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from calcimetry.records import Kind, Runs, Scan
from calcimetry.report import pictures, png
from calcimetry.report.slices_of_runs import bounds

from .conftest import scan_for, seen


def pixels(content: bytes) -> np.ndarray:
    """Palette numbers."""
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture).copy()


def inside_outline(content: bytes) -> np.ndarray:
    """Rows and columns of the coloured outline."""
    return np.argwhere(pixels(content) == png.INDEX["deposit"])


def test_names_and_kinds_of_pictures(exam_with):
    exam = exam_with(6)
    made = seen(exam)
    assert {"front.png", "side.png"} <= set(made)
    for plane in ("axial", "coronal", "sagittal"):
        for window in ("bone", "soft"):
            assert f"deposit-1-{plane}-{window}.png" in made
    assert [n for n in made if n.startswith("deposit-5")] == [
        "deposit-5-axial-bone.png"
    ]  # doubtful
    assert [n for n in made if n.startswith("object")] == ["object-2-axial-bone.png"]  # unsure


def test_an_axial_picture_says_which_stored_slice_it_shows(exam_with):
    exam = exam_with(3)
    flipped = replace(exam.frame.stored, flipped=(True, False, False))
    turned = replace(exam, frame=replace(exam.frame, stored=flipped))
    for deposit, number in zip(exam.deposits, (1, 2, 3), strict=True):
        name = f"deposit-{number}-axial-bone.png"
        shown = png.description_of(seen(exam)[name])["slice"]
        assert deposit.slices[0] <= shown <= deposit.slices[1]
        last = exam.frame.shape[0] - 1
        assert png.description_of(seen(turned)[name])["slice"] == last - shown


def ball_scan(spacing: tuple[float, float, float]) -> tuple[Scan, Runs, np.ndarray]:
    """A ball of 8 mm radius, off centre to the patient's left, back and head."""
    shape = tuple(int(160 / edge) for edge in spacing)
    grid = np.meshgrid(
        *[np.arange(n) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij"
    )
    centre = np.array([110.0, 100.0, 120.0])  # z up, y back, x left, mm
    away = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
    body = sum((g - 80) ** 2 for g in grid[1:]) < 70**2
    hu = np.where(away < 64, 800, np.where(body, 40, -1000)).astype(np.int16)
    affine = np.diag([spacing[2], spacing[1], spacing[0], 1.0])
    scan = Scan.of(hu, affine)
    z, y = np.nonzero((away < 64).any(axis=2))
    start = np.array([np.flatnonzero(away[a, b] < 64)[0] for a, b in zip(z, y, strict=True)])
    stop = np.array([np.flatnonzero(away[a, b] < 64)[-1] + 1 for a, b in zip(z, y, strict=True)])
    row = (z * shape[1] + y).astype(np.int32)
    return scan, Runs(shape, row, start.astype(np.int32), stop.astype(np.int32)), centre


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.8, 0.8), (0.7, 2.0, 1.0)])
def test_a_ball_is_round_whatever_the_voxels(exam_with, spacing):
    scan, runs, centre = ball_scan(spacing)
    base = exam_with(1)
    deposit = replace(base.listed[0], runs=runs, centroid_mm=tuple(centre[::-1]))
    made = pictures(replace(base, listed=(deposit,), objects=()), scan)
    for plane in ("axial", "coronal", "sagittal"):
        points = inside_outline(made[f"deposit-1-{plane}-bone.png"])
        tall, wide = np.ptp(points, axis=0)
        # One voxel of 5 mm is 18 pixels: what a coarse grid makes of a ball is no rounder.
        field = png.description_of(made[f"deposit-1-{plane}-bone.png"])["field_mm"]
        assert abs(tall - wide) <= max(6, 1.2 * max(spacing) * 232 / field)


def test_pictures_are_the_radiologists_way_round(exam_with):
    scan, runs, centre = ball_scan((2.0, 1.0, 1.0))
    base = exam_with(1)
    deposit = replace(base.listed[0], runs=runs, centroid_mm=tuple(centre[::-1]))
    made = pictures(replace(base, listed=(deposit,), objects=()), scan)
    ink = png.INDEX["ink"]
    for name, across in (("front.png", 2), ("side.png", 1)):
        image = pixels(made[name])
        row, column = np.argwhere(image == ink).mean(axis=0) / image.shape
        assert row < 0.5  # towards the head is up
        assert column > 0.5  # left of the patient, or back, is on the right
        about = png.description_of(made[name])
        point = np.array(about["lps_to_pixel"]) @ [*centre[::-1], 1.0]
        assert point == pytest.approx([column * image.shape[1], row * image.shape[0]], abs=4)
        assert across in (1, 2)


def test_coronal_and_sagittal_pictures_have_the_head_up(exam_with):
    exam = exam_with(1)
    scan = scan_for(exam)
    z = int(bounds(exam.listed[0].runs)[:, 0].mean())
    scan.hu[z + 3 :] = 1200  # all bright above
    made = pictures(exam, scan)
    for plane in ("coronal", "sagittal"):
        image = pixels(made[f"deposit-1-{plane}-bone.png"])
        bright = np.argwhere(image == png.GREYS - 1)[:, 0]
        assert 0 < bright.max() < image.shape[0] / 2


def test_a_deposit_at_the_edge_of_the_scan_is_padded_with_air(exam_with):
    exam = exam_with(1)
    shape = exam.frame.shape
    runs = Runs(shape, *(np.array([v], dtype=np.int32) for v in (0, 0, 3)))
    deposit = replace(exam.listed[0], runs=runs)
    image = pixels(
        pictures(replace(exam, listed=(deposit,)), scan_for(exam))["deposit-1-axial-bone.png"]
    )
    assert (image[60:90, 40:90] == 0).all()


def test_pictures_of_a_scan_without_a_body_or_deposits(exam_with):
    exam = exam_with(0)
    scan = scan_for(exam)
    scan.hu[:] = -1000
    made = pictures(replace(exam, objects=()), scan)
    assert set(made) == {"front.png", "side.png"}


def test_uncertain_ones_are_drawn_in_another_colour(exam_with):
    exam = exam_with(1, per_deposit={"kind": Kind.UNCERTAIN})
    image = pixels(seen(exam)["front.png"])
    assert (image == png.INDEX["doubt"]).any()
    assert not (image == png.INDEX["ink"]).any()
