"""A folder of DICOM files, or one of them, to a scan."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calcimetry.errors import CalcimetryError, InputError
from calcimetry.records import Flag, Scan, Source
from calcimetry.scan import facts, series, stack
from calcimetry.scan import tags as t
from calcimetry.scan.flags import flag, listed
from calcimetry.scan.grid import scan_affine, scan_shape, stored_grid
from calcimetry.scan.header import BrokenFileError, Header, NotDicomError, read_header
from calcimetry.scan.pixels import fill
from calcimetry.scan.series import SeriesFacts, Stack
from calcimetry.scan.slices import slices_of, text

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
    stacks = series.group(s for h in found.headers for s in slices_of(h))
    candidates = stacks if wanted is None else series.pick(stacks, wanted)
    chosen, reasons = series.choose(candidates)
    for other in stacks:
        if other is not chosen:
            reasons.setdefault(id(other), "another series was asked for")
    placed = stack.place(chosen.slices)
    return _scan(
        path, chosen, placed, _passed_over(stacks, chosen, reasons), found.broken, kvp, jobs
    )


def list_dicom(path: Path, wanted: str | None) -> tuple[SeriesFacts, ...]:
    """All series of a folder or file, the one that would be read first."""
    stacks = series.group(s for h in look(path).headers for s in slices_of(h))
    candidates = stacks if wanted is None else series.pick(stacks, wanted)
    try:
        chosen, reasons = series.choose(candidates)
    except CalcimetryError:
        return series.facts_of(stacks, None, {})
    return series.facts_of(stacks, chosen, reasons)


def _passed_over(
    stacks: Sequence[Stack], chosen: Stack, reasons: dict[int, str]
) -> tuple[str, ...]:
    return tuple(
        f"{series.describe(other)}: {reasons[id(other)]}" for other in stacks if other is not chosen
    )


def _scan(
    path: Path,
    chosen: Stack,
    placed: stack.Placed,
    passed_over: tuple[str, ...],
    broken: tuple[str, ...],
    kvp: float | None,
    jobs: int,
) -> Scan:
    first = placed.slices[0]
    grid = stored_grid((first.columns, first.rows, len(placed.slices)), placed.affine)
    hu = np.empty(scan_shape(grid), np.int16)
    digests = fill(grid.from_scan(hu), placed.slices, jobs)
    in_order = placed.slices[::-1] if grid.flipped[0] and grid.axes[0] == 2 else placed.slices
    acquisition = facts.acquisition(in_order, kvp)
    flags = _flags(chosen, broken) + placed.flags + facts.flags_of(acquisition, placed.slices)
    root = path if path.is_dir() else path.parent
    named = {os.path.relpath(name, root): digest for name, digest in digests.items()}
    source = Source(str(path), "dicom", named, passed_over)
    return Scan(hu, scan_affine(grid), acquisition, grid, source, flags)


def _flags(chosen: Stack, broken: tuple[str, ...]) -> tuple[Flag, ...]:
    plane = series.plane_of(chosen)
    found = [
        flag("DUPLICATE_SLICES", listed(chosen.dropped)) if chosen.dropped else None,
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
