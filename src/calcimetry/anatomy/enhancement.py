"""Contrast medium in blood and organs, seen in the images: headers often do not tell of it."""

from __future__ import annotations

import numpy as np

from calcimetry.anatomy.body import Body
from calcimetry.anatomy.bone import Skeleton
from calcimetry.anatomy.coarse_grid import Mask, dilated, eroded
from calcimetry.records import Scan

ENHANCED_HU = (85, 400)
"""Of a cell and all its neighbours. Blood, liver and muscle without contrast medium stay below
80; mineral and bowel with oral contrast pass 400."""

LEAST_CM3 = 4.0
"""On 30 limb CTs without contrast medium in blood at most 2.6 (oral contrast); on four trunks
and an aorta with it, 4.3 to 675: `python -m benchmarks.finder.contrast SCAN ...` lists them."""

BRIGHTEST_PERCENT = 97.0


def enhancement(scan: Scan, body: Body, skeleton: Skeleton) -> float | None:
    """HU of the brightest blood and organs that hold contrast medium; None without any.

    Nothing is sought where the scan's header says that none was given.
    """
    if scan.acquisition.contrast is False:
        return None
    bright = enhanced(body, skeleton)
    if bright.sum() * np.prod(body.grid.size_mm) < LEAST_CM3 * 1000:
        return None
    return float(np.percentile(body.hu[bright], BRIGHTEST_PERCENT))


def enhanced(body: Body, skeleton: Skeleton) -> Mask:
    """Cells of the body's grid amid tissue as bright as contrast medium makes it."""
    low, high = ENHANCED_HU
    bone = dilated(skeleton.held | skeleton.marrow)
    return eroded((body.hu >= low) & (body.hu < high) & body.inside & ~bone)
