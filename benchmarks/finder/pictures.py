"""Montages of what was missed and what is false: numbers hide what eyes see at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from calcimetry.records import Scan

TILE = 144
HALF_MM = 36.0
ACROSS = 8


def tile(scan: Scan, at: tuple[int, int, int], title: str) -> NDArray[np.uint8]:
    """A square of 72 mm about a voxel in its slice, window -200 to 600 HU."""
    z, y, x = at
    reach = [round(HALF_MM / s) for s in scan.spacing[1:]]
    plane = np.pad(scan.hu[z], [(reach[0],) * 2, (reach[1],) * 2], constant_values=-1024)
    part = plane[y : y + 2 * reach[0], x : x + 2 * reach[1]].astype(np.float32)
    grey = np.clip((part + 200) / 800 * 255, 0, 255).astype(np.uint8)
    picture = Image.fromarray(grey).resize((TILE, TILE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    draw.text((2, 1), title, fill=255)
    return np.asarray(picture)


def montage(tiles: Sequence[NDArray[np.uint8]], path: Path) -> None:
    if not tiles:
        return
    rows = -(-len(tiles) // ACROSS)
    sheet = np.zeros((rows * TILE, ACROSS * TILE), np.uint8)
    for k, picture in enumerate(tiles):
        row, column = divmod(k, ACROSS)
        sheet[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE] = picture
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)
