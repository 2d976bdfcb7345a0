"""Programs on PATH that behave as TotalSegmentator and MOOSE do, without their weights or size.

Written after TotalSegmentator 2.18.0 and moosez 3.2.2: arguments, files read and written,
messages, exit codes. Each leaves what it was asked in `asked.json` beside itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HEAD = """#!{python}
import json, os, sys
from pathlib import Path
import nibabel as nib
import numpy as np
here = Path(__file__).parent
def tell(**more):
    (here / "asked.json").write_text(json.dumps(dict(argv=sys.argv[1:], cwd=os.getcwd(), **more)))
def label(source, target, number):
    image = nib.load(source)
    dense = np.asarray(image.dataobj) > 200
    nib.save(nib.Nifti1Image((dense * number).astype(np.uint8), image.affine), target)
"""

TOTALSEGMENTATOR = """
if "--version" in sys.argv:
    print("2.18.0")
    sys.exit(0)
option = dict(zip(sys.argv[1::], sys.argv[2::]))
home = Path(os.environ["TOTALSEG_HOME_DIR"])
config = json.loads((home / "config.json").read_text())
tell(config=config, weights=os.environ["TOTALSEG_WEIGHTS_PATH"])
label(option["-i"], option["-o"], 75)
"""

NO_WEIGHTS = """
if "--version" in sys.argv:
    print("2.18.0")
    sys.exit(0)
print("Downloading model for Task 291 ...")
print("Traceback (most recent call last):", file=sys.stderr)
print("requests.exceptions.ConnectionError: HTTPSConnectionPool: Max retries exceeded with url",
      file=sys.stderr)
sys.exit(1)
"""

NO_LICENCE = """
print("In contrast to the other tasks this task is not openly available.")
print("It requires a license. For non-commercial usage a free license can be acquired here")
sys.exit(1)
"""

BROKEN = """
print("RuntimeError: out of memory", file=sys.stderr)
sys.exit(1)
"""

MOOSE = """
option = dict(zip(sys.argv[1::], sys.argv[2::]))
main = Path(option["-d"])
tell(files=sorted(str(p.relative_to(main)) for p in main.rglob("*.nii.gz")))
(main / "moosez-v3.2.2_10-00-01-01-2026.log").write_text("")
for subject in main.iterdir():
    for scan in (subject.glob("CT_*.nii.gz") if subject.is_dir() else ()):
        out = subject / "moosez-2026-01-01-10-00-00" / "segmentations"
        out.mkdir(parents=True)
        (out.parent / "stats").mkdir()
        label(scan, out / f"CT_Peripheral-Bones_segmentation_{scan.name}", 20)
"""

MOOSE_NO_SUBJECT = """
print("No moose compliant subject found to continue!")
"""


def install(folder: Path, program: str, behaviour: str) -> Path:
    """Put a program into a folder that a test puts on PATH."""
    path = folder / program
    path.write_text(_HEAD.format(python=sys.executable) + behaviour, encoding="utf-8")
    path.chmod(0o755)
    return path
