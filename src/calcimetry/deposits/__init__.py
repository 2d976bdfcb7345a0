"""The finder: deposits among dense objects, split from bone and told from all else."""

from calcimetry.deposits.find import Found, ask_network, find, split_free

__all__ = ["Found", "ask_network", "find", "split_free"]
