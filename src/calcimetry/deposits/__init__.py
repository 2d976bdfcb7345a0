"""The finder: deposits among dense objects, split from bone and told from all else."""

from calcimetry.deposits.find import Found, ask_network, find, split_free
from calcimetry.deposits.groups import groups_of

__all__ = ["Found", "ask_network", "find", "groups_of", "split_free"]
