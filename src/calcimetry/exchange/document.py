"""An examination as one plain document: what examination.json holds, and what the tables,
the report and `--json` are made from, so that a number is the same wherever it is read.

`parse` is the way back: the document of a parsed document is the same document.

`SCHEMA_VERSION` rises in its first part when a name changes or goes, in its second when one
is added. The schema itself is `examination.schema.json` beside this file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from calcimetry.arguments import check
from calcimetry.edits.codec import edits_to_json
from calcimetry.records import (
    Acquisition,
    Examination,
    Frame,
    OtherObject,
    Provenance,
    Total,
    Totals,
)
from calcimetry.records.plain import RESEARCH_USE, flag_rows, rounded
from calcimetry.records.rows import deposit_row, position
from calcimetry.sites import body_part, laterality
from calcimetry.terms import anatomical, code, uid

SCHEMA_VERSION = "1.4"


def document(exam: Examination, *, identify: bool = False) -> dict[str, Any]:
    """The examination as JSON-ready mappings; unknown numbers are None.

    identify : keep what people typed (`scan.series_description`, `scan.body_part`, sites) as it
        is; by default only terms of anatomy stay of it, as descriptions hold names (`terms`)

    Raises UsageError BAD_ARGUMENT.
    """
    check(exam, Examination, "an Examination, from measure or load", "exam")
    return {
        "schema": "calcimetry-examination",
        "schema_version": SCHEMA_VERSION,
        "research_use": RESEARCH_USE,
        "created": exam.created,
        "software": dict(exam.versions),
        "subject": exam.subject,
        "visit": exam.visit,
        "scan_uid": exam.scan_uid,
        "input": _input(exam.provenance, exam.acquisition.sop_instance_uids),
        "scan": scan_facts(exam.frame, exam.acquisition, identify=identify),
        "anatomy": dict(exam.anatomy),
        "site": exam.site if identify else anatomical(exam.site),
        "plan": exam.plan.as_dict(),
        "plan_described": exam.plan.definitions(),
        "edits": edits_to_json(exam.edits),
        "flags": flag_rows(dict.fromkeys(exam.flags)),
        "calibration": rounded(_fields(exam.calibration), 6),
        "totals": _totals(exam.totals),
        "kinds": dict(sorted(Counter(str(o.kind) for o in exam.objects).items())),
        "deposits": [deposit_row(deposit, identify=identify) for deposit in exam.listed],
        "objects": [_object(item) for item in exam.objects],
        "timings_s": {stage: round(seconds, 3) for stage, seconds in exam.timings.items()},
    }


def scan_facts(frame: Frame, acquisition: Acquisition, *, identify: bool = False) -> dict[str, Any]:
    """How a scan was made and on which grid it stands; see `document` for `identify`."""
    facts = asdict(acquisition)
    facts.pop("sop_instance_uids")
    facts["image_type"] = list(facts["image_type"])
    if not identify:
        facts |= _without_names(facts)
    grid = {
        "shape_zyx": list(frame.shape),
        "spacing_zyx_mm": [round(edge, 6) for edge in frame.spacing],
        # To the last digit: the label map is laid out by them.
        "affine_ijk_to_lps_mm": frame.affine.tolist(),
        "stored_shape_ijk": list(frame.stored.shape),
        "stored_affine_ijk_to_lps_mm": frame.stored.affine.tolist(),
        "stored_axes_zyx": list(frame.stored.axes),
        "stored_flipped_zyx": list(frame.stored.flipped),
    }
    return {**facts, **grid}


_MACHINE = ("modality", "kernel", "manufacturer", "model", "patient_position")
_UIDS = ("study_uid", "series_uid", "frame_of_reference_uid")


def _without_names(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The acquisition's words again: codes, UIDs and terms of anatomy, nothing that was typed."""
    return {
        **{name: code(facts[name]) for name in _MACHINE},
        **{name: uid(facts[name]) for name in _UIDS},
        "image_type": [value for value in map(code, facts["image_type"]) if value],
        "body_part": body_part(facts["body_part"] or "")[0],
        "laterality": laterality(facts["laterality"] or ""),
        "series_description": None,
    }


def _input(source: Provenance, instances: tuple[str, ...]) -> dict[str, Any]:
    return {
        "form": source.form,
        "files": source.files,
        "sha256_of_files": source.sha256,
        "sop_instance_uids": [known for known in map(uid, instances) if known],
        "series_passed_over": list(source.passed_over),
    }


def _object(item: OtherObject) -> dict[str, Any]:
    row = {
        "object": item.number,
        "group": item.group,
        "kind": str(item.kind),
        "likeness": item.likeness and str(item.likeness),
        "reason": item.reason,
        "rule": item.rule and str(item.rule),
        "confidence": item.confidence,
        "volume_mm3": item.volume_mm3,
        "mass_mg": item.mass_mg,
        **position(item.centroid_mm),
    }
    made: dict[str, Any] = rounded(row)
    return made


def _totals(totals: Totals) -> dict[str, Any]:
    return {
        "overall": _total(totals.overall),
        "by_region": {name: _total(total) for name, total in totals.by_region.items()},
        "by_tissue": {name: _total(total) for name, total in totals.by_tissue.items()},
        "unlisted": totals.unlisted,
        "unlisted_mass_mg": rounded(totals.unlisted_mass_mg),
    }


def _total(total: Total) -> dict[str, Any]:
    made: dict[str, Any] = rounded(asdict(total))
    return made


def _fields(calibration: Any) -> dict[str, Any]:
    fields = asdict(calibration)
    fields["flags"] = flag_rows(dict.fromkeys(calibration.flags))
    return fields
