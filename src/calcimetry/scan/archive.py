"""Archives (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz) as folders: unpacked safely, removed after.

Told by their content, not by their names. Nothing is written before it is known to fit: the
number of files and the sizes that an archive states are added up against `MOST_FILES`,
`MOST_BYTES`, the free disk, and, where the temporary folder lies in memory, the free memory; no
file gets longer than was stated. Only plain files and folders are made, at places inside the
temporary folder; hard links within a tar become copies, other links and devices are left out.
Archives inside of archives stay closed.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from calcimetry.errors import CalcimetryError, InputError
from calcimetry.scan.memory import bytes_free
from calcimetry.scan.temporary import temporary_folder

MOST_FILES = 100_000
MOST_BYTES = 32_000_000_000
MOST_SWELLING = 250
"""How often its own size an archive may hold: CT shrinks to a third or so; deflate can reach
1000, which images never do."""
SMALL = 500_000_000  # bytes up to which no one minds how far an archive was shrunk
SPARE = 200_000_000  # bytes of disk that are left to others
_CHUNK = 1 << 20
_MOST_AT_ONCE = 1 << 24  # bytes of a tar's header record; names are far shorter
_MOST_DIRECTORY = 1 << 25  # bytes of a zip's list of files

_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, struct.error,
    ValueError, OverflowError, RecursionError,
)  # fmt: skip
_PACKERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
_FOREIGN = {
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}


def kind_of(path: Path) -> str | None:
    """zip or tar, by content; None for anything else, also for what is no regular file.

    Raises InputError ARCHIVE_KIND for archives of other makes.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        return None  # a pipe or device would wait for ever
    with path.open("rb") as file:
        head = file.read(512)
    if head[128:132] == b"DICM":
        return None  # its preamble may look like anything
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    for mark, name in _FOREIGN.items():
        if head.startswith(mark):
            raise _unfit(
                "ARCHIVE_KIND", path, f"a {name} archive", "unpack it, and name the folder"
            )
    return "tar" if _is_tar(path, head) else None


def _is_tar(path: Path, head: bytes) -> bool:
    opener = _packer(head)
    if opener is not None:
        try:
            with opener(path) as unpacked:
                head = unpacked.read(512)
        except (OSError, *_DAMAGED):
            return ".tar" in path.name.lower() or path.suffix.lower() in (".tgz", ".tbz2", ".txz")
    if len(head) < 512 or not head.strip(b"\0"):
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _packer(head: bytes) -> Callable[[Path], Any] | None:
    return next((opener for mark, opener in _PACKERS.items() if head.startswith(mark)), None)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder that an archive holds, for as long as the block runs; a folder as it is.

    A single folder inside, as most exports have, is gone into. Errors raised in the block name
    the archive, not the temporary folder.

    Raises InputError: BROKEN_FILE, TOO_BIG, ARCHIVE_ENCRYPTED, ARCHIVE_UNSAFE, ARCHIVE_KIND.
    """
    kind = None if path.is_dir() else kind_of(path)
    if kind is None:
        yield path
        return
    with temporary_folder() as folder:
        _unpack(path, folder, kind)
        try:
            yield _inner(folder)
        except CalcimetryError as error:
            error.where = error.where.replace(str(folder), str(path))
            raise


def _unpack(path: Path, folder: Path, kind: str) -> None:
    try:
        (_unzip if kind == "zip" else _untar)(path, folder)
    except (NotImplementedError, RuntimeError) as error:  # methods that Python does not know
        if isinstance(error, RecursionError):
            raise _broken(path, error) from error
        raise _unfit("ARCHIVE_KIND", path, str(error), "pack it again, as plain .zip") from error
    except _DAMAGED as error:
        raise _broken(path, error) from error
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> InputError:
    """What the system's refusal means: a full disk, names it cannot hold, a damaged stream."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _unfit("TOO_BIG", path, "no room left to unpack it", "free some space in TMPDIR")
    if error.errno in (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.EILSEQ):
        what = f"names that no folder can hold ({error.strerror})"
        return _unfit("ARCHIVE_UNSAFE", path, what, "unpack it with a program that you trust")
    return _broken(path, error)


def _inner(folder: Path) -> Path:
    """Down through folders that hold one folder and nothing else."""
    while True:
        inside = list(folder.iterdir())
        if len(inside) != 1 or not inside[0].is_dir():
            return folder
        folder = inside[0]


