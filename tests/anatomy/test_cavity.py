"""Within a ring of bone, and not."""

from __future__ import annotations

import numpy as np
import pytest

from calcimetry import from_array
from calcimetry.anatomy import bone_enclosure, find_body, find_bone
from calcimetry.runs import dense_objects

SPACING = (3.0, 2.0, 2.0)
MIDDLE = 60


@pytest.fixture(scope="module")
def ringed():  # type: ignore[no-untyped-def]
    """A round body of 200 mm with a ring of bone of 120 mm in all slices, open for a quarter."""
    _, y, x = np.indices((20, 120, 120))
    far = np.hypot(y - MIDDLE, x - MIDDLE) * 2.0
    hu = np.where(far < 100, 40, -1000)
    open_quarter = (y < MIDDLE) & (np.abs(x - MIDDLE) < MIDDLE - y)
    ring = (far > 56) & (far < 64) & ~open_quarter
    scan = from_array(np.where(ring, 600, hu).astype(np.int16), spacing=SPACING)
    body = find_body(scan)
    return body, find_bone(scan, dense_objects(scan.hu, 130), body)


def test_middle_of_the_ring_is_enclosed_but_for_its_opening(ringed) -> None:  # type: ignore[no-untyped-def]
    body, skeleton = ringed
    assert bone_enclosure(skeleton, body, np.array([[10, MIDDLE, MIDDLE]]))[0] == pytest.approx(
        0.75, abs=0.07
    )


def test_outside_the_ring_bone_lies_on_one_side_only(ringed) -> None:  # type: ignore[no-untyped-def]
    body, skeleton = ringed
    assert bone_enclosure(skeleton, body, np.array([[10, 100, MIDDLE]]))[0] < 0.5


def test_no_bone_encloses_nothing() -> None:
    _, y, x = np.indices((10, 60, 60))
    hu = np.where(np.hypot(y - 30, x - 30) < 25, 40, -1000).astype(np.int16)
    scan = from_array(hu, spacing=(3.0, 2.0, 2.0))
    body = find_body(scan)
    skeleton = find_bone(scan, dense_objects(scan.hu, 130), body)
    assert bone_enclosure(skeleton, body, np.array([[5, 30, 30]]))[0] == 0.0
