"""Scans of known truth: deposits painted into real CTs, and whole bodies drawn with them."""

from calcimetry.phantom.insertion import Imaging, Placement, insert, insert_into
from calcimetry.phantom.placement import (
    Mix,
    Pool,
    candidate_sites,
    random_placements,
    random_vessel,
)
from calcimetry.phantom.shapes import Family, draw, step_for
from calcimetry.phantom.spectrum import hu_per_mg_cm3
from calcimetry.phantom.truth import Painted, Truth

__all__ = [
    "Family",
    "Imaging",
    "Mix",
    "Painted",
    "Placement",
    "Pool",
    "Truth",
    "candidate_sites",
    "draw",
    "hu_per_mg_cm3",
    "insert",
    "insert_into",
    "random_placements",
    "random_vessel",
    "step_for",
]
