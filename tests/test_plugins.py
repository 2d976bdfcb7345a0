"""Plug-ins by real entry points: named without being imported, and named by their errors."""

from __future__ import annotations

import sys

import pytest

import plug_ins
from calcimetry.errors import ServiceError
from calcimetry.plugins import ANATOMY, EXPORTERS, GROUPS, installed, load


def test_none_is_imported_to_be_named(tmp_path, monkeypatch):
    plug_ins.install(tmp_path, monkeypatch, EXPORTERS, "loud", "raise RuntimeError('imported')")
    assert "loud" in installed(EXPORTERS)
    assert "loud" not in installed(ANATOMY)
    assert not [name for name in sys.modules if name.startswith("plug_in_loud")]


@pytest.mark.parametrize("group", GROUPS)
def test_what_an_entry_point_names_is_loaded(tmp_path, monkeypatch, group):
    plug_ins.install(tmp_path, monkeypatch, group, "mine", "made = 7")
    assert load(group, "mine") == 7
    with pytest.raises(KeyError):
        load(group, "yours")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import no_such_module_of_mine", "ModuleNotFoundError: No module named"),
        ("made = 1 / 0", "ZeroDivisionError"),
        ("other = 1", "AttributeError"),
    ],
)
def test_one_that_cannot_be_imported_is_named_with_its_package(
    tmp_path, monkeypatch, source, found
):
    plug_ins.install(tmp_path, monkeypatch, EXPORTERS, "broken", source)
    with pytest.raises(ServiceError, match="PLUGIN_FAILED") as error:
        load(EXPORTERS, "broken")
    assert found in error.value.found
    assert error.value.where == "plug-in 'broken' (calcimetry.exporters), of broken-package 1.2"
