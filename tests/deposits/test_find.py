"""The finder from dense objects to findings, with a network that is right by construction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import limb_maker
from calcimetry.anatomy import LabelMap, Structure
from calcimetry.deposits import ask_network, find, network
from calcimetry.deposits.features import GEOMETRY, NAMES
from calcimetry.deposits.find import RULES_ALONE, look
from calcimetry.errors import UsageError
from calcimetry.plan import Plan
from calcimetry.records import LISTED, Kind, Rule
from calcimetry.runs import to_mask
from forests import Node, constant, leaf, stage_of

PLAN = Plan()
STAGE = stage_of(
    Node(NAMES.index("core_logit"), 0.0, leaf(deposit=25, vessel=230), leaf(deposit=240, bone=15))
)
"""Believes the network."""
ALONE = stage_of(
    Node(GEOMETRY.index("log_voxels"), 5.0, leaf(deposit=2, noise=200), leaf(deposit=200, bone=55))
)
"""Believes in size."""


@pytest.fixture(scope="module")
def limb() -> limb_maker.Limb:
    return limb_maker.draw()


@pytest.fixture(scope="module")
def found(limb):
    return find(limb.scan, limb.dense, limb.body, PLAN, limb.answer, stage=STAGE)


def rules_of(limb, found) -> dict[str, Rule | None]:
    return {limb.whose(finding.runs): finding.rule for finding in found.findings}


def kinds_of(limb, found) -> dict[str, Kind]:
    return {limb.whose(finding.runs): finding.kind for finding in found.findings}


def test_every_object_is_a_finding_by_the_rule_that_decides_it(limb, found):
    assert rules_of(limb, found) == {
        "bone": Rule.SKELETON,
        "on bone": Rule.OBJECT_STAGE,
        "mass": Rule.OBJECT_STAGE,
        "satellite": Rule.OBJECT_STAGE,
        "speck": Rule.OBJECT_STAGE,
        "plate": Rule.EXTERNAL,
    }
    assert kinds_of(limb, found) == {
        "bone": Kind.BONE,
        "on bone": Kind.DEPOSIT,
        "mass": Kind.DEPOSIT,
        "satellite": Kind.UNCERTAIN,
        "speck": Kind.UNCERTAIN,
        "plate": Kind.EXTERNAL,
    }
    assert found.flags == ()


def test_findings_share_out_the_dense_voxels(limb, found):
    count = sum(to_mask(finding.runs).astype(int) for finding in found.findings)
    assert np.array_equal(count, limb.scan.hu >= PLAN.find.threshold_hu)


def test_what_is_kept_of_findings_is_in_their_order(limb, found):
    assert len(found.findings) == len(found.evidence) == len(found.centroid)
    for finding, seen, centroid in zip(found.findings, found.evidence, found.centroid, strict=True):
        assert seen.voxels == finding.runs.voxels
        assert centroid == pytest.approx(np.argwhere(to_mask(finding.runs)).mean(axis=0))


def test_all_that_places_ask_for_is_known_of_what_is_listed(limb, found):
    assert [found.findings[k].kind in LISTED for k in found.listed] == [True] * 4
    for k in found.listed:
        seen = found.evidence[k]
        assert seen.surroundings is not None
        assert seen.thickness_mm is not None
        assert seen.bone_distance_mm is not None
        assert seen.skin_depth_mm is not None
    by_name = {limb.whose(f.runs): e for f, e in zip(found.findings, found.evidence, strict=True)}
    assert by_name["mass"].bone_distance_mm == 79 - 63, "from voxel to voxel"
    assert by_name["speck"].skin_depth_mm == pytest.approx(46 - np.hypot(35, 15) - 1.5, abs=1.5)


def test_what_decides_at_once_is_not_looked_at(limb, found):
    by_name = {limb.whose(f.runs): e for f, e in zip(found.findings, found.evidence, strict=True)}
    for name in ("bone", "plate"):
        assert by_name[name].surroundings is None
        assert by_name[name].thickness_mm is None


def test_distances_to_bone_do_not_count_a_deposit_that_grew_on_it(limb, found):
    skeleton = to_mask(found.skeleton.runs)
    assert not (skeleton & limb.masks["on bone"]).any()
    assert (skeleton & limb.masks["bone"]).sum() == limb.masks["bone"].sum()


def test_without_a_network_the_nodule_is_counted_as_bone(limb):
    alone = find(limb.scan, limb.dense, limb.body, PLAN, None, stage=ALONE)
    assert alone.flags == (RULES_ALONE,)
    assert rules_of(limb, alone) == {
        "bone": Rule.SKELETON,
        "mass": Rule.OBJECT_STAGE,
        "satellite": Rule.UNLIKELY,
        "speck": Rule.UNLIKELY,
        "plate": Rule.EXTERNAL,
    }
    assert kinds_of(limb, alone)["mass"] is Kind.DEPOSIT
    assert kinds_of(limb, alone)["speck"] is Kind.NOISE


def test_reason_and_likeness_come_from_the_object_stage(limb, found):
    by_name = {limb.whose(f.runs): f for f in found.findings}
    speck, bone = by_name["speck"], by_name["bone"]
    assert speck.likeness == "vessel"
    assert speck.confidence == pytest.approx(25 / 255)
    assert speck.reason.startswith("10 % deposit, else vessel-like: in soft tissue, alone, ")
    assert by_name["on bone"].reason.startswith("94 % deposit, else bone-like: touching bone")
    assert bone.likeness is None


def test_the_stage_that_is_given_is_asked(limb, found):
    sure = find(limb.scan, limb.dense, limb.body, PLAN, limb.answer, stage=constant(0.9))
    named = {name for name, kind in kinds_of(limb, sure).items() if kind is Kind.DEPOSIT}
    assert named == {"on bone", "mass", "satellite", "speck"}
    pairs = zip(sure.findings, found.findings, strict=True)
    assert all(np.array_equal(a.runs.start, b.runs.start) for a, b in pairs)


# before the object stage


def test_candidates_are_what_the_rules_leave_open(limb):
    seen = look(limb.scan, limb.dense, limb.body, PLAN, limb.answer)
    names = [limb.whose(runs) for runs in seen.objects.runs]
    assert {names[k] for k in seen.candidates} == {"on bone", "mass", "satellite", "speck"}
    assert [k for k, v in enumerate(seen.verdicts) if v is None] == seen.candidates
    assert seen.features.shape == (4, len(NAMES))
    assert np.isfinite(seen.features).all()
    row = dict(zip(NAMES, seen.features[seen.candidates.index(names.index("mass"))], strict=True))
    assert row["mean_hu"] == 700
    assert row["cut"] == 0
    assert row["positive_share"] == 1
    assert row["core_logit"] == pytest.approx(np.log(0.98 / 0.02), abs=1e-3)
    assert np.expm1(row["candidates"]) == pytest.approx(4)
    assert [row[f"hidden_{k}"] for k in range(3)] == [0, 0, 0]


def test_without_a_network_features_are_of_geometry(limb):
    seen = look(limb.scan, limb.dense, limb.body, PLAN, None)
    assert seen.features.shape == (3, len(GEOMETRY))


def test_a_scan_without_candidates_has_no_features(limb):
    plan = PLAN.changed("find", {"smallest_mm3": 1000.0})
    for answer, names in ((limb.answer, NAMES), (None, GEOMETRY)):
        seen = look(limb.scan, limb.dense, limb.body, plan, answer)
        assert seen.candidates == []
        assert seen.features.shape == (0, len(names))
    few = find(limb.scan, limb.dense, limb.body, plan, limb.answer, stage=STAGE)
    assert set(rules_of(limb, few).values()) == {Rule.SKELETON, Rule.EXTERNAL}


def test_the_users_label_map_outranks_what_is_guessed(limb):
    numbers = limb.masks["mass"].astype(np.uint8).transpose(2, 1, 0)
    labels = LabelMap(
        numbers, limb.scan.affine, {1: Structure("artery_left", "vessel", "left")}, "test"
    )
    named = find(limb.scan, limb.dense, limb.body, PLAN, limb.answer, labels=labels, stage=STAGE)
    mass = next(f for f in named.findings if limb.whose(f.runs) == "mass")
    assert (mass.kind, mass.rule) == (Kind.VESSEL, Rule.LABEL_MAP)
    assert mass.reason == "lies in the label map's artery left"


def test_what_is_smaller_than_the_plan_says_is_no_finding(limb):
    plan = PLAN.changed("find", {"smallest_mm3": 100.0})
    few = find(limb.scan, limb.dense, limb.body, plan, limb.answer, stage=STAGE)
    assert set(rules_of(limb, few)) == {"bone", "on bone", "mass", "plate"}


def test_threads_change_nothing(limb, found):
    again = find(limb.scan, limb.dense, limb.body, PLAN, limb.answer, stage=STAGE, jobs=2)
    assert again.evidence == found.evidence
    assert [(f.rule, f.confidence) for f in again.findings] == [
        (f.rule, f.confidence) for f in found.findings
    ]


# the network


def with_finder(kind: str) -> Plan:
    return PLAN.changed("find", {"finder": kind})


def test_the_network_is_not_asked_where_the_plan_wants_rules(limb, monkeypatch):
    monkeypatch.setattr(network, "load", lambda: pytest.fail("asked"))
    assert ask_network(limb.scan, limb.dense, limb.body, with_finder("rules")) is None


def test_a_network_that_cannot_run_is_an_error_only_where_it_is_asked_for(limb, monkeypatch):
    monkeypatch.setattr(network, "load", lambda: None)
    assert ask_network(limb.scan, limb.dense, limb.body, with_finder("auto")) is None
    with pytest.raises(UsageError) as caught:
        ask_network(limb.scan, limb.dense, limb.body, with_finder("network"))
    assert caught.value.code == "NO_NETWORK"


def test_it_is_asked_of_what_touches_the_body_and_can_be_listed(limb, monkeypatch):
    asked = []

    def surely(_net, _scan, runs, *, jobs):
        asked.append(to_mask(runs))
        return replace(limb.answer, dense=runs, probability=np.ones(runs.voxels, np.float32))

    monkeypatch.setattr(network, "load", object)
    monkeypatch.setattr(network, "ask", surely)
    plan = replace(PLAN, find=replace(PLAN.find, smallest_mm3=100.0))
    found = ask_network(limb.scan, limb.dense, limb.body, plan)
    mask = limb.scan.hu >= PLAN.find.threshold_hu
    for name in ("plate", "satellite", "speck"):
        mask &= ~limb.masks[name]
    assert np.array_equal(asked[0], mask)
    there = np.zeros(limb_maker.SHAPE, np.float32)
    there[to_mask(limb.dense.runs)] = found.probability  # both in raster order
    assert np.array_equal(there > 0, mask)
    assert np.array_equal(to_mask(found.dense), limb.scan.hu >= PLAN.find.threshold_hu)
    points = np.argwhere(mask).astype(np.int32)
    assert (found.probability_at(points) == 1).all()
