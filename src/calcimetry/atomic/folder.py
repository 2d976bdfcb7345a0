"""A folder of outputs that appears whole, or stays as it was."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from calcimetry.atomic.errors import FULL, is_of, not_a_folder, not_empty, output_error
from calcimetry.atomic.merge import (
    carry_over,
    exchange,
    files_of,
    like,
    move_in,
    refuse_in_the_way,
    sync,
    sync_folders,
)
from calcimetry.atomic.signals import note, uninterrupted
from calcimetry.atomic.workspace import Workspace, close_workspace, is_hidden, open_workspace
from calcimetry.errors import OutputError


class AtomicFolder:
    """Use as a context: write files, and they appear when the block ends without error.

    force : allow a target that holds files
    ours : what an earlier run may have left there (paths as in
        `calcimetry.atomic.merge`), which is replaced or removed; all else is left alone

    The draft is a folder beside the target and takes its place in one step, with what is left
    alone. A target that cannot be exchanged (a mount point, the current folder, a parent that
    cannot be written, a file system without that) gets the files one by one: an error puts all
    back, and so does the next run after a kill.

    Raises OutputError: OUT_NOT_EMPTY without `force`, OUT_NOT_A_FOLDER (a link is none),
    OUT_IN_THE_WAY, OUT_IN_USE, OUT_NOT_WRITABLE, DISK_FULL; also for what the system refuses to
    writers inside the block. Other errors of the block are left as they are.
    """

    def __init__(self, target: Path, *, force: bool = False, ours: tuple[str, ...] = ()) -> None:
        self._named = target
        self._target = target
        self._force = force
        self._ours = ours
        self._work: Workspace | None = None
        self._made: list[Path] = []

    def __enter__(self) -> AtomicFolder:
        entered = False
        try:
            self._enter()
            entered = True
        except OSError as error:
            raise output_error(error, self._named) from error
        finally:
            if not entered:
                self._leave_nothing()
        return self

    def _enter(self) -> None:
        if self._named.is_symlink():
            raise not_a_folder(self._named, "a symbolic link")
        self._target = Path(os.path.realpath(self._named))
        self._refuse_unfit()
        self._made = _with_parents(self._target.parent)
        self._work = open_workspace(_home(self._target), self._target, self._ours)
        self._refuse_unfit()  # as it stands now that it is locked

    @property
    def path(self) -> Path:
        """Where to write until the block ends, for writers that want a path."""
        assert self._work is not None
        return self._work.new

    def write(self, name: str, content: bytes | str) -> None:
        """Write one file; `name` may hold one folder, as in "pictures/front.png"."""
        path = self.path / name
        data = content.encode("utf-8") if isinstance(content, str) else content
        try:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            raise output_error(error, self._named) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._work is not None
        with uninterrupted():
            try:
                if kind is None:
                    self._publish(self._work)
            except OSError as failure:
                error = failure
                raise output_error(failure, self._named) from failure
            except OutputError as failure:
                error = failure
                raise
            finally:
                close_workspace(self._work)
                if error is not None:
                    _without(self._made)
        if isinstance(error, OSError) and is_of(error, self._work.path, self._target):
            raise output_error(error, self._named) from error

    def _publish(self, work: Workspace) -> None:
        self._refuse_unfit()
        sync(work.new)
        put = list(files_of(work.new))
        if not (_must_stay(self._target) or work.home == self._target) and self._swapped(work):
            sync_folders(self._target.parent)
        else:
            self._target.mkdir(exist_ok=True)
            move_in(work.path, self._target, put, self._ours)
        if not any(is_hidden(parent.name) for parent in self._target.parents):
            note(self._named)

    def _swapped(self, work: Workspace) -> bool:
        """Whether the draft could take the target's place in one step."""
        target = self._target
        try:
            if target.exists():
                like(target, work.new)
            if not target.exists() or not any(target.iterdir()):
                work.new.rename(target)  # the system refuses it where files came since
            else:
                carry_over(target, work.new, self._ours)
                like(target, work.new)
                exchange(work.new, target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and not self._force:
                raise not_empty(self._named) from error
            if error.errno in FULL:
                raise
            return False
        return True

    def _refuse_unfit(self) -> None:
        target = self._target
        if os.path.lexists(target) and not (target.is_dir() and not target.is_symlink()):
            raise not_a_folder(self._named, "a file of that name")
        if not target.is_dir():
            return
        if not self._force and any(not is_hidden(path.name) for path in target.iterdir()):
            raise not_empty(self._named)
        if not os.access(target, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no permission to write")
        refuse_in_the_way(target, self._ours)

    def _leave_nothing(self) -> None:
        if self._work is not None:
            close_workspace(self._work)
        _without(self._made)


def _home(target: Path) -> Path:
    """Where a target's draft gathers: beside it, or within where only that can be written."""
    parent = target.parent
    if not target.is_dir():
        return parent
    apart = target.is_mount() or target.stat().st_dev != parent.stat().st_dev
    return target if apart or not os.access(parent, os.W_OK | os.X_OK) else parent


def _must_stay(target: Path) -> bool:
    """Whether this process stands in the folder: it would be left in one that is gone."""
    try:
        return Path.cwd().is_relative_to(target)
    except OSError:
        return False


def _with_parents(folder: Path) -> list[Path]:
    """Make a folder and those above it; which were made, outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()][::-1]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _without(made: list[Path]) -> None:
    for path in reversed(made):
        with suppress(OSError):
            path.rmdir()
