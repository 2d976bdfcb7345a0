"""Programs that make an anatomy label map: TotalSegmentator, MOOSE, or a plug-in.

They are the user's own installations, found on PATH and run as processes of their own: their
weights, licences and libraries stay theirs. Nothing is sent anywhere by our doing: usage
statistics are switched off, and the image that they get holds no name, date or identifier.
A plug-in is an entry point of the group ``calcimetry.anatomy`` that loads to a `Segmenter`.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np

from calcimetry.anatomy.labelmap import BUILT_IN, read_labelmap
from calcimetry.errors import CalcimetryError, ServiceError, UsageError
from calcimetry.nifti import ras_of_lps
from calcimetry.plugins import ANATOMY, failed, installed, load
from calcimetry.records import Scan

IMAGE = "CT_scan.nii.gz"  # MOOSE takes what begins with CT_
_WORDS_SHOWN = 300
_GZIP = b"\x1f\x8b"

_NO_WEIGHTS = re.compile(
    r"Downloading model|Failed to download|ConnectionError|Max retries exceeded"
    r"|NameResolutionError|ProxyError|HTTPError|No URL specified",
)
_NO_LICENCE = re.compile(r"requires? a license|not openly available|[Ii]nvalid license")


@dataclass(frozen=True, slots=True)
class Segmenter:
    """How a program is run.

    program : its name on PATH
    model, licence : what it is asked for, and the terms of that model's weights
    scheme : name of the scheme of its numbers (`schemes()`), or the path of a TOML file
    command : arguments after the program, from the folder that holds `IMAGE` and the jobs
    environment : what is set for its process, from the same folder
    result : the label map that it left below that folder; None for none
    version : its version, from what it said or left; None where it does not tell
    """

    program: str
    model: str
    licence: str
    scheme: str
    command: Callable[[Path, int], list[str]]
    result: Callable[[Path], Path | None]
    environment: Callable[[Path], Mapping[str, str]] = field(default=lambda _: {})
    version: Callable[[Path], str | None] = field(default=lambda _: None)
    to_install: str = "install it, and see that its program is on PATH"


def segmenters() -> dict[str, Callable[[], Segmenter]]:
    """Every segmenter by name: those built in, and installed plug-ins (which may replace them)."""
    points = {name: partial(_plugged_in, name) for name in installed(ANATOMY)}
    built_in = (lambda: TOTALSEGMENTATOR, lambda: MOOSE)
    return dict(zip(BUILT_IN, built_in, strict=True)) | points


def _plugged_in(name: str) -> Segmenter:
    found = load(ANATOMY, name)
    if isinstance(found, Segmenter):
        return found
    raise failed(ANATOMY, name, f"it loads to {type(found).__name__}", "a Segmenter")


def segment(scan: Scan, name: str, folder: Path, *, jobs: int = 1) -> Path:
    """Run a segmenter on a scan; the label map's path, ``anatomy.nii.gz`` in `folder`.

    Beside it ``anatomy.toml`` says what the numbers mean and which program and model made
    them, so that the map can be given again with `--labels`.

    Raises
    ------
    UsageError
        a segmenter that is not known (SEGMENTER_UNKNOWN), or whose program is not on PATH
        (SEGMENTER_MISSING).
    ServiceError
        its weights are not there and could not be fetched (SEGMENTER_WEIGHTS), it asks for a
        licence (SEGMENTER_LICENCE), it ended without a label map (SEGMENTER_FAILED), or it is
        a plug-in that cannot be loaded (PLUGIN_FAILED).
    """
    chosen = _chosen(name)
    program = shutil.which(chosen.program)
    if program is None:
        raise UsageError(
            "SEGMENTER_MISSING",
            found=f"no program '{chosen.program}' on PATH",
            expected=f"an installation of {name}",
            where="--segment",
            remedy=chosen.to_install,
        )
    with tempfile.TemporaryDirectory(prefix="calcimetry-") as made:
        work = Path(made)
        _write_image(scan, work / "scan" / IMAGE)
        said = _run(chosen, program, work, jobs)
        found = chosen.result(work)
        if found is None:
            raise _failed(name, chosen, said)
        _keep(found, folder / "anatomy.nii.gz")
        version = chosen.version(work)
    scheme = _scheme_text(chosen, name, version)
    (folder / "anatomy.toml").write_text(scheme, encoding="utf-8")
    read_labelmap(folder / "anatomy.nii.gz")
    return folder / "anatomy.nii.gz"


def _chosen(name: str) -> Segmenter:
    known = segmenters()
    if name in known:
        return known[name]()
    raise UsageError(
        "SEGMENTER_UNKNOWN",
        found=f"'{name}'",
        expected="one of " + ", ".join(sorted(known)),
        where="--segment",
        remedy="name one of them, or give a label map with --labels",
    )


def _write_image(scan: Scan, path: Path) -> None:
    """HU on the scan's canonical axes; odd direction cosines make some programs fail."""
    import nibabel as nib  # noqa: PLC0415

    path.parent.mkdir()
    affine = ras_of_lps(scan.affine)
    nib.save(nib.Nifti1Image(np.ascontiguousarray(scan.hu.transpose(2, 1, 0)), affine), path)


