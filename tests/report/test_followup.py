"""The follow-up's chapter counts every fate that the documents know."""

from __future__ import annotations

import json
from importlib.resources import files

from calcimetry.followup import fates
from calcimetry.report.followup import FATES, summary


def test_every_fate_has_its_place_in_a_sentence():
    schema = files("calcimetry.exchange").joinpath("followup.schema.json").read_text("utf-8")
    assert set(FATES) == set(fates.FATES)
    assert all(f'"{fate}"' in json.dumps(json.loads(schema)) for fate in FATES)


def test_a_sentence_counts_fates_in_that_order():
    none = {"value": None, "low": None, "high": None}
    pair = {
        "visit_from": 1, "visit_to": 2, "flags": [], "fates": {"gone": 1, "grown": 2},
        "total": {"mass_pct": none, "mass_mg": none, "called": False},
    }  # fmt: skip
    text = summary({"flags": [], "pairs": [pair]})
    assert text.startswith("Visit 1 to 2: 2 grown, 1 gone. Total mass not known")
