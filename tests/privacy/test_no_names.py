"""Every byte that is written is walked for forty and more planted identifiers (docs/privacy.md)."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import identifiers
from calcimetry.phantom import generate
from identifiers import FOLDERS, TAGS, found_in, found_in_bytes, tokens
from process_watch import bare_environment

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("privacy")]

LABS = "name,value,unit,date\ncalcium,9.4,mg/dL,2026-11-01\n"
HISTORY = 'conditions = ["M34.1"]\n'
EVENTS = "".join(
    f'[[score]]\nvisit = {visit}\nname = "{identifiers.SCORE}"\nvalue = {visit}\n'
    for visit in (1, 2)
)
PLAN = f"# {identifiers.PLAN}\n[find]\nthreshold_hu = 140\n"


@dataclass(frozen=True)
class Scene:
    """A folder of a patient's name with scans in it, and what was printed by each verb."""

    folder: Path
    home: Path

    def run(self, *words: object, code: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "calcimetry", *map(str, words)],
            capture_output=True, text=True, cwd=self.folder, env=bare_environment(self.home),
        )  # fmt: skip
        assert done.returncode in code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    base = tmp_path_factory.mktemp("names")
    folder = base.joinpath(*FOLDERS)
    plain = generate("hand", base / "p", seed=0, spacing=(2.0, 1.0, 1.0), form="dicom")
    nifti = generate("hand", base / "n", seed=0, spacing=(2.0, 1.0, 1.0), form="nifti")
    identifiers.plant_in_dicom(plain, folder / "scan")
    identifiers.plant_in_nifti(nifti, folder / f"{identifiers.FILES}.nii.gz")
    identifiers.plant_label_map(nifti, folder)
    (folder / identifiers.LABS).write_text(LABS)
    (folder / identifiers.HISTORY).write_text(HISTORY)
    (folder / "events.toml").write_text(EVENTS)
    (folder / identifiers.PLAN).write_text(PLAN)
    return Scene(folder, base / "user")


@pytest.fixture(scope="module")
def printed(scene) -> str:
    """Everything written once, below "out" in the scene; returns what --json printed."""
    site = ("--site", identifiers.SITE)
    texts = [scene.run("measure", "scan", "-o", "out/first", "--pdf", "--json")]
    labels = ("--labels", f"{identifiers.LABEL_MAP}.nii.gz", "--plan", identifiers.PLAN)
    texts.append(scene.run("measure", "scan", "-o", "out/named", *labels, "--json"))
    nifti = f"{identifiers.FILES}.nii.gz"
    texts.append(scene.run("measure", nifti, "-o", "out/nifti", "--json"))
    scene.run("measure", nifti, "-o", "out/sited", *site, "--quiet", code=(0, 2))
    again = ("measure", "scan", "-o", "out/second", "--quiet")
    scene.run(*again)
    follow = ("follow", "out/first", "out/second", "-o", "out/followed", "--events", "events.toml")
    texts.append(scene.run(*follow, "--json", code=(0, 5)))
    assess = ("assess", "--exam", "out/first", "--labs", identifiers.LABS)
    assess += ("--history", identifiers.HISTORY, "-o", "out/assessed", "--json")
    texts.append(scene.run(*assess, code=(0, 5)))
    scene.run("report", "out/second", "--pdf")
    return "\n".join(texts)


def test_no_byte_of_any_output_names_anyone(scene, printed):
    assert len(tokens()) >= 40
    assert found_in(scene.folder / "out") == {}
    assert found_in_bytes(printed.encode()) == set()
    for name in ("first/report.pdf", "nifti/examination.json", "followed/followup.json"):
        assert (scene.folder / "out" / name).is_file()


