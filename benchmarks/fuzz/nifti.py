"""Damaged NIfTI files: a field of the header, the compression, or the length."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from benchmarks.fuzz import scans

from calcimetry import phantom

HEAD = 352
NUMBERS = (0.0, -1.0, 1.0, 2.0, 0.5, 10.0, 1e-30, 1e5, 1e30, np.nan, np.inf, -np.inf, 1000.0, 1e-3)
SHORTS = (0, 1, 2, 3, 4, 7, 8, 16, 64, 128, 255, 512, 768, 1024, 2304, -1, 32767, -32768)
FIELDS = (
    "dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "scl_inter", "xyzt_units",
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y",
    "qoffset_z", "srow_x", "srow_y", "srow_z", "magic", "sizeof_hdr", "cal_max", "intent_code",
)  # fmt: skip


def base(folder: Path) -> Path:
    """The undamaged file: a coarse phantom hand with deposits."""
    folder.mkdir(parents=True, exist_ok=True)
    made = phantom.make("hand", seed=3, spacing=(3.0, 1.5, 1.5))
    return phantom.write_nifti(made.scan, folder / "scan.nii")


def damaged(seed: int, good: Path, folder: Path) -> tuple[list[str], bool]:
    """Write the mutant of a seed; gives its arguments, and whether its damage can be seen."""
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    kind, visible = draw.choice(KINDS)
    name, content = kind(draw, good.read_bytes())
    (folder / name).write_bytes(content)
    return [str(folder / name), "--kvp", "120"], visible


def field(draw: random.Random, content: bytes) -> tuple[str, bytes]:
    """Another value in one field of the header."""
    header = nib.Nifti1Header(content[:348], check=False)
    name = draw.choice(FIELDS)
    values: Any = np.array(header[name])
    flat = values.reshape(-1) if values.ndim else values.reshape(1)
    at = draw.randrange(len(flat))
    if flat.dtype.kind == "f":
        # A shift of a few HU is one that nobody can see.
        seen = [v for v in NUMBERS if name != "scl_inter" or not abs(v) < 1000]
        flat[at] = draw.choice(seen)
    elif flat.dtype.kind in "iu":
        flat[at] = np.array(draw.choice(SHORTS)).astype(flat.dtype)
    else:
        flat[at] = b"ni1"
    header[name] = flat.reshape(values.shape)
    return "scan.nii", header.binaryblock + content[348:]


def compressed_field(draw: random.Random, content: bytes) -> tuple[str, bytes]:
    return "scan.nii.gz", gzip.compress(field(draw, content)[1], 1)


def flipped_bits(draw: random.Random, content: bytes) -> tuple[str, bytes]:
    """In the header."""
    new = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 16))):
        new[draw.randrange(HEAD)] ^= 1 << draw.randrange(8)
    return "scan.nii", bytes(new)


def cut(draw: random.Random, content: bytes) -> tuple[str, bytes]:
    return "scan.nii", content[: int(len(content) * draw.choice((0.0, 1e-5, 1e-3, 0.3, 0.99)))]


def damaged_gzip(draw: random.Random, content: bytes) -> tuple[str, bytes]:
    packed = bytearray(gzip.compress(content, 1))
    for _ in range(draw.choice((1, 4, 64))):
        packed[draw.randrange(len(packed))] ^= 1 << draw.randrange(8)
    return "scan.nii.gz", bytes(packed[: draw.choice((len(packed), len(packed) // 2))])


def other_values(draw: random.Random, content: bytes) -> tuple[str, bytes]:
    """HU that were shifted, scaled, clipped or masked."""
    values = np.frombuffer(content[HEAD:], np.int16).astype(np.float64)
    kind = draw.choice(("plus", "minus", "double", "unit", "byte", "ceiling", "air"))
    new = {
        "plus": values + 1024,
        "minus": values - 1024,
        "double": values * 2,
        "unit": (values + 1024) / 4096,
        "byte": np.clip((values + 1024) / 16, 0, 255),
        "ceiling": np.minimum(values, draw.choice((400, 700, 1000))),
        "air": np.where(values < -300, 0, values),
    }[kind]
    return "scan.nii", content[:HEAD] + np.clip(new, -32768, 32767).astype(np.int16).tobytes()


def tail(draw: random.Random, content: bytes) -> tuple[str, bytes]:
    return "scan.nii", content + draw.randbytes(1000)


Kind = Callable[[random.Random, bytes], tuple[str, bytes]]
KINDS: tuple[tuple[Kind, bool], ...] = (
    *((field, True),) * 5,
    *((compressed_field, True),) * 2,
    *((flipped_bits, True),) * 3,
    (cut, True),
    (damaged_gzip, True),
    *((other_values, True),) * 2,
    (tail, True),
)


def mutants(seed: int, count: int, folder: Path) -> Iterator[scans.Mutant]:
    """`count` mutants from a seed on."""
    return scans.mutants(base, damaged, seed, count, folder)


run = scans.run
