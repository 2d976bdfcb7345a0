"""Edits as plain mappings: what stands in a document, and what a program sends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from calcimetry.edits import records
from calcimetry.edits.records import Ball, Edit, Strokes
from calcimetry.errors import InputError
from calcimetry.records import Kind

_NAMES: Mapping[str, type[Edit]] = {
    "accept": records.Accept,
    "reject": records.Reject,
    "set_kind": records.SetKind,
    "set_place": records.SetPlace,
    "split_by_plane": records.SplitByPlane,
    "split_by_seeds": records.SplitBySeeds,
    "cut_from_bone": records.CutFromBone,
    "merge": records.Merge,
    "draw": records.Draw,
    "erase": records.Erase,
    "add_by_threshold": records.AddByThreshold,
}
_NAME_OF = {kind: name for name, kind in _NAMES.items()}
_MOST_MM, _MOST_EDITS, _MOST_STRETCHES, _MOST_TEXT = 1e5, 100_000, 2_000_000, 2000


def edits_to_json(edits: Iterable[Edit]) -> list[dict[str, Any]]:
    """Edits as mappings of plain values, with the name of each under "edit"."""
    return [_plain({"edit": _NAME_OF[type(edit)], **asdict(edit)}) for edit in edits]


def edits_from_json(given: Any, where: str = "edits") -> tuple[Edit, ...]:
    """The way back. Raises InputError BAD_EDITS, which names the edit by its place (from 1)."""
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) > _MOST_EDITS:
        raise _bad("no list of edits", where)
    return tuple(_edit(item, f"{where}, edit {n}") for n, item in enumerate(given, 1))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Kind) else value


def _edit(given: Any, where: str) -> Edit:
    if not isinstance(given, Mapping) or given.get("edit") not in _NAMES:
        raise _bad("no edit of a known name", where)
    kind = _NAMES[given["edit"]]
    known = {f.name: f for f in fields(kind)}
    unknown = given.keys() - known.keys() - {"edit"}
    if unknown:
        raise _bad(f"'{sorted(map(str, unknown))[0][:40]}', which it has not", where)
    values = {}
    for name in known.keys() & given.keys():
        try:
            values[name] = _READERS[name](given[name])
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise _bad(f"{name}: {str(error)[:80]}", where) from error
    try:
        return kind(**values)
    except TypeError as error:
        raise _bad("too few values", where) from error


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no number")
    if not abs(value) <= _MOST_MM:
        raise ValueError("a number beyond any scan")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**31:
        raise TypeError("no whole number")
    return value


def _length(value: Any) -> float:
    if not _number(value) > 0:
        raise ValueError("not above 0")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise TypeError(f"no text of at most {_MOST_TEXT} characters")
    return value


def _point(value: Any) -> tuple[float, float, float]:
    x, y, z = (_number(part) for part in value)
    return x, y, z


def _maybe(read: Any) -> Any:
    return lambda value: None if value is None else read(value)


def _region(value: Any) -> Ball | Strokes:
    if "stretches" in value:
        if len(value["stretches"]) > _MOST_STRETCHES:
            raise ValueError("too many stretches")
        return Strokes(tuple(_stretch(part) for part in value["stretches"]))
    return Ball(_point(value["centre_mm"]), _length(value["radius_mm"]))


def _stretch(value: Any) -> tuple[int, int, int, int]:
    z, y, start, stop = (_whole(part) for part in value)
    return z, y, start, stop


_READERS: Mapping[str, Any] = {
    "target": _maybe(_whole),
    "targets": lambda value: tuple(_whole(part) for part in value),
    "kind": Kind,
    "tissue": _maybe(_text),
    "side": _maybe(_text),
    "site": _maybe(_text),
    "point_mm": _maybe(_point),
    "normal_mm": _maybe(_point),
    "seeds_mm": lambda value: tuple(_point(part) for part in value),
    "region": _region,
    "centre_mm": _point,
    "radius_mm": _length,
    "threshold_hu": _number,
    "note": _text,
    "reader": _text,
    "time": _text,
}


def _bad(found: str, where: str) -> InputError:
    return InputError(
        "BAD_EDITS",
        found=found,
        expected="a list of edits as `calcimetry.edits.edits_to_json` writes it",
        where=where,
        remedy="correct that edit, or take it out of the list",
    )
