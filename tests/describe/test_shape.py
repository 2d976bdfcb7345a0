from __future__ import annotations

import numpy as np
import pytest

from calcimetry.describe.evidence import axes
from calcimetry.describe.shape import shape_name, shape_numbers
from calcimetry.records import Scan
from calcimetry.runs import from_mask, objects_of

STEP = 0.5


def drawn(inside) -> dict[str, float]:
    z, y, x = np.indices((90, 90, 90)) * STEP - 22.25
    mask = inside(z, y, x)
    affine = np.diag([STEP, STEP, STEP, 1.0])
    hu = np.where(mask, 500, 40).astype(np.int16)
    scan = Scan.of(hu, affine)
    runs = from_mask(mask)
    found = objects_of(hu, runs)
    assert len(found) == 1
    return shape_numbers(scan, runs, tuple(axes(found.moment[0], scan.spacing).tolist()))


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("nodule", lambda z, y, x: z**2 + y**2 + x**2 < 36),
        ("nodule", lambda z, y, x: (z / 9) ** 2 + (y / 6) ** 2 + (x / 6) ** 2 < 1),
        ("linear", lambda z, y, x: (np.abs(z) < 15) & (y**2 + x**2 < 4)),
        ("sheet", lambda z, y, x: (np.abs(z) < 1) & (y**2 + x**2 < 150)),
        ("ring", lambda z, y, x: np.abs(np.sqrt(z**2 + y**2 + x**2) - 8) < 1),
        ("lobulated mass", lambda z, y, x: z**2 + y**2 + x**2 < 200),
    ],
)
def test_drawn_shapes_get_their_names(name, inside):
    assert shape_name(drawn(inside)) == name


def test_axes_are_those_of_the_ellipsoid():
    numbers = drawn(lambda z, y, x: (z / 9) ** 2 + (y / 6) ** 2 + (x / 4) ** 2 < 1)
    assert numbers["axis_1_mm"] == pytest.approx(18, rel=0.03)
    assert numbers["axis_2_mm"] == pytest.approx(12, rel=0.03)
    assert numbers["axis_3_mm"] == pytest.approx(8, rel=0.03)
    assert numbers["fill"] == pytest.approx(1, abs=0.03)
    assert numbers["hollow"] == 0
