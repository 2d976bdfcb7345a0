"""How much of each real CT is as bright as contrast medium makes it: `anatomy/enhancement.py`.

python -m benchmarks.finder.contrast SCAN ...
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from calcimetry.anatomy import find_body, find_bone
from calcimetry.anatomy.enhancement import LEAST_CM3, enhanced, enhancement
from calcimetry.runs import dense_objects
from calcimetry.scan import read

THRESHOLD_HU = 130


def main() -> None:
    print("| scan | cm3 as bright | told by the header | HU taken for contrast medium |")
    print("| --- | --- | --- | --- |")
    for path in sorted(map(Path, sys.argv[1:])):
        scan = read(path)
        body = find_body(scan)
        skeleton = find_bone(scan, dense_objects(scan.hu, THRESHOLD_HU), body)
        volume = enhanced(body, skeleton).sum() * np.prod(body.grid.size_mm) / 1000
        level = enhancement(scan, body, skeleton)
        told = {None: "-", True: "given", False: "none"}[scan.acquisition.contrast]
        print(f"| {path.name} | {volume:.1f} | {told} | {'-' if level is None else round(level)} |")
    print(f"\nFrom {LEAST_CM3} cm3 on it is taken for contrast medium.")


if __name__ == "__main__":
    main()
