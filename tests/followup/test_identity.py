"""Other person, other side, one scan twice: what the documents say themselves."""

from __future__ import annotations

import pytest

from calcimetry.errors import WithheldError
from calcimetry.followup import follow
from calcimetry.followup.identity import checked

from .conftest import visit_with

BALL = {1: ((100, 100, 100), 60.0)}


def codes(*facts, **more):
    visits = [visit_with(BALL, k, scan=scan, **more) for k, scan in enumerate(facts, 1)]
    return [(twin.visits, twin.flag.code) for twin in checked(visits)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("k1:aa", "k2:bb"), ("k1:aa", "k1:aa"), ("k1:aa", "k1:AA"), ("k1:", "k1:aa"),
        ("k1:aa", None), (None, None), ("aa", "bb"),
        ("", "k1:aa"), (7, "k1:aa"),
    ],
)  # fmt: skip
def test_links_that_do_not_tell_two_persons_apart(first, second):
    assert codes({"patient_link": first}, {"patient_link": second}) == []


def test_two_persons_are_refused_though_a_visit_lies_between():
    links = [{"patient_link": link} for link in ("k:aa", None, "k:bb")]
    with pytest.raises(WithheldError, match=r"OTHER_PERSON[\s\S]*visits 1 and 3"):
        codes(*links)
    with pytest.raises(WithheldError, match="OTHER_PERSON"):
        codes(links[0], links[2])


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ("L", "R", True), ("LEFT", "r", True), (" left ", "RIGHT", True), ("L", "Left", False),
        ("L", None, False), ("B", "R", False), ("U", "L", False), ("", "L", False),
    ],
)  # fmt: skip
def test_sides_in_any_spelling(first, second, refused):
    facts = {"laterality": first}, {"laterality": second}
    if not refused:
        assert codes(*facts) == []
        return
    with pytest.raises(WithheldError, match="OTHER_SIDE"):
        codes(*facts)


def test_sides_that_the_user_named_count_where_the_file_names_none():
    visits = [visit_with(BALL, k, scan={"laterality": None}) for k in (1, 2)]
    for visit, side in zip(visits, ("left", "right"), strict=True):
        visit.facts["deposits"][0]["side"] = side
    with pytest.raises(WithheldError, match="OTHER_SIDE"):
        checked(visits)
    by_label_map = [{**visit.facts, "anatomy": {"scheme": "x"}} for visit in visits]
    for visit, facts in zip(visits, by_label_map, strict=True):
        object.__setattr__(visit, "facts", facts)
    assert checked(visits) == []


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ({"sha256_of_files": "a"}, {"sha256_of_files": "a"}, "SAME_SCAN"),
        ({"sha256_of_files": None}, {"sha256_of_files": None}, None),
        ({"sha256_of_files": "a"}, {"sha256_of_files": "b"}, None),
        ({"sop_instance_uids": ["1.2", "1.3"]}, {"sop_instance_uids": ["1.3"]}, "SAME_SCAN"),
        ({"sop_instance_uids": []}, {"sop_instance_uids": []}, None),
    ],
)
def test_one_scan_twice_by_its_files_or_images(first, second, code):
    visits = [visit_with(BALL, k, input=known) for k, known in ((1, first), (2, second))]
    assert [twin.flag.code for twin in checked(visits)] == ([code] if code else [])


def test_one_scan_twice_by_its_deposits_voxels():
    visits = [visit_with(BALL, k) for k in (1, 2)]
    for visit in visits:
        visit.facts["deposits"][0]["uid"] = "7f"
    assert [twin.flag.code for twin in checked(visits)] == ["SAME_SCAN"]
    visits[1].facts["deposits"][0]["uid"] = "80"
    assert checked(visits) == []


def test_two_parts_of_one_series_are_said():
    assert codes({"series_uid": "1.9"}, {"series_uid": "1.9"}) == [((1, 2), "SAME_SERIES")]
    assert codes({"series_uid": "1.9"}, {"series_uid": "1.8"}) == []


def test_a_scan_given_again_later_withholds_every_total_that_it_enters():
    known = {"sha256_of_files": "a"}, {"sha256_of_files": "b"}, {"sha256_of_files": "a"}
    visits = [visit_with(BALL, k, input=facts) for k, facts in enumerate(known, 1)]
    found = follow(visits)
    assert found.withheld
    assert all(pair.total.mass_mg.value is None for pair in found.pairs)
    assert sum(flag.code == "SAME_SCAN" for flag in found.flags) == 1