def test_what_was_found_is_counted_and_what_was_passed_over_numbered(scene, printed):
    document = json.loads((scene.folder / "out/first/examination.json").read_text())
    flags = {flag["code"]: flag["text"] for flag in document["flags"]}
    assert flags["BROKEN_FILES"].endswith(": 1 file")
    assert flags["DUPLICATE_SLICES"].endswith(": 1 slice")
    (other,) = document["input"]["series_passed_over"]
    assert other.startswith("series 9 (3 images, UID 2.25.99): ")
    assert document["scan"]["series_description"] is None
    assert document["scan"]["body_part"] is None


def test_the_names_that_a_label_map_gives_are_its_numbers(scene, printed):
    document = json.loads((scene.folder / "out/named/examination.json").read_text())
    reasons = {item["reason"] for item in document["objects"] + document["deposits"]}
    assert any("structure 1" in reason or "structure 2" in reason for reason in reasons)


def test_an_assessment_shows_what_it_did_not_understand(scene):
    """Hidden, it could be the one thing that mattered: docs/privacy.md says that it is kept."""
    lines = f'conditions = ["{identifiers.ENTRY}", "M34.1"]\n'
    (scene.folder / "typed.toml").write_text(lines)
    scene.run("assess", "--history", "typed.toml", "-o", "typed", "--quiet", code=(0, 5))
    document = json.loads((scene.folder / "typed/assessment.json").read_text())
    assert any(identifiers.ENTRY in entry for entry in document["unknown"])


def test_the_terminal_names_the_files(scene, printed):
    shown = scene.run("measure", "scan", "-o", "shown", "--force")
    assert identifiers.BROKEN in shown
    assert f"DUPLICATE_SLICES: {identifiers.FILES}000.dcm" in shown


def test_the_key_of_links_gets_into_no_output(scene, printed):
    key = (scene.home / "home/.config/calcimetry/link.key").read_text().strip()
    document = json.loads((scene.folder / "out/first/examination.json").read_text())
    again = json.loads((scene.folder / "out/second/examination.json").read_text())
    assert document["scan"]["patient_link"] == again["scan"]["patient_link"] is not None
    assert key not in printed
    for path in (scene.folder / "out").rglob("*.*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes()
            assert bytes.fromhex(key) not in path.read_bytes()


def test_identify_keeps_what_was_typed_and_nothing_else(scene, printed):
    scene.run("measure", "scan", "-o", "identified", "--identify", "--no-link", "--quiet")
    document = json.loads((scene.folder / "identified/examination.json").read_text())
    assert document["scan"]["series_description"] == TAGS["SeriesDescription"]
    assert document["scan"]["patient_link"] is None
    words = {word for words in found_in(scene.folder / "identified").values() for word in words}
    assert words == {"nightshade", "tremayne"}


def _zip(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
    return out.getvalue()


def _parquet(word: str) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{"a": word}]), out, compression="zstd")
    return out.getvalue()


def _png(word: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n0000zTXtkey\0\0" + zlib.compress(word * 3)


@pytest.mark.parametrize(
    "content",
    [
        b"Mrs QUILLFEATHER",
        "quillfeather".encode("utf-16-le"),
        gzip.compress(b"quillfeather"),
        _zip(b"Quillfeather"),
        _parquet("Quillfeather"),
        _png(b"Quillfeather"),
        b'<img src="data:image/png;base64,UXVpbGxmZWF0aGVy">',
    ],
    # Named, since packed bytes hold the time: the two test processes must collect the same names.
    ids=["text", "utf-16", "gzip", "zip", "parquet", "png", "base64"],
)
def test_the_walk_finds_a_name_however_it_is_packed(content):
    assert "quillfeather" in found_in_bytes(content)


def test_the_walk_finds_a_name_in_a_pdf(tool):
    tool("pdftotext")
    weasyprint = pytest.importorskip("weasyprint")
    page = "<html><head><title>Umberleigh</title></head><body>Mrs Quillfeather</body></html>"
    made = weasyprint.HTML(string=page).write_pdf()
    assert {"umberleigh", "quillfeather"} <= found_in_bytes(made)
