"""How kernels are compiled: nogil, cached on disk where that can be, and never failing to import.

Numba refuses to decorate with ``cache=True`` where neither the package's folder nor the
user's cache folder can be written (containers, service users): then kernels are cached in
a private temporary folder, and where even that is refused they are compiled anew.
"""

from __future__ import annotations

import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import numba
import numpy as np
from numba.core import event
from numpy.typing import DTypeLike, NDArray

_LOCK = threading.Lock()

Given = ParamSpec("Given")
Found_co = TypeVar("Found_co", covariant=True)


class Kernel(Protocol[Given, Found_co]):
    """A compiled function: called as the Python function that it was made of, `py_func`."""

    @property
    def py_func(self) -> Callable[Given, Found_co]: ...

    def __call__(self, *args: Given.args, **kwargs: Given.kwargs) -> Found_co: ...


KERNELS: list[Any] = []
"""The compiled functions that Python calls, of the rooms that have been imported."""

_OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def kernel(function: Callable[Given, Found_co]) -> Kernel[Given, Found_co]:
    """`function` compiled by numba at its first call: nogil, no fast-math, cached.

    Threads call kernels over slabs; a kernel itself is always serial, because numba's own
    threads compile slowly and oversubscribe the processors under Dask.
    """
    try:
        made = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # numba: "cannot cache function ...: no locator available"
        made = _kernel_elsewhere(function)
    KERNELS.append(made)
    return cast("Kernel[Given, Found_co]", made)


@contextmanager
def first_compilation(tell: Callable[[int, int], None]) -> Iterator[None]:
    """Tells of kernels that are compiled where none was found in a cache: the number of each,
    and how many there are. Where some are found, the rest take little, and nothing is told.
    """

    class Watch(event.Listener):  # type: ignore[misc]  # numba has no types
        def on_start(self, event: Any) -> None:
            ours = any(kernel is event.data["dispatcher"] for kernel in KERNELS)
            if ours and not any(kernel.stats.cache_hits for kernel in KERNELS):
                tell(sum(bool(kernel.overloads) for kernel in KERNELS) + 1, len(KERNELS))

        def on_end(self, event: Any) -> None:
            pass

    with event.install_listener("numba:compile", Watch()):
        yield


def inner(function: Callable[Given, Found_co]) -> Kernel[Given, Found_co]:
    """`function` compiled into the kernels that call it; Python itself cannot call it.

    It is cached with them, and needs no entry from Python: both take longer than many a
    kernel's own code. For tests there is `entered`.
    """
    made = numba.njit(no_cpython_wrapper=True, **_OPTIONS)(function)
    return cast("Kernel[Given, Found_co]", made)


def entered(function: Kernel[Given, Found_co]) -> Kernel[Given, Found_co]:
    """An `inner` function that Python can call, compiled anew: for tests."""
    made = numba.njit(**_OPTIONS)(function.py_func)
    return cast("Kernel[Given, Found_co]", made)


def read_only(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """A read-only, C-contiguous view (a copy only if it must be) of exactly `dtype`.

    Numba compiles again for every mix of writable and read-only arguments; with inputs
    always read-only there is one version of each kernel.
    """
    view = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


def _kernel_elsewhere(function: Callable[..., Any]) -> Any:
    folder = _private_folder()
    if folder is None:
        return numba.njit(**_OPTIONS)(function)
    with _LOCK:  # numba's setting is global; it is read while decorating and put back
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)
        try:
            return numba.njit(cache=True, **_OPTIONS)(function)
        except (RuntimeError, OSError):
            return numba.njit(**_OPTIONS)(function)
        finally:
            numba.config.CACHE_DIR = before


def _private_folder() -> Path | None:
    """A cache folder that only this user can write: cached kernels are code that will run."""
    if not hasattr(os, "getuid"):
        return None
    folder = Path(tempfile.gettempdir()) / f"calcimetry-kernels-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
    except OSError:
        return None
    owned = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
    return folder if owned and not about.st_mode & 0o022 else None
