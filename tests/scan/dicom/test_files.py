"""Which files of a folder are looked at, and which ought to be images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from calcimetry.errors import InputError
from calcimetry.scan import read
from calcimetry.scan.dicom.files import files_below, is_directory_file, ought_to_be_dicom


def codes(scan):
    return {f.code for f in scan.flags}


def bare(folder: Path) -> Path:
    """A series under names without suffix, as archives write them."""
    for path in sorted(folder.glob("*.dcm")):
        path.rename(path.with_suffix(""))
    return folder


@pytest.mark.parametrize("suffix", ["", ".dcm"])
@pytest.mark.parametrize(
    "content", [b"", b"<html><body>403 Forbidden</body></html>" * 9, b"\0" * 100, b"\0" * 300]
)
def test_what_stands_for_an_image_is_broken(tmp_path, make, content, suffix):
    folder = make.series(tmp_path / "s")
    if not suffix:
        bare(folder)
    (folder / f"IM0001{suffix}").write_bytes(content)
    scan = read(folder)
    assert len(scan.hu) == make.shape[0] - 1
    assert "BROKEN_FILES" in codes(scan)


@pytest.mark.parametrize(
    "name",
    [
        *("README", "README.txt", "DICOMDIR", "AUTORUN", "AUTORUN.INF", "Thumbs.db", "INDEX.HTM"),
        *("viewer2.exe", "photo01.jpg", "report1.pdf", "VERSION", "._IM0001", "library.so.1.2"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"nobody's image " * 40])
def test_what_cds_hold_besides_is_not(tmp_path, make, name, content):
    folder = make.series(tmp_path / "s")
    (folder / name).write_bytes(content)
    assert codes(read(folder)) == set()


def test_a_file_of_no_bytes_in_a_folder_of_such(tmp_path, make):
    bare(make.series(tmp_path / "s"))
    (tmp_path / "s2").mkdir()
    (tmp_path / "s2" / "IM0001").touch()
    assert "BROKEN_FILES" in codes(read(tmp_path))


def test_numbers_at_the_end_of_a_name_are_no_suffix(tmp_path):
    images = [tmp_path / f"1.2.840.{k}" for k in range(3)]
    others = [tmp_path / "1.2.840.77", tmp_path / "README", tmp_path / "notes.txt"]
    assert ought_to_be_dicom(others, images) == [others[0]]


def test_a_hole_between_slices_is_laid_to_the_file_that_cannot_be_read(tmp_path, make):
    folder = make.series(tmp_path / "s")
    (folder / "IM0003.dcm").write_bytes(b"")
    with pytest.raises(InputError, match=r"BROKEN_FILE.*IM0003\.dcm .not DICOM.*gap") as caught:
        read(folder)
    assert caught.value.exit_code == 3


def test_the_directory_file_of_a_cd_stands_for_its_folder(tmp_path, make):
    make.series(tmp_path / "DICOM" / "ST1")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 40)
    assert is_directory_file(tmp_path / "dicomdir")
    assert np.array_equal(read(tmp_path / "DICOMDIR").hu, make.body())


def test_the_directory_file_without_its_images(tmp_path):
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 40)
    with pytest.raises(InputError, match="NO_DICOM: found a DICOMDIR"):
        read(tmp_path / "DICOMDIR")


def test_pipes_devices_and_links_to_folders_are_passed_by(tmp_path, make):
    folder = make.series(tmp_path / "s")
    os.mkfifo(folder / "IM0000.dcm")
    (folder / "again").symlink_to(folder)
    (folder / "zero.dcm").symlink_to("/dev/zero")
    (folder / "gone.dcm").symlink_to("nowhere")
    assert np.array_equal(read(folder).hu, make.body())
    assert np.array_equal(read(folder / "IM0002.dcm").hu, make.body())


@pytest.mark.parametrize("name", ["pipe", "pipe.nii", "pipe.nii.gz"])
def test_a_pipe_is_no_scan(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="UNREADABLE: found a pipe") as caught:
        read(tmp_path / name)
    assert caught.value.exit_code == 3


def test_a_folder_deeper_than_the_stack(tmp_path, make, monkeypatch):
    """Deeper than Python recurses, and nearly as deep as the system allows paths."""
    make.series(tmp_path / "s")
    monkeypatch.chdir(tmp_path)
    depth = 0
    try:
        while depth < 1300:
            Path("d").mkdir()
            os.chdir("d")
            depth += 1
        Path("IM0001.dcm").write_bytes((tmp_path / "s" / "IM0001.dcm").read_bytes())
        unread: list[Path] = []
        assert len(list(files_below(tmp_path, unread))) == make.shape[0] + 1
        assert unread == []
    finally:
        Path("IM0001.dcm").unlink(missing_ok=True)
        for _ in range(depth):  # from the innermost out: rmtree recurses
            os.chdir("..")
            Path("d").rmdir()


def test_folders_that_may_not_be_read_are_told(tmp_path, make, monkeypatch):
    folder = make.series(tmp_path / "s")
    (folder / "closed").mkdir()
    real = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "BROKEN_FILES" in codes(read(folder))
    for path in folder.glob("*.dcm"):
        path.unlink()
    with pytest.raises(InputError, match=r"NO_DICOM.*1 folders that cannot be read"):
        read(folder)
