"""Nothing that calcimetry loads may report to its makers: their switches, thrown before they load.

onnxruntime from 1.3x on carries a telemetry client that is on by default, on Linux too: as soon
as it is imported it makes an identifier of the machine and queues the path of the Python program,
and a process that lives some seconds looks up its maker's server. The environment variable is
read at its import alone, so it is set when `calcimetry` itself is imported, for this process and
for those that it starts. docs/security.md has what was looked at in the other dependencies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

SWITCHES: Mapping[str, str] = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime
    "DO_NOT_TRACK": "1",  # what many tools heed (consoledonottrack.com)
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, which some segmenters bring along
}
"""Environment variables and the values by which libraries and programs send nothing."""


def silence() -> None:
    """Set every switch in this process's environment, also over values that say otherwise."""
    os.environ.update(SWITCHES)


def onnxruntime() -> Any:
    """The module `onnxruntime`, with its telemetry off; the one place that imports it.

    Where the user's program imported it before calcimetry, events from now on are off; that of
    its import was queued by then, and only the variable set beforehand prevents it.

    Raises ImportError where it is not installed.
    """
    silence()
    import onnxruntime as module  # noqa: PLC0415, TID251

    module.disable_telemetry_events()
    return module
