"""An examination drawn: its listed objects from the front and from the side.

matplotlib is the extra `plot`; nothing else here needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from calcimetry.digits import shown
from calcimetry.errors import UsageError
from calcimetry.records.basics import Tier
from calcimetry.records.plain import RESEARCH_USE
from calcimetry.records.words import total_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from calcimetry.records.deposit import Deposit
    from calcimetry.records.examination import Examination

_VIEWS = (
    ("from the front", 0, "to the patient's left, mm"),
    ("from the side", 1, "to the back, mm"),
)
"""Title, the LPS axis that runs across, and what it says; up is the patient's head."""
_COLOURS = {Tier.SURE: "#b3470f", Tier.PROBABLE: "#e8954f", Tier.UNCERTAIN: "#2b6cb0"}
_MOST_POINTS = 4000  # of a deposit, and of bone: more than that no eye tells apart
_NAMED = 24  # deposits, biggest first: more names than that hide the picture


def figure_of(exam: Examination) -> Figure:
    """Two views in patient coordinates, bone in grey behind; names and masses of the biggest.

    Raises UsageError MISSING_EXTRA without matplotlib.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise UsageError(
            "MISSING_EXTRA",
            found="no matplotlib",
            expected="the extra 'plot'",
            where="show()",
            remedy="pip install 'calcimetry[plot]'; exam.table() needs no extra",
        ) from error
    figure: Figure
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 6), layout="constrained")
    for place, view in zip(axes, _VIEWS, strict=True):
        _draw(place, exam, view)
    figure.suptitle(total_words(exam.totals.overall), fontsize=9)
    figure.supxlabel(RESEARCH_USE, fontsize=7)
    pyplot.close(figure)  # a notebook shows what is returned, and would show this one twice
    return figure


def _draw(place: Axes, exam: Examination, view: tuple[str, int, str]) -> None:
    title, across, label = view
    if exam.landmarks is not None:
        bone = _few(exam.landmarks.bone)
        place.scatter(bone[:, across], bone[:, 2], s=2, c="0.85", linewidths=0)
    for deposit in reversed(exam.listed):
        points = _few(_points(exam, deposit))
        colour = _COLOURS[deposit.tier]
        place.scatter(points[:, across], points[:, 2], s=3, c=colour, linewidths=0)
    for deposit in exam.listed[:_NAMED]:
        at = deposit.centroid_mm[across], deposit.centroid_mm[2]
        place.annotate(_name(deposit), at, xytext=(6, 4), textcoords="offset points", fontsize=7)
    place.set(title=title, xlabel=label, ylabel="to the head, mm", aspect="equal")


def _name(deposit: Deposit) -> str:
    mass = deposit.mass_mg.value
    doubt = "?" if deposit.tier is Tier.UNCERTAIN else ""
    return f"{deposit.number}{doubt}" + ("" if mass is None else f": {shown(mass)} mg")


def _points(exam: Examination, deposit: Deposit) -> NDArray[np.float64]:
    """The middles of a deposit's runs, LPS mm; its centroid where its voxels were not kept."""
    runs = deposit.runs
    if not len(runs):
        return np.array([deposit.centroid_mm])
    z, y = np.divmod(runs.row, runs.shape[1])
    return exam.frame.to_lps(np.column_stack([z, y, (runs.start + runs.stop - 1) / 2]))


def _few(points: NDArray[Any]) -> NDArray[Any]:
    return points[:: -(-len(points) // _MOST_POINTS) or 1]
