"""Two plots: masses of repeats and of true change; alignment, stated and true."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.followup.judged import Outcome
from benchmarks.followup.visits import TRUE_MASKS

from calcimetry.followup.repeatability import repeatability


def draw(repeats: Sequence[Outcome], changes: Sequence[Outcome], folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    _change(repeats, changes, folder / "followup-change.png")
    _alignment([*repeats, *changes], folder / "followup-alignment.png")


def _change(repeats: Sequence[Outcome], changes: Sequence[Outcome], path: Path) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for outcomes, colour, name in (
        (repeats, "#4878a8", "nothing changed"),
        ([o for o in changes if o.truth == "grown"], "#c8553d", "40 % heavier"),
        ([o for o in changes if o.truth == "shrunk"], "#5b8c5a", "40 % lighter"),
    ):
        kept = [o for o in outcomes if o.way == TRUE_MASKS and o.times_said > 0 and o.mass_mg[0]]
        x, y = [o.mass_mg[0] for o in kept], [o.times_said for o in kept]
        axes.scatter(x, y, 6, colour, alpha=0.5, label=name, linewidths=0)
    rule, masses = repeatability(), np.geomspace(0.5, 1000, 200)
    limit = np.array([rule.coefficient(mass) for mass in masses])
    for sign in (-1, 1):
        axes.plot(masses, np.exp(sign * limit), "k--", lw=0.8, label="called beyond"[: 13 * sign])
    axes.set(xscale="log", yscale="log", xlim=(0.5, 1000), ylim=(0.3, 3))
    axes.set(xlabel="true mass at the first visit, mg", ylabel="measured, second over first")
    axes.set_yticks([0.4, 0.6, 1.0, 1.4, 2.0], ["0.4", "0.6", "1", "1.4", "2"])
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _alignment(outcomes: Sequence[Outcome], path: Path) -> None:
    from matplotlib import pyplot as plt

    kept = [o for o in outcomes if o.way == TRUE_MASKS and np.isfinite(o.error_mm + o.stated_mm)]
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    axes.scatter([o.stated_mm for o in kept], [o.error_mm for o in kept], 6, "#4878a8", alpha=0.5,
                 linewidths=0)  # fmt: skip
    axes.plot([0, 6], [0, 6], "k--", lw=0.8)
    axes.set(xlim=(0, 6), ylim=(0, 6))
    axes.set(xlabel="alignment_mm as stated", ylabel="true error at the deposit, mm")
    figure.savefig(path, dpi=110)
    plt.close(figure)
