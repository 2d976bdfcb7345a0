"""All kernels compiled ahead, so that the first scan does not pay for it."""

from __future__ import annotations

import subprocess
import sys

from calcimetry import anatomy, runs
from calcimetry.examine import measure
from calcimetry.quantity.warm import limb

_QUANTITIES = "from calcimetry.quantity.warm import warm; warm()"


def warm() -> None:
    """Compile, or load from the cache, every kernel that reading and measuring use.

    A minute or two cold and a second or two from the cache, once for each version and user.
    Where the package cannot be written the kernels are kept in the user's cache folder. The
    compiler runs one thread; so half of the kernels are compiled by a process of their own.
    """
    nowhere = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, "-c", _QUANTITIES], stdout=nowhere, stderr=nowhere):
        runs.warm()
        anatomy.warm()
    # The process has ended; had it failed, its kernels would be compiled here.
    measure(limb()[0], jobs=1)
