"""The whole scan from the front and from the side: the body as a pale shadow, dense parts
as a maximum-intensity projection in grey on white, deposits in colour.

On white because it is printed; light enough that numbers and lines drawn over it are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.records import Deposit, Kind, Scan
from calcimetry.report import png

LONGEST = 760  # pixels along the longer edge of a view
TABLE_MM = 6.0  # what is thinner lies beside the body: table top, clothes, cushions' covers
SKIN_HU = -250
SHOWN_HU = (120.0, 1100.0)  # HU that start to show, and HU shown darkest


def whole_views(scan: Scan, deposits: Sequence[Deposit]) -> dict[str, bytes]:
    """`front.png` and `side.png`, cropped to the body, with one scale for both."""
    body, step = body_mask(scan)
    box = _box(body, step, deposits, scan.hu.shape)
    extent = (box[1] - box[0]) * np.array(scan.spacing)
    pixel = max(float(extent.max()) / LONGEST, min(scan.spacing) / 2)
    return {
        "front.png": _view(scan, deposits, (body, step), box, ("front", pixel)),
        "side.png": _view(scan, deposits, (body, step), box, ("side", pixel)),
    }


def body_mask(scan: Scan) -> tuple[NDArray[np.bool_], tuple[int, int, int]]:
    """The body on a coarse grid, and the step of that grid in voxels (z, y, x).

    Table and clothes go because they are thinner than TABLE_MM.
    """
    room = scan.hu.size * scan.voxel_mm3
    coarse = float(np.clip(np.cbrt(room / 2e6), 1.5, 4.0))
    z, y, x = (max(1, int(coarse // edge)) for edge in scan.spacing)
    dense = scan.hu[::z, ::y, ::x] > SKIN_HU
    opened = _opened(dense, (y * scan.spacing[1], x * scan.spacing[2]))
    label, count = ndimage.label(opened)
    if not count:
        return np.ones_like(dense), (z, y, x)
    sizes = np.bincount(label.ravel())[1:]
    kept = np.flatnonzero(sizes >= 0.05 * sizes.max()) + 1
    near = ndimage.maximum_filter(np.isin(label, kept), size=(1, 3, 3))
    body: NDArray[np.bool_] = near & dense
    return body, (z, y, x)


def _opened(mask: NDArray[np.bool_], edges: tuple[float, float]) -> NDArray[np.bool_]:
    """Opening of each slice by a square of TABLE_MM; separable filters are quick."""
    found = mask
    for order in (ndimage.minimum_filter1d, ndimage.maximum_filter1d):
        for axis, edge in zip((1, 2), edges, strict=True):
            size = 2 * max(1, round(TABLE_MM / 2 / edge)) + 1
            found = order(found, size=size, axis=axis, mode="nearest")
    return found


def _box(
    body: NDArray[np.bool_],
    step: tuple[int, int, int],
    deposits: Sequence[Deposit],
    shape: tuple[int, ...],
) -> NDArray[np.int64]:
    """Box of body and deposits, (2, 3) in voxels (z, y, x)."""
    spans = [np.flatnonzero(body.any(axis=(*{0, 1, 2} - {axis},))) for axis in range(3)]
    ends = np.array([[span[0], span[-1] + 1] for span in spans])
    corners = [ends[:, 0] * step, ends[:, 1] * step]
    for deposit in deposits:
        z, y = np.divmod(deposit.runs.row, deposit.runs.shape[1])
        corners.append(np.array([z.min(), y.min(), deposit.runs.start.min()]))
        corners.append(np.array([z.max() + 1, y.max() + 1, deposit.runs.stop.max()]))
    stack = np.array(corners, dtype=np.int64)
    low = np.clip(stack.min(axis=0) - 2, 0, shape)
    return np.array([low, np.clip(stack.max(axis=0) + 2, 0, shape)])


def _view(
    scan: Scan,
    deposits: Sequence[Deposit],
    body: tuple[NDArray[np.bool_], tuple[int, int, int]],
    box: NDArray[np.int64],
    view: tuple[str, float],
) -> bytes:
    name, pixel = view
    axis = 1 if name == "front" else 2
    across = 2 if name == "front" else 1
    part = scan.hu[tuple(slice(a, b) for a, b in box.T)]
    peak = part.max(axis=axis)
    shadow = _shadow(body, box, axis, peak.shape)
    size = tuple(max(2, round((box[1] - box[0])[k] * scan.spacing[k] / pixel)) for k in (across, 0))
    frame = (0.0, 0.0, float(peak.shape[1]), float(peak.shape[0]))
    image = _shade(png.resample(peak[::-1], frame, size), png.resample(shadow[::-1], frame, size))
    for kind, colour in ((Kind.UNCERTAIN, "doubt"), (Kind.DEPOSIT, "ink")):
        chosen = [deposit for deposit in deposits if deposit.kind is kind]
        _colour(image, _projected(chosen, axis, scan.hu.shape, box), frame, colour)
    return png.encode(image, {"view": name} | _mapping(scan, box, across, size))


def _shadow(
    body: tuple[NDArray[np.bool_], tuple[int, int, int]],
    box: NDArray[np.int64],
    axis: int,
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """How much body lies along each ray, 0 to 1, on the view's pixels."""
    mask, step = body
    thick = mask.sum(axis=axis, dtype=np.float32)
    keep = [k for k in range(3) if k != axis]
    places = [
        np.clip((np.arange(n) + box[0][k]) / step[k] - 0.5, 0, thick.shape[m] - 1)
        for m, (k, n) in enumerate(zip(keep, shape, strict=True))
    ]
    grid = np.meshgrid(*places, indexing="ij")
    smooth = ndimage.map_coordinates(thick, grid, order=1, output=np.float32)
    result: NDArray[np.float32] = smooth / max(float(thick.max()), 1.0)
    return result


