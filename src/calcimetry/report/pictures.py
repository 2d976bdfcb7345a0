"""Pictures of an examination: crops of the scan round each deposit, and views of the whole.

Radiological convention: the patient's right on the left of axial and frontal pictures,
front on the left of side pictures, head up. Voxels of any shape are shown with true
proportions. Each PNG says in itself (text chunk "calcimetry") which slice it shows, how
many mm wide it is, and for the whole views where a point of the patient comes to lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Deposit, Examination, Kind, OtherObject, Scan
from calcimetry.report import png
from calcimetry.report.projections import whole_views
from calcimetry.report.selection import Rank, carded, doubtful_objects, pictured
from calcimetry.report.slices_of_runs import Marks, bounds, fullest

PIXELS = 232  # edge of a card's picture
SMALL = 116  # edge of a thumbnail
AIR = -1024.0
AXES = {"axial": 0, "coronal": 1, "sagittal": 2}
LETTERS = {"axial": ("A", "R", "L"), "coronal": ("H", "R", "L"), "sagittal": ("H", "A", "P")}


@dataclass(frozen=True, slots=True)
class Spot:
    """What to look at: where it is cut, and how wide the surroundings are.

    centre : (z, y, x), voxels, may be fractional
    cuts : index of the slice shown along each axis
    field_mm : edge length of the pictures
    number : of the deposit; 0 for an object that was left out
    """

    centre: NDArray[np.float64]
    cuts: tuple[int, int, int]
    field_mm: float
    number: int


def pictures(exam: Examination, scan: Scan) -> dict[str, bytes]:
    """PNGs by name: whole views, three planes of each larger deposit, thumbnails of the rest.

    Names: ``front.png``, ``side.png``, ``deposit-N-PLANE-WINDOW.png`` (PLANE axial, coronal
    or sagittal, WINDOW bone or soft) and ``object-N-axial-bone.png``.
    """
    marks = Marks.of(exam.listed)
    made = whole_views(scan, exam.listed)
    ranks = _ranks(exam.listed)
    large = set(carded(ranks))
    by_number = {deposit.number: deposit for deposit in exam.listed}
    for number in pictured(ranks):
        spot = _spot(scan, by_number[number])
        made |= _card(scan, marks, spot) if number in large else _thumb(scan, marks, spot)
    return made | _left_out(scan, marks, exam.objects)


def _ranks(deposits: Sequence[Deposit]) -> list[Rank]:
    return [
        (d.number, d.kind is Kind.DEPOSIT, d.quantity.mass_mg.value, d.quantity.volume_130_mm3)
        for d in deposits
    ]


def _spot(scan: Scan, deposit: Deposit) -> Spot:
    box = bounds(deposit.runs)
    z, y, x = (fullest(deposit.runs, axis) for axis in range(3))
    extent = (box[1] - box[0]) * np.array(scan.spacing)
    return Spot(box.mean(axis=0), (z, y, x), _field(float(extent.max())), deposit.number)


def _field(extent_mm: float) -> float:
    """As wide as it takes to know the place."""
    return float(np.clip(1.5 * extent_mm + 30, 48, 300))


def _card(scan: Scan, marks: Marks, spot: Spot) -> dict[str, bytes]:
    return {
        f"deposit-{spot.number}-{plane}-{window}.png": content
        for plane in AXES
        for window, content in planes(scan, marks, spot, plane, PIXELS).items()
    }


def _thumb(scan: Scan, marks: Marks, spot: Spot) -> dict[str, bytes]:
    made = planes(scan, marks, spot, "axial", SMALL)
    return {f"deposit-{spot.number}-axial-bone.png": made["bone"]}


def _left_out(scan: Scan, marks: Marks, objects: Sequence[OtherObject]) -> dict[str, bytes]:
    rows = [(o.number, str(o.kind), o.confidence, o.volume_mm3) for o in objects]
    chosen = set(doubtful_objects(rows))
    return {
        f"object-{item.number}-axial-bone.png": planes(
            scan, marks, _object_spot(scan, item), "axial", SMALL
        )["bone"]
        for item in objects
        if item.number in chosen
    }


def _object_spot(scan: Scan, item: OtherObject) -> Spot:
    # Of examinations that did not keep its runs, its size is taken as a ball's of its volume.
    centre = scan.to_zyx(np.array(item.centroid_mm)) + 0.5
    z, y, x = (int(v) for v in np.clip(centre, 0, np.array(scan.hu.shape) - 1))
    diameter = 2 * (item.volume_mm3 * 3 / (4 * np.pi)) ** (1 / 3)
    return Spot(centre, (z, y, x), _field(diameter), 0)


def planes(scan: Scan, marks: Marks, spot: Spot, plane: str, pixels: int) -> dict[str, bytes]:
    """One plane through a spot at both windows, as PNGs: grey, outlines, letters, scale bar."""
    axis = AXES[plane]
    cut = spot.cuts[axis]
    frame = _frame(scan, spot, axis)
    hu = _seen(np.take(scan.hu, [cut], axis=axis).squeeze(axis), frame, axis, pixels, AIR)
    numbers = marks.on_plane(axis, cut)
    own = _seen(numbers == spot.number, frame, axis, pixels, 0.0) > 0.5
    others = _seen((numbers > 0) & (numbers != spot.number), frame, axis, pixels, 0.0) > 0.5
    index = scan.stored.slice_index(cut) if axis == 0 else None
    description = {"plane": plane, "slice": index, "field_mm": round(spot.field_mm, 1)}
    made = {}
    for window in png.WINDOWS:
        image = png.greys(hu, window)
        png.draw_outline(image, others & ~own, "other")
        if spot.number:
            png.draw_outline(image, own, "deposit")
        if pixels == PIXELS:
            _annotate(image, plane, spot.field_mm / pixels)
        made[window] = png.encode(image, description | {"window": window})
    return made


def _frame(scan: Scan, spot: Spot, axis: int) -> NDArray[np.float64]:
    """The part of the plane that is shown: (2, 2), first and last (row, column), voxels."""
    keep = [k for k in range(3) if k != axis]
    half = spot.field_mm / 2 / np.array(scan.spacing)[keep]
    return np.array([spot.centre[keep] - half, spot.centre[keep] + half])


def _seen(
    plane: NDArray[Any], frame: NDArray[np.float64], axis: int, pixels: int, outside: float
) -> NDArray[np.float32]:
    """The frame of a plane on square pixels; z runs feet to head, pictures head to feet."""
    low = np.floor(frame[0]).astype(int) - 2
    high = np.ceil(frame[1]).astype(int) + 2
    part = np.full(tuple(high - low), outside, dtype=np.float32)
    first, last = np.clip(low, 0, plane.shape), np.clip(high, 0, plane.shape)
    target = tuple(slice(a, b) for a, b in zip(first - low, last - low, strict=True))
    part[target] = plane[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    (top, left), (bottom, right) = frame - low
    seen = png.resample(part, (left, top, right, bottom), (pixels, pixels))
    return seen if axis == 0 else seen[::-1]


def _annotate(image: NDArray[np.uint8], plane: str, mm_per_pixel: float) -> None:
    edge = image.shape[0]
    top, left, right = LETTERS[plane]
    png.write_text(image, (edge // 2, 4), top, "mt")
    png.write_text(image, (5, edge // 2), left, "lm")
    png.write_text(image, (edge - 5, edge // 2), right, "rm")
    png.draw_bar(image, mm_per_pixel)
