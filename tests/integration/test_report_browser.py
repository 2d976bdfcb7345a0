"""The report as people meet it: in a browser, through axe-core, as a PDF read by poppler.

A phantom hand is measured from end to end; its report, and reports of the same document with
nothing found, withheld, with hundreds of deposits and in other scripts, are opened.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calcimetry.report import render

pytestmark = pytest.mark.integration
SCRIPT = Path(__file__).with_name("report_browser.mjs")
PACKAGES = ("axe-core@4", "html-validate@10", "playwright-core@1")
CLI = Path(sys.executable).with_name("calcimetry")
ESTIMATES = ("mass_mg", "volume_mm3", "density_mg_cm3")


@pytest.fixture(scope="module")
def modules(tool, tmp_path_factory) -> Path:
    """A folder with the checking tools from npm."""
    folder = tmp_path_factory.mktemp("npm")
    command = [tool("npm"), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run([*command, *PACKAGES], cwd=folder, capture_output=True, check=False)
    if done.returncode:
        text = f"npm could not install {', '.join(PACKAGES)}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return folder / "node_modules"


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """What `calcimetry measure --pdf` writes for a phantom hand."""
    folder = tmp_path_factory.mktemp("hand")
    run = [CLI]
    subprocess.run([*run, "phantom", "hand", "-o", folder / "made"], check=True)
    scan = folder / "made" / "scan"
    out = folder / "out"
    subprocess.run([*run, "measure", scan, "-o", out, "--pdf", "--quiet"], check=True)
    return out


@pytest.fixture(scope="module")
def pages(measured, tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pages")
    document = json.loads((measured / "examination.json").read_text())
    pictures = {path.name: path.read_bytes() for path in (measured / "pictures").glob("*.png")}
    made = [measured / "report.html"]
    for name, change in CHANGES.items():
        changed = copy.deepcopy(document)
        change(changed)
        made.append(folder / f"{name}.html")
        made[-1].write_text(render(changed, pictures), encoding="utf-8")
    return made


def nothing(document: dict[str, Any]) -> None:
    document |= {"deposits": [], "objects": [], "kinds": {}, "flags": []}
    document["totals"]["overall"] |= {"count": 0, "uncertain": 0}
    document["totals"] |= {"by_region": {}, "by_tissue": {}}


def withheld(document: dict[str, Any]) -> None:
    flag = {"code": "GAP", "severity": "withheld", "text": "slices 3 to 5 are missing"}
    for row in document["deposits"]:
        row |= {f"{name}{end}": None for name in ESTIMATES for end in ("", "_low", "_high")}
        row["flags"] = [flag]
    document["totals"]["overall"]["mass_mg"] = {"value": None, "low": None, "high": None}


def hundreds(document: dict[str, Any]) -> None:
    first = document["deposits"][0]
    document["deposits"] = [first | {"deposit": n, "mass_mg": 300.0 / n} for n in range(1, 401)]


def scripts(document: dict[str, Any]) -> None:
    for row in document["deposits"]:
        row |= {"site": "предплечье", "reason": "皮下の石灰化 · تكلس · ασβέστωση"}


def attacks(document: dict[str, Any]) -> None:
    """Were any of it taken for HTML, the page would ask for an address or run a script."""
    text = "\"'></style><script>throw 1</script><img src=evil.png onerror='throw 1'>"
    for row in document["deposits"]:
        row |= {"site": text, "tissue": text, "shape": text, "reason": text, "nearest_bone": text}
        row["flags"] = [{"code": text, "severity": "warning", "text": text}]
    document["software"][text] = text
    document["research_use"] += text
    document["scan"] |= {"kernel": text, "manufacturer": text}
    chapter = {"summary": text, "figures": [text], "notes": [{"text": text, "source": text}]}
    document |= {"followup": chapter, "clinic": chapter}


CHANGES = {
    "nothing": nothing,
    "withheld": withheld,
    "hundreds": hundreds,
    "scripts": scripts,
    "attacks": attacks,
}


def test_no_fault_in_a_browser(modules, pages, tool):
    command = [tool("node"), SCRIPT, modules, tool("chromium"), *pages]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    for page, found in json.loads(done.stdout).items():
        grave = [fault for fault in found["faults"] if fault["impact"] in ("serious", "critical")]
        assert grave == [], page
        assert found["asked"] == [], "the page reached out of itself"
        assert found["errors"] == []
        assert found["blank"] == 0, "a picture did not show"
        assert found["skip"] == {"href": "#report", "seen": True}
        assert found["reached"] == "#report"
        assert found["over"]["desk"] <= 0, "the page is wider than the window"
        assert found["over"]["phone"] <= 0
        assert found["printed"] > 10_000


def test_valid_html(modules, pages, tool, tmp_path):
    rules = tmp_path / "rules.json"
    rules.write_text('{"root": true, "extends": ["html-validate:standard"]}')
    checker = modules / "html-validate" / "bin" / "html-validate.mjs"
    done = subprocess.run(
        [tool("node"), checker, "--config", rules, *pages],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_pdf_can_be_searched_and_leafed_through(measured, tool, tmp_path):
    pdf = measured / "report.pdf"
    text = subprocess.run(
        [tool("pdftotext"), "-layout", pdf, "-"], capture_output=True, text=True, check=True
    ).stdout
    document = json.loads((measured / "examination.json").read_text())
    pages = text.rstrip("\f").split("\f")
    assert all(document["research_use"] in page for page in pages)
    assert all(f"Page {n} of {len(pages)}" in page for n, page in enumerate(pages, 1))
    assert "Ready to paste into a paper" in text
    # Bookmarks: poppler's HTML output writes them as its outline.
    subprocess.run([tool("pdftohtml"), "-q", "-i", "-xml", pdf, tmp_path / "x.xml"], check=True)
    outline = (tmp_path / "x.xml").read_text(encoding="utf-8").partition("<outline>")[2]
    for title in ("Summary", "Deposit 1", "Methods", "In plain words"):
        assert title in outline


def test_the_report_can_be_made_again_without_the_scan(measured):
    page = measured / "report.html"
    before = page.read_bytes()
    page.unlink()
    command = [CLI, "report", measured]
    subprocess.run(command, check=True, capture_output=True)
    assert page.read_bytes() == before
