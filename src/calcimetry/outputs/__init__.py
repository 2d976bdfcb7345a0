"""What is written into folders: examinations, follow-ups and assessments, each whole or not at all.

Each module names its FILES, `fill`s an open folder with them and `write`s a folder of its own.
"""

from calcimetry.outputs.assessment import write_assessment
from calcimetry.outputs.examination import write
from calcimetry.outputs.followup import write_followup

__all__ = ["write", "write_assessment", "write_followup"]
