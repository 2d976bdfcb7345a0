"""The bill of materials is CycloneDX, complete for what runs, and tells nothing of the machine."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

from calcimetry.sbom import bill_of_materials

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def bill():
    return bill_of_materials()


def test_it_is_valid_cyclonedx(bill):
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion

    validator = validation.JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(bill)) is None
    broken = json.dumps({**bill, "components": [{"name": "no type"}]})
    assert validator.validate_str(broken) is not None


def test_it_holds_all_that_runs_and_the_weights(bill):
    names = {part["name"] for part in bill["components"]}
    wanted = {
        "numpy",
        "onnxruntime",
        "protobuf",
        "llvmlite",
        "weasyprint",
        "fonttools",
        "starlette",
    }
    assert wanted <= names
    assert not {"pytest", "ruff", "mkdocs"} & names
    (weights,) = (p for p in bill["components"] if p["type"] == "machine-learning-model")
    assert re.fullmatch("[0-9a-f]{64}", weights["hashes"][0]["content"])
    for part in bill["components"]:
        if part["type"] == "library":
            assert part["version"] == metadata.version(part["name"])
    refs = {part["bom-ref"] for part in bill["components"]}
    needed = {ref for entry in bill["dependencies"] for ref in entry["dependsOn"]}
    assert needed <= refs


def test_it_repeats_but_for_its_time_and_names_no_path_or_host(bill):
    again = bill_of_materials()
    assert again["serialNumber"] == bill["serialNumber"]
    assert again["components"] == bill["components"]
    text = json.dumps(bill)
    assert not re.search(r"file:|https?:|/home/|/root/|site-packages|\.venv", text)
    assert str(ROOT) not in text


def test_the_command_prints_it(capsys, monkeypatch):
    from calcimetry import cli

    monkeypatch.setattr("sys.argv", ["calcimetry", "info", "--sbom"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert not left.value.code
    assert json.loads(capsys.readouterr().out)["bomFormat"] == "CycloneDX"
