"""Plug-ins: what other installed packages add, found by their entry points, all in one place.

Groups, and what an entry point of each loads to:

``calcimetry.anatomy``    a `calcimetry.anatomy.Segmenter`: a program that makes label maps
``calcimetry.exporters``  a function that makes further files of an examination
                          (`calcimetry.outputs.exporters.Exporter`)

A plug-in is code of others: it is named without being imported, and imported when it is used.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from calcimetry.errors import ServiceError

ANATOMY, EXPORTERS = "calcimetry.anatomy", "calcimetry.exporters"
GROUPS = (ANATOMY, EXPORTERS)


def installed(group: str) -> list[str]:
    """Names of the plug-ins of one of GROUPS, sorted; none is imported."""
    return sorted({point.name for point in metadata.entry_points(group=group)})


def load(group: str, name: str) -> Any:
    """What an installed plug-in's entry point names, imported now.

    Raises KeyError for one that is not installed, ServiceError PLUGIN_FAILED for one that cannot
    be imported.
    """
    points = tuple(metadata.entry_points(group=group, name=name))
    if not points:
        raise KeyError(name)
    try:
        return points[0].load()
    except Exception as error:
        raise failed(group, name, told(error)) from error


def failed(group: str, name: str, found: str, expected: str = "one that works") -> ServiceError:
    """The error that names the plug-in that something is wrong with."""
    return ServiceError(
        "PLUGIN_FAILED",
        found=found,
        expected=expected,
        where=f"plug-in '{name}' ({group}), of {_package(group, name)}",
        remedy="mend that package or take it off; it is not part of calcimetry",
    )


def told(error: Exception) -> str:
    """An exception of other people's code, in a line."""
    return f"{type(error).__name__}: {error}"


def _package(group: str, name: str) -> str:
    """The distribution that an entry point comes from, with its version."""
    for point in metadata.entry_points(group=group, name=name):
        if point.dist is not None:
            return f"{point.dist.name} {point.dist.version}"
    return "no known package"
