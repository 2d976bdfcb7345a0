"""Cards of CDS Hooks: what they say and in which order, without a server."""

from __future__ import annotations

import gzip
import json

import pytest

pytest.importorskip("fhir.resources")

from calcimetry.clinic.assessment import assess
from calcimetry.clinic.cards import SUMMARY, cards, respond
from cds_requests import view
from clinic.test_bundle import PATIENT
from counted import calls

CALLS_PER_RESOURCE = 120
"""Python calls for each resource of a record, the assessment included; measured 93."""


def test_urgent_cards_come_first_and_summaries_are_short():
    made = respond(view())["cards"]
    assert [card["indicator"] for card in made] == ["critical", "critical", "info"]
    assert all(len(card["summary"]) <= SUMMARY for card in made)
    assert all("research use only" in card["source"]["label"] for card in made)


def test_no_card_where_nothing_is_to_be_said():
    assert cards(assess(labs=PATIENT)) == []


def test_a_whole_record_costs_so_many_calls(shared_data):
    """Counted, not timed: what one patient's record of 661 resources asks of Python."""
    file = shared_data / "fhir" / "R4_Isaiah_Schaden.json.gz"
    whole = json.loads(gzip.decompress(file.read_bytes()))
    request = view(prefetch={"patient": PATIENT, "everything": whole})
    respond(request)  # the first one reads the knowledge base
    _, made = calls(lambda: respond(request))
    assert made < CALLS_PER_RESOURCE * len(whole["entry"])
