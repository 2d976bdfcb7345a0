"""Kernels are compiled before the first test, so that no test is timed while compiling."""

import pytest

from calcimetry.runs import warm


@pytest.fixture(scope="session", autouse=True)
def _compiled():
    warm()
