"""Whose scan it is, as a keyed hash; the ID itself is looked at here and kept nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from calcimetry.link import key_of, link, names_someone
from calcimetry.records import Flag, Scan
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.slices import Slice, text
from calcimetry.scan.flags import flag


def linked(scan: Scan, slices: Sequence[Slice], key_file: Path | None) -> Scan:
    """The scan with its patient's link and what is to be said of it; as it is without a key file.

    slices : those that the scan was made from
    Raises UsageError LINK_KEY_UNREADABLE, for a key that the user named.
    """
    if key_file is None:
        return scan
    found, flags = _link(slices, key_file)
    acquisition = replace(scan.acquisition, patient_link=found)
    return replace(scan, acquisition=acquisition, flags=scan.flags + flags)


def _link(slices: Sequence[Slice], key_file: Path) -> tuple[str | None, tuple[Flag, ...]]:
    ids = {
        (text(piece.elements, t.PATIENT_ID), text(piece.elements, t.PATIENT_ID_ISSUER))
        for piece in slices
    }
    named = {patient_id for patient_id, _ in ids if names_someone(patient_id)}
    if not named:
        return None, ()
    if len(named) > 1:
        return None, (flag("SEVERAL_PATIENT_IDS", f"{len(named)} of them"),)
    key = key_of(key_file)
    if key is None:
        return None, (flag("NO_PATIENT_LINK"),)
    issuers = {issuer for _, issuer in ids}
    return link(key, named.pop(), issuers.pop() if len(issuers) == 1 else ""), ()
