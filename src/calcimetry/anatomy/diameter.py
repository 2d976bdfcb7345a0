"""How big the body is to the X-ray beam, slice by slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.body import Body
from calcimetry.anatomy.coarse_grid import dilated
from calcimetry.records import Scan


def water_equivalent_diameter(scan: Scan, body: Body) -> NDArray[np.float64]:
    """Diameter of the water cylinder that attenuates as a slice does: float64 (z,), mm.

    ``2 sqrt(sum(HU / 1000 + 1) * cell area / pi)`` over the body and one cell around it
    (air adds nothing), AAPM Report 220 (2014). NaN where a slice shows no body. Where the
    field cuts the body (`cut_share`) the true diameter is larger.
    """
    area = body.grid.size_mm[1] * body.grid.size_mm[2]
    around = body.around & ~body.unseen
    above_air = np.maximum(np.where(around, body.hu, np.int16(-1000)), np.int16(-1000))
    water = above_air.sum(axis=(1, 2), dtype=np.int64) / 1000 + around[0].size
    diameter = 2 * np.sqrt(water * area / np.pi)
    diameter[~body.inside.any(axis=(1, 2))] = np.nan
    return _by_slice(diameter, scan, body)


def cut_share(scan: Scan, body: Body) -> NDArray[np.float64]:
    """Share of the body's outline in each slice that is the field's border: float64 (z,).

    0 where the whole outline is skin; NaN where a slice shows no body.
    """
    edge = np.zeros_like(body.inside)
    edge[:, [0, -1], :] = edge[:, :, [0, -1]] = True
    edge |= dilated(body.unseen) & ~body.unseen
    cut = (body.inside & edge).sum(axis=(1, 2))
    outline = body.skin_cells[body.inside[tuple(body.skin_cells.T)]]
    skin = np.bincount(outline[~edge[tuple(outline.T)], 0], minlength=len(cut))
    with np.errstate(invalid="ignore"):
        return _by_slice(cut / (cut + skin), scan, body)


def _by_slice(values: NDArray[np.float64], scan: Scan, body: Body) -> NDArray[np.float64]:
    return np.repeat(values, body.grid.cell[0])[: scan.hu.shape[0]]
