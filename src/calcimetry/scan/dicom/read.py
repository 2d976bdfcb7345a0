"""A folder of DICOM files, or one of them, to a scan."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calcimetry.errors import CalcimetryError, GeometryError, InputError
from calcimetry.records import Flag, Frame, Scan, Source
from calcimetry.scan.acquisition import shared_flags
from calcimetry.scan.array import empty_volume
from calcimetry.scan.dicom import geometry, series, stacks
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.acquisition import acquisition_flags, acquisition_of
from calcimetry.scan.dicom.bits_stored import Depth
from calcimetry.scan.dicom.concatenation import check_parts, is_part
from calcimetry.scan.dicom.files import files_below, is_directory_file, ought_to_be_dicom
from calcimetry.scan.dicom.fitness import CT_CLASSES, refusal
from calcimetry.scan.dicom.header import BrokenFileError, Header, NotDicomError, read_header
from calcimetry.scan.dicom.neighbours import check_neighbours
from calcimetry.scan.dicom.patient import linked
from calcimetry.scan.dicom.pixels import ceiling_beyond, depth_flags, fill, is_whole
from calcimetry.scan.dicom.series import SeriesFacts
from calcimetry.scan.dicom.slices import Slice, slices_of, text
from calcimetry.scan.dicom.stacks import Stack, describe, unnamed
from calcimetry.scan.flags import counted, flag, listed
from calcimetry.scan.grid import MIN_SLICES, scan_affine, scan_shape, stored_grid

DICOMDIR_CLASS = "1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a path holds: headers, and files that claim to be DICOM and cannot be read."""

    headers: tuple[Header, ...]
    broken: tuple[str, ...]


def read_dicom(
    path: Path,
    wanted: str | None,
    kvp: float | None,
    jobs: int,
    link_key: Path | None = None,
) -> Scan:
    """The scan in a folder or file. Raises InputError, GeometryError."""
    found = look(path)
    groups = _groups(found)
    chosen, reasons = _choose(groups, wanted)
    parts = check_parts([piece.header for piece in chosen.slices])
    placed = _place(chosen, groups, found.broken)
    _check_whole(placed.slices)
    others = [other for other in groups if other is not chosen]
    passed_over = tuple(f"{unnamed(other)}: {reasons[id(other)]}" for other in others)
    flags = _flags(chosen, others, found.broken) + placed.flags + parts
    scan = _scan(path, placed, passed_over, flags, kvp, jobs)
    return linked(scan, placed.slices, link_key)


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


def _place(chosen: Stack, groups: Sequence[Stack], broken: Sequence[str]) -> geometry.Placed:
    """The chosen slices' grid; an error says what else its series holds.

    A gap beside files that cannot be read is their error (BROKEN_FILE), not the geometry's.
    """
    try:
        return geometry.place(chosen.slices)
    except GeometryError as error:
        odd = [s.name for other in _same_series(chosen, groups) for s in other.slices]
        if error.code == "MISSING_SLICES" and broken:
            raise _gap_of(broken, error) from error
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


def _gap_of(broken: Sequence[str], error: GeometryError) -> InputError:
    return InputError(
        "BROKEN_FILE",
        found=f"files that cannot be read: {listed(broken)}; and a gap between slices: "
        f"{error.found}",
        expected=error.expected,
        where=error.where,
        remedy="copy or export the files again",
    )


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
    placed: geometry.Placed,
    passed_over: tuple[str, ...],
    flags: tuple[Flag, ...],
    kvp: float | None,
    jobs: int,
) -> Scan:
    first = placed.slices[0]
    grid = stored_grid((first.columns, first.rows, len(placed.slices)), placed.affine)
    hu = empty_volume(scan_shape(grid), str(path))
    filled = fill(grid.from_scan(hu), placed.slices, jobs)
    read_flags = depth_flags(filled.depths, placed.slices)
    read_flags += check_neighbours(filled.samples, placed.slices)
    backwards = grid.flipped[grid.axes.index(2)]
    acquisition = acquisition_of(placed.slices[:: -1 if backwards else 1], kvp)
    if Depth.BEYOND in filled.depths:
        acquisition = replace(acquisition, hu_ceiling=ceiling_beyond(placed.slices))
    root = path if path.is_dir() else path.parent
    named = {os.path.relpath(name, root): digest for name, digest in filled.digests.items()}
    return Scan(
        hu,
        Frame(scan_shape(grid), scan_affine(grid), grid),
        acquisition,
        Source(str(path), "dicom", named, passed_over),
        flags
        + read_flags
        + acquisition_flags(acquisition, placed.slices)
        + shared_flags(acquisition, placed.affine),
    )


def _flags(chosen: Stack, others: Sequence[Stack], broken: tuple[str, ...]) -> tuple[Flag, ...]:
    plane = series.plane_of(chosen)
    same, copies = _same_series(chosen, others), chosen.dropped
    odd = [describe(other) for other in same]
    studies = {text(o.slices[0].elements, t.STUDY_UID) for o in others if refusal(o) is None}
    several = bool(studies - {text(chosen.slices[0].elements, t.STUDY_UID)})
    found = [
        flag("DUPLICATE_SLICES", counted(copies, "slice"), copies) if copies else None,
        flag("MIXED_SERIES", "; ".join(map(unnamed, same[:3])), odd) if same else None,
        flag("CONTINUED_ELSEWHERE") if any(_continues(o, chosen) for o in others) else None,
        flag("SEVERAL_STUDIES") if several else None,
        flag("BROKEN_FILES", counted(broken, "file"), broken) if broken else None,
        flag("NON_AXIAL", plane) if plane != "axial" else None,
    ]
    return tuple(f for f in found if f is not None)


