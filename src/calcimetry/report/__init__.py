"""The report: an examination as one HTML file that people look at, and the same as PDF.

Every number comes from the examination's document (what examination.json holds); the
pictures come from the scan. This room does not measure anything.
"""

from calcimetry.report.html import render
from calcimetry.report.pdf import render_pdf
from calcimetry.report.pictures import pictures

__all__ = ["pictures", "render", "render_pdf"]
