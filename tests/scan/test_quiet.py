"""Libraries are quiet while they read, and afterwards as they were."""

from __future__ import annotations

import logging
import warnings

import pytest
from pydicom import config

from calcimetry.scan.quiet import quiet_libraries


def test_all_is_as_it_was_after_an_error():
    before = config.settings.reading_validation_mode, logging.getLogger("pydicom").level
    with pytest.raises(ValueError, match="odd"), quiet_libraries():
        assert config.settings.reading_validation_mode == config.IGNORE
        warnings.warn("odd values are none of the user's business", stacklevel=1)
        raise ValueError("odd")
    after = config.settings.reading_validation_mode, logging.getLogger("pydicom").level
    assert after == before
