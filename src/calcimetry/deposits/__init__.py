"""The finder: deposits among dense objects, split from bone and told from all else."""

from calcimetry.deposits.find import Found, find, network_probability, split_free
from calcimetry.deposits.groups import groups_of

__all__ = ["Found", "find", "groups_of", "network_probability", "split_free"]
