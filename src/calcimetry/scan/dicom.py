"""A folder of DICOM files, or one of them, to a scan."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from calcimetry.errors import CalcimetryError, GeometryError, InputError
from calcimetry.records import Flag, Scan, Source
from calcimetry.scan import facts, series, stack, stacks
from calcimetry.scan import tags as t
from calcimetry.scan.array import empty_volume
from calcimetry.scan.fitness import refusal
from calcimetry.scan.flags import flag, listed
from calcimetry.scan.grid import scan_affine, scan_shape, stored_grid
from calcimetry.scan.header import BrokenFileError, Header, NotDicomError, read_header
from calcimetry.scan.pixels import fill, is_whole
from calcimetry.scan.series import SeriesFacts
from calcimetry.scan.slices import Slice, slices_of, text
from calcimetry.scan.stacks import Stack, describe

DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima", ".dic"})


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a path holds: headers, and files that claim to be DICOM and cannot be read."""

    headers: tuple[Header, ...]
    broken: tuple[str, ...]


def read_dicom(path: Path, wanted: str | None, kvp: float | None, jobs: int) -> Scan:
    """The scan in a folder or file. Raises InputError, GeometryError."""
    found = look(path)
    groups = _groups(found)
    chosen, reasons = _choose(groups, wanted)
    placed = _place(chosen, groups)
    _check_whole(placed.slices)
    others = [other for other in groups if other is not chosen]
    passed_over = tuple(f"{describe(other)}: {reasons[id(other)]}" for other in others)
    flags = _flags(chosen, others, found.broken) + placed.flags
    return _scan(path, placed, passed_over, flags, kvp, jobs)


def list_dicom(path: Path, wanted: str | None) -> tuple[SeriesFacts, ...]:
    """All series of a folder or file, the one that would be read first."""
    groups = _groups(look(path))
    candidates = groups if wanted is None else series.pick(groups, wanted)
    try:
        chosen, reasons = _choose(groups, wanted)
    except CalcimetryError:
        return series.facts_of(candidates, None, {})
    return series.facts_of(groups, chosen, reasons)


def _groups(found: Found) -> tuple[Stack, ...]:
    return stacks.group(piece for header in found.headers for piece in slices_of(header))


def _choose(groups: Sequence[Stack], wanted: str | None) -> tuple[Stack, dict[int, str]]:
    candidates = groups if wanted is None else series.pick(groups, wanted)
    chosen, reasons = series.choose(candidates)
    for other in groups:
        if other is chosen:
            continue
        reasons.setdefault(id(other), "another series was asked for")
    return chosen, reasons


def _place(chosen: Stack, groups: Sequence[Stack]) -> stack.Placed:
    """The chosen slices' grid; an error says what else its series holds."""
    try:
        return stack.place(chosen.slices)
    except GeometryError as error:
        odd = [s.name for other in _same_series(chosen, groups) for s in other.slices]
        if not odd:
            raise
        where = f"{error.where}; images of the series left out, of another kind: {listed(odd)}"
        raise GeometryError(
            error.code,
            found=error.found,
            expected=error.expected,
            where=where,
            remedy=error.remedy,
        ) from error


def _same_series(chosen: Stack, groups: Sequence[Stack]) -> list[Stack]:
    key = stacks.series_key(chosen.slices[0])
    return [o for o in groups if o is not chosen and stacks.series_key(o.slices[0]) == key]


def _check_whole(slices: Sequence[Slice]) -> None:
    """No file is shorter than its pixels; all that are get named, before any is read."""
    short = sorted(piece.name for piece in slices if not is_whole(piece))
    if not short:
        return
    raise InputError(
        "TRUNCATED_FILE",
        found=f"{len(short)} file{'s' if len(short) > 1 else ''} shorter than their pixels",
        expected=f"{len(slices)} whole files",
        where=listed(short),
        remedy="copy or export the files again",
    )


def _scan(
    path: Path,
    placed: stack.Placed,
    passed_over: tuple[str, ...],
    flags: tuple[Flag, ...],
    kvp: float | None,
    jobs: int,
) -> Scan:
    first = placed.slices[0]
    grid = stored_grid((first.columns, first.rows, len(placed.slices)), placed.affine)
    hu = empty_volume(scan_shape(grid), str(path))
    digests = fill(grid.from_scan(hu), placed.slices, jobs)
    backwards = grid.flipped[grid.axes.index(2)]
    acquisition = facts.acquisition(placed.slices[:: -1 if backwards else 1], kvp)
    root = path if path.is_dir() else path.parent
    named = {os.path.relpath(name, root): digest for name, digest in digests.items()}
    return Scan(
        hu,
        scan_affine(grid),
        acquisition,
        grid,
        Source(str(path), "dicom", named, passed_over),
        flags
        + facts.flags_of(acquisition, placed.slices)
        + facts.shared_flags(acquisition, placed.affine),
    )


