"""An output folder in which nothing is ever half written.

Files are gathered in a hidden folder beside the target and renamed into place when all
are whole. A run that fails or is interrupted leaves the target as it was.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from calcimetry.errors import OutputError

OURS = (
    "deposits.csv",
    "deposits.parquet",
    "objects.csv",
    "labels.nii.gz",
    "examination.json",
    "report.html",
    "report.pdf",
    "pictures",
)
"""Everything that `calcimetry measure` may write; what an older run left is replaced."""


class OutputFolder:
    """Use as a context: `write` files, and they appear when the block ends without error.

    Raises OutputError: OUT_NOT_EMPTY without `force`, OUT_NOT_A_FOLDER, OUT_NOT_WRITABLE,
    DISK_FULL.
    """

    def __init__(self, target: Path, *, force: bool = False) -> None:
        self._target = target
        self._force = force
        self._draft: Path | None = None

    def __enter__(self) -> OutputFolder:
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

    def write(self, name: str, content: bytes | str) -> None:
        """Write one file; `name` may hold one folder, as in "pictures/front.png"."""
        assert self._draft is not None
        path = self._draft / name
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
        for name in OURS:
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
