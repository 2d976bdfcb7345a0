"""A document that was read, against its schema and against itself.

What is read may be cut short, edited by hand, or made by somebody else: nothing after this
needs to ask again whether a number is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from calcimetry.bounded import TextError, plain_bytes
from calcimetry.errors import InputError
from calcimetry.plan import Plan

MOST_BYTES = 256 * 2**20  # of a document: a hundred thousand objects take 40 MB
_LARGEST = 1e15  # of any number: beyond it, it is no measurement


class DamagedError(ValueError):
    """What is wrong, in words, of something that was read."""


def damaged(path: Path, found: str) -> InputError:
    """The error for a file of an examination's folder that cannot be trusted."""
    return InputError(
        "EXAM_DAMAGED",
        found=found,
        expected=f"{path.name} as `calcimetry measure` writes it",
        where=str(path),
        remedy="copy the folder again, or measure the scan again",
    )


def read_file(path: Path, most: int) -> bytes:
    """A plain file of at most so many bytes. Raises OSError, or DamagedError with what it is.

    A pipe or a device would be waited for, or would never end.
    """
    try:
        return plain_bytes(path, most)
    except TextError as error:
        raise DamagedError(str(error)) from error


def check(document: Mapping[str, Any]) -> None:
    """Raise `DamagedError` with the place where a document is not what its schema says."""
    from fastjsonschema import JsonSchemaValueException

    _check_numbers(document)
    try:
        _schema()(document)
    except JsonSchemaValueException as error:
        place = str(error.name).removeprefix("data").removeprefix(".")
        what = str(error.message).removeprefix(str(error.name)).strip()
        raise DamagedError(f"{place or 'the document'}: {what[:200]}") from error
    _check_scan(document["scan"])
    _check_plan(document["plan"])
    for key, number in (("deposits", "deposit"), ("objects", "object")):
        numbers = [row[number] for row in document[key]]
        if len(set(numbers)) != len(numbers):
            raise DamagedError(f"{key}: a number stands twice")
    if any(row[f"{axis}_mm"] is None for row in document["deposits"] for axis in "xyz"):
        raise DamagedError("deposits: one without its place")
    if len({row["uid"] for row in document["deposits"]}) != len(document["deposits"]):
        raise DamagedError("deposits: a uid stands twice")


@cache
def _schema() -> Callable[[Any], Any]:
    import fastjsonschema

    text = files("calcimetry.exchange").joinpath("examination.schema.json").read_text("utf-8")
    compiled: Callable[[Any], Any] = fastjsonschema.compile(json.loads(text))
    return compiled


def _check_scan(scan: Mapping[str, Any]) -> None:
    for key in ("shape_zyx", "spacing_zyx_mm", "stored_shape_ijk"):
        if min(scan[key]) <= 0:
            raise DamagedError(f"scan.{key}: not above 0")
    for key in ("affine_ijk_to_lps_mm", "stored_affine_ijk_to_lps_mm"):
        check_affine(np.array(scan[key], np.float64), f"scan.{key}")
    if sorted(scan["shape_zyx"]) != sorted(scan["stored_shape_ijk"]):
        raise DamagedError("scan.stored_shape_ijk: another shape than shape_zyx")
    if scan["date"] is not None and not _is_date(scan["date"]):
        raise DamagedError("scan.date: no date as 2026-11-28")


def _check_plan(plan: Mapping[str, Mapping[str, Any]]) -> None:
    """Parameters that this version has too are of its kind; others are those of another."""
    for section, values in Plan().as_dict().items():
        for name, own in values.items():
            found = plan.get(section, {}).get(name, own)
            if isinstance(found, bool | None) or isinstance(found, str) != isinstance(own, str):
                raise DamagedError(f"plan.{section}.{name}: of another kind")


def check_affine(affine: np.ndarray[Any, Any], what: str) -> None:
    """Raise `DamagedError` for a 4 x 4 matrix that is no geometry."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise DamagedError(f"{what}: not 4 x 4 numbers")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9 or affine[3].tolist() != [0, 0, 0, 1]:
        raise DamagedError(f"{what}: no geometry")


def _is_date(text: str) -> bool:
    from datetime import date

    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _check_numbers(value: Any) -> None:
    """No number that is beyond any measurement; depth is bounded where the text was read."""
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            _check_numbers(item)
    elif isinstance(value, int | float) and abs(value) > _LARGEST:
        raise DamagedError("a number too large to be one")
