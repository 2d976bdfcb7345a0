"""A place of known motion is found by its surroundings; where they are plain, nothing is said."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.followup.motion import Motion
from calcimetry.followup.tissue_registration import fit, sought, surroundings, tissue_of
from calcimetry.records import SoftTissue

SHAPE, EDGE = (40, 40, 40), 2.0
MIDDLE = np.full(3, 40.0)
TRUE = Motion.moved(np.array([3.0, -2.0, 4.0])).after(
    Motion.about(MIDDLE, np.array([0.1, 0.15, 0]))
)


def visit(motion: Motion, seed: int, *, plain: bool = False) -> SoftTissue:
    """Fat with strands and bellies of muscle, moved; a dense block in the middle on one visit."""
    line = np.arange(SHAPE[0]) * EDGE
    at = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)[..., ::-1]
    here = motion.inverse()(at.reshape(-1, 3))
    body = np.random.default_rng(7).normal(size=(44, 44, 44))
    body = ndimage.gaussian_filter(body, 2.5)
    body *= 0.0 if plain else 60.0 / body.std()
    hu = ndimage.map_coordinates(body, here[:, ::-1].T / EDGE, order=1, mode="reflect")
    hu = hu.reshape(SHAPE) + np.random.default_rng(seed).normal(0, 6, SHAPE)
    hu = np.clip(hu, SoftTissue.LOW_HU, SoftTissue.HIGH_HU)
    code = np.rint((hu - SoftTissue.LOW_HU) / SoftTissue.STEP_HU + 1).astype(np.uint8)
    if seed == 1:
        code[18:22, 18:22, 18:22] = 255
    return SoftTissue(code, np.diag([EDGE, EDGE, EDGE, 1.0]))


FIRST, SECOND = tissue_of(visit(Motion.none(), 1)), tissue_of(visit(TRUE, 2))


@pytest.mark.parametrize("off", [(0, 0, 0), (5, 2, -4), (-4, 4, 5)])
def test_a_place_is_found_from_where_bones_laid_it(off):
    start = Motion.moved(np.array(off, float)).after(Motion.moved(TRUE(MIDDLE) - MIDDLE))
    found = sought(FIRST, SECOND, MIDDLE, [start, start])
    assert found is not None
    error = np.linalg.norm(found.there - TRUE(MIDDLE))
    assert error < 0.5
    assert error < 3 * found.error_mm
    np.testing.assert_allclose(found.backward.motion(found.there), MIDDLE, atol=1e-9)


def test_between_two_motions_the_way_is_searched():
    """Neither bone is right, nor near enough to slide from; the truth lies between them."""
    ends = [Motion.moved(side * np.array([14.0, -10.0, 0.0])).after(TRUE) for side in (-1.0, 1.0)]
    found = sought(FIRST, SECOND, MIDDLE, [ends[0], *ends])
    assert found is not None
    assert np.linalg.norm(found.there - TRUE(MIDDLE)) < 0.5


def test_where_bones_are_right_nothing_is_changed():
    own = surroundings(FIRST, MIDDLE)
    assert sought(FIRST, SECOND, MIDDLE, [TRUE, TRUE]) is None
    assert fit(own, SECOND, TRUE).unlike < 0.15


def test_plain_tissue_says_nothing():
    first, second = (tissue_of(visit(m, k, plain=True)) for m, k in ((Motion.none(), 1), (TRUE, 2)))
    assert sought(first, second, MIDDLE, [Motion.none(), TRUE]) is None


def test_what_was_not_kept_says_nothing():
    nothing = tissue_of(SoftTissue(np.zeros(SHAPE, np.uint8), np.diag([EDGE, EDGE, EDGE, 1.0])))
    assert sought(FIRST, nothing, MIDDLE, [Motion.none(), TRUE]) is None
    assert sought(nothing, SECOND, MIDDLE, [Motion.none(), TRUE]) is None
