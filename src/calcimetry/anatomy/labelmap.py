"""Anatomy label maps that others made (TotalSegmentator, MOOSE, a user's own), by name.

A label map is a NIfTI file on any grid; it is looked up at points through its affine and
never resampled whole. What its numbers mean stands in a scheme: a TOML file with a table
``structures`` (number = "name") and a table ``kinds`` (bone, cartilage, vessel, muscle,
airway = name patterns; the rest are organs). Names end in, or contain, left or right.

Names get into results, so a structure of a user's own scheme keeps its name only where that is
made of terms of anatomy (`terms`); any other is called by its number, as "structure 7".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.bounded import parse_toml, read_toml
from calcimetry.errors import CalcimetryError, InputError, UsageError
from calcimetry.plugins import ANATOMY, installed
from calcimetry.terms import anatomical, code

BUILT_IN = ("totalsegmentator", "moose")
"""The segmenters that are known without a plug-in."""

KINDS = ("bone", "cartilage", "vessel", "muscle", "airway", "organ")
# Of errors in reading: an image that can be read, but is none of these.
_OTHER_IMAGES = frozenset(
    {"NOT_CT", "NOT_ONE_VOLUME", "NO_AFFINE", "AFFINES_DISAGREE", "VOXEL_SIZE", "PLACE_FAR"}
)


@dataclass(frozen=True, slots=True)
class Structure:
    """A named structure: `kind` is one of `KINDS`, `side` left, right or None."""

    name: str
    kind: str
    side: str | None


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """Numbers (i, j, k) as stored, their affine to LPS mm, and what they mean.

    made_by : segmenter, version, model and licence, where its scheme says them
    """

    numbers: NDArray[Any]
    affine: NDArray[np.float64]
    structures: Mapping[int, Structure]
    scheme: str
    made_by: Mapping[str, str] = field(default_factory=dict)


def schemes() -> list[str]:
    """The names of the schemes that come with the package."""
    folder = resources.files("calcimetry.anatomy") / "schemes"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith("toml"))


def read_labelmap(path: Path, scheme: str | Path | None = None) -> LabelMap:
    """An anatomy label map from a NIfTI file.

    Parameters
    ----------
    path : NIfTI file of whole numbers, 3-D, on any grid
    scheme : name of a scheme (`schemes()`), or the path of a TOML file; by default the
        TOML file of the same name beside the label map, else "totalsegmentator"

    Raises
    ------
    InputError
        not a NIfTI file that can be read (LABELMAP_UNREADABLE), or not a 3-D volume of
        whole numbers with an affine that is a geometry (NOT_A_LABELMAP), or one that does
        not fit in memory (TOO_BIG).
    UsageError
        a scheme that is not known or not well formed (LABEL_SCHEME).
    """
    # nibabel takes 0.2 s and 15 MB to import, and most scans come without a label map.
    from calcimetry.scan.nifti.read import read_volume  # noqa: PLC0415

    title, structures, made_by = _scheme(_chosen(path, scheme))
    try:
        volume = read_volume(path)
    except OSError as error:
        raise _unfit("LABELMAP_UNREADABLE", path, error.strerror or str(error)) from error
    except CalcimetryError as error:
        if error.code == "TOO_BIG":
            raise
        other = error.code in _OTHER_IMAGES
        kind = "NOT_A_LABELMAP" if other else "LABELMAP_UNREADABLE"
        raise _unfit(kind, path, error.found) from error
    numbers: NDArray[Any] = volume.values
    if (volume.slope, volume.intercept) != (1.0, 0.0):
        numbers = numbers * volume.slope + volume.intercept
    if not _are_whole(numbers):
        raise _unfit("NOT_A_LABELMAP", path, f"{numbers.dtype} of shape {numbers.shape}")
    return LabelMap(numbers, volume.affine, structures, title, made_by)


def structures_at(labels: LabelMap, lps: NDArray[Any]) -> list[Structure | None]:
    """The structure at each LPS point (n, 3), mm, by nearest voxel; None for none.

    A number that the scheme does not name is None too, as are points off the map.
    """
    points = np.atleast_2d(np.asarray(lps, np.float64))
    inverse = np.linalg.inv(labels.affine)
    index = np.rint(points @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.int64)
    within = ((index >= 0) & (index < labels.numbers.shape)).all(axis=1)
    i, j, k = np.where(within[:, None], index, 0).T
    numbers = np.where(within, labels.numbers[i, j, k], 0)
    return [labels.structures.get(int(number)) for number in numbers]


def names_at(labels: LabelMap, lps: NDArray[Any]) -> list[str | None]:
    """The name of the structure at each LPS point (n, 3), mm; None for none."""
    return [found.name if found else None for found in structures_at(labels, lps)]


def covers(labels: LabelMap, lps: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether LPS points (n, 3) lie on the label map's grid: bool (n,)."""
    inverse = np.linalg.inv(labels.affine)
    index = np.rint(np.asarray(lps, np.float64) @ inverse[:3, :3].T + inverse[:3, 3])
    on: NDArray[np.bool_] = ((index >= 0) & (index < labels.numbers.shape)).all(axis=1)
    return on


