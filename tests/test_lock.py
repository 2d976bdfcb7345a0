"""requirements-lock.txt: every run-time dependency, pinned with hashes, and no host's name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from calcimetry.sbom import bill_of_materials

ROOT = Path(__file__).resolve().parents[1]
LOCK = (ROOT / "requirements-lock.txt").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
DIRECT = [
    Requirement(t)
    for t in (*PROJECT["dependencies"], *EXTRAS["report"], *EXTRAS["clinic"], *EXTRAS["plot"])
]


def pinned() -> list[tuple[str, str]]:
    """Names and versions; a name stands twice where the version depends on Python's."""
    found = re.findall(r"^([A-Za-z0-9_.\-]+)==([^\s;\\]+)", LOCK, re.MULTILINE)
    return [(canonicalize_name(name), version) for name, version in found]


def test_no_host_and_no_path_is_named():
    assert not re.search(r"://|--index|--find-links|--trusted|\bfile:|@", LOCK)


def test_every_entry_has_hashes():
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(entries) == len(pinned())
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)


@pytest.mark.parametrize("need", DIRECT, ids=lambda need: need.name)
def test_a_dependency_is_bounded_above_and_pinned_within_its_bounds(need):
    assert any(spec.operator in ("<", "<=", "==", "~=") for spec in need.specifier)
    versions = [version for name, version in pinned() if name == canonicalize_name(need.name)]
    assert versions
    assert all(need.specifier.contains(version) for version in versions)


def test_all_that_runs_here_is_pinned():
    parts = bill_of_materials()["components"]
    running = {part["name"] for part in parts if part["type"] == "library"}
    assert running <= {name for name, _ in pinned()}
