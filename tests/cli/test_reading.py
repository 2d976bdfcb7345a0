"""What a run says of its input, and --list."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import calcimetry as cm
from calcimetry.cli.reading import described, passed_over, say_examination

EVIL = "\x1b]0;x\x07[red]=1+1[/bold]\u202e"


@pytest.fixture
def export(tmp_path, make) -> Path:
    """A folder as hospitals export them: a scout, a capture, a thick series and a thin one."""
    folder = tmp_path / "export"
    make.series(folder / "thin", SeriesNumber=3, SeriesDescription="thin bone")
    make.series(
        folder / "scout", make.body()[:1], series="1.2.7", SeriesNumber=1,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesDescription=EVIL,
        SpecificCharacterSet="ISO_IR 192",
    )  # fmt: skip
    make.series(
        folder / "mr", series="1.2.8", SeriesNumber=2, Modality="MR",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.4", SeriesDescription="t1",
    )  # fmt: skip
    return folder


def test_the_first_line_says_what_was_read(run, export, tmp_path, capsys):
    run("measure", export, "-o", tmp_path / "out")
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].startswith("Read: series 3 'thin bone', 6 slices of 33 x 40, voxels 2.5 x 0.8")
    assert "ACME One, 120 kVp, 2024-02-29" in lines[0]
    assert lines[1].startswith("Passed over: 2 other series")
    assert any("ONLY_LOCALIZER" in line for line in lines)
    assert any("NOT_CT" in line for line in lines)
    assert not {"\x1b", "\x07", "\u202e"} & set(captured.out + captured.err)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if EVIL.encode() in path.read_bytes()]


def test_json_alone_is_on_stdout(run, hand, tmp_path, capsys):
    assert run("measure", hand / "scan", "-o", tmp_path / "out", "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["schema"] == "calcimetry-examination"
    assert captured.err.startswith("Read: ")


def test_what_was_read_is_said_before_a_later_error(run, hand, tmp_path, capsys, make):
    elsewhere = make.nifti(tmp_path / "labels.nii.gz")
    assert run("measure", hand / "scan", "-o", tmp_path / "o", "--labels", elsewhere) == 3
    captured = capsys.readouterr()
    assert captured.out.startswith("Read: series")
    assert captured.err.startswith("LABELMAP_ELSEWHERE")


def test_long_lists_are_cut(make, tmp_path):
    for k in range(9):
        make.series(tmp_path / f"{k}", series=f"1.2.{k}", SeriesNumber=k, step=2.5 + k)
    lines = list(passed_over(cm.read(tmp_path)))
    assert lines[0].startswith("Passed over: 8 other series")
    assert lines[-1] == "  and 3 more"
    assert len(lines) == 7


def test_what_a_file_does_not_say_is_said_so(make, tmp_path):
    said = described(cm.read(make.nifti(tmp_path / "scan.nii.gz")))
    assert said.startswith("NIfTI, 6 slices")
    for word in ("scanner", "kVp", "date"):
        assert f"{word} not stated" in said


def test_a_follow_up_says_each_visit(run, hand, tmp_path, capsys):
    run("follow", "--scans", hand / "scan", hand / "scan", "-o", tmp_path / "out")
    said = capsys.readouterr().err
    assert "Visit 1, read: series" in said
    assert "Visit 2, read: series" in said


def test_list_shows_every_series_and_writes_nothing(run, export, capsys, tmp_path):
    assert run("measure", export, "--list") == 0
    out = capsys.readouterr().out
    for text in ("thin bone", "ONLY_LOCALIZER", "NOT_CT", "* is read: --series 3", "120", "axial"):
        assert text in out
    assert "[red]=1+1[/bold]" in out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)
    assert {path.name for path in tmp_path.iterdir()} == {"export"}


def test_list_as_json(run, export, capsys):
    assert run("measure", export, "--list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["chosen"] for row in rows] == [True, False, False]
    assert rows[0]["key"] == "3"
    assert rows[0]["slices"] == 6
    assert {str(row["refusal"]).partition(":")[0] for row in rows[1:]} == {
        "ONLY_LOCALIZER", "NOT_CT",
    }  # fmt: skip


def test_list_ends_with_3_where_nothing_is_fit(run, export, capsys):
    shutil.rmtree(export / "thin")
    assert run("measure", export, "--list") == 3
    assert "None can be measured." in capsys.readouterr().out


def test_list_says_what_would_be_refused_later(run, make, tmp_path, capsys):
    folder = make.series(tmp_path / "in", change=lambda k, d: None if k == 3 else d)
    assert run("measure", folder, "--list") == 3
    assert "MISSING_SLICES" in capsys.readouterr().out
    assert run("measure", folder, "-o", tmp_path / "out") == 4


def test_list_of_an_archive_and_of_nifti(run, export, make, tmp_path, capsys):
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", export)
    assert run("measure", packed, "--list") == 0
    assert "thin bone" in capsys.readouterr().out
    assert run("measure", make.nifti(tmp_path / "scan.nii.gz"), "--list", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["key"], row["slices"], row["chosen"]) == ("nifti", 6, True)


def test_list_of_no_scan_is_the_same_error_as_measuring(run, tmp_path, capsys):
    assert run("measure", tmp_path / "nothing", "--list") == 3
    assert capsys.readouterr().err.startswith("NOT_FOUND")


def test_without_list_a_folder_for_the_results_is_asked_for(run, hand, capsys):
    assert run("measure", hand / "scan") == 2
    assert "-o OUT" in capsys.readouterr().err


def test_an_archive_gives_the_same_examination(run, hand, tmp_path):
    for form in ("zip", "gztar"):
        packed = shutil.make_archive(str(tmp_path / form), form, hand, "scan")
        assert run("measure", packed, "-o", tmp_path / f"{form}.out", "--quiet") == 0
    assert run("measure", hand / "scan", "-o", tmp_path / "folder.out", "--quiet") == 0
    whole = [
        json.loads((tmp_path / f"{name}.out" / "examination.json").read_text())
        for name in ("folder", "zip", "gztar")
    ]
    for other in whole[1:]:
        for key in ("deposits", "objects", "totals", "input", "scan", "flags"):
            assert other[key] == whole[0][key]


def test_a_site_of_another_part_is_flagged_and_one_not_known_refused(run, hand, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("measure", hand / "scan", "-o", out, "--site", "linkes Knie", "--quiet") == 0
    document = json.loads((out / "examination.json").read_text())
    (flag,) = [f for f in document["flags"] if f["code"] == "SITE_CONTRADICTS"]
    assert "knee was given, the file says hand" in flag["text"]
    assert {d["site"] for d in document["deposits"]} == {"knee"}
    assert run("measure", hand / "scan", "-o", tmp_path / "no", "--site", "hnad") == 2
    assert capsys.readouterr().err.startswith("BAD_SITE")
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("option", ["--series", "--site", "--plan", "--labels", "--segment"])
def test_options_with_terminal_commands_are_shown_as_text(run, hand, tmp_path, capsys, option):
    assert run("measure", hand / "scan", "-o", tmp_path / "out", option, EVIL) in (2, 3)
    captured = capsys.readouterr()
    assert not {"\x1b", "\x07", "\u202e"} & set(captured.out + captured.err)
    assert "\\x1b" in captured.err


def test_a_folder_named_with_terminal_commands_is_shown_as_text(run, export, tmp_path, capsys):
    out = tmp_path / "\x1b[31mout\udcff"
    run("measure", export, "-o", out)
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "\\x1b[31mout\\udcff" in captured.out


def test_an_examination_is_said_in_a_line(capsys):
    scan = {
        "series_number": 4, "shape_zyx": [30, 20, 10], "spacing_zyx_mm": [2.0, 0.7, 0.7],
        "manufacturer": "ACME\x1b[31m", "model": None, "kev": None, "kvp": 120.0, "date": None,
    }  # fmt: skip
    document = {"scan": scan, "totals": {"overall": {"count": 1}}}
    say_examination(document, quiet=False, title="Visit 1, read")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "Visit 1, read: series 4, 30 slices of 20 x 10, voxels 2 x 0.7 x 0.7 mm (z, y, x), "
        "ACME\\x1b[31m, 120 kVp, date not stated, 1 deposit\n"
    )
    say_examination(document, quiet=True, title="Visit 1, read")
    assert capsys.readouterr().err == ""
