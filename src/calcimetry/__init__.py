"""calcimetry: finds and measures calcinosis, calcium phosphate in soft tissue, on CT.

Research use only.

>>> import calcimetry as cm
>>> exam = cm.measure(cm.read("scan/"))  # doctest: +SKIP
>>> exam.totals.overall.mass_mg  # doctest: +SKIP

Names are imported when they are first used, so that `import calcimetry` costs nothing. It sets
the environment variables that keep libraries from reporting to their makers (`offline`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from calcimetry.offline import silence

silence()

__version__ = "0.1.0"

if TYPE_CHECKING:
    from calcimetry.clinic import assess, assessment_document
    from calcimetry.correct import prepare, remeasure
    from calcimetry.errors import CalcimetryError
    from calcimetry.examine import measure
    from calcimetry.exchange import document, label_volume, load
    from calcimetry.outputs.assessment import write_assessment
    from calcimetry.outputs.examination import write
    from calcimetry.outputs.followup import write_followup
    from calcimetry.plan import Plan
    from calcimetry.records import Deposit, Examination, Scan
    from calcimetry.scan import from_array, read
    from calcimetry.visits import follow

_HOMES = {
    "assess": "clinic",
    "assessment_document": "clinic",
    "CalcimetryError": "errors",
    "Deposit": "records",
    "Examination": "records",
    "Plan": "plan",
    "Scan": "records",
    "document": "exchange",
    "follow": "visits",
    "from_array": "scan",
    "label_volume": "exchange",
    "load": "exchange",
    "measure": "examine",
    "prepare": "correct",
    "remeasure": "correct",
    "read": "scan",
    "write": "outputs.examination",
    "write_assessment": "outputs.assessment",
    "write_followup": "outputs.followup",
}

__all__ = [
    "CalcimetryError",
    "Deposit",
    "Examination",
    "Plan",
    "Scan",
    "__version__",
    "assess",
    "assessment_document",
    "document",
    "follow",
    "from_array",
    "label_volume",
    "load",
    "measure",
    "prepare",
    "read",
    "remeasure",
    "write",
    "write_assessment",
    "write_followup",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'calcimetry' has no attribute '{name}'")
    return getattr(import_module(f"calcimetry.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
