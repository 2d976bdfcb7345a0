"""Deposits and examinations as people use them: tiers, first-level numbers, masks."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calcimetry import records
from calcimetry.assemble import totals_of
from calcimetry.errors import UsageError
from calcimetry.records import SURE_CONFIDENCE, Estimate, Kind, OtherObject, Rule, Tier
from calcimetry.runs import from_mask
from drawn import SHAPE, deposit, examination

FIRST_LEVEL = {
    "mass_mg": "quantity.mass_mg",
    "volume_mm3": "quantity.volume_mm3",
    "density_mg_cm3": "quantity.density_mg_cm3",
    "agatston": "quantity.agatston",
    "diameter_mm": "form.diameter_mm",
    "long_axis_mm": "form.long_axis_mm",
    "short_axis_mm": "form.short_axis_mm",
    "shape": "form.shape",
    "tissue": "place.tissue",
    "side": "place.side",
    "site": "place.site",
    "region": "place.region",
    "skin_depth_mm": "place.skin_depth_mm",
    "bone_distance_mm": "place.bone_distance_mm",
}


@pytest.mark.parametrize(
    ("kind", "confidence", "tier"),
    [
        ("deposit", 1.0, Tier.SURE),
        ("deposit", SURE_CONFIDENCE, Tier.SURE),
        ("deposit", 0.89996, Tier.SURE),  # 0.9 in every document
        ("deposit", 0.8999, Tier.PROBABLE),
        ("deposit", 0.0, Tier.PROBABLE),
        ("uncertain", 1.0, Tier.UNCERTAIN),
    ],
)
def test_tiers(kind, confidence, tier):
    assert deposit(kind=kind, confidence=confidence).tier is tier


def test_what_is_counted_and_what_is_not():
    listed = [deposit(1), deposit(2, confidence=0.5), deposit(3, kind="uncertain")]
    exam = examination(listed)
    assert [d.number for d in exam.deposits] == [1, 2]
    assert [d.number for d in exam.uncertain] == [3]
    assert exam.listed == (*exam.deposits, *exam.uncertain)


@given(st.lists(st.tuples(st.sampled_from(Kind), st.floats(0, 1), st.floats(0, 1e4)), max_size=6))
def test_three_masses_are_those_of_the_tiers(drawn):
    listed = [
        deposit(n, kind="deposit" if kind is Kind.DEPOSIT else "uncertain", confidence=c, mass_mg=m)
        for n, (kind, c, m) in enumerate(drawn, 1)
    ]
    total = totals_of(listed, (), examination().calibration).overall
    mass = {tier: sum(d.mass_mg.value for d in listed if d.tier is tier) for tier in Tier}
    assert total.sure_mass_mg.value == pytest.approx(mass[Tier.SURE])
    assert total.uncertain_mass_mg.value == pytest.approx(mass[Tier.UNCERTAIN])
    assert total.mass_mg.value == pytest.approx(mass[Tier.SURE] + mass[Tier.PROBABLE])
    assert total.count + total.uncertain == len(listed)
    assert total.sure == sum(d.tier is Tier.SURE for d in listed)


def left_out(number, rule, mass_mg):
    return OtherObject(number, Kind.VESSEL, "x", rule, 0.9, 40.0, mass_mg, (0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("masses", "total"), [((), 0), ((1.5, 2.5), 4.0), ((1.5, None), None), ((None,), None)]
)
def test_what_is_too_unlikely_to_be_listed_is_counted_and_summed(masses, total):
    objects = [left_out(n, Rule.UNLIKELY, mass) for n, mass in enumerate(masses, 1)]
    objects.append(left_out(9, Rule.VESSEL_COURSE, 100.0))
    found = totals_of((), objects, examination().calibration)
    assert found.unlisted == len(masses)
    assert found.unlisted_mass_mg == total


def test_groups_of_counted_deposits_alone_are_counted():
    listed = [
        deposit(1, group=1, region="trunk"),
        deposit(2, group=1, region="upper limb"),
        deposit(3, group=2, region="trunk"),
        deposit(4, group=3, kind="uncertain", region="trunk"),
    ]
    found = totals_of(listed, (), examination().calibration)
    assert found.overall.groups == 2
    assert {name: part.groups for name, part in found.by_region.items()} == {
        "trunk": 2,
        "upper limb": 1,
    }
    unknown = totals_of([*listed, deposit(5)], (), examination().calibration)
    assert unknown.overall.groups is None


def test_numbers_at_first_level_are_those_below():
    one = deposit(mass_mg=3.0, volume_mm3=9.0, tissue="skin", site="hand", diameter_mm=2.5)
    for name, path in FIRST_LEVEL.items():
        assert getattr(one, name) == attrgetter(path)(one)


@given(arrays(np.bool_, SHAPE))
def test_a_mask_is_what_its_runs_were_made_from(mask):
    runs = from_mask(mask)
    np.testing.assert_array_equal(runs.mask(), mask)
    exam = examination([deposit(1), deposit(2, runs=runs)])
    np.testing.assert_array_equal(exam.mask(2), mask)


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_a_number_that_there_is_not(number):
    with pytest.raises(UsageError, match="BAD_ARGUMENT"):
        examination([deposit(1)]).mask(number)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(12.345, 10.06, 14.5), "12.3 (10.1 to 14.5)"),
        (Estimate(0.0, 0.0, 2.5), "0.00 (0.00 to 2.50)"),
        (Estimate(12.345, 10.06), "12.3 (at least 10.1)"),
        (Estimate(12.345), "12.3"),
        (Estimate(), "unknown"),
    ],
)
def test_an_estimate_reads_as_people_write_it(estimate, text):
    assert str(estimate) == text


def test_one_scan_has_one_uid():
    from dataclasses import replace

    from calcimetry.records import Frame, Provenance

    exam = examination(provenance=Provenance("nifti", 1, "ab" * 32))
    assert exam.scan_uid == examination([deposit()], provenance=exam.provenance).scan_uid
    assert exam.scan_uid.startswith("2.25.")
    moved = Frame.of(SHAPE, np.diag([1.0, 1.0, 2.0, 1.0]))
    others = [
        replace(exam, frame=moved).scan_uid,
        replace(exam, provenance=Provenance("nifti", 1, "cd" * 32)).scan_uid,
    ]
    assert len({exam.scan_uid, *others}) == 3
    assert examination(provenance=Provenance("array")).scan_uid is None


@pytest.mark.parametrize(
    "record",
    [
        getattr(records, name)
        for name in records.__all__
        if hasattr(getattr(records, name), "__dataclass_fields__")
    ],
)
def test_help_names_every_field(record):
    for field in fields(record):
        assert field.name in record.__doc__, field.name