def _are_whole(numbers: NDArray[Any]) -> bool:
    if numbers.dtype.kind in "iu":
        return True
    if numbers.dtype.kind != "f":
        return False
    return bool(np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all())


def _chosen(path: Path, scheme: str | Path | None) -> str | Path:
    if scheme is not None:
        return scheme
    beside = path.parent / (path.name.removesuffix(".gz").removesuffix(".nii") + ".toml")
    return beside if beside.is_file() else "totalsegmentator"


def _scheme(scheme: str | Path) -> tuple[str, dict[int, Structure], dict[str, str]]:
    try:
        if str(scheme) in schemes():
            file = resources.files("calcimetry.anatomy") / "schemes" / f"{scheme}.toml"
            table = parse_toml(file.read_text(encoding="utf-8"))
        else:
            table = read_toml(Path(scheme))
        return _title(table), _structures(table), _made_by(table)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UsageError(
            "LABEL_SCHEME",
            found=f"'{scheme}': {error}",
            expected=f"one of {', '.join(schemes())}, or a TOML file with [structures]",
            where="scheme of the anatomy label map",
            remedy='write number = "name" under [structures], see docs/anatomy.md',
        ) from error


OWN_SCHEME = "the user's own scheme"
_MADE_BY = ("segmenter", "version", "model", "licence")


def _title(table: Mapping[str, Any]) -> str:
    """The title of a scheme that ships; a user's own may hold anything, and is not repeated."""
    title = str(table.get("title", ""))
    return title if title in _titles() else OWN_SCHEME


@cache
def _titles() -> frozenset[str]:
    folder = resources.files("calcimetry.anatomy") / "schemes"
    texts = [(folder / f"{name}.toml").read_text(encoding="utf-8") for name in schemes()]
    return frozenset(str(parse_toml(text)["title"]) for text in texts)


def _made_by(table: Mapping[str, Any]) -> dict[str, str]:
    """What made the map, as `calcimetry measure --segment` writes it beside one.

    Of a segmenter that is not known here nothing is repeated: it may be the name of a person.
    """
    given = {key: str(value) for key, value in table.get("made_by", {}).items()}
    if given.get("segmenter") not in {*BUILT_IN, *installed(ANATOMY)}:
        return {}
    values = {key: code(given[key], 160) for key in _MADE_BY if key in given}
    return {key: value for key, value in values.items() if value is not None}


def _structures(table: Mapping[str, Any]) -> dict[int, Structure]:
    kinds: Mapping[str, list[str]] = table.get("kinds", {})
    if not set(kinds) <= set(KINDS):
        raise ValueError(f"kinds may be {', '.join(KINDS)}")
    return {
        int(number): Structure(_name(name, int(number)), _kind(name, kinds), _side(name))
        for number, name in table["structures"].items()
    }


def _name(name: str, number: int) -> str:
    return anatomical(name) or f"structure {number}"


def _kind(name: str, kinds: Mapping[str, list[str]]) -> str:
    for kind, patterns in kinds.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return kind
    return "organ"


def _side(name: str) -> str | None:
    words = name.lower().replace(" ", "_").split("_")
    return next((side for side in ("left", "right") if side in words), None)


def _unfit(code: str, path: Path, found: str) -> InputError:
    return InputError(
        code,
        found=found,
        expected="a NIfTI file with a 3-D volume of whole numbers",
        where=str(path),
        remedy="export the label map as NIfTI with integer labels",
    )
