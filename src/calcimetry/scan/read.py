"""The way in: any path to a scan."""

from __future__ import annotations

import os
import stat
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from calcimetry.arguments import check, check_path, threads
from calcimetry.errors import InputError
from calcimetry.records import Scan
from calcimetry.scan.acquisition import check_kvp
from calcimetry.scan.archive import unpacked
from calcimetry.scan.dicom.read import list_dicom, read_dicom
from calcimetry.scan.dicom.series import SeriesFacts
from calcimetry.scan.hu_scale import judged


def read(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    kvp: float | None = None,
    jobs: int | None = None,
    link_key: str | os.PathLike[str] | None = None,
    hu_as_is: bool = False,
) -> Scan:
    """Read one CT scan.

    Parameters
    ----------
    path : a folder of DICOM files (any depth, several series, stray files), one DICOM file
        (an enhanced multi-frame CT, or a slice, which is read with the other slices of its
        series in the same folder), a NIfTI file (.nii, .nii.gz), or a .zip or .tar archive
        (also compressed) of any of these, which is read as the folder in it is
    series : which series to read: its number, its UID, or the start of either UID or
        description; by default the rules of `calcimetry.scan.dicom.series` choose
    kvp : tube voltage, kV; overrides what the file says
    jobs : how many slices to read or decode at a time; all cores unless told
    link_key : file of the key for the patient's link (`calcimetry.link`), by which follow-up
        tells persons apart; `calcimetry.link.installation_key()` names that of this
        installation, which is made at its first use. None: no link
    hu_as_is : take values that are clearly no HU as they stand, with a flag

    Returns
    -------
    Scan : int16 HU (z, y, x) with affine to LPS mm, facts, flags, and the series that were
        passed over with the reason

    Raises
    ------
    InputError : the path cannot be read, or holds no CT, or its values are clearly no
        Hounsfield units (HU_SCALE_WRONG; see `calcimetry.scan.hu_scale`)
    GeometryError : the CT's geometry cannot be trusted; names the slices
    UsageError : kvp that is not a voltage (BAD_KVP), a key file that cannot be read, or an
        argument of another type (BAD_ARGUMENT)
    """
    check_path(path, "a path to a scan; for an array there is calcimetry.from_array", "path")
    if series is not None:
        check(series, str, "a series' number, UID or description, as text", "series")
    if link_key is not None:
        check_path(link_key, "a path to a key file", "link_key")
    check_kvp(kvp)
    count = threads(jobs)
    where = _existing(path)
    try:
        with _folder_of(where) as folder:
            scan = _read(folder, series, kvp, count, None if link_key is None else Path(link_key))
    except OSError as error:
        raise _unreadable(where, error) from error
    if folder != where:
        scan = replace(scan, source=replace(scan.source, path=str(where)))
    return judged(scan, as_is=hu_as_is)


def _read(
    where: Path, series: str | None, kvp: float | None, jobs: int, link_key: Path | None
) -> Scan:
    nifti = _nifti_of(where)
    if nifti is None:
        return read_dicom(where, series, kvp, jobs, link_key)
    # nibabel takes 0.2 s to import, and DICOM users do not need it.
    from calcimetry.scan.nifti.read import read_nifti  # noqa: PLC0415

    return read_nifti(nifti, kvp)


def _folder_of(where: Path) -> AbstractContextManager[Path]:
    """The path itself, or for an archive the folder in it, for as long as a block runs."""
    return nullcontext(where) if where.is_dir() or is_nifti(where) else unpacked(where)


def list_series(
    path: str | os.PathLike[str], *, series: str | None = None
) -> tuple[SeriesFacts, ...]:
    """Every series at a DICOM path: the one that `read` would take first, and for the
    others why they are passed over. Empty for NIfTI.

    Raises InputError as `read` does, but not when no series is fit: then none is `chosen`.
    """
    where = _existing(path)
    try:
        with _folder_of(where) as folder:
            return () if _nifti_of(folder) is not None else list_dicom(folder, series)
    except OSError as error:
        raise _unreadable(where, error) from error


def _existing(path: str | os.PathLike[str]) -> Path:
    where = Path(path)
    try:
        mode = where.stat().st_mode
        if stat.S_ISDIR(mode):
            next(where.iterdir(), None)
    except OSError as error:
        raise _unreadable(where, error) from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise InputError(
            "UNREADABLE",
            found="a pipe, device or socket",
            expected="a folder of DICOM files, a DICOM file or a NIfTI file",
            where=str(where),
            remedy="write the scan to a file first, and name that",
        )
    return where


def _unreadable(where: Path, error: OSError) -> InputError:
    # Where no folder for temporary files can be made, that is what is not found.
    missing = isinstance(error, FileNotFoundError) and not os.path.lexists(where)
    return InputError(
        "NOT_FOUND" if missing else "UNREADABLE",
        found="no such file or folder" if missing else (error.strerror or type(error).__name__),
        expected="a folder of DICOM files, a DICOM file or a NIfTI file that can be read",
        where=str(where),
        remedy="check the path" if missing else "check permissions and the disk",
    )


_SIDECARS = frozenset({".json", ".txt", ".csv", ".tsv", ".toml", ".bval", ".bvec"})
"""What converters write beside NIfTI files."""


def is_nifti(path: Path) -> bool:
    """By name; a NIfTI file under another name is not guessed at."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def _nifti_of(where: Path) -> Path | None:
    """The NIfTI file that a path names: itself, or the only one in a folder without DICOM."""
    if where.is_file():
        return where if is_nifti(where) else None
    files = [p for p in sorted(where.iterdir()) if is_nifti(p) and p.is_file()]
    others = [p for p in where.iterdir() if p not in files and not p.name.startswith(".")]
    if len(files) == 1 and not any(p.is_dir() or p.suffix.lower() == ".dcm" for p in others):
        return files[0]
    if len(files) > 1 and all(p.suffix.lower() in _SIDECARS and p.is_file() for p in others):
        raise InputError(
            "SEVERAL_SCANS",
            found=f"{len(files)} NIfTI files",
            expected="one scan",
            where=str(where),
            remedy="name one of the files",
        )
    return None