def _flags(chosen: Stack, others: Sequence[Stack], broken: tuple[str, ...]) -> tuple[Flag, ...]:
    plane = series.plane_of(chosen)
    same = _same_series(chosen, others)
    studies = {text(o.slices[0].elements, t.STUDY_UID) for o in others if refusal(o) is None}
    several = bool(studies - {text(chosen.slices[0].elements, t.STUDY_UID)})
    found = [
        flag("DUPLICATE_SLICES", listed(chosen.dropped)) if chosen.dropped else None,
        flag("MIXED_SERIES", "; ".join(describe(o) for o in same[:3])) if same else None,
        flag("SEVERAL_STUDIES") if several else None,
        flag("BROKEN_FILES", listed(broken)) if broken else None,
        flag("NON_AXIAL", plane) if plane != "axial" else None,
    ]
    return tuple(f for f in found if f is not None)


def look(path: Path) -> Found:
    """The DICOM headers of a folder (any depth) or of a file and its sisters.

    Raises InputError: EMPTY_FOLDER, NO_DICOM, EMPTY_FILE, NOT_DICOM, BROKEN_FILE.
    """
    if path.is_dir():
        return _look_in(path)
    return _sisters(path)


def _look_in(folder: Path) -> Found:
    headers: list[Header] = []
    broken: list[str] = []
    seen = 0
    for file in _files(folder):
        seen += 1
        header = _header(file, broken)
        if header is not None:
            headers.append(header)
    if headers:
        return Found(tuple(headers), tuple(broken))
    if broken:
        raise InputError(
            "BROKEN_FILE",
            found=f"only DICOM files that cannot be read: {listed(broken)}",
            expected="a CT series",
            where=str(folder),
            remedy="copy or export the files again",
        )
    raise InputError(
        "NO_DICOM" if seen else "EMPTY_FOLDER",
        found=f"{seen} files, none of them DICOM" if seen else "an empty folder",
        expected="a CT series: DICOM files at any depth, or a NIfTI file",
        where=str(folder),
        remedy="check the path; archives must be unpacked first",
    )


def _files(folder: Path) -> Iterator[Path]:
    """Files at any depth in a fixed order, hidden ones left out."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(root, name)


def _header(file: Path, broken: list[str]) -> Header | None:
    """The header of an image file; None for anything else, `broken` told if it should be."""
    try:
        if not file.is_file():
            return None
        header = read_header(file)
    except NotDicomError:
        if file.suffix.lower() in DICOM_SUFFIXES:
            broken.append(f"{file.name} (not DICOM)")
        return None
    except BrokenFileError as error:
        broken.append(f"{file.name} ({error})")
        return None
    except OSError as error:
        broken.append(f"{file.name} ({error.strerror or type(error).__name__})")
        return None
    if text(header.elements, t.MEDIA_SOP_CLASS) == DICOMDIR_CLASS:
        return None
    return header


def _sisters(file: Path) -> Found:
    """One file is read alone when it holds many frames, else with its series' slices."""
    own = _own_header(file)
    uid = text(own.elements, t.SERIES_UID)
    if own.frames:
        return Found((own,), ())
    broken: list[str] = []
    others = (
        _header(other, broken)
        for other in sorted(file.parent.iterdir())
        if other != file and not other.name.startswith(".")
    )
    same = [h for h in others if h is not None and text(h.elements, t.SERIES_UID) == uid]
    return Found((own, *same), tuple(broken))


def _own_header(file: Path) -> Header:
    try:
        return read_header(file)
    except NotDicomError:
        code, found = (
            ("EMPTY_FILE", "a file of 0 bytes")
            if not file.stat().st_size
            else ("NOT_DICOM", "a file that is neither DICOM nor NIfTI")
        )
    except BrokenFileError as error:
        code, found = "BROKEN_FILE", f"a DICOM file that cannot be read: {error}"
    raise InputError(
        code,
        found=found,
        expected="a CT slice or volume",
        where=file.name,
        remedy="check the path, or copy the file again",
    )
