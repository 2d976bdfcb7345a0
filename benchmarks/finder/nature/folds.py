"""The finder with weights that were fitted without the patient whom it is asked of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from unittest import mock

import calcimetry
from calcimetry.deposits import network, object_stage
from calcimetry.examine import measure
from calcimetry.records import Examination, Scan

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

    objects : folder of CASE.npz, the object stage's weights without that case's patient
    network : folder of the folds' networks, ``A.onnx`` and ``B.onnx``
    unseen_by : the fold whose network was not made from a case (`training.sources`)
    """

    objects: Path | None = None
    network: Path | None = None
    unseen_by: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 2

    def ask(self, case: str, scan: Scan) -> Examination:
        """What `measure` says of a scan with this case's weights."""
        with self._loaded(case):
            return measure(scan, jobs=self.jobs)

    def weights(self, case: str) -> dict[str, str]:
        """The weights that a case is asked of: name to the first 16 digits of their SHA-256."""
        files = {path.name: path for path in sorted(SHIPPED.glob("*.*")) if _is_weights(path)}
        own = {"finder.onnx": self._network(case), "objects.npz": self._objects(case)}
        files |= {name: path for name, path in own.items() if path is not None}
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
        weights, objects = self._network(case), self._objects(case)
        with ExitStack() as stack:
            if weights is not None:
                net = network.load_file(str(weights))
                stack.enter_context(mock.patch.object(network, "load", return_value=net))
            if objects is not None:
                stages = {
                    seen: object_stage.parse(objects.read_bytes(), part)
                    for seen, part in ((True, "network"), (False, "geometry"))
                }
                stack.enter_context(
                    mock.patch.object(object_stage, "load", lambda *, network: stages[network])
                )
            yield

    def _network(self, case: str) -> Path | None:
        """The case's own network. Raises KeyError where no fold is known that has not seen it."""
        if self.network is None or case == PHANTOM:
            return None
        return self.network / f"{self.unseen_by[case]}.onnx"

    def _objects(self, case: str) -> Path | None:
        return None if self.objects is None or case == PHANTOM else self.objects / f"{case}.npz"


def _is_weights(path: Path) -> bool:
    return path.suffix in (".onnx", ".npz")


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
