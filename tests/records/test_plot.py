"""`exam.show()`: drawn from the examination alone."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from calcimetry.errors import UsageError
from calcimetry.records import RESEARCH_USE, Landmarks
from drawn import deposit, examination


@pytest.fixture
def agg(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return pytest.importorskip("matplotlib")


def test_deposits_are_drawn_where_they_lie_with_names_and_masses(agg, tmp_path):
    bone = np.zeros((3, 3), np.float32)
    listed = [
        deposit(1, mass_mg=12.34, centroid_mm=(1.0, 2.0, 3.0)),
        deposit(2, kind="uncertain", centroid_mm=(5.0, 6.0, 7.0)),
    ]
    figure = examination(listed, landmarks=Landmarks(bone, bone)).show()
    front, side = figure.axes
    assert [text.get_text() for text in front.texts] == ["1: 12.3 mg", "2?"]
    assert front.texts[0].xy == (1.0, 3.0)
    assert side.texts[0].xy == (2.0, 3.0)
    assert RESEARCH_USE in figure._supxlabel.get_text()
    figure.savefig(tmp_path / "shown.png")
    assert (tmp_path / "shown.png").stat().st_size > 5000


def test_no_figure_stays_open(agg):
    from matplotlib import pyplot

    examination([deposit()]).show()
    examination().show()
    assert pyplot.get_fignums() == []


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(UsageError, match="MISSING_EXTRA") as caught:
        examination().show()
    assert "calcimetry[plot]" in caught.value.remedy
