"""Body, skeleton and named structures: what a deposit lies in, under and beside."""

from calcimetry.anatomy.anatomy import Anatomy, labels_of
from calcimetry.anatomy.body import (
    Body,
    find_body,
    inside,
    part_of,
    skin_depth,
    skin_gap,
    skin_gaps,
)
from calcimetry.anatomy.bone import Skeleton, bone_distance, bone_gaps, find_bone, skeleton_of
from calcimetry.anatomy.cavity import anterior_fraction, bone_enclosure
from calcimetry.anatomy.diameter import cut_share, water_equivalent_diameter
from calcimetry.anatomy.enhancement import enhancement
from calcimetry.anatomy.labelmap import (
    LabelMap,
    Structure,
    names_at,
    read_labelmap,
    schemes,
    structures_at,
)
from calcimetry.anatomy.landmarks import landmarks
from calcimetry.anatomy.pose import in_pose, into_pose, is_turned, out_of_pose, pose_of
from calcimetry.anatomy.segmenter import Segmenter, segment, segmenters
from calcimetry.anatomy.soft_tissue import soft_tissue

__all__ = [
    "Anatomy",
    "Body",
    "LabelMap",
    "Segmenter",
    "Skeleton",
    "Structure",
    "anterior_fraction",
    "bone_distance",
    "bone_enclosure",
    "bone_gaps",
    "cut_share",
    "enhancement",
    "find_body",
    "find_bone",
    "in_pose",
    "inside",
    "into_pose",
    "is_turned",
    "labels_of",
    "landmarks",
    "names_at",
    "out_of_pose",
    "part_of",
    "pose_of",
    "read_labelmap",
    "schemes",
    "segment",
    "segmenters",
    "skeleton_of",
    "skin_depth",
    "skin_gap",
    "skin_gaps",
    "soft_tissue",
    "structures_at",
    "water_equivalent_diameter",
]
