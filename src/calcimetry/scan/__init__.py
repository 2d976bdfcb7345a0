"""Scans: DICOM and NIfTI files, or arrays, to one CT volume whose geometry was checked."""

from calcimetry.scan.array import from_array
from calcimetry.scan.dicom.series import SeriesFacts
from calcimetry.scan.flags import CATALOGUE, ERRORS
from calcimetry.scan.read import list_series, read

__all__ = ["CATALOGUE", "ERRORS", "SeriesFacts", "from_array", "list_series", "read"]
