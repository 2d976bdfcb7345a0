from __future__ import annotations

from dataclasses import replace

import pytest

from calcimetry.errors import UsageError
from calcimetry.plan import Plan, QuantityPlan


def test_every_parameter_says_what_it_is():
    for section in Plan().described().values():
        for about in section.values():
            assert about["text"]
            assert about["value"] == about["default"]


def test_toml_changes_only_what_it_names(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text("[find]\nthreshold_hu = 150\n")
    plan = Plan.from_toml(path)
    assert plan.find.threshold_hu == 150.0
    assert isinstance(plan.find.threshold_hu, float)
    assert plan.quantity == Plan().quantity


def test_a_plan_survives_its_own_document():
    plan = Plan().changed("find", {"threshold_hu": 200.0})
    assert Plan.from_mapping(plan.as_dict()) == plan


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("[find]\nthreshhold_hu = 150", "PLAN_UNKNOWN_NAME", "find.threshhold_hu"),
        ("[finder]\nthreshold_hu = 150", "PLAN_UNKNOWN_NAME", "finder"),
        ("find = 3", "PLAN_UNKNOWN_NAME", "find"),
        ("[find]\nthreshold_hu = 'high'", "PLAN_BAD_VALUE", "threshold_hu"),
        ("[find]\nthreshold_hu = true", "PLAN_BAD_VALUE", "threshold_hu"),
        ("[find]\nthreshold_hu = 5", "PLAN_BAD_VALUE", "at least 50"),
        ("[find]\nthreshold_hu = nan", "PLAN_BAD_VALUE", "threshold_hu"),
        (
            "[quantity]\nagatston_profile = 'clasic'",
            "PLAN_BAD_VALUE",
            "one of classic, ge, siemens",
        ),
        ("[find]\nfinder = 'magic'", "PLAN_BAD_VALUE", "one of auto, network, rules"),
        ("[find\n", "PLAN_UNREADABLE", "TOML"),
    ],
)
def test_bad_plans_are_named(tmp_path, text, code, named):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        Plan.from_toml(path)
    assert caught.value.code == code
    assert named in str(caught.value)


def test_a_plan_that_is_missing_is_named(tmp_path):
    with pytest.raises(UsageError) as caught:
        Plan.from_toml(tmp_path / "none.toml")
    assert caught.value.code == "PLAN_UNREADABLE"


def test_a_plan_that_is_made_in_python_is_checked_where_it_is_made():
    with pytest.raises(UsageError, match="PLAN_BAD_VALUE") as caught:
        QuantityPlan(agatston_profile="clasic")
    assert "siemens-3mm" in caught.value.expected
    with pytest.raises(UsageError, match="at most 2000"):
        replace(Plan().find, threshold_hu=1e9)
    assert isinstance(replace(Plan().find, threshold_hu=200).threshold_hu, float)


def test_definitions_are_all_but_the_values():
    plan = Plan().changed("find", {"threshold_hu": 200.0})
    assert plan.definitions() == Plan().definitions()
    assert {s: set(part) for s, part in plan.definitions().items()} == {
        s: set(part) for s, part in plan.as_dict().items()
    }
    assert plan.definitions()["find"]["threshold_hu"]["default"] == 130.0
