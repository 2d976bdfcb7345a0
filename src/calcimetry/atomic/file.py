"""A single file that appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calcimetry.atomic.errors import is_of, output_error
from calcimetry.atomic.merge import sync, sync_folders
from calcimetry.atomic.signals import uninterrupted
from calcimetry.atomic.workspace import Workspace, close_workspace, open_workspace


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the block ends well.

    Its name is that of `path`, for writers that go by the ending; it lies in a new hidden
    folder of the user's own, so that nobody can have put a link there. Raises OutputError
    OUT_NOT_WRITABLE, DISK_FULL or OUT_IN_USE.
    """
    target = Path(os.path.abspath(path))  # noqa: PTH100 - a link of that name is replaced
    work: Workspace | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = open_workspace(target.parent, target)
        draft = work.new / target.name
        yield draft
        sync(work.new)
        draft.replace(target)
        sync_folders(target.parent)
    except OSError as error:
        if work is None or is_of(error, work.path, target):
            raise output_error(error, path) from error
        raise
    finally:
        if work is not None:
            with uninterrupted():
                close_workspace(work)
