"""Projections, maps and localizers by any maker's words, and by whole words only."""

from __future__ import annotations

import pytest

from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.image_type import (
    is_localizer,
    is_map,
    is_picture,
    is_projection,
    kind_of,
    named_projection,
)


def typed(value: str) -> dict[int, bytes]:
    return {t.IMAGE_TYPE: f"DERIVED\\PRIMARY\\AXIAL\\{value}".encode()}


@pytest.mark.parametrize(
    "value",
    [
        *("MIP", "CT_SOM5 MIP", "MPR MIP", "THIN MIP", "MINIP", "MinIP", "MIN_IP", "MAX IP"),
        *("CSA MIP\\SOMETHING", "AVERAGE", "AVERAGE_IP", "VRT", "RAYSUM", "SSD", "MAXIMUM"),
        *("VOLUME RENDERED", "PROJECTION IMAGE", "CURVED", "CT_SOM7 MIPTHICK", "mip "),
    ],
)
def test_projections(value):
    assert is_projection(typed(value))
    assert not is_map(typed(value))


@pytest.mark.parametrize(
    "value",
    ["", "MPR", "CT_SOM5 SPI", "MIPS", "SMIP", "VOLUME", "CT_SOM5 MPR", "REFORMATTED", "NONE"],
)
def test_ct_is_none_of_them(value):
    assert kind_of(typed(value)) == (False, False, False, False)


def test_planes_that_ge_lays_through_a_volume_are_ct():
    """Its reformats are averages, over one voxel or more; its MIPs keep their name."""
    assert not is_projection(typed("REFORMATTED\\AVERAGE"))
    assert is_projection(typed("REFORMATTED\\MIP"))
    assert is_projection(typed("REFORMATTED\\AVERAGE IP"))


@pytest.mark.parametrize(
    "value",
    [
        *("IODINE", "CT_SOM5 VNC", "Z_EFF", "EFFECTIVE Z", "MAT_SPECIFIC", "ELECTRON DENSITY"),
        *("VIRTUAL NON CONTRAST", "PERFUSION", "SUBTRACTION"),
    ],
)
def test_maps(value):
    assert is_map(typed(value))


def test_what_enhanced_ct_says_of_its_volume():
    assert is_projection({t.VOLUME_TECHNIQUE: b"MAX_IP"})
    assert is_projection({t.VOLUMETRIC: b"DISTORTED"})
    assert not is_projection({t.VOLUME_TECHNIQUE: b"MPR", t.VOLUMETRIC: b"SAMPLED"})


def test_localizers_and_pictures():
    assert is_localizer(typed("CT_SOM5 TOPOGRAM"))
    assert is_picture(typed("SCREEN SAVE"))
    assert not is_localizer(typed("LOCALIZERS"))


def test_descriptions_are_only_remarked_on():
    elements = {t.SERIES_DESCRIPTION: b"Hand re MIP 10/5"}
    assert named_projection(elements) == "MIP"
    assert not is_projection(elements)
    assert named_projection({t.SERIES_DESCRIPTION: b"Hand re 0.75"}) is None
