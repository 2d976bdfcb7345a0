"""What a compressed frame says of its own size, read before anything is decoded.

Decoders make room for what the codestream states: a few bytes that state 60,000 x 60,000
pixels cost gigabytes, whatever the DICOM header says.

JPEG and JPEG-LS: ITU-T T.81 B.2.2, T.87 C.2.2; JPEG 2000: T.800 A.5.1; fragments: PS3.5 A.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_ITEM = b"\xfe\xff\x00\xe0"
_SIZ = b"\xff\x4f\xff\x51"
_SIZ_WITHIN = 4096  # of a frame's first bytes, where a file format stands around JPEG 2000
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}

Size = tuple[int, int, int]
"""Rows, columns, components."""


def sizes(raw: bytes, pixel_start: int) -> Iterator[Size]:
    """The sizes that the codestreams among the fragments at `pixel_start` state."""
    for fragment in _fragments(raw, pixel_start):
        size = _jpeg(fragment) if bytes(fragment[:2]) == b"\xff\xd8" else _jpeg_2000(fragment)
        if size is not None:
            yield size


def _fragments(raw: bytes, pos: int) -> Iterator[memoryview]:
    view = memoryview(raw)
    while raw[pos : pos + 4] == _ITEM and pos + 8 <= len(raw):
        (length,) = struct.unpack_from("<I", raw, pos + 4)
        yield view[pos + 8 : pos + 8 + length]
        pos += 8 + length


def _jpeg(fragment: memoryview) -> Size | None:
    """From the frame header (SOF), over the segments before it."""
    pos = 2
    while pos + 9 < len(fragment) and fragment[pos] == 0xFF:
        marker = fragment[pos + 1]
        if marker in _FRAMES:
            rows, columns, components = struct.unpack_from(">HHB", fragment, pos + 5)
            return rows, columns, components
        if marker == 0xFF:  # a fill byte
            pos += 1
            continue
        pos += 2 + int(struct.unpack_from(">H", fragment, pos + 2)[0])
    return None


def _jpeg_2000(fragment: memoryview) -> Size | None:
    """From the SIZ segment, which comes first."""
    head = bytes(fragment[:_SIZ_WITHIN])
    at = head.find(_SIZ)
    if at < 0 or len(head) < at + 42:
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", head, at + 8)
    (components,) = struct.unpack_from(">H", head, at + 40)
    return bottom - top, right - left, components
