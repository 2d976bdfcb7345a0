"""The finder: deposits among dense objects, split from bone and told from all else."""

from calcimetry.deposits.find import Found, find, network_probability, split_free

__all__ = ["Found", "find", "network_probability", "split_free"]
