"""Keyed hashes of patients' IDs: equal for one person, told apart for two, and no way back."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry import link
from calcimetry.errors import OutputError, UsageError

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
IDS = st.text(min_size=1, max_size=40).filter(link.names_someone)
FORM = re.compile(r"[0-9a-f]{8}(:[0-9a-f]{16}){1,2}")


@given(IDS, st.text(max_size=20))
def test_a_link_has_the_form_of_the_schema_and_repeats(patient_id, issuer):
    made = link.link(KEY, patient_id, issuer)
    assert FORM.fullmatch(made)
    assert made == link.link(KEY, f" {patient_id}\0 ", issuer)
    assert link.same_person(made, made) is True
    assert KEY.hex() not in made


@given(IDS, IDS)
def test_two_ids_are_two_persons(one, two):
    same = link.same_person(link.link(KEY, one), link.link(KEY, two))
    assert same is (link._plain(one) == link._plain(two))


@given(IDS)
def test_links_of_two_keys_tell_nothing_of_each_other(patient_id):
    one, two = link.link(KEY, patient_id), link.link(OTHER, patient_id)
    assert one.split(":")[1] != two.split(":")[1]
    assert link.same_person(one, two) is None
    assert link.same_person(one, None) is link.same_person(None, one) is None


def test_issuers_count_where_both_files_name_one():
    plain, here, there = (link.link(KEY, "77", issuer) for issuer in ("", "North", "South"))
    assert link.same_person(plain, here) is link.same_person(there, plain) is True
    assert link.same_person(here, there) is False


def test_case_and_leading_zeros_make_other_ids():
    assert len({link.link(KEY, text) for text in ("a7", "A7", "0a7")}) == 3


NO_ONE = ("", "  ", "0", "0000", "ANONYMOUS", "anonymized", "Anon 12", "UNKNOWN", "n/a", "XXXX")


@pytest.mark.parametrize("text", [*NO_ONE, "***", "De-identified", "NO_ID", "none", "---"])
def test_what_stands_for_no_one_has_no_link(text):
    assert link.link(KEY, text) is None


def test_the_link_is_what_it_is_said_to_be():
    """RFC 2104 over the ID with a prefix; links in documents must stay comparable."""
    assert link.link(KEY, "SECRET-1") == "ee7fb060:" + link._hash(KEY, "SECRET-1")
    assert link.name_of(KEY) == "ee7fb060"


def test_a_new_key_is_the_users_own_and_never_replaces_one(tmp_path):
    path = tmp_path / "a" / "study.key"
    name = link.new_key(path)
    assert name == link.name_of(link.read_key(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["study.key"]
    before = path.read_bytes()
    with pytest.raises(OutputError, match="LINK_KEY_NOT_WRITTEN"):
        link.new_key(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["study.key"]
    assert link.new_key(tmp_path / "b.key") != name


@pytest.mark.parametrize("content", [None, b"", b"00" * 31, b"zz" * 32, b"\xff\xfe" * 32])
def test_files_that_are_no_key(tmp_path, content):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="LINK_KEY_UNREADABLE"):
        link.read_key(path)
    with pytest.raises(UsageError, match="LINK_KEY_UNREADABLE"):
        link.chosen_key(path)


def test_the_installations_key_is_made_at_its_first_use(tmp_path, monkeypatch):
    monkeypatch.delenv(link.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = link.chosen_key(None)
    assert path == tmp_path / "calcimetry" / "link.key"
    assert not path.exists()
    made = link.key_of(path)
    assert made == link.key_of(path) == link.read_key(path)
    path.write_text("spoilt")
    assert link.key_of(path) is None  # said by a flag, and left as it is
    assert path.read_text() == "spoilt"


def test_a_variable_names_the_key_of_a_study(tmp_path, monkeypatch):
    monkeypatch.setenv(link.VARIABLE, str(tmp_path / "study.key"))
    with pytest.raises(UsageError, match="LINK_KEY_UNREADABLE"):
        link.chosen_key(None)
    link.new_key(tmp_path / "study.key")
    assert link.chosen_key(None) == tmp_path / "study.key"


def test_where_no_key_can_be_made_there_is_none(tmp_path, monkeypatch):
    monkeypatch.delenv(link.VARIABLE, raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    assert link.key_of(link.installation_key()) is None


def test_of_many_first_runs_one_makes_the_key(tmp_path):
    script = "from calcimetry import link; print(link.key_of(link.installation_key()).hex())"
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    environment.pop(link.VARIABLE, None)
    runs = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    assert len({run.communicate()[0] for run in runs}) == 1
    assert [run.returncode for run in runs] == [0] * 4
    assert [p.name for p in (tmp_path / "calcimetry").iterdir()] == ["link.key"]
