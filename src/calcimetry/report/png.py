"""Pictures as arrays of palette numbers: greys, then a few colours for what is drawn on them.

A palette of 64 greys keeps a CT crop small (noise below its step is not stored) and lines
crisp. The colours are of Okabe and Ito's set, told apart with any colour vision, and each
line has a dark rim so that it is seen in grey on bone and on fat alike.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

Array = NDArray[Any]
GREYS = 64
COLOURS = {
    "deposit": (230, 159, 0),  # orange
    "other": (86, 180, 233),  # sky blue: other deposits in the same picture
    "rim": (0, 0, 0),
    "text": (255, 255, 255),
    "ink": (178, 60, 0),  # deposits on white
    "doubt": (0, 90, 150),  # doubtful ones on white
    "paper": (255, 255, 255),
}
INDEX = {name: GREYS + k for k, name in enumerate(COLOURS)}
WINDOWS = {"bone": (-300.0, 1200.0), "soft": (-160.0, 240.0)}  # HU shown black, HU shown white


def greys(hu: Array, window: str) -> NDArray[np.uint8]:
    """HU as grey numbers, 0 (black) to GREYS - 1 (white)."""
    low, high = WINDOWS[window]
    scaled = (hu - low) * ((GREYS - 1) / (high - low))
    return np.clip(scaled + 0.5, 0, GREYS - 1).astype(np.uint8)


def resample(plane: Array, box: tuple[float, float, float, float], size: tuple[int, int]) -> Array:
    """A part of a plane, as float32, on a grid of `size` (width, height).

    box : left, upper, right, lower in pixels of the plane; must lie inside it
    """
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box))


def outline(mask: NDArray[np.bool_], width: int = 1) -> NDArray[np.bool_]:
    """The pixels just outside a mask, `width` wide: a line that hides none of what it marks."""
    grown = mask
    for _ in range(width):
        grown = _grow(grown)
    result: NDArray[np.bool_] = grown & ~mask
    return result


def draw_outline(image: NDArray[np.uint8], mask: NDArray[np.bool_], colour: str) -> None:
    """Draw the outline of a mask: a coloured line of two pixels inside a dark rim of one."""
    line = outline(mask, 2)
    image[outline(mask | line) & ~mask] = INDEX["rim"]
    image[line] = INDEX[colour]


def write_text(image: NDArray[np.uint8], at: tuple[int, int], text: str, anchor: str) -> None:
    """White letters with a dark rim; `at` is (x, y), `anchor` as Pillow names it."""
    height, width = image.shape
    for layer, rim in (("rim", 1), ("text", 0)):
        canvas = Image.new("L", (width, height))
        ImageDraw.Draw(canvas).text(
            at, text, fill=255, font=_font(), anchor=anchor, stroke_width=rim
        )
        image[np.asarray(canvas) > 100] = INDEX[layer]


def draw_bar(image: NDArray[np.uint8], mm_per_pixel: float) -> None:
    """A scale bar with its length at the lower right, about a third of the width."""
    height, width = image.shape
    length = bar_length(width * mm_per_pixel / 3)
    pixels = max(2, round(length / mm_per_pixel))
    right, y = width - 8, height - 9
    image[y - 1 : y + 4, right - pixels - 1 : right + 1] = INDEX["rim"]
    image[y : y + 3, right - pixels : right] = INDEX["text"]
    write_text(image, (right - pixels // 2, y - 4), f"{length:g} mm", "ms")


def bar_length(most: float) -> float:
    """The largest of 1, 2, 5, 10, 20, 50 ... that is not above `most` mm."""
    steps = [base * 10.0**power for power in range(-1, 4) for base in (1, 2, 5)]
    return max((step for step in steps if step <= most), default=steps[0])


def encode(image: NDArray[np.uint8], description: Mapping[str, Any]) -> bytes:
    """A PNG of palette numbers that says in itself (text chunk) what it shows."""
    picture = Image.fromarray(image, mode=None)
    picture = picture.convert("L")
    picture.putpalette(_palette())
    chunk = PngInfo()
    chunk.add_text("calcimetry", json.dumps(dict(description)))
    out = io.BytesIO()
    picture.save(out, "PNG", pnginfo=chunk, compress_level=6)
    return out.getvalue()


def description_of(content: bytes) -> dict[str, Any]:
    """What `encode` wrote into the picture about it; empty for a picture of another make."""
    with Image.open(io.BytesIO(content)) as picture:
        text = picture.info.get("calcimetry")
        description: dict[str, Any] = json.loads(text) if text else {}
        return {"width": picture.width, "height": picture.height, **description}


def _grow(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


@cache
def _palette() -> bytes:
    grey = np.linspace(0, 255, GREYS).round().astype(np.uint8)
    colours = np.array(list(COLOURS.values()), dtype=np.uint8)
    return np.vstack([np.repeat(grey[:, None], 3, axis=1), colours]).tobytes()


@cache
def _font() -> Any:
    return ImageFont.load_default(size=17)
