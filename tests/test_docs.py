"""What the docs must hold of what the code can say."""

from __future__ import annotations

import ast
import re
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


NO_CODES = {
    *("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"),  # of the system
    *("TOTALSEG_WEIGHTS_PATH", "TOTALSEG_HOME_DIR", "ORT_DISABLE_TELEMETRY"),  # environment
    *("DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY", "CALCIMETRY_LINK_KEY_FILE", "XDG_CONFIG_HOME"),
    *("DEPOSIT_COLUMNS", "OBJECT_COLUMNS", "RESEARCH_USE", "SCHEMA_VERSION"),  # names in __all__
    *("SURE_CONFIDENCE", "MARGIN_MM", "UNKNOWN_HU"),
    *("HU_MOD", "PIXEL_DATA", "AVERAGE_IP", "MAX_IP", "MIN_IP"),  # DICOM's words
}
EXIT_CODES = {
    "UsageError": 2, "InputError": 3, "GeometryError": 4,
    "WithheldError": 5, "OutputError": 6, "ServiceError": 7,
}  # fmt: skip


def trees():
    return [ast.parse(path.read_text()) for path in (ROOT / "src").rglob("*.py")]


def words_like_codes() -> set[str]:
    """Whatever is written as codes are, also where a variable brings it to an error or a flag."""
    nodes = [node for tree in trees() for node in ast.walk(tree)]
    texts = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return {text for text in texts if re.fullmatch("[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", text)}


def documented(*pages: str) -> set[str]:
    text = "".join((ROOT / "docs" / page).read_text() for page in pages)
    return set(re.findall("`([A-Z][A-Z0-9_]{3,})`", text))


def test_no_code_is_left_out():
    pages = documented("errors.md", "knowledge.md", "followup.md", "finder.md")
    assert words_like_codes() - NO_CODES - pages == set()


def test_no_code_is_documented_that_the_program_lacks():
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert {code for code in documented("errors.md") if f'"{code}"' not in source} == set()


def test_errors_stand_under_their_exit_code():
    page = (ROOT / "docs" / "errors.md").read_text()
    parts = dict(re.findall(r"## Errors: [^\n]*\(exit code (\d)\)\n(.*?)(?=\n## |\Z)", page, re.S))
    assert set(parts) == set(map(str, EXIT_CODES.values()))
    calls = [n for tree in trees() for n in ast.walk(tree) if isinstance(n, ast.Call) and n.args]
    for call in calls:
        maker, first = ast.unparse(call.func).rpartition(".")[2], call.args[0]
        if maker in EXIT_CODES and isinstance(first, ast.Constant):
            assert f"`{first.value}`" in parts[str(EXIT_CODES[maker])], first.value
    for code, (number, _) in ERRORS.items():
        assert f"`{code}`" in parts[str(number)], code


def test_readme_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / link).exists(), link


def test_every_parameter_can_be_changed_by_its_name():
    for section, values in Plan().as_dict().items():
        assert Plan().changed(section, values) == Plan()
