"""The chain of rules and evidence: lazy, and yet the same as if all had been computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from calcimetry.anatomy import Structure
from calcimetry.deposits.classify import (
    EvidenceSteps,
    classify,
    early_second_pass,
    first_pass,
    second_pass,
)
from calcimetry.describe.evidence import Evidence
from calcimetry.describe.surroundings import Surroundings
from calcimetry.records import LISTED, Kind, Rule

SURROUNDINGS = ("surroundings",)
THICKNESS_AND_BONE = ("thickness_mm", "bone_distance_mm", "contrast_hu")
DEPTH_AND_ENCLOSURE = ("skin_depth_mm", "enclosure", "front")
ORDER = (SURROUNDINGS, THICKNESS_AND_BONE, DEPTH_AND_ENCLOSURE)


def fractions():
    return st.floats(0, 1)


def unknown_or(values):
    return st.one_of(st.none(), values)


shells = st.builds(
    Surroundings,
    fat=fractions(),
    soft=fractions(),
    air=fractions(),
    dense=fractions(),
    median_hu=unknown_or(st.floats(-200, 130)),
    noise_hu=unknown_or(st.floats(0, 60)),
)
structures = st.sampled_from(
    [
        Structure("femur_left", "bone", "left"),
        Structure("aorta", "vessel", None),
        Structure("kidney_left", "organ", "left"),
        Structure("spleen", "organ", None),
        Structure("gluteus_maximus_left", "muscle", "left"),
    ]
)
everything = st.builds(
    Evidence,
    voxels=st.integers(1, 300),
    volume_mm3=st.floats(1, 5000),
    mean_hu=st.floats(130, 2500),
    peak_hu=st.integers(130, 3071),
    axes_mm=st.sampled_from([(7.0, 6.0, 6.0), (30.0, 4.0, 3.0), (11.0, 2.0, 2.0)]),
    fraction_in_body=st.one_of(st.just(1.0), fractions()),
    touches_field_edge=st.booleans(),
    skeletal=st.sampled_from([False, False, False, True]),
    contrast_given=st.sampled_from([None, True, False]),
    surroundings=unknown_or(shells),
    in_trunk=st.booleans(),
    structure=unknown_or(structures),
    deposit_probability=unknown_or(fractions()),
    network_positive=st.booleans(),
    split_off=st.booleans(),
    thickness_mm=unknown_or(st.floats(0.5, 30)),
    bone_distance_mm=unknown_or(st.floats(0, 60)),
    skin_depth_mm=unknown_or(st.floats(0, 150)),
    enclosure=unknown_or(fractions()),
    front=unknown_or(st.floats(-1, 1)),
    contrast_hu=unknown_or(st.floats(100, 500)),
)
"""Any evidence at all, also such as no object has (split off, and nothing the network likes)."""

NODULE = Evidence(
    voxels=60,
    volume_mm3=120.0,
    mean_hu=400.0,
    peak_hu=700,
    axes_mm=(7.0, 6.0, 6.0),
    fraction_in_body=1.0,
    touches_field_edge=False,
    skeletal=False,
    contrast_given=None,
    surroundings=Surroundings(0.9, 0.1, 0.0, 0.0, -100.0, 12.0),
    thickness_mm=6.0,
    bone_distance_mm=30.0,
    skin_depth_mm=12.0,
    enclosure=0.1,
    front=0.5,
    deposit_probability=0.05,
)


NOISY = Surroundings(0.9, 0.1, 0.0, 0.0, -100.0, 40.0)
SPLIT_IN_AN_ORGAN = replace(
    NODULE,
    split_off=True,
    deposit_probability=0.6,
    structure=Structure("kidney_left", "organ", "left"),
)
"""As no object is: the network is positive of all that it splits off."""


def before(evidence: Evidence) -> Evidence:
    """The evidence as it is before any step."""
    return replace(evidence, **dict.fromkeys(sum(ORDER, ())))


class Steps:
    """Steps that reveal what is there, and keep whom they were taken for."""

    def __init__(self, whole: Sequence[Evidence]) -> None:
        self.whole = whole
        self.taken: dict[tuple[str, ...], list[int]] = {fields: [] for fields in ORDER}

    def step(self, fields: tuple[str, ...]):
        def reveal(which: Sequence[int], evidence: Sequence[Evidence]) -> list[Evidence]:
            self.taken[fields] += which
            return [
                seen.with_more(**{name: getattr(self.whole[k], name) for name in fields})
                for k, seen in zip(which, evidence, strict=True)
            ]

        return reveal

    def all(self) -> EvidenceSteps:
        return EvidenceSteps(*map(self.step, ORDER))


@settings(deadline=None, max_examples=250)
@given(st.lists(everything, max_size=6))
@example([NODULE, SPLIT_IN_AN_ORGAN])
def test_lazy_steps_decide_as_all_steps_for_all_objects_would(whole):
    verdicts, evidence = classify([before(seen) for seen in whole], Steps(whole).all())
    assert verdicts == [first_pass(seen) or second_pass(seen) for seen in whole]
    for verdict, seen, full in zip(verdicts, evidence, whole, strict=True):
        if verdict.kind in LISTED:
            assert seen == full, "the place of what is listed is reported"


@settings(deadline=None, max_examples=100)
@given(st.lists(everything, max_size=6))
def test_no_object_takes_a_step_twice_or_out_of_order(whole):
    steps = Steps(whole)
    classify([before(seen) for seen in whole], steps.all())
    earlier = set(range(len(whole)))
    for fields in ORDER:
        assert len(set(steps.taken[fields])) == len(steps.taken[fields])
        assert set(steps.taken[fields]) <= earlier
        earlier = set(steps.taken[fields])


def test_an_object_without_a_shell_is_looked_at_once():
    whole = [replace(NODULE, surroundings=None)]
    steps = Steps(whole)
    classify([before(seen) for seen in whole], steps.all())
    assert steps.taken == {fields: [0] for fields in ORDER}


def test_steps_are_taken_only_where_rules_ask():
    whole = [
        replace(NODULE, skeletal=True),  # decided by itself
        replace(NODULE, peak_hu=180, surroundings=NOISY),  # its surroundings decide
        replace(NODULE, bone_distance_mm=2.0),  # bone by its distance to bone
        NODULE,
        replace(NODULE, network_positive=True, touches_field_edge=True, volume_mm3=400.0),
    ]
    steps = Steps(whole)
    verdicts, _ = classify([before(seen) for seen in whole], steps.all())
    assert [verdict.rule for verdict in verdicts] == [
        Rule.SKELETON,
        Rule.NOISE,
        Rule.BESIDE_BONE,
        Rule.ISOLATED_LOW_PROBABILITY,
        Rule.FIELD_EDGE,
    ]
    assert steps.taken[SURROUNDINGS] == [1, 2, 3, 4], "the last is listed: its place is reported"
    assert steps.taken[THICKNESS_AND_BONE] == [2, 3, 4]
    assert steps.taken[DEPTH_AND_ENCLOSURE] == [3, 4]


def test_no_objects_no_verdicts():
    assert classify([], Steps([]).all()) == ([], [])


@settings(deadline=None, max_examples=300)
@given(everything)
@example(SPLIT_IN_AN_ORGAN)
@example(replace(NODULE, structure=Structure("spleen", "organ", None)))
def test_what_is_decided_without_its_depth_is_decided_the_same_with_it(evidence):
    early = early_second_pass(evidence)
    if early is not None:
        assert early == second_pass(evidence)
    hidden = replace(evidence, **dict.fromkeys(DEPTH_AND_ENCLOSURE))
    assert early_second_pass(hidden) == early


def test_what_the_network_is_positive_of_waits_for_its_depth():
    evidence = replace(NODULE, network_positive=True, structure=Structure("spleen", "organ", None))
    assert early_second_pass(evidence) is None
    assert second_pass(evidence).kind is Kind.UNCERTAIN
