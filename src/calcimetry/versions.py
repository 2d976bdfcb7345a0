"""Versions of this package and of the libraries that its numbers rest on."""

from __future__ import annotations

import platform
from importlib import metadata

LIBRARIES = ("calcimetry", "numpy", "scipy", "numba", "pydicom", "nibabel", "onnxruntime")


def versions() -> dict[str, str]:
    """Name to version; a library that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
