"""A request of CDS Hooks for one patient, as a clinical system would send it."""

from __future__ import annotations

from datetime import date

from clinic.test_bundle import PATIENT, bundle, condition, drug, observation

TODAY = date.today().isoformat()
PATH = "/cds-services/calcinosis-assessment"


def view(**more):
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "1"},
        "prefetch": {
            "patient": PATIENT,
            "observations": bundle(
                observation("2777-1", 7.1, "mg/dL", effectiveDateTime=TODAY),
                observation("17861-6", 9.4, "mg/dL", effectiveDateTime=TODAY),
            ),
            "conditions": bundle(condition("N18.6"), condition(text="Skin necrosis")),
            "medications": bundle(drug("Warfarin 5 MG Oral Tablet")),
            "procedures": None,
        },
        **more,
    }
