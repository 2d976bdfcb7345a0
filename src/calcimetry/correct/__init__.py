"""A reader's corrections, described and measured by the same functions as everything else."""

from calcimetry.correct.context import Prepared, prepare
from calcimetry.correct.measured import remeasure

__all__ = ["Prepared", "prepare", "remeasure"]
