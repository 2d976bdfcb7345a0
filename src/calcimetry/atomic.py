"""Outputs that appear whole or not at all: folders and single files.

What is written gathers under a temporary name beside the target and is renamed into place
when the block ends well. A run that fails or is interrupted leaves the target as it was.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from calcimetry.errors import OutputError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the block ends well.

    Its name ends as that of `path` does, for writers that go by the ending. Raises
    OutputError OUT_NOT_WRITABLE or DISK_FULL.
    """
    draft = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise output_error(error, path) from error
    finally:
        with suppress(OSError):
            draft.unlink()


class AtomicFolder:
    """Use as a context: write files, and they appear when the block ends without error.

    force : allow a target that holds files; `ours` names what an earlier run may have left
        there, which is replaced or removed, and all else is left alone
    Raises OutputError: OUT_NOT_EMPTY without `force`, OUT_NOT_A_FOLDER, OUT_NOT_WRITABLE,
    DISK_FULL; also for what the system refuses to writers inside the block.
    """

    def __init__(self, target: Path, *, force: bool = False, ours: tuple[str, ...] = ()) -> None:
        self._target = target
        self._force = force
        self._ours = ours
        self._draft: Path | None = None

    def __enter__(self) -> AtomicFolder:
        try:
            _refuse_unfit(self._target, self._force)
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._draft = Path(
                tempfile.mkdtemp(prefix=f".{self._target.name}.", dir=self._target.parent)
            )
            self._draft.chmod(0o777 & ~_umask())
            if self._target.exists() and not os.access(self._target, os.W_OK):
                raise PermissionError(errno.EACCES, "no permission to write")
        except OSError as error:
            self._discard()
            raise output_error(error, self._target) from error
        return self

    @property
    def path(self) -> Path:
        """Where to write until the block ends, for writers that want a path."""
        assert self._draft is not None
        return self._draft

    def write(self, name: str, content: bytes | str) -> None:
        """Write one file; `name` may hold one folder, as in "pictures/front.png"."""
        path = self.path / name
        data = content.encode("utf-8") if isinstance(content, str) else content
        try:
            path.parent.mkdir(exist_ok=True)
            with path.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise output_error(error, self._target) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if isinstance(error, OSError):
                raise output_error(error, self._target) from error
            if kind is None:
                self._publish()
        except OSError as failure:
            raise output_error(failure, self._target) from failure
        finally:
            self._discard()

    def _publish(self) -> None:
        assert self._draft is not None
        if not self._target.exists():
            self._draft.rename(self._target)
            return
        names = {path.name for path in self._draft.iterdir()}
        for name in sorted(names | set(self._ours)):
            new, old = self._draft / name, self._target / name
            if new.is_dir() or old.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            if new.exists():
                new.replace(old)
            else:
                old.unlink(missing_ok=True)

    def _discard(self) -> None:
        if self._draft is not None:
            shutil.rmtree(self._draft, ignore_errors=True)


def _refuse_unfit(target: Path, force: bool) -> None:
    if target.exists() and not target.is_dir():
        raise OutputError(
            "OUT_NOT_A_FOLDER",
            found="a file of that name",
            expected="a folder, or nothing yet",
            where=str(target),
            remedy="give another folder with -o",
        )
    if target.is_dir() and not force and any(target.iterdir()):
        raise OutputError(
            "OUT_NOT_EMPTY",
            found="a folder that holds files",
            expected="an empty or new folder",
            where=str(target),
            remedy="give another folder with -o, or --force to replace earlier results in it",
        )


def output_error(error: OSError, target: Path) -> OutputError:
    """What a failed write means to the user: a full disk, or a place that cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return OutputError(
        "DISK_FULL" if full else "OUT_NOT_WRITABLE",
        found=(error.strerror or str(error)).lower(),
        expected="room for a few megabytes" if full else "a folder that can be written",
        where=str(target),
        remedy="free some space" if full else "check the permissions, or give another folder",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
