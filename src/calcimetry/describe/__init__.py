"""What can be said of any piece of a scan, without judging what it is."""

from calcimetry.describe.crops import MARGIN_MM, UNKNOWN_HU, crops_about, laid_out

__all__ = ["MARGIN_MM", "UNKNOWN_HU", "crops_about", "laid_out"]
