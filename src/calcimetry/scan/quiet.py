"""Libraries that read files, kept from saying what is none of the user's business."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# They log what goes wrong, with tracebacks, before they raise it.
_LOGGERS = ("pydicom", "openjpeg", "pylibjpeg", "jpeg_ls", "nibabel.global")


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Odd values are common in real files; pydicom, where it has been imported, bears them too."""
    config = sys.modules.get("pydicom.config")
    before = config.settings.reading_validation_mode if config else None
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    if config:
        config.settings.reading_validation_mode = config.IGNORE
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if config:
            config.settings.reading_validation_mode = before
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
