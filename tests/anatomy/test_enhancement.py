"""Contrast medium told from the images."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calcimetry.anatomy import enhancement, find_body, find_bone
from calcimetry.runs import dense_objects
from calcimetry.scan import read

MIDDLE = (50.0, 50.0)


def seen(scan):
    body = find_body(scan)
    return enhancement(scan, body, find_bone(scan, dense_objects(scan.hu, 130), body))


def limb(stage):
    return stage().limb(*MIDDLE, 40)


def test_a_vessel_full_of_contrast_medium_tells_its_level(stage) -> None:
    scan = limb(stage).cylinder(72.0, 50.0, 13, 220).scan(noise=10.0)
    assert enhancement(scan, find_body(scan), _none(scan)) == pytest.approx(220, abs=12)


def test_bone_and_muscle_are_no_contrast_medium(stage) -> None:
    assert seen(limb(stage).scan()) is None


def test_a_thin_vessel_is_too_little_to_tell_from(stage) -> None:
    assert seen(limb(stage).cylinder(72.0, 50.0, 5, 220).scan()) is None


def test_a_header_that_says_none_was_given_is_believed(stage) -> None:
    scan = limb(stage).cylinder(72.0, 50.0, 13, 220).scan()
    told = replace(scan, acquisition=replace(scan.acquisition, contrast=False))
    assert enhancement(told, find_body(told), _none(told)) is None


def _none(scan):
    """A skeleton without the vessel: threshold above it."""
    return find_bone(scan, dense_objects(scan.hu, 400), find_body(scan))


@pytest.mark.parametrize("number", [11, 37, 45])
def test_limbs_hold_none_in_their_blood(shared, number) -> None:
    assert seen(read(shared / "limbs" / f"STS_{number:03d}_CT.nii.gz")) is None


def test_an_abdomen_with_contrast_medium_in_its_veins(shared) -> None:
    scan = read(shared / "abdomen_j2k")
    unsaid = replace(scan, acquisition=replace(scan.acquisition, contrast=None))
    level = seen(unsaid)
    assert level is not None
    assert 95 < level < 180
