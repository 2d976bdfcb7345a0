"""Scans of known truth: deposits painted into real CTs, and whole bodies drawn with them."""

from calcimetry.phantom.body import REGIONS, Phantom, later_visit, make, realise
from calcimetry.phantom.canvas import Pose
from calcimetry.phantom.insertion import insert, insert_into
from calcimetry.phantom.placement import (
    Mix,
    Pool,
    candidate_sites,
    random_placements,
    random_vessel,
)
from calcimetry.phantom.shapes import Family, draw, step_for
from calcimetry.phantom.spec import DepositSpec, Imaging, PhantomSpec, Placement, Protocol
from calcimetry.phantom.spectrum import hu_per_mg_cm3
from calcimetry.phantom.truth import Painted, Truth
from calcimetry.phantom.write import generate, write_dicom, write_nifti, write_truth

__all__ = [
    "REGIONS",
    "DepositSpec",
    "Family",
    "Imaging",
    "Mix",
    "Painted",
    "Phantom",
    "PhantomSpec",
    "Placement",
    "Pool",
    "Pose",
    "Protocol",
    "Truth",
    "candidate_sites",
    "draw",
    "generate",
    "hu_per_mg_cm3",
    "insert",
    "insert_into",
    "later_visit",
    "make",
    "random_placements",
    "random_vessel",
    "realise",
    "step_for",
    "write_dicom",
    "write_nifti",
    "write_truth",
]
