"""Figures of a follow-up are drawings, whatever the texts in its document hold."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from markupsafe import Markup

from calcimetry.report.followup_figures import figures

PAYLOAD = "\"'><script>x()</script><a href='javascript:x()'>\x00\x1b\u202e\udcff&"


def document_of(word: str) -> dict:
    spread = {"value": 5.0, "low": 4.0, "high": 6.0}
    row = {
        "lineage": word, "fate": word, "visit_from": 1, "visit_to": 2, "mass_from_mg": 5.0,
        "mass_to_mg": 7.0, "deposits_from": [1], "deposits_to": [1], "change": {"called": True},
    }  # fmt: skip
    visits = [{"visit": k, "date": word, "mass_mg": spread} for k in (1, 2)]
    return {"visits": visits, "lineages": [row]}


@pytest.mark.parametrize("name", ["timeline.svg", "lineages.svg", "crops.svg"])
def test_texts_are_no_elements(name):
    pictures = [{"deposit-1-axial-bone.png": b"\x89PNG"}] * 2
    plain, odd = (figures(document_of(word), pictures)[name] for word in ("word", PAYLOAD))
    assert isinstance(odd, Markup)  # only so does a report draw it
    shapes = [
        [(item.tag, sorted(item.attrib)) for item in ET.fromstring(str(svg)).iter()]
        for svg in (plain, odd)
    ]
    assert shapes[0] == shapes[1]
    odd.encode()
