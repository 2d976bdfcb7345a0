"""What lies under a phantom: a table, and a calibration block with two rods.

The block is like the common cardiac one: a 200 mg HA/cm3 rod and a water rod, here 16 mm
across, 40 mm apart, in tissue-equivalent plastic, along z.
"""

from __future__ import annotations

from calcimetry.phantom.canvas import Canvas, Cone, Ellipsoid, Point
from calcimetry.phantom.tissue import Body

ROD_MG_CM3, ROD_DIAMETER_MM, ROD_APART_MM = 200.0, 16.0, 40.0
_PLASTIC_HU, _SHELL_HU, _FOAM_HU, _PAD_HU = 30.0, -60.0, -930.0, -890.0
_BLOCK_MM, _TABLE_MM = 26.0, 16.0


def support_height(table: bool, rods: bool) -> float:
    """How far the support reaches below the body, mm."""
    return 4.0 + _BLOCK_MM * rods + _TABLE_MM * table if table or rods else 0.0


def rod_centres(body: Body) -> dict[str, Point]:
    """Scanner LPS mm of the rods' axes, by content, at the body's middle in z."""
    y = body.floor_mm + 3 + _BLOCK_MM / 2
    x, half = body.centre[0], ROD_APART_MM / 2
    return {"200": (x - half, y, body.centre[2]), "water": (x + half, y, body.centre[2])}


def draw_support(canvas: Canvas, body: Body, table: bool, rods: bool, scale: float) -> None:
    """Paint it on a canvas in the scanner's frame."""
    x, _, z = body.centre
    top = body.floor_mm + 3
    if rods:
        middle = top + _BLOCK_MM / 2
        block = Ellipsoid((x, middle, z), (48, _BLOCK_MM / 2, 400), power=12)
        canvas.solid(block, _PLASTIC_HU)
        for name, (rx, ry, _) in rod_centres(body).items():
            rod = Cone(
                (rx, ry, z - 390), (rx, ry, z + 390), ROD_DIAMETER_MM / 2, ROD_DIAMETER_MM / 2
            )
            canvas.solid(rod, ROD_MG_CM3 * scale if name == "200" else 0.0)
        top += _BLOCK_MM
    if table:
        _table(canvas, (x, top + 400, z))


def _table(canvas: Canvas, middle: Point) -> None:
    """A shallow trough: pad, thin shell, foam."""
    x, y, z = middle
    for depth, hu in ((400.0, _PAD_HU), (394.0, _SHELL_HU), (392.5, _FOAM_HU)):
        canvas.solid(Ellipsoid((x, y, z), (900, depth, 3000), power=2.0), hu)
