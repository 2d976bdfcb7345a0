"""Speed and memory beside other libraries: every row measured in one run on the same data.

    python -m benchmarks.speed CHEST.nii.gz [--runs 5] [--network FILE.onnx] [--write]

CHEST is any chest CT (the one of `get-trunks` was used); it is resampled to 400 slices of
512 x 512 and written as a DICOM folder. Peers (SimpleITK, scipy, connected-components-3d)
are measured where they are installed; none of them is a dependency. Ratios of medians are
what counts: machines are noisy. The last table sets them beside what issue 5 asks for.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

import numpy as np
import pydicom

import calcimetry as cm
from calcimetry.anatomy import find_body, skin_gaps
from calcimetry.deposits import network
from calcimetry.phantom import write_dicom
from calcimetry.records import Frame, Scan
from calcimetry.runs import dense_objects, object_runs, sample_voxels

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
    return replace(scan, hu=hu, frame=Frame.of(hu.shape, affine))


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
    small = [runs for runs in object_runs(dense) if 10 <= runs.voxels <= 2000][:100]
    points, bounds = sample_voxels(small, scan.hu.shape, 10**9)

    def ours() -> Any:
        return skin_gaps(find_body(scan, jobs=2), scan, points, bounds, jobs=2)

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


PEAK = """
import sys, calcimetry as cm
from calcimetry.deposits import network
if sys.argv[2]:
    network.load = lambda: network.load_file(sys.argv[2])
