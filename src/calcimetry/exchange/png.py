"""The pictures of an examination by their names, and whether one read again is such a picture.

Names: docs of `calcimetry.report.pictures`; # stands for a number.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
from typing import Any

from calcimetry.exchange.check import DamagedError

PICTURES = (
    "front.png",
    "side.png",
    *(
        f"deposit-#-{plane}-{window}.png"
        for plane in ("axial", "coronal", "sagittal")
        for window in ("bone", "soft")
    ),
    "object-#-axial-bone.png",
)
_NAME = re.compile("|".join(re.escape(name).replace(r"\#", "[0-9]+") for name in PICTURES))
_HEAD = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_LONGEST = 8192  # pixels of an edge; the largest that are made have a tenth


def is_picture(name: str) -> bool:
    """Whether a file name is one of ours."""
    return _NAME.fullmatch(name) is not None


def check_picture(content: bytes) -> None:
    """Raise `DamagedError` for what is no PNG as the report makes it."""
    from PIL import Image

    if len(content) < 24 or not content.startswith(_HEAD):
        raise DamagedError("no PNG")
    width, height = struct.unpack(">II", content[16:24])
    if not (0 < width <= _LONGEST and 0 < height <= _LONGEST):
        raise DamagedError(f"a PNG of {width} x {height} pixels")
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            picture.verify()  # the sums of its parts; it cannot be decoded after that
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            picture.load()
            text = picture.info.get("calcimetry")
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise DamagedError(f"a PNG that cannot be read: {error}") from error
    if text is not None:
        _check_facts(text)


def _check_facts(text: Any) -> None:
    try:
        facts = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise DamagedError("a PNG whose text is no JSON") from error
    lines = facts.get("lps_to_pixel") if isinstance(facts, dict) else ()
    well = isinstance(facts, dict) and isinstance(facts.get("slice"), int | None)
    if lines is not None:
        well = well and _is_view(lines, facts.get("mm_per_pixel"))
    if not well:
        raise DamagedError("a PNG whose text does not say what it shows")


def _is_view(lines: Any, scale: Any) -> bool:
    rows = lines if isinstance(lines, list) and len(lines) == 2 else ()
    numbers = [n for row in rows for n in (row if isinstance(row, list) else [])]
    well = len(numbers) == 8 and all(len(row) == 4 for row in rows)
    return well and all(_is_number(n) for n in (*numbers, scale)) and 1e-3 < scale < 1e3


def _is_number(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value) and abs(value) < 1e9