def _continues(other: Stack, chosen: Stack) -> bool:
    """Whether a few images of another series lie where the chosen one's next slice would."""
    one, two = other.slices[0], chosen.slices[0]
    placed = all(s.position is not None and s.orientation is not None for s in other.slices)
    if len(other.slices) >= MIN_SLICES or not placed:
        return False
    if (one.rows, one.columns) != (two.rows, two.columns) or not stacks.on_one_grid(one, two):
        return False
    along, step = geometry.distances(chosen.slices), geometry.spacing_of(chosen.slices)
    ends = (along.min() - step, along.max() + step)
    there = geometry.distances([two, *other.slices])[1:]
    near = step * geometry.SHIFT_SHARE
    return any(abs(place - end) < near for place in there for end in ends)


def look(path: Path) -> Found:
    """The DICOM headers of a folder (any depth) or of a file and its sisters.

    Raises InputError: EMPTY_FOLDER, NO_DICOM, EMPTY_FILE, NOT_DICOM, BROKEN_FILE.
    """
    if path.is_dir():
        return _look_in(path)
    return _sisters(path)


def _look_in(folder: Path) -> Found:
    unread: list[Path] = []
    found, seen = _sorted_out(files_below(folder, unread))
    closed = tuple(f"{path.name} (folder that cannot be read)" for path in unread)
    broken = (*found.broken, *closed)
    if found.headers:
        return Found(found.headers, broken)
    if found.broken:
        raise InputError(
            "BROKEN_FILE",
            found=f"only DICOM files that cannot be read: {listed(broken)}",
            expected="a CT series",
            where=str(folder),
            remedy="copy or export the files again",
        )
    files = f"{seen} files, none of them DICOM" if seen else "an empty folder"
    raise InputError(
        "NO_DICOM" if seen or closed else "EMPTY_FOLDER",
        found=f"{files}; {len(closed)} folders that cannot be read" if closed else files,
        expected="a CT series: DICOM files at any depth, or a NIfTI file",
        where=str(folder),
        remedy="check the path; an archive inside must be unpacked first, or be named itself",
    )


def _sorted_out(files: Iterable[Path]) -> tuple[Found, int]:
    """The headers among files, the broken ones, and how many files there were."""
    headers: list[Header] = []
    broken: list[tuple[Path, str]] = []
    others: list[Path] = []
    seen = 0
    for seen, file in enumerate(files, start=1):  # noqa: B007 - it is returned
        try:
            header = read_header(file)
        except NotDicomError:
            others.append(file)
        except BrokenFileError as error:
            broken.append((file, str(error)))
        except OSError as error:
            broken.append((file, error.strerror or "cannot be read"))
        else:
            headers.append(header)
    headers = [h for h in headers if not _is_directory(h)]
    kept, without = _with_pixels(headers)
    broken += [(path, "an image without pixels") for path in without]
    broken += [(p, "not DICOM") for p in ought_to_be_dicom(others, [h.path for h in headers])]
    named = (f"{path.name} ({why})" for path, why in broken if not is_directory_file(path))
    return Found(tuple(kept), tuple(named)), seen


def _is_directory(header: Header) -> bool:
    return text(header.elements, t.MEDIA_SOP_CLASS) == DICOMDIR_CLASS


def _with_pixels(headers: Sequence[Header]) -> tuple[list[Header], list[Path]]:
    """Headers, and the files of CT that hold no pixels beside files of CT that do.

    They were cut short at the end of an element, or a damaged length swallowed the pixels.
    """
    lacking = {id(h) for h in headers if h.pixel_start is None and _is_ct(h)}
    if not any(_is_ct(h) and id(h) not in lacking for h in headers):
        return list(headers), []
    return (
        [h for h in headers if id(h) not in lacking],
        [h.path for h in headers if id(h) in lacking],
    )


def _is_ct(header: Header) -> bool:
    classes = {text(header.elements, tag) for tag in (t.SOP_CLASS, t.MEDIA_SOP_CLASS)}
    return bool(classes & CT_CLASSES)


def _sisters(file: Path) -> Found:
    """One file is read alone when it holds many frames, else with its series' slices.

    Parts of a concatenation are read with the other parts, the directory file of a CD with
    all that lies beside and below it.
    """
    if is_directory_file(file) or _is_directory(own := _own_header(file)):
        return _listed_in(file)
    if own.frames and not is_part(own):
        return Found((own,), ())
    beside = (p for p in sorted(file.parent.iterdir()) if not p.name.startswith("."))
    found, _ = _sorted_out(p for p in beside if p != file and p.is_file())
    uid = text(own.elements, t.SERIES_UID)
    same = [h for h in found.headers if text(h.elements, t.SERIES_UID) == uid]
    return Found((own, *same), found.broken)


def _listed_in(directory: Path) -> Found:
    """What lies beside and below the directory file of a CD."""
    try:
        return _look_in(directory.parent)
    except InputError as error:
        if error.code != "NO_DICOM":
            raise
        raise InputError(
            error.code,
            found="a DICOMDIR (the list of a CD's files) without the images that it lists",
            expected=error.expected,
            where=str(directory),
            remedy="copy the whole CD, and give its folder",
        ) from error


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
