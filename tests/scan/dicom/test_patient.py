"""The patient's link of a scan: from the ID, with a key alone, and never the ID itself."""

from __future__ import annotations

import pytest

from calcimetry import link
from calcimetry.errors import UsageError
from calcimetry.exchange.document import scan_facts
from calcimetry.scan import read


@pytest.fixture
def key(tmp_path):
    link.new_key(tmp_path / "study.key")
    return tmp_path / "study.key"


def codes(scan) -> set[str]:
    return {flag.code for flag in scan.flags}


def test_without_a_key_there_is_no_link_and_no_flag(tmp_path, make):
    scan = read(make.series(tmp_path / "s"))
    assert scan.acquisition.patient_link is None
    assert codes(scan) == set()


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big-endian", "deflated", "rle"])
def test_the_link_is_that_of_the_id_in_every_syntax(tmp_path, make, key, syntax):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes[syntax])
    scan = read(folder, link_key=key)
    assert scan.acquisition.patient_link == link.link(link.read_key(key), "SECRET-1")
    assert "SECRET" not in repr(scan.acquisition) + repr(scan_facts(scan.frame, scan.acquisition))


def test_an_enhanced_file_has_the_same_link(tmp_path, make, key):
    classic = read(make.series(tmp_path / "s"), link_key=key)
    enhanced = read(make.enhanced(tmp_path / "e.dcm"), link_key=str(key))
    assert classic.acquisition.patient_link == enhanced.acquisition.patient_link is not None


def test_blanks_do_not_count_and_issuers_are_kept_apart(tmp_path, make, key):
    links = [
        read(make.series(tmp_path / name, **elements), link_key=key).acquisition.patient_link
        for name, elements in {
            "plain": {},
            "blank": {"PatientID": " SECRET-1 "},
            "north": {"IssuerOfPatientID": "North"},
            "south": {"IssuerOfPatientID": "South"},
            "other": {"PatientID": "SECRET-2"},
        }.items()
    ]
    plain, blank, north, south, other = links
    assert plain == blank
    assert link.same_person(plain, north) is True
    assert link.same_person(north, south) is False
    assert link.same_person(plain, other) is False


@pytest.mark.parametrize("patient_id", [None, "", "ANONYMOUS", "0"])
def test_an_id_that_names_no_one_makes_no_key(tmp_path, make, monkeypatch, patient_id):
    monkeypatch.delenv(link.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = make.series(tmp_path / "s", PatientID=patient_id)
    scan = read(folder, link_key=link.installation_key())
    assert scan.acquisition.patient_link is None
    assert codes(scan) == set()
    assert not (tmp_path / "config").exists()


def test_slices_of_several_persons_have_no_link_and_it_is_said(tmp_path, make, key):
    def change(k, data):
        data.PatientID = "SECRET-2" if k == 3 else "SECRET-1"
        return data

    scan = read(make.series(tmp_path / "s", change=change), link_key=key)
    assert scan.acquisition.patient_link is None
    assert codes(scan) == {"SEVERAL_PATIENT_IDS"}


def test_where_no_key_can_be_made_it_is_said(tmp_path, make, monkeypatch):
    monkeypatch.delenv(link.VARIABLE, raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    scan = read(make.series(tmp_path / "s"), link_key=link.installation_key())
    assert scan.acquisition.patient_link is None
    assert codes(scan) == {"NO_PATIENT_LINK"}


def test_a_key_that_was_named_must_be_one(tmp_path, make):
    with pytest.raises(UsageError, match="LINK_KEY_UNREADABLE"):
        read(make.series(tmp_path / "s"), link_key=tmp_path / "nowhere.key")


def test_nifti_has_no_link(tmp_path, make, key):
    scan = read(make.nifti(tmp_path / "a.nii.gz"), link_key=key)
    assert scan.acquisition.patient_link is None
