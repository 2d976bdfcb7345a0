"""Archives are read as the folders in them are, and do no harm."""

from __future__ import annotations

import io
import os
import random
import stat
import struct
import sys
import tarfile
import tempfile
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from calcimetry.errors import CalcimetryError, InputError
from calcimetry.scan import archive, list_series, read

TAR_MODES = {
    ".tar": "w:",
    ".tar.gz": "w:gz",
    ".tgz": "w:gz",
    ".tar.bz2": "w:bz2",
    ".tar.xz": "w:xz",
}


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    """A TMPDIR of its own, which must be empty again after every test."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def series(tmp_path, make) -> Path:
    make.series(tmp_path / "scan" / "deep" / "er")
    (tmp_path / "scan" / "notes.txt").write_text("x")
    return tmp_path / "scan"


def pack_zip(folder: Path, path: Path, root: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for file in sorted(folder.rglob("*")):
            made.write(file, Path(root, file.relative_to(folder)))
    return path


def pack_tar(folder: Path, path: Path, mode: str, root: str = ".") -> Path:
    with tarfile.open(path, mode) as made:
        made.add(folder, arcname=root)
    return path


def same(one, two) -> None:
    assert np.array_equal(one.hu, two.hu)
    assert np.array_equal(one.affine, two.affine)
    assert one.acquisition == two.acquisition
    assert dict(one.source.digests) == dict(two.source.digests)
    assert (one.source.passed_over, one.flags) == (two.source.passed_over, two.flags)


@pytest.mark.parametrize("root", ["", "export/of today"])
def test_a_zip_is_the_folder_in_it(series, tmp_path, root):
    path = pack_zip(series, tmp_path / "a scan.bin", root)  # told by its content
    found = read(path)
    same(found, read(series))
    assert found.source.path == str(path)
    assert list_series(path) == list_series(series)


@pytest.mark.parametrize("suffix", TAR_MODES)
@pytest.mark.parametrize("root", [".", "a/b"])
def test_a_tar_is_the_folder_in_it(series, tmp_path, suffix, root):
    path = pack_tar(series, tmp_path / f"scan{suffix}", TAR_MODES[suffix], root)
    same(read(path), read(series))
    path = path.rename(tmp_path / "without suffix")
    same(read(path), read(series))


def test_a_nifti_file_in_an_archive_is_read(tmp_path, make):
    (tmp_path / "in").mkdir()
    make.nifti(tmp_path / "in" / "scan.nii.gz")
    path = pack_tar(tmp_path / "in", tmp_path / "x.tar.gz", "w:gz", "export")
    same(read(path), read(tmp_path / "in"))
    assert list_series(path) == ()


def test_what_programs_for_the_mac_add_is_passed_over(series, tmp_path):
    path = pack_zip(series, tmp_path / "mac.zip", "scan")
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("__MACOSX/scan/._IM0001.dcm", "x")
        made.writestr("scan/.DS_Store", "x")
    same(read(path), read(series))


def test_backslashes_are_folders(series, tmp_path):
    path = tmp_path / "windows.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("scan\\", "")
        for file in sorted(series.rglob("*.dcm")):
            made.writestr(f"scan\\{file.name}", file.read_bytes())
    assert np.array_equal(read(path).hu, read(series).hu)


def test_hard_links_of_a_tar_are_copies(series, tmp_path):
    first, *_ = sorted(series.rglob("*.dcm"))
    os.link(first, first.with_name("copy.dcm"))
    same(read(pack_tar(series, tmp_path / "x.tar", "w:")), read(series))


def entry(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_links_and_devices_are_not_made(series, tmp_path):
    path = pack_tar(series, tmp_path / "x.tar", "w:")
    with tarfile.open(path, "a") as made:
        made.addfile(entry("link.dcm", tarfile.SYMTYPE, "/etc/passwd"))
        made.addfile(entry("hard.dcm", tarfile.LNKTYPE, "/etc/passwd"))
        made.addfile(entry("up.dcm", tarfile.LNKTYPE, "../../etc/passwd"))
        made.addfile(entry("pipe.dcm", tarfile.FIFOTYPE))
        made.addfile(entry("null.dcm", tarfile.CHRTYPE))
    same(read(path), read(series))
    path = pack_zip(series, tmp_path / "x.zip")
    with zipfile.ZipFile(path, "a") as made:
        link = zipfile.ZipInfo("link.dcm")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
    same(read(path), read(series))


OUTSIDE = ["../evil.dcm", "a/../../evil.dcm", "/evil.dcm", "..\\evil.dcm", "C:\\evil.dcm"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make_one", ["zip", "tar"])
def test_no_file_is_written_outside(series, tmp_path, name, make_one):
    path = tmp_path / f"x.{make_one}"
    if make_one == "zip":
        pack_zip(series, path)
        with zipfile.ZipFile(path, "a") as made:
            made.writestr(name, "x")
    else:
        pack_tar(series, path, "w:")
        with tarfile.open(path, "a") as made:
            made.addfile(entry(name, tarfile.REGTYPE), io.BytesIO())
    refused(path, "ARCHIVE_UNSAFE")
    assert list(tmp_path.rglob("evil*")) == []


def refused(path: Path, code: str, words: str = "") -> InputError:
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.code == code, caught.value
    assert words in str(caught.value)
    assert str(path) in caught.value.where
    return caught.value


@pytest.mark.parametrize("name", ["x" * 300, "scan/IM1.dcm/below"])
def test_names_that_no_folder_can_hold_are_said(series, tmp_path, name):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("scan/IM1.dcm", "x")
        made.writestr(name, "x")
    refused(path, "ARCHIVE_UNSAFE")


def test_a_password_is_said(series, tmp_path):
    path = pack_zip(series, tmp_path / "x.zip")
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            content[at + flags] |= 1
    path.write_bytes(content)
    refused(path, "ARCHIVE_ENCRYPTED", "password")


def test_other_makes_are_named(tmp_path):
    for mark, word in ((b"7z\xbc\xaf\x27\x1c\0\4", "7-Zip"), (b"Rar!\x1a\x07\1\0", "RAR")):
        (tmp_path / "x").write_bytes(mark + bytes(600))
        refused(tmp_path / "x", "ARCHIVE_KIND", word)


def test_a_method_that_python_does_not_know_is_named(series, tmp_path):
    path = pack_zip(series, tmp_path / "x.zip")
    content = path.read_bytes().replace(b"\x14\0\0\0\x08\0", b"\x14\0\0\0\x09\0")
    path.write_bytes(content)
    refused(path, "ARCHIVE_KIND", "compression")


@pytest.mark.parametrize("suffix", [".zip", *TAR_MODES])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.98])
def test_a_cut_archive_is_a_broken_file(series, tmp_path, suffix, share):
    path = tmp_path / f"x{suffix}"
    if suffix == ".zip":
        pack_zip(series, path)
    else:
        pack_tar(series, path, TAR_MODES[suffix])
    content = path.read_bytes()
    if suffix == ".tar":
        content = content.rstrip(b"\0")  # what follows is only the end mark
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "BROKEN_FILE")


def test_a_tar_that_ends_between_two_files_is_broken(series, tmp_path):
    path = pack_tar(series, tmp_path / "x.tar", "w:")
    with tarfile.open(path) as made:
        last = made.getmembers()[-1].offset
    path.write_bytes(path.read_bytes()[:last])
    refused(path, "BROKEN_FILE", "end mark")


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz"])
def test_damage_anywhere_is_a_coded_error_if_it_is_one(series, tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    if suffix == ".zip":
        pack_zip(series, path)
    else:
        pack_tar(series, path, TAR_MODES[suffix])
    whole, chance = path.read_bytes(), random.Random(7)
    for _ in range(40):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3, 20])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)
        assert exit_code(path) in (0, 3, 4)


def exit_code(path: Path) -> int:
    try:
        read(path)
    except CalcimetryError as error:
        return error.exit_code
    return 0


def test_a_swelling_archive_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, temporary):
    monkeypatch.setattr(archive, "SMALL", 1_000_000)
    written = []
    monkeypatch.setattr(archive, "_copy", lambda *a: written.append(a))
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb.dcm", bytes(3_000_000))
    refused(path, "TOO_BIG", "swells")
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        info = tarfile.TarInfo("bomb.dcm")
        info.size = 3_000_000
        made.addfile(info, io.BytesIO(bytes(info.size)))
    refused(path, "TOO_BIG", "swells")
    assert written == []


def test_files_that_lie_about_their_size_are_not_followed(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb.dcm", bytes(5_000_000))
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<L", 5_000_000), struct.pack("<L", 10)))
    refused(path, "BROKEN_FILE")


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_FILES", 20)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as made:
        for k in range(21):
            made.writestr(f"{k}", "")
    refused(path, "TOO_BIG", "20 files")


@pytest.mark.parametrize("memory", [False, True])
def test_free_room_is_asked_before(series, tmp_path, monkeypatch, memory):
    path = pack_zip(series, tmp_path / "x.zip")
    if memory:
        monkeypatch.setattr(archive, "_is_in_memory", lambda _: True)
        monkeypatch.setattr(archive, "bytes_free", lambda: archive.SPARE + 100)
    else:
        usage = type("Usage", (), {"free": archive.SPARE + 100})
        monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: usage)
    refused(path, "TOO_BIG", "TMPDIR")


def test_a_header_that_asks_for_gigabytes_is_refused(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 3_000_000_000
    path = tmp_path / "x.tar"
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + bytes(10240))
    refused(path, "TOO_BIG", "header")


def test_a_list_of_files_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "x.zip"
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 1 << 30, 0, 0)
    path.write_bytes(b"PK\x03\x04" + bytes(100) + end)
    refused(path, "TOO_BIG", "list of files")


def test_archives_inside_stay_closed(series, tmp_path):
    (tmp_path / "in").mkdir()
    pack_zip(series, tmp_path / "in" / "inner.zip")
    refused(pack_zip(tmp_path / "in", tmp_path / "x.zip"), "NO_DICOM", "unpacked first")


def test_an_archive_is_not_called_missing_where_the_temporary_folder_is(
    series, tmp_path, monkeypatch
):
    path = pack_zip(series, tmp_path / "x.zip")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    refused(path, "UNREADABLE")


def test_an_empty_archive_is_an_empty_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w"):
        pass
    refused(tmp_path / "x.zip", "EMPTY_FOLDER")
    with tarfile.open(tmp_path / "x.tar", "w"):
        pass
    with pytest.raises(InputError):
        read(tmp_path / "x.tar")


def test_an_error_inside_names_the_archive(tmp_path, make):
    make.series(tmp_path / "in", change=lambda k, d: None if k == 3 else d)
    path = pack_zip(tmp_path / "in", tmp_path / "x.zip")
    with pytest.raises(CalcimetryError) as caught:
        read(path)
    assert caught.value.exit_code == 4
    assert "calcimetry-" not in str(caught.value)


def test_an_interrupted_reading_leaves_nothing(series, tmp_path, monkeypatch, temporary):
    def stop(*_args):
        assert any(temporary.rglob("*.dcm"))
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["calcimetry.scan.read"], "read_dicom", stop)
    with pytest.raises(KeyboardInterrupt):
        read(pack_zip(series, tmp_path / "x.zip"))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    done = []
    asked = threading.Thread(target=lambda: done.append(archive.kind_of(tmp_path / "pipe")))
    asked.daemon = True
    asked.start()
    asked.join(20)
    assert done == [None]


def test_other_gzip_files_and_dicom_are_no_archives(tmp_path, make):
    packed = zlib.compressobj(wbits=31)
    (tmp_path / "x.gz").write_bytes(packed.compress(b"x" * 9000) + packed.flush())
    assert archive.kind_of(tmp_path / "x.gz") is None
    make.series(tmp_path / "in")
    assert archive.kind_of(next((tmp_path / "in").iterdir())) is None