cm.measure(cm.read(sys.argv[1], jobs=2), jobs=2)
# Not getrusage: its peak is inherited from the process that started this one.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(1024 * int(status["VmHWM"].split()[0]))
"""


def peaks_mb(folder: Path, weights: Path | None, runs: int) -> list[float]:
    """Peak memory of reading and measuring, MB, each time in a process of its own.

    It differs with which of the network's tiles run at the same time.
    """
    return [_peak_mb(folder, weights) for _ in range(runs)]


def _peak_mb(folder: Path, weights: Path | None) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(folder), str(weights or "")],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout) / 1e6


def cold_and_warm() -> tuple[float, float]:
    """Seconds to compile all kernels, and to load them again from the cache."""
    script = "from time import perf_counter as t; b = t(); from calcimetry.warm import warm; "
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            subprocess.run(
                [sys.executable, "-c", script + "warm(); print(t() - b)"],
                env=os.environ | {"NUMBA_CACHE_DIR": folder},
                capture_output=True,
                text=True,
                check=True,
            )
            for _ in range(2)
        ]
    return float(runs[0].stdout), float(runs[1].stdout)


GROWTH = (100, 200, 400, 800)


def growth(scan: Scan, runs: int) -> list[Row]:
    rows = []
    for slices in GROWTH:
        part = resampled(scan, slices)
        rows += race("growth", [(f"{slices} slices", lambda s=part: cm.measure(s, jobs=2))], runs)
    return rows


STAGES = "stages of one measure"
PROCESSOR = "processor time, one thread"


def stages(folder: Path, runs: int) -> list[Row]:
    """Where the whole spends its time."""
    rows: dict[str, Row] = {}
    for _ in range(runs):
        seconds = cm.measure(cm.read(folder, jobs=2), jobs=2).timings
        for stage, value in seconds.items():
            rows.setdefault(stage, Row(STAGES, stage)).seconds.append(value)
    return sorted(rows.values(), key=lambda row: -row.median)


PARTS = {
    "the body": "calcimetry.examine.find_body",
    "rods": "calcimetry.quantity.calibration.from_rods",
    "the network, with resampling": "calcimetry.deposits.network.probability",
    "cutting deposits free": "calcimetry.deposits.find.split_by_probability",
    "the skeleton": "calcimetry.deposits.find._skeleton",
    "shells around objects": "calcimetry.deposits.find.surroundings",
    "distances to the skin": "calcimetry.deposits.find.skin_gaps",
    "distances to bone": "calcimetry.deposits.find.bone_gaps",
    "masses and volumes": "calcimetry.examine.quantify",
    "places and joints": "calcimetry.examine.places",
    "diameters": "calcimetry.assemble.form",
    "landmarks": "calcimetry.examine.landmarks",
}
"""What `measure` does, by the functions that do it."""


def processor_seconds(folder: Path, runs: int) -> list[Row]:
    """Processor time of one thread by what it was spent on, most first."""
    scan = cm.read(folder, jobs=2)
    rows = [Row(PROCESSOR, part) for part in PARTS] + [Row(PROCESSOR, "all else")]
    for _ in range(runs):
        spent = dict.fromkeys(PARTS, 0.0)
        with ExitStack() as stack:
            for part, name in PARTS.items():
                work = partial(_counted, spent, part, resolve_name(name))
                stack.enter_context(patch(name, work))
            begin = process_time()
            cm.measure(scan, jobs=1)
            whole = process_time() - begin
        for row, value in zip(rows, [*spent.values(), whole - sum(spent.values())], strict=True):
            row.seconds.append(value)
    return sorted(rows, key=lambda row: -row.median)


def _counted(
    spent: dict[str, float], part: str, work: Callable[..., Any], *given: Any, **named: Any
) -> Any:
    begin = process_time()
    result = work(*given, **named)
    spent[part] += process_time() - begin
    return result


def bars(rows: list[Row], peaks: dict[int, list[float]], volumes: dict[int, float]) -> str:
    """What issue 5 asks for, beside what was measured in this run."""
    time = {(row.job, row.tool): row.median for row in rows}
    load, label = "load 400 x 512 x 512", "threshold, objects, statistics"
    skin = "skin depth"
    ours = time[label, "calcimetry"]
    each = {n: time["growth", f"{n} slices"] / n for n in GROWTH}
    lines = [
        "| asked for | at most | measured |",
        "|---|---|---|",
        _bar(rows, "whole, over SimpleITK's reading", 2.5,
             ("whole", "calcimetry, read and measure"), ("whole", "SimpleITK, read only")),
        _bar(rows, "load, over SimpleITK's", 0.5, (load, "calcimetry"), (load, "SimpleITK")),
        _bar(rows, "objects, over SimpleITK's", 1 / 15, (label, "calcimetry"),
             (label, "SimpleITK")),
        _bar(rows, "objects, over cc3d's", 1 / 8, (label, "calcimetry"), (label, "cc3d")),
        f"| objects, over one read pass | 5 | {ours / time[label, 'one numpy read pass']:.1f} |",
        _bar(rows, "skin depth, over SimpleITK's map", 1 / 5,
             (skin, "calcimetry, body and 100 deposits"),
             (skin, "SimpleITK, distance map of a given body")),
        f"| seconds a slice, 800 over 100 slices | 1.15 | {each[800] / each[100]:.2f} |",
    ]  # fmt: skip
    for slices, seen in peaks.items():
        most = 2 * volumes[slices] + 400
        spread = f"{statistics.median(seen):.0f} ({min(seen):.0f} to {max(seen):.0f})"
        lines.append(
            f"| peak MB, {slices} slices of {volumes[slices]:.0f} MB | {most:.0f} | {spread} |"
        )
    return "\n".join(lines)


def _bar(
    rows: list[Row], name: str, most: float, ours: tuple[str, str], other: tuple[str, str]
) -> str:
    time = {(row.job, row.tool): row.median for row in rows}
    found = f"{time[ours] / time[other]:.3g}" if other in time else "not installed"
    return f"| {name} | {most:.3g} | {found} |"


def plot(rows: list[Row]) -> None:
    """Bars of all jobs, on a logarithmic axis, into the docs."""
    import matplotlib.pyplot as plt

    shown = [row for row in rows if row.job not in ("growth", STAGES, PROCESSOR)]
    figure, axes = plt.subplots(figsize=(8, 0.32 * len(shown) + 1), layout="constrained")
    names = [f"{row.job}: {row.tool}" for row in shown]
    ours = ["#1b6ca8" if row.tool.startswith("calcimetry") else "#b0b0b0" for row in shown]
    low = [row.median - min(row.seconds) for row in shown]
    high = [max(row.seconds) - row.median for row in shown]
    axes.barh(names, [row.median for row in shown], color=ours, xerr=[low, high])
    axes.set(xscale="log", xlabel="seconds, median; lines from least to most")
    axes.invert_yaxis()
    figure.savefig(DOCS.parent / "img" / "speed.png", dpi=110)


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
    about = {"machine": platform.machine(), "cpus": os.cpu_count()}
    return json.dumps({**about, "python": platform.python_version(), **found})


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def main() -> None:
    asked = _arguments()
    if asked.network:
        network.load = lambda: network.load_file(str(asked.network))
    scan = resampled(cm.read(asked.chest, kvp=120), 400)
    rows: list[Row] = []
    peaks: dict[int, list[float]] = {}
    volumes: dict[int, float] = {}
    with as_dicom(scan) as folder:
        rows += race("load 400 x 512 x 512", list(loads(folder)), asked.runs)
        rows += race("threshold, objects, statistics", list(labels(scan.hu)), asked.runs)
        rows += race("skin depth", list(depths(scan)), asked.runs)
        # What matters most, and on a machine shared with others no single run is to be trusted.
        rows += race("whole", list(wholes(folder)), 3 * asked.runs)
        rows += stages(folder, asked.runs)
        rows += processor_seconds(folder, asked.runs)
        peaks[400] = peaks_mb(folder, asked.network, asked.runs)
        volumes[400] = scan.hu.nbytes / 1e6
    rows += growth(scan, max(1, asked.runs // 2))
    twice = resampled(scan, 800)
    with as_dicom(twice) as folder:
        peaks[800] = peaks_mb(folder, asked.network, asked.runs)
        volumes[800] = twice.hu.nbytes / 1e6
    cold, again = cold_and_warm()
    start = f"Medians of {asked.runs} runs. All kernels compiled: {cold:.0f} s once; "
    start += f"loaded from the cache: {again:.1f} s."
    text = f"{bars(rows, peaks, volumes)}\n\n{table(rows)}\n\n{start}\n\n`{machine()}`\n"
    print(text)
    if asked.write:
        head, mark, _ = DOCS.read_text().partition("<!-- measured -->")
        DOCS.write_text(f"{head}{mark}\n\n{text}")
        plot(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chest", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--network", type=Path, help="other weights than those shipped")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/speed.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
