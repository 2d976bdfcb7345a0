"""Outputs that appear whole or not at all: folders and single files.

What is written gathers in a hidden folder beside the target and takes its place in one step when
the block ends well. A run that fails, is interrupted or is killed leaves the target as it was;
what a killed one leaves hidden is cleared by the next run into the same place.
"""

from calcimetry.atomic.errors import output_error
from calcimetry.atomic.file import atomic_file
from calcimetry.atomic.folder import AtomicFolder
from calcimetry.atomic.signals import published
from calcimetry.atomic.workspace import unfinished

__all__ = ["AtomicFolder", "atomic_file", "output_error", "published", "unfinished"]
