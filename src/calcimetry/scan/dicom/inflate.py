"""Deflated data sets (PS3.5 annex A.5), inflated no further than is asked for.

A megabyte of deflated zeros is a gigabyte: how much is inflated is decided before.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

_RAW_DEFLATE = -zlib.MAX_WBITS
_PIECE = 1 << 18


def inflated(file: BinaryIO, most: int) -> tuple[bytes, bool]:
    """Up to `most` bytes of the deflated data at the file's position, and whether it is all.

    Data that is cut short counts as all there is. Raises zlib.error.
    """
    machine = zlib.decompressobj(_RAW_DEFLATE)
    found = bytearray()
    while not machine.eof and len(found) < most:
        piece = machine.unconsumed_tail or file.read(_PIECE)
        if not piece:
            return bytes(found), True
        found += machine.decompress(piece, most - len(found))
    return bytes(found), machine.eof
