"""The finder with weights that were fitted without the patient whom it is asked of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

import calcimetry
from calcimetry.deposits import network
from calcimetry.examine import measure
from calcimetry.records import Examination, Scan

TABLE = "folds.json"
SHIPPED = Path(calcimetry.__file__).parent / "weights"
CODE = ("anatomy", "deposits", "describe", "kernels", "phantom", "quantity", "runs", "scan")
"""The rooms whose code can change what is found or painted."""

RESTS_ON = {
    "judged": ("natural.py", "pictures.py", "nature/matching.py"),
    "guises": ("study.py", "orientation.py", "nature/matching.py"),
    "sensitivity": ("study.py",),
}
"""The benchmark's own code that each part rests on, beside its own module."""

PHANTOM = ""
"""The case of what was made of no patient: asked of the shipped weights."""


@dataclass(frozen=True, slots=True)
class Folds:
    """Which weights each case is asked of; the shipped ones where there is no folder.

    objects : folder of CASE.json, the object stage's weights without that case's patient
    network : folder of networks and of `TABLE`, {case: file name}
    """

    objects: Path | None = None
    network: Path | None = None
    jobs: int = 2

    def ask(self, case: str, scan: Scan) -> Examination:
        """What `measure` says of a scan with this case's weights."""
        with self._loaded(case):
            return measure(scan, jobs=self.jobs)

    def weights(self, case: str) -> dict[str, str]:
        """The weights that a case is asked of: name to the first 16 digits of their SHA-256."""
        shipped = [p for p in SHIPPED.glob("*.*") if _is_weights(p)]
        files = {path.name: path for path in sorted(shipped)}
        if self.network is not None and case != PHANTOM:
            files["finder.onnx"] = self._network(case)
        if self.objects is not None and case != PHANTOM:
            files["objects.json"] = self._objects(case)
        return {name: digest(path.read_bytes()) for name, path in files.items()}

    def left_out(self) -> str:
        """In words, what was fitted without the patient."""
        parts = [
            words
            for words, folder in (("network", self.network), ("object stage", self.objects))
            if folder is not None
        ]
        return " and ".join(parts) or "nothing"

    @contextmanager
    def _loaded(self, case: str) -> Iterator[None]:
        with ExitStack() as stack:
            if self.network is not None and case != PHANTOM:
                net = network.load_file(str(self._network(case)))
                stack.enter_context(mock.patch.object(network, "load", return_value=net))
            if self.objects is not None and case != PHANTOM:
                from calcimetry.deposits import candidates

                stage = candidates.load_file(str(self._objects(case)))
                stack.enter_context(mock.patch.object(candidates, "load", return_value=stage))
            yield

    def _network(self, case: str) -> Path:
        assert self.network is not None
        table = json.loads((self.network / TABLE).read_text(encoding="utf-8"))
        return self.network / table[case]

    def _objects(self, case: str) -> Path:
        assert self.objects is not None
        return self.objects / f"{case}.json"


def _is_weights(path: Path) -> bool:
    return path.suffix in (".onnx", ".json") and ".card." not in path.name


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


@cache
def code_digest(part: str) -> str:
    """Of all code that can change a part's results: what other code made is not taken again."""
    package, here = SHIPPED.parent, Path(__file__).parents[1]
    files = [path for room in CODE for path in (package / room).rglob("*.py")]
    files += [package / "examine.py", package / "plan.py"]
    files += [here / name for name in (*RESTS_ON[part], f"nature/{part}.py")]
    return digest(b"".join(path.read_bytes() for path in sorted(files)))
