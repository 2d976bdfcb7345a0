"""Whether a scan fits into memory, asked before it is read.

`measure` takes at most twice the int16 volume and some 400 MB (docs/speed.md), of which the
libraries have taken their part by the time that a scan is read. Where a machine runs out of
memory without a word (containers are killed), a scan that cannot fit must be refused first.
"""

from __future__ import annotations

import math
from pathlib import Path

from calcimetry.errors import InputError

VOLUMES = 2.0
"""How often the int16 volume is held at most: once itself, and all else together."""

BESIDES = 250_000_000
"""Bytes besides, whatever the scan: networks, tiles and crops."""

_MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
_BOUNDLESS = 1 << 60  # what version 1 of cgroups says for no limit


def check_room(shape: tuple[int, ...], where: str) -> None:
    """Raise InputError TOO_BIG where a volume of `shape` could not be measured.

    Says nothing where the free memory is not known (other systems than Linux).
    """
    needed, free = bytes_needed(shape), bytes_free()
    if free is None or needed <= free:
        return
    raise InputError(
        "TOO_BIG",
        found=f"a volume of {' x '.join(map(str, shape))} voxels, which needs "
        f"{needed / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free",
        expected="one that fits in memory",
        where=where,
        remedy="use a machine (or container) with more memory, fewer scans at a time, or a "
        "series with fewer slices",
    )


def bytes_needed(shape: tuple[int, ...]) -> int:
    """What reading and measuring a volume of `shape` takes beyond the libraries, at most."""
    return int(VOLUMES * 2 * math.prod(shape)) + BESIDES


def bytes_free() -> int | None:
    """What this process may still take; None where that is not known.

    By the machine, by the process's own limits and by its control groups.
    """
    known = [free for free in (_of_machine(), _of_limits(), *_of_groups()) if free is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    for line in _lines(_MEMINFO):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _of_limits() -> int | None:
    """Room left under this process's own limits (`ulimit -v`, `ulimit -d`)."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return None
    taken = {line.split(":")[0]: line.split()[1] for line in _lines(_STATUS) if "kB" in line}
    rooms = [
        limit - int(taken[name]) * 1024
        for name, limit in (
            ("VmSize", resource.getrlimit(resource.RLIMIT_AS)[0]),
            ("VmData", resource.getrlimit(resource.RLIMIT_DATA)[0]),
        )
        if name in taken and limit != resource.RLIM_INFINITY
    ]
    return max(0, min(rooms)) if rooms else None


def _of_groups() -> list[int | None]:
    """Room left under the limit of each control group above this process."""
    found = []
    for line in _lines(_OWN_GROUPS):
        number, controllers, path = line.split(":", 2)
        old = "memory" in controllers.split(",")
        if not old and number != "0":
            continue
        root = _GROUPS / "memory" if old else _GROUPS
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if old else (
            "memory.max", "memory.current",
        )  # fmt: skip
        group = root / path.strip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            found.append(_room(folder, *names))
    return found


def _room(folder: Path, limit: str, usage: str) -> int | None:
    most, used = _number(folder / limit), _number(folder / usage)
    if most is None or used is None or most >= _BOUNDLESS:
        return None
    # Pages of files that were read count as used, but are given back when asked for.
    idle = sum(
        int(line.split()[1])
        for line in _lines(folder / "memory.stat")
        if line.startswith(("inactive_file ", "total_inactive_file "))
    )
    return max(0, most - used + idle)


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
