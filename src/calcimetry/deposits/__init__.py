"""Deposits: found among dense objects, told from bone and all else, placed and named."""

from calcimetry.deposits.evidence import Evidence
from calcimetry.deposits.find import Found, ask, find
from calcimetry.deposits.place import places, site_flags
from calcimetry.deposits.shape import shape_name, shape_numbers

__all__ = [
    "Evidence",
    "Found",
    "ask",
    "find",
    "places",
    "shape_name",
    "shape_numbers",
    "site_flags",
]