class _Room:
    """Counts what an archive states of itself against what may be, before it is written."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._files = self._bytes = 0
        packed = path.stat().st_size
        free = shutil.disk_usage(folder).free - SPARE
        if _is_in_memory(folder) and (left := bytes_free()) is not None:
            free = min(free, left - SPARE)
        self._free = max(0, free)
        self._most = min(MOST_BYTES, max(SMALL, packed * MOST_SWELLING))

    def take(self, size: int) -> None:
        """Ask for one more file. Raises InputError TOO_BIG."""
        self._files += 1
        self._bytes += size
        if self._files > MOST_FILES:
            raise self._too_big(f"more than {MOST_FILES:,} files", "one scan's files")
        if self._bytes > self._most:
            raise self._too_big(
                f"an archive that swells to {self._bytes / 1e9:.1f} GB or more",
                f"at most {self._most / 1e9:.1f} GB",
            )
        if self._bytes > self._free:
            raise self._too_big(
                f"an archive of {self._bytes / 1e9:.1f} GB or more unpacked",
                f"at most the {self._free / 1e9:.1f} GB that are free where TMPDIR points",
            )

    def _too_big(self, found: str, expected: str) -> InputError:
        remedy = "unpack only the scan's series into a folder, and name the folder"
        return _unfit("TOO_BIG", self._path, found, remedy, expected)


def _is_in_memory(folder: Path) -> bool:
    """Whether a folder lies on a file system that takes memory."""
    real, found = folder.resolve(), (Path("/"), "")
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4])
        if real.is_relative_to(point) and len(point.parts) >= len(found[0].parts):
            found = (point, after.split()[0])
    return found[1] in ("tmpfs", "ramfs")


def _unzip(path: Path, folder: Path) -> None:
    room = _Room(path, folder)
    _check_directory(path)
    with zipfile.ZipFile(path) as archive:
        members = [(m, place) for m in archive.infolist() if (place := _place(path, m.filename))]
        wanted = [(m, place) for m, place in members if not m.is_dir() and not _odd_in_zip(m)]
        for member, _ in wanted:
            room.take(member.file_size)
        if any(member.flag_bits & 1 for member, _ in wanted):
            raise _unfit(
                "ARCHIVE_ENCRYPTED",
                path,
                "an archive with a password",
                "unpack it, and name the folder",
            )
        for member, place in wanted:
            with archive.open(member) as source:
                _copy(source, folder / place, member.file_size)


def _check_directory(path: Path) -> None:
    """Refuse a list of files that would fill the memory by itself (PKWARE APPNOTE 4.3.16)."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 65_557))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("it ends before its list of files")
    listed = struct.unpack_from("<L", tail, at + 12)[0]
    wide = tail.rfind(b"PK\x06\x06", 0, at)
    if wide >= 0 and len(tail) >= wide + 48:
        listed = struct.unpack_from("<Q", tail, wide + 40)[0]
    if listed > _MOST_DIRECTORY:
        remedy = "unpack only the scan's series into a folder, and name the folder"
        raise _unfit("TOO_BIG", path, f"a list of files of {listed:,} bytes", remedy)


def _odd_in_zip(member: zipfile.ZipInfo) -> bool:
    """Links, devices and folders, however programs write them into a zip."""
    mode = member.external_attr >> 16
    if member.filename.endswith("\\"):
        return True  # a folder, as some programs for Windows name it
    return bool(stat.S_IFMT(mode)) and not stat.S_ISREG(mode)


def _untar(path: Path, folder: Path) -> None:
    room = _Room(path, folder)
    with path.open("rb") as file:
        opener = _packer(file.read(512)) or _opened
    made: dict[str, Path] = {}
    with opener(path) as packed:
        stream = _SmallReads(packed, path)
        with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:", errorlevel=2) as archive:
            for member in _headers(archive):
                room.take(max(0, member.size))
                place = _place(path, member.name)
                if place is not None and member.islnk() and member.linkname in made:
                    room.take(made[member.linkname].stat().st_size)
                    _copy_file(made[member.linkname], folder / place)
                elif place is not None and member.isreg() and not member.issparse():
                    source = cast("IO[bytes]", archive.extractfile(member))
                    _copy(source, folder / place, member.size)
                    made[member.name] = folder / place
        if not stream.last:
            raise tarfile.ReadError("it ends without its end mark")


def _headers(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """One member after the other, none of them kept: lists of millions fill the memory."""
    while (member := archive.next()) is not None:
        yield member
        archive.members = []  # type: ignore[attr-defined]


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


class _SmallReads:
    """A stream that is read in small parts only: tar headers can ask for gigabytes at once."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream, self._path = stream, path
        self.last = b""  # what was read last: the end mark, or nothing where there is none

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _MOST_AT_ONCE:
            remedy = "unpack it with a program that you trust, and name the folder"
            raise _unfit("TOO_BIG", self._path, f"a tar header of {size:,} bytes", remedy)
        self.last = self._stream.read(size)
        return self.last

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())


def _place(path: Path, name: str) -> str | None:
    """Where a member goes, below the folder; None for what folder reading passes over anyway.

    Raises InputError ARCHIVE_UNSAFE for places outside.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    outside = ".." in parts or name.startswith(("/", "\\")) or "\0" in name
    if outside or any(part.endswith(":") for part in parts[:1]):
        what = "a file that would be written outside of its folder"
        raise _unfit("ARCHIVE_UNSAFE", path, what, "ask who made it; do not unpack it yourself")
    if not parts or any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return None
    return "/".join(parts)


def _copy_file(original: Path, target: Path) -> None:
    with original.open("rb") as source:
        _copy(source, target, original.stat().st_size)


def _copy(source: IO[bytes], target: Path, size: int) -> None:
    """Write exactly `size` bytes; raises BadZipFile where there are fewer."""
    target.parent.mkdir(parents=True, exist_ok=True)
    left = size
    with target.open("wb") as out:
        while left and (part := source.read(min(_CHUNK, left))):
            out.write(part)
            left -= len(part)
        source.read(1)  # lets a zip compare its checksum
    if left:
        raise zipfile.BadZipFile("a file in it is shorter than it states")


def _broken(path: Path, error: Exception) -> InputError:
    what = f"a damaged archive ({error or type(error).__name__})"
    return _unfit("BROKEN_FILE", path, what, "copy or export it again")


def _unfit(code: str, path: Path, found: str, remedy: str, expected: str = "") -> InputError:
    wanted = expected or "a .zip or .tar (.gz, .bz2, .xz) archive of one scan"
    return InputError(code, found=found, expected=wanted, where=str(path), remedy=remedy)
