"""One slice of a DICOM CT: a classic file, or a frame of an enhanced one."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calcimetry.escape import plain
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.header import Header
from calcimetry.scan.dicom.values import numbers_of

Vector = NDArray[np.float64]

FARTHEST_MM = 10_000.0
"""Beyond this from the scanner's origin no table reaches: such a position is none."""
_LONGEST_COSINE = 10.0
_IS_END = 2.0**31


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Where a slice lies and how its pixels are stored; the rest stays in `elements`.

    position : LPS mm of the centre of the first pixel (PS3.3 C.7.6.2.1.1)
    orientation : (2, 3), unit vectors along a row (growing column) and down a column
    spacing : (between rows, between columns), mm
    """

    header: Header
    frame: int
    elements: Mapping[int, bytes]
    position: Vector | None
    orientation: Vector | None
    spacing: tuple[float, float] | None
    rows: int
    columns: int

    @property
    def path(self) -> Path:
        return self.header.path

    @property
    def name(self) -> str:
        """What messages call it."""
        many = len(self.header.frames) > 1 or number(self.elements, t.FRAMES, 1) > 1
        return f"{self.path.name} frame {self.frame + 1}" if many else self.path.name


def slices_of(header: Header) -> Iterator[Slice]:
    """The slices that a file holds; files without an image hold one, of no size."""
    for frame, elements in enumerate(header.frames or (header.elements,)):
        yield Slice(
            header=header,
            frame=frame,
            elements=elements,
            position=_position(elements),
            orientation=_orientation(elements),
            spacing=_spacing(elements),
            rows=u16(elements, t.ROWS),
            columns=u16(elements, t.COLUMNS),
        )


def distinct(slices: Iterable[Slice], tags: Sequence[int]) -> tuple[Slice, ...]:
    """One slice for each set of values that the elements have among slices, in order.

    What holds for all slices of a stack is asked of these alone: usually there is one.
    """
    found: dict[tuple[bytes | None, ...], Slice] = {}
    for piece in slices:
        found.setdefault(tuple(map(piece.elements.get, tags)), piece)
    return tuple(found.values())


def _vector(elements: Mapping[int, bytes], tag: int, size: int) -> tuple[float, ...] | None:
    values = numbers(elements, tag)
    return values if len(values) == size else None


def _position(elements: Mapping[int, bytes]) -> Vector | None:
    values = _vector(elements, t.POSITION, 3)
    if values is None or any(abs(v) > FARTHEST_MM for v in values):
        return None
    return np.array(values)


def _orientation(elements: Mapping[int, bytes]) -> Vector | None:
    values = _vector(elements, t.ORIENTATION, 6)
    if values is None:
        return None
    # Far from unit length is refused when the stack is placed; until then it must not overflow.
    kept = [max(-_LONGEST_COSINE, min(v, _LONGEST_COSINE)) for v in values]
    return np.array(kept).reshape(2, 3)


def _spacing(elements: Mapping[int, bytes]) -> tuple[float, float] | None:
    values = _vector(elements, t.PIXEL_SPACING, 2)
    if values is None or min(values) <= 0:
        return None
    return values[0], values[1]


def text(elements: Mapping[int, bytes], tag: int) -> str:
    """A value as text, without padding and control characters; empty when missing."""
    value = elements.get(tag, b"")
    charset = elements.get(t.CHARACTER_SET, b"")
    encoding = "utf-8" if b"192" in charset else "latin-1"
    return plain(value.decode(encoding, "replace")).strip()


def texts(elements: Mapping[int, bytes], tag: int) -> tuple[str, ...]:
    """The values of a multi-valued element, empty ones left out."""
    return tuple(part.strip() for part in text(elements, tag).split("\\") if part.strip())


def numbers(elements: Mapping[int, bytes], tag: int) -> tuple[float, ...]:
    """The values of a DS or IS element; empty when one of them is no number."""
    return numbers_of(elements.get(tag, b""))


def is_stated(elements: Mapping[int, bytes], tag: int) -> bool:
    """Whether the element is there with a value, be it readable or not."""
    value = elements.get(tag, b"")
    return len(value) >= 2 if tag in t.U16 else bool(value.strip(b" \0"))


def number(elements: Mapping[int, bytes], tag: int, default: float) -> float:
    """The first value of a DS or IS element."""
    values = numbers(elements, tag)
    return values[0] if values else default


def integer(elements: Mapping[int, bytes], tag: int) -> int | None:
    """The first value of an IS element, of 32 bits as the standard has them."""
    values = numbers(elements, tag)
    return int(values[0]) if values and abs(values[0]) < _IS_END else None


def u16(elements: Mapping[int, bytes], tag: int, default: int = 0) -> int:
    """An unsigned short."""
    value = elements.get(tag, b"")
    return int.from_bytes(value[:2], "little") if len(value) >= 2 else default


def double(elements: Mapping[int, bytes], tag: int) -> float | None:
    """A FD value."""
    value = elements.get(tag, b"")
    return float(struct.unpack("<d", value[:8])[0]) if len(value) >= 8 else None
