"""What can be said of any piece of a scan, without judging what it is."""

from calcimetry.describe.crops import MARGIN_MM, UNKNOWN_HU, crops_about, laid_out
from calcimetry.describe.diameter import Diameters, diameters, form
from calcimetry.describe.evidence import Evidence
from calcimetry.describe.located import Located, axes_of, locate
from calcimetry.describe.place import places, site_flags
from calcimetry.describe.shape import shape_name, shape_numbers

__all__ = [
    "MARGIN_MM",
    "UNKNOWN_HU",
    "Diameters",
    "Evidence",
    "Located",
    "axes_of",
    "crops_about",
    "diameters",
    "form",
    "laid_out",
    "locate",
    "places",
    "shape_name",
    "shape_numbers",
    "site_flags",
]
