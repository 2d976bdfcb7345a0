"""What the docs must hold of what the code can say."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from calcimetry.plan import Plan
from calcimetry.scan import CATALOGUE, ERRORS

ROOT = Path(__file__).resolve().parents[1]


def codes_in_source() -> set[str]:
    """Codes of errors and flags: the first word, in capitals, of a call that makes one."""
    found = set(CATALOGUE) | set(ERRORS)
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                maker = ast.unparse(node.func).rpartition(".")[2]
                if maker == "Flag" or maker.endswith("Error"):
                    found.add(str(node.args[0].value))
    return {code for code in found if code.isupper()}


def test_there_are_codes_to_document():
    assert len(codes_in_source()) > 50


@pytest.mark.parametrize("code", sorted(codes_in_source()))
def test_every_code_is_documented(code):
    assert f"`{code}`" in (ROOT / "docs" / "errors.md").read_text()


def test_readme_links_lead_somewhere():
    import re

    for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / link).exists(), link


def test_every_parameter_can_be_changed_by_its_name():
    for section, values in Plan().as_dict().items():
        assert Plan().changed(section, values) == Plan()