def _shade(peak: NDArray[Any], shadow: NDArray[Any]) -> NDArray[np.uint8]:
    """White paper, pale body, dark bone; nothing outside the body."""
    low, high = SHOWN_HU
    inside = np.clip(shadow * 20, 0, 1)
    bone = np.clip((peak - low) / (high - low), 0, 1) ** 0.8 * inside
    pale = 0.07 * inside + 0.10 * np.clip(shadow, 0, 1)
    dark = pale + (0.72 - pale) * bone
    shades: NDArray[np.uint8] = ((1 - dark) * (png.GREYS - 1) + 0.5).astype(np.uint8)
    return shades


def _projected(
    deposits: Sequence[Deposit], axis: int, shape: tuple[int, ...], box: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Where deposits lie in the view, head up, on the voxels of the box."""
    plane = np.zeros((shape[0], shape[3 - axis]), dtype=bool)
    for deposit in deposits:
        z, y = np.divmod(deposit.runs.row, shape[1])
        if axis == 2:
            plane[z, y] = True
            continue
        for row, start, stop in zip(z, deposit.runs.start, deposit.runs.stop, strict=True):
            plane[row, start:stop] = True
    across = 3 - axis
    return plane[box[0][0] : box[1][0], box[0][across] : box[1][across]][::-1]


def _colour(
    image: NDArray[np.uint8],
    plane: NDArray[np.bool_],
    frame: tuple[float, float, float, float],
    colour: str,
) -> None:
    height, width = image.shape
    mask = png.resample(plane, frame, (width, height)) > 0.4
    image[png.outline(mask)] = png.INDEX["paper"]
    image[mask] = png.INDEX[colour]


def _mapping(
    scan: Scan, box: NDArray[np.int64], across: int, size: tuple[int, ...]
) -> dict[str, Any]:
    """Where a point in LPS mm comes to lie: pixel (column, row) = matrix (2, 4) @ (x, y, z, 1)."""
    inverse = np.linalg.inv(scan.affine)  # LPS mm to (i, j, k): columns x, y, z of the array
    extent = (box[1] - box[0]).astype(float)
    column = inverse[2 - across].copy()
    column[3] += 0.5 - box[0][across]
    row = -inverse[2]
    row[3] += box[1][0] - 0.5
    matrix = np.array([column * (size[0] / extent[across]), row * (size[1] / extent[0])])
    mm = float(extent[0] * scan.spacing[0] / size[1])
    return {"lps_to_pixel": matrix.round(8).tolist(), "mm_per_pixel": round(mm, 6)}
