"""Evidence of objects, made by hand or at random: no scan."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from calcimetry.anatomy import Structure
from calcimetry.describe.evidence import Evidence
from calcimetry.describe.surroundings import Surroundings

IN_FAT = Surroundings(fat=0.9, soft=0.1, air=0.0, dense=0.0, median_hu=-100.0, noise_hu=12.0)

NODULE = Evidence(
    voxels=60,
    volume_mm3=120.0,
    mean_hu=400.0,
    peak_hu=700,
    axes_mm=(7.0, 6.0, 6.0),
    fraction_in_body=1.0,
    edge_mm=40.0,
    skeletal=False,
    contrast_given=None,
    surroundings=IN_FAT,
    thickness_mm=6.0,
    bone_distance_mm=30.0,
    skin_depth_mm=12.0,
    enclosure=0.1,
)
"""Alone in fat, far from bone and the scan's edge, and no network was asked."""

SPECK = replace(NODULE, voxels=8, volume_mm3=8.0, axes_mm=(2.0, 2.0, 2.0), skin_depth_mm=30.0)

KIDNEY = Structure("kidney_left", "organ", "left")
SPLEEN = Structure("spleen", "organ", None)
AORTA = Structure("aorta", "vessel", None)
FEMUR = Structure("femur_left", "bone", "left")
GLUTEUS = Structure("gluteus_maximus_left", "muscle", "left")


def fractions():
    return st.floats(0, 1)


def unknown_or(values):
    return st.one_of(st.none(), values)


shells = st.builds(
    Surroundings,
    fat=fractions(),
    soft=fractions(),
    air=fractions(),
    dense=fractions(),
    median_hu=unknown_or(st.floats(-200, 130)),
    noise_hu=unknown_or(st.floats(0, 60)),
)
everything = st.builds(
    Evidence,
    voxels=st.integers(1, 300),
    volume_mm3=st.floats(1, 5000),
    mean_hu=st.floats(130, 2500),
    peak_hu=st.integers(130, 3071),
    axes_mm=st.sampled_from([(7.0, 6.0, 6.0), (30.0, 4.0, 3.0), (11.0, 2.0, 2.0)]),
    fraction_in_body=st.one_of(st.just(1.0), fractions()),
    edge_mm=st.one_of(st.just(0.0), st.floats(0, 80)),
    skeletal=st.sampled_from([False, False, False, True]),
    contrast_given=st.sampled_from([None, True, False]),
    surroundings=unknown_or(shells),
    in_trunk=st.booleans(),
    structure=unknown_or(st.sampled_from([FEMUR, AORTA, KIDNEY, SPLEEN, GLUTEUS])),
    deposit_probability=unknown_or(fractions()),
    network_positive=st.booleans(),
    split_off=st.booleans(),
    thickness_mm=unknown_or(st.floats(0.5, 30)),
    bone_distance_mm=unknown_or(st.floats(0, 60)),
    skin_depth_mm=unknown_or(st.floats(0, 150)),
    enclosure=unknown_or(fractions()),
    contrast_hu=unknown_or(st.floats(100, 500)),
)
"""Any evidence at all, also such as no object has (split off, and nothing the network likes)."""