def _run(chosen: Segmenter, program: str, work: Path, jobs: int) -> str:
    """What the program said, out and err together; its exit code is judged by its result."""
    environment = {**os.environ, **chosen.environment(work)}
    log = work / "said.txt"
    with log.open("wb") as out:
        subprocess.run(
            [program, *chosen.command(work, jobs)],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return log.read_text(encoding="utf-8", errors="replace")


def _failed(name: str, chosen: Segmenter, said: str) -> CalcimetryError:
    last = " ".join(said.split())[-_WORDS_SHOWN:] or "nothing"
    if _NO_LICENCE.search(said):
        code, expected = "SEGMENTER_LICENCE", f"a licence for model {chosen.model}"
        remedy = (
            f"get one from its makers and set it in {chosen.program}, or take another segmenter"
        )
    elif _NO_WEIGHTS.search(said):
        code, expected = "SEGMENTER_WEIGHTS", f"the weights of model {chosen.model}"
        remedy = (
            f"run {chosen.program} once where the network reaches its makers' store, or put the "
            "weights in place as its manual says; or give a label map with --labels"
        )
    else:
        code, expected = "SEGMENTER_FAILED", "a label map"
        remedy = f"run {chosen.program} by itself on this scan to see why; or use --labels"
    return ServiceError(
        code, found=f"it said: {last}", expected=expected, where=f"--segment {name}", remedy=remedy
    )


def _keep(found: Path, target: Path) -> None:
    content = found.read_bytes()
    target.write_bytes(content if content[:2] == _GZIP else gzip.compress(content))


def _scheme_text(chosen: Segmenter, name: str, version: str | None) -> str:
    """The scheme with a table of who made the map."""
    built_in = resources.files("calcimetry.anatomy") / "schemes" / f"{chosen.scheme}.toml"
    source = built_in if built_in.is_file() else Path(chosen.scheme)
    made_by = {
        "segmenter": name,
        "version": version or "unknown",
        "model": chosen.model,
        "licence": chosen.licence,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in made_by.items()]
    return source.read_text(encoding="utf-8").rstrip() + "\n\n[made_by]\n" + "\n".join(lines) + "\n"


def _newest(work: Path, pattern: str) -> Path | None:
    return max(work.glob(pattern), key=lambda path: path.stat().st_mtime, default=None)


def _totalsegmentator_environment(work: Path) -> Mapping[str, str]:
    """A home of its own, where usage statistics are off, with the user's weights.

    Statistics are on unless config.json says otherwise; the user's own file is not touched.
    """
    home = work / "home"
    home.mkdir()
    config = {"totalseg_id": "none", "send_usage_stats": False, "prediction_counter": 0}
    (home / "config.json").write_text(json.dumps(config), encoding="utf-8")
    own = Path(os.environ.get("TOTALSEG_HOME_DIR", Path.home() / ".totalsegmentator"))
    weights = os.environ.get("TOTALSEG_WEIGHTS_PATH", str(own / "nnunet" / "results"))
    return {"TOTALSEG_HOME_DIR": str(home), "TOTALSEG_WEIGHTS_PATH": weights}


def _said_version(work: Path) -> str | None:
    """The version by ``--version``, in the same environment."""
    program = shutil.which(TOTALSEGMENTATOR.program) or TOTALSEGMENTATOR.program
    home = {"TOTALSEG_HOME_DIR": str(work / "home")}
    said = subprocess.run(
        [program, "--version"],
        env={**os.environ, **home},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    words = said.stdout.split()
    return words[-1] if said.returncode == 0 and words else None


def _logged_version(work: Path) -> str | None:
    """MOOSE names its log file after its version: moosez-v3.2.2_....log."""
    log = _newest(work, "moosez-v*.log")
    found = re.match(r"moosez-v([\w.]+?)_", log.name) if log else None
    return found.group(1) if found else None


TOTALSEGMENTATOR = Segmenter(
    program="TotalSegmentator",
    model="total",
    licence="Apache-2.0 (model total; appendicular_bones is for non-commercial use and not asked)",
    scheme="totalsegmentator",
    command=lambda work, jobs: [
        *("-i", str(work / "scan" / IMAGE), "-o", str(work / "labels.nii.gz")),
        *("--ml", "-ta", "total", "-nr", str(jobs), "-ns", str(jobs), "--quiet"),
    ],
    environment=_totalsegmentator_environment,
    result=lambda work: _newest(work, "labels.nii.gz"),
    version=_said_version,
    to_install="pip install TotalSegmentator (in an environment of its own), and put it on PATH",
)

MOOSE = Segmenter(
    program="moosez",
    model="clin_ct_peripheral_bones",
    licence="CC-BY-4.0 (models), Apache-2.0 (code)",
    scheme="moose_peripheral_bones",
    command=lambda work, _: ["-d", str(work), "-m", "clin_ct_peripheral_bones"],
    result=lambda work: _newest(work, "scan/moosez-*/segmentations/*.nii.gz"),
    version=_logged_version,
    to_install="pip install moosez (in an environment of its own), and put it on PATH",
)
