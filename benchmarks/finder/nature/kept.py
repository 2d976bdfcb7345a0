"""What was made of a scan is kept in a work folder, so that a run that was cut off goes on."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmarks.finder.nature.folds import code_digest, digest

from calcimetry.atomic import atomic_file

Made = TypeVar("Made")


def kept(folder: Path, name: str, asked: object, make: Callable[[], Made]) -> Made:
    """What `make` gives, or gave when the same was asked of the same code.

    folder : its name is the part of the study
    asked : all that the result depends on beside the code, weights among it
    """
    wanted = json.dumps([code_digest(folder.name), asked], default=str)
    path = folder / f"{name}-{digest(wanted.encode())}.pickle"
    if path.is_file():
        return pickle.loads(path.read_bytes())
    made = make()
    with atomic_file(path) as temporary:
        temporary.write_bytes(pickle.dumps(made))
    return made
