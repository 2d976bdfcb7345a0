"""Damaged scans through the command line, against their undamaged twin; for `dicom` and `nifti`.

`wrong` of benchmarks.fuzz.verdict says what no run may do.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.fuzz.verdict import wrong
from benchmarks.fuzz.zygote import Zygote

QUIET = ["--jobs", "1", "--quiet"]
_CODE = re.compile(r"^([A-Z][A-Z_]{3,}):", re.MULTILINE)

Damage = Callable[[int, Path, Path], tuple[list[str], bool]]
"""A seed, the undamaged scan and a path to write to; gives the words that name the mutant to
`calcimetry measure`, and whether its damage can be told from the files at all."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged scan that is to be run.

    words : what names it to `calcimetry measure`
    twin : the document of the undamaged scan; None where nobody could see the damage
    """

    name: str
    folder: Path
    words: list[str]
    twin: dict[str, Any] | None
    zygote: Zygote


def mutants(
    make: Callable[[Path], Path], damage: Damage, seed: int, count: int, folder: Path
) -> Iterator[Mutant]:
    """`count` mutants from a seed on, each written when it is asked for.

    make : writes the undamaged scan into a folder and gives its path
    """
    good = make(folder / "good")
    with Zygote() as zygote:
        twin = _twin(zygote, good, folder)
        for number in range(seed, seed + count):
            place = folder / f"seed{number}"
            place.mkdir()
            words, visible = damage(number, good, place / "scan")
            yield Mutant(place.name, place, words, twin if visible else None, zygote)
            shutil.rmtree(place, ignore_errors=True)


def run(mutant: Mutant) -> str:
    """What measuring it came to: "exit 3 BROKEN_FILE", or "BUG ..." with what was wrong."""
    out = mutant.folder / "results" / "out"
    out.parent.mkdir()
    ended = mutant.zygote.run(["measure", *mutant.words, "-o", str(out), *QUIET])
    if faults := wrong(ended, out, mutant.twin):
        return f"BUG {'; '.join(faults)}"
    code = _CODE.search(ended.text)
    return f"exit {ended.code}" + (f" {code.group(1)}" if ended.code and code else "")


def _twin(zygote: Zygote, good: Path, folder: Path) -> dict[str, Any]:
    out = folder / "twin"
    ended = zygote.run(["measure", str(good), "-o", str(out), "--kvp", "120", *QUIET])
    if ended.code != 0:
        raise RuntimeError(f"the undamaged scan cannot be measured: {ended.text}")
    document: dict[str, Any] = json.loads((out / "examination.json").read_text())
    return document
