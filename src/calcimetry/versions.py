"""Versions of this package and of the libraries that its numbers rest on; its plug-ins."""

from __future__ import annotations

import platform
from importlib import metadata

LIBRARIES = ("calcimetry", "numpy", "scipy", "numba", "pydicom", "nibabel", "onnxruntime")
GROUPS = ("calcimetry.anatomy", "calcimetry.calibrations", "calcimetry.exporters")


def versions() -> dict[str, str]:
    """Name to version; a library that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def plugins(group: str) -> dict[str, metadata.EntryPoint]:
    """Installed entry points of one of GROUPS, by name."""
    return {point.name: point for point in metadata.entry_points(group=group)}
