"""Speed and memory beside other libraries: every row measured in one run on the same data.

    python -m benchmarks.speed CHEST.nii.gz [--runs 5] [--write]

CHEST is any chest CT (the one of `get-trunks` was used); it is resampled to 400 slices of
512 x 512 and written as a DICOM folder. Peers (SimpleITK, scipy, connected-components-3d)
are measured where they are installed; none of them is a dependency. Ratios of medians are
what counts: machines are noisy.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pydicom

import calcimetry as cm
from calcimetry.anatomy import find_body, skin_gap
from calcimetry.phantom import write_dicom
from calcimetry.records import Scan, StoredGrid
from calcimetry.runs import dense_objects, parts, voxels_of

DOCS = Path(__file__).resolve().parents[1] / "docs" / "speed.md"
DENSE_HU = 350  # of the contrast chest: bone and calcium, 2-3 % of voxels


@dataclass
class Row:
    job: str
    tool: str
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def resampled(scan: Scan, slices: int) -> Scan:
    """The scan stretched to a number of slices along z, by the nearest."""
    pick = np.linspace(0, scan.hu.shape[0] - 1, slices).round().astype(int)
    affine = scan.affine.copy()
    affine[:3, 2] *= scan.hu.shape[0] / slices
    hu = np.ascontiguousarray(scan.hu[pick])
    return replace(scan, hu=hu, affine=affine, stored=StoredGrid(hu.shape[::-1], affine))


def timed(row: Row, work: Callable[[], Any]) -> Any:
    begin = perf_counter()
    result = work()
    row.seconds.append(perf_counter() - begin)
    return result


def loads(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "calcimetry", lambda: cm.read(folder, jobs=2)
    yield "pydicom, plain", lambda: by_pydicom(folder)
    if find_spec("SimpleITK"):
        yield "SimpleITK", lambda: by_sitk(folder)


def by_pydicom(folder: Path) -> np.ndarray:
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    files.sort(key=lambda data: float(data.ImagePositionPatient[2]))
    planes = [f.pixel_array * float(f.RescaleSlope) + float(f.RescaleIntercept) for f in files]
    return np.stack(planes).astype(np.int16)


def by_sitk(folder: Path) -> Any:
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def labels(hu: np.ndarray) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "calcimetry", lambda: dense_objects(hu, DENSE_HU, jobs=2)
    yield "one numpy read pass", hu.max
    yield "scipy.ndimage", lambda: scipy_label(hu)
    if find_spec("cc3d"):
        yield "cc3d", lambda: cc3d_label(hu)
    if find_spec("SimpleITK"):
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(hu)
        yield "SimpleITK", lambda: sitk_label(image)


def scipy_label(hu: np.ndarray) -> Any:
    from scipy import ndimage

    mask = hu >= DENSE_HU
    found, count = ndimage.label(mask, np.ones((3, 3, 3)))
    number = np.arange(1, count + 1)
    ndimage.sum_labels(hu, found, number)
    ndimage.maximum(hu, found, number)
    return ndimage.center_of_mass(mask, found, number)


def cc3d_label(hu: np.ndarray) -> Any:
    import cc3d

    found = cc3d.connected_components(hu >= DENSE_HU, connectivity=26)
    return cc3d.statistics(found)


def sitk_label(image: Any) -> Any:
    import SimpleITK as sitk

    found = sitk.ConnectedComponent(image >= DENSE_HU, True)
    statistics_filter = sitk.LabelIntensityStatisticsImageFilter()
    statistics_filter.Execute(found, image)
    return statistics_filter.GetNumberOfLabels()


def depths(scan: Scan) -> Iterator[tuple[str, Callable[[], Any]]]:
    dense = dense_objects(scan.hu, 130)
    small = [runs for runs in parts(dense) if 10 <= runs.voxels <= 2000][:100]
    points = [voxels_of(runs) for runs in small]

    def ours() -> Any:
        body = find_body(scan, jobs=2)
        return [skin_gap(body, scan, part) for part in points]

    yield "calcimetry, body and 100 deposits", ours
    if find_spec("SimpleITK"):
        yield "SimpleITK, distance map of a given body", sitk_map(scan)


def sitk_map(scan: Scan) -> Callable[[], Any]:
    import SimpleITK as sitk

    body = sitk.GetImageFromArray((scan.hu > -300).astype(np.uint8))
    body.SetSpacing(tuple(scan.spacing[::-1]))
    return lambda: sitk.SignedMaurerDistanceMap(body, squaredDistance=False, useImageSpacing=True)


def wholes(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "calcimetry, read and measure", lambda: cm.measure(cm.read(folder, jobs=2), jobs=2)
    if find_spec("SimpleITK"):
        yield "SimpleITK, read only", lambda: by_sitk(folder)
        yield "SimpleITK, read and the naive job", lambda: naive(folder)


def naive(folder: Path) -> Any:
    """The shortest script that thresholds, drops the biggest pieces and lists the rest."""
    import SimpleITK as sitk

    image = by_sitk(folder)
    found = sitk.RelabelComponent(sitk.ConnectedComponent(image >= 130, True))
    statistics_filter = sitk.LabelIntensityStatisticsImageFilter()
    statistics_filter.Execute(found, image)
    return statistics_filter


def race(job: str, entries: list[tuple[str, Callable[[], Any]]], runs: int) -> list[Row]:
    """All entries in turn, `runs` times; the first round only warms."""
    rows = [Row(job, tool) for tool, _ in entries]
    for turn in range(runs + 1):
        for row, (_, work) in zip(rows, entries, strict=True):
            timed(row, work)
            if turn == 0:
                row.seconds.clear()
    return rows


def peak_mb(folder: Path) -> float:
    """Peak memory of reading and measuring, in a process of its own."""
    script = (
        "import resource, sys, calcimetry as cm\n"
        "cm.measure(cm.read(sys.argv[1], jobs=2), jobs=2)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def growth(scan: Scan, runs: int) -> list[Row]:
    rows = []
    for slices in (100, 200, 400, 800):
        part = resampled(scan, slices)
        rows += race("growth", [(f"{slices} slices", lambda s=part: cm.measure(s, jobs=2))], runs)
    return rows


@contextmanager
def as_dicom(scan: Scan) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        write_dicom(scan, Path(folder) / "scan")
        yield Path(folder) / "scan"


def table(rows: list[Row]) -> str:
    lines = ["| job | tool | median s | spread s | of ours |", "|---|---|---|---|---|"]
    ours: dict[str, float] = {}
    for row in rows:
        base = ours.setdefault(row.job, row.median)
        spread = f"{min(row.seconds):.3f} to {max(row.seconds):.3f}"
        lines.append(
            f"| {row.job} | {row.tool} | {row.median:.3f} | {spread} | {row.median / base:.2f} |"
        )
    return "\n".join(lines)


def machine() -> str:
    names = ("calcimetry", "numpy", "numba", "scipy", "SimpleITK", "connected-components-3d")
    found = {name: _version(name) for name in names}
    return json.dumps({"machine": platform.machine(), "python": platform.python_version(), **found})


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chest", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the table into docs/speed.md")
    asked = parser.parse_args()
    scan = resampled(cm.read(asked.chest, kvp=120), 400)
    rows: list[Row] = []
    with as_dicom(scan) as folder:
        rows += race("load 400 x 512 x 512", list(loads(folder)), asked.runs)
        rows += race("threshold, objects, statistics", list(labels(scan.hu)), asked.runs)
        rows += race("skin depth", list(depths(scan)), asked.runs)
        rows += race("whole", list(wholes(folder)), asked.runs)
        memory = peak_mb(folder)
    rows += growth(scan, max(1, asked.runs // 2))
    volume = scan.hu.nbytes / 1e6
    peak = f"Peak memory of read and measure: {memory:.0f} MB; the volume has {volume:.0f} MB."
    text = f"{table(rows)}\n\n{peak}\n\n`{machine()}`\n"
    print(text)
    if asked.write:
        head, mark, _ = DOCS.read_text().partition("<!-- measured -->")
        DOCS.write_text(f"{head}{mark}\n\n{text}")


if __name__ == "__main__":
    main()
