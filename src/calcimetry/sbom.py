"""The software bill of materials: what runs when calcimetry runs, as CycloneDX 1.6 JSON.

It is made from what is installed here, over calcimetry's own requirements and theirs; names,
versions, licences and package URLs alone, no path and no host. https://cyclonedx.org/docs/1.6
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata, resources
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = "calcimetry"
EXTRAS = ("clinic", "report")
_NAMESPACE = uuid.UUID("5b0c5a5e-9b1d-5c0e-8a54-6f2f6f0c6a11")
_LONGEST_LICENCE = 120

Wanted = tuple[str, frozenset[str]]
"""A distribution's name and the extras of it that are asked for."""


def bill_of_materials() -> dict[str, Any]:
    """The bill as JSON-ready mappings; what an extra wants and is not installed is left out."""
    needs = needed((ROOT, frozenset(EXTRAS)))
    parts = [_component(name) for name in sorted(needs) if name != ROOT]
    parts.append(_weights())
    marks = "\n".join(part["bom-ref"] for part in parts)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, marks)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": {**_component(ROOT), "type": "application"},
        },
        "components": parts,
        "dependencies": [
            {"ref": _purl(name), "dependsOn": sorted(map(_purl, needs[name]))}
            for name in sorted(needs)
        ],
    }


def needed(root: Wanted) -> dict[str, frozenset[str]]:
    """Every installed distribution that a first one runs with, and what each of them needs."""
    asked: set[Wanted] = set()
    needs: dict[str, frozenset[str]] = {}
    queue: list[Wanted] = [root]
    while queue:
        wanted = queue.pop()
        if wanted in asked:
            continue
        asked.add(wanted)
        found = [(name, extras) for name, extras in _needed(*wanted) if _is_installed(name)]
        queue += found
        needs[wanted[0]] = needs.get(wanted[0], frozenset()) | {name for name, _ in found}
    return needs


def _needed(name: str, extras: frozenset[str]) -> Iterator[Wanted]:
    for text in metadata.requires(name) or ():
        try:
            need = Requirement(text)
        except InvalidRequirement:
            continue
        tried = extras or {""}
        if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in tried):
            yield canonicalize_name(need.name), frozenset(need.extras)


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _component(name: str) -> dict[str, Any]:
    about = metadata.metadata(name)
    part: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(name),
        "name": name,
        "version": about["Version"],
        "purl": _purl(name),
    }
    licences = _licences(about)
    return {**part, "licenses": licences} if licences else part


def _purl(name: str) -> str:
    return f"pkg:pypi/{canonicalize_name(name)}@{metadata.version(name)}"


def _licences(about: Any) -> list[dict[str, Any]]:
    """By expression, else by classifiers, else by a short licence field; none where unknown."""
    if about["License-Expression"]:
        return [{"expression": about["License-Expression"]}]
    marks = [c for c in about.get_all("Classifier") or () if c.startswith("License :: ")]
    names = [mark.rpartition(" :: ")[2] for mark in marks if mark.count(" :: ") > 1]
    if not names and about["License"] and len(about["License"]) <= _LONGEST_LICENCE:
        names = [about["License"].strip()]
    return [{"license": {"name": name}} for name in names]


def _weights() -> dict[str, Any]:
    content = resources.files("calcimetry.weights").joinpath("finder.onnx").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {
        "type": "machine-learning-model",
        "bom-ref": f"finder.onnx@{digest[:16]}",
        "name": "finder.onnx",
        "version": digest[:16],
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
