"""References in five styles; each as its readers expect it."""

from __future__ import annotations

import json
import re

import pytest

from calcimetry.clinic import assess, assessment_document, knowledge
from calcimetry.clinic.cite import STYLES, cite
from calcimetry.errors import InputError, UsageError

BASE = knowledge()


@pytest.mark.parametrize("style", STYLES)
def test_every_reference_in_every_style(style):
    text = cite("report", style)
    for item in BASE.references.values():
        for key in ("DOI", "PMID"):
            if style in ("bibtex", "csl-json") and key in item:
                assert item[key] in text.replace("\\", "")
    if style == "csl-json":
        assert json.loads(text) == list(BASE.references.values())
    if style == "ris":
        assert text.count("TY  - ") == text.count("ER  - ") == len(BASE.references)
    if style == "bibtex":
        assert len(re.findall(r"^@\w+\{", text, re.M)) == len(BASE.references)
    if style in ("apa", "vancouver"):
        assert len(text.splitlines()) == len(BASE.references)


def test_apa_and_vancouver_word_for_word():
    assert cite("reiter-2011", "apa") == (
        "Reiter, N., et al (2011). Calcinosis cutis: part I. Journal of the American Academy of "
        "Dermatology, 65(1), 1\u201312. https://doi.org/10.1016/j.jaad.2010.08.038"
    )
    assert cite("reiter-2011", "vancouver") == (
        "1. Reiter N et al. Calcinosis cutis: part I. Journal of the American Academy of "
        "Dermatology. 2011;65(1):1\u201312. doi:10.1016/j.jaad.2010.08.038; PMID: 21679810"
    )


@pytest.mark.parametrize("statement", [s.id for s in BASE.statements()])
def test_every_statement_can_be_cited(statement):
    items = json.loads(cite(statement, "csl-json"))
    assert items
    assert all(item["id"] in BASE.references for item in items)


def test_a_title_that_was_not_read_stands_in_brackets():
    assert "[Treatment of calcinosis" in cite("traineau-2020", "ris")
    assert "[" not in cite("oneill-2007", "apa")


def test_a_report_cites_what_it_says(tmp_path):
    document = assessment_document(assess(history={"age": 50, "conditions": ["M34.1"]}))
    (tmp_path / "assessment.json").write_text(json.dumps(document), "utf-8")
    ids = {item["id"] for item in json.loads(cite("report", "csl-json", assessment=tmp_path))}
    assert ids == {item["id"] for item in document["references"]} | {"calcimetry"}


def test_what_cannot_be_cited(tmp_path):
    with pytest.raises(UsageError, match="UNKNOWN_ID"):
        cite("nothing")
    with pytest.raises(UsageError, match="BAD_OPTION"):
        cite("calcimetry", "chicago")
    with pytest.raises(InputError, match="NOT_AN_ASSESSMENT"):
        cite("report", assessment=tmp_path)
