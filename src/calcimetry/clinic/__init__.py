"""Labs, history and extent together: type, symptoms, options, with the evidence for each.

The facts are data in `knowledge/`; nothing here is stronger than its source. Research use.
"""

from calcimetry.clinic.assessment import Assessment, assess
from calcimetry.clinic.base import Knowledge, Statement, knowledge
from calcimetry.clinic.document import assessment_document, claim_rows

__all__ = [
    "Assessment",
    "Knowledge",
    "Statement",
    "assess",
    "assessment_document",
    "claim_rows",
    "knowledge",
]
