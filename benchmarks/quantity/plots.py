"""The benchmark's plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from study import Row

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

COLOURS = {"fat": "#c9a227", "muscle": "#b23a48", "border": "#6a4c93", "bone": "#3d5a80"}
PANELS = (
    ("true mass, mg", lambda row: row.truth_mg, True),
    ("diameter, mm", lambda row: row.setting["diameter"], False),
    ("density, mg/cm3", lambda row: row.setting["density"], False),
    ("slices, mm", lambda row: row.spacing[0], False),
    ("noise, HU", lambda row: row.setting["noise"], False),
    ("kVp", lambda row: row.setting["kvp"], False),
)


def draw(rows: Sequence[Row], spheres: Sequence[Row], folder: Path) -> None:
    """Write quantity-bias.svg, quantity-coverage.svg and quantity-spacing.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [row for row in rows if row.mass]
    _bias(found, folder / "quantity-bias.png")
    _coverage(found, folder / "quantity-coverage.png")
    _spacing(spheres, folder / "quantity-spacing.png")


def _bias(rows: Sequence[Row], path: Path) -> None:
    figure, axes = plt.subplots(2, 3, figsize=(10, 6), sharey=True)
    rng = np.random.default_rng(0)
    for axis, (name, of, log) in zip(axes.ravel(), PANELS, strict=True):
        for place, colour in COLOURS.items():
            here = [row for row in rows if row.setting["place"] == place and row.mass]
            x = np.array([of(row) for row in here], float)
            steps = np.ptp(x) / 60 if len(set(x)) < 8 else 0.0
            error = [100 * (row.mass[0] / row.truth_mg - 1) for row in here if row.mass]
            axis.plot(x + steps * rng.normal(size=len(x)), error, ".", ms=3, c=colour, label=place)
        axis.axhline(0, c="k", lw=0.6)
        axis.set(xlabel=name, ylim=(-40, 40))
        if log:
            axis.set_xscale("log")
    for axis in axes[:, 0]:
        axis.set_ylabel("error of mass, %")
    axes[0, 0].legend(fontsize=7)
    _save(figure, path)


def _coverage(rows: Sequence[Row], path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True)
    for axis, (name, key) in zip(
        axes, (("place", 0), ("slices mm", 1), ("noise HU", 2)), strict=True
    ):
        labels = [
            (str(r.setting["place"]), f"{r.spacing[0]:.2f}", f"{r.setting['noise']:.0f}")[key]
            for r in rows
        ]
        _bars(axis, rows, labels)
        axis.set_xlabel(name)
    axes[0].set_ylabel("95 % intervals that cover, %")
    _save(figure, path)


def _bars(axis: Axes, rows: Sequence[Row], labels: Sequence[str]) -> None:
    order = sorted(
        set(labels), key=lambda s: (not s[0].isdigit(), float(s) if s[0].isdigit() else 0)
    )
    for n, label in enumerate(order):
        here = [r for r, name in zip(rows, labels, strict=True) if name == label and r.mass]
        share = np.mean([r.mass[1] <= r.truth_mg <= r.mass[2] for r in here if r.mass])
        spread = 196 * np.sqrt(share * (1 - share) / len(here))
        axis.errorbar(n, 100 * share, spread, fmt="o", c="#3d5a80", capsize=3)
    axis.axhspan(92, 98, color="#3d5a80", alpha=0.12)
    axis.axhline(95, c="k", lw=0.6)
    axis.set(xticks=range(len(order)), xticklabels=order, ylim=(80, 100.5))


def _spacing(rows: Sequence[Row], path: Path) -> None:
    figure, axis = plt.subplots(figsize=(5, 3.2))
    for name, colour, of in (
        ("mass", "#b23a48", lambda r: r.mass[0] / r.truth_mg),
        ("volume", "#3d5a80", lambda r: r.volume[0] / r.truth_mm3),
        ("130-HU volume", "#999999", lambda r: r.volume_130 / r.truth_mm3),
    ):
        axis.plot(
            [r.spacing[0] for r in rows],
            [100 * (of(r) - 1) for r in rows],
            ".",
            c=colour,
            label=name,
        )
    axis.axhline(0, c="k", lw=0.6)
    axis.set(xlabel="slices, mm", ylabel="error, %")
    axis.legend(fontsize=8)
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)
