"""The reference pages are what the program says of itself, and leave nothing public out."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from tools.docstrings import to_markdown

import calcimetry
from tools import reference

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_pages_are_what_the_program_gives(name):
    page = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert page == reference.pages()[name], "run `python tools/reference.py`"


def entries(name: str) -> set[str]:
    page = (ROOT / "docs" / "reference" / "api" / name).read_text(encoding="utf-8")
    return set(re.findall(r"^::: (\S+)$", page, re.M))


def test_every_name_of_the_package_is_on_its_page():
    names = set(calcimetry.__all__) - {"__version__"}
    assert entries("calcimetry.md") == {f"calcimetry.{name}" for name in names}


def test_every_public_record_is_on_its_page():
    home = Path(inspect.getfile(import_module("calcimetry.records")))
    files = home.parent.rglob("*.py") if home.name == "__init__.py" else [home]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    names = {node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    public = {f"calcimetry.records.{name}" for name in names if not name.startswith("_")}
    assert public <= entries("records.md")


@pytest.mark.parametrize("room", sorted(reference.ROOMS))
def test_everything_public_says_what_it_is(room):
    module = import_module(f"calcimetry.{room}")
    for name in reference.public_names(module):
        value = getattr(module, name)
        if inspect.isfunction(value) or (inspect.isclass(value) and room == "records"):
            assert inspect.getdoc(value), f"{room}.{name}"


def test_every_page_has_its_place_in_the_site():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert [str(page) for page in pages if f": {page.as_posix()}\n" not in nav] == []


def test_entries_of_docstrings_become_lists():
    listed = "a, b : first,\n    which goes on\nc : other"
    text = f"What it does.\n\nParameters\n----------\n{listed}\n\nRaises X."
    lines = to_markdown(text).splitlines()
    assert "**Parameters**" in lines
    assert lines[lines.index("- **a, b**: first,") + 1] == "    which goes on"
    assert "- **c**: other" in lines
    assert lines[-1] == "Raises X."
