"""Deposits: found among dense objects, told from bone and all else, placed and named."""

from calcimetry.deposits.evidence import Evidence
from calcimetry.deposits.find import Found, find, network_probability
from calcimetry.deposits.place import places, site_flags
from calcimetry.deposits.shape import shape_name, shape_numbers

__all__ = [
    "Evidence",
    "Found",
    "find",
    "network_probability",
    "places",
    "shape_name",
    "shape_numbers",
    "site_flags",
]
