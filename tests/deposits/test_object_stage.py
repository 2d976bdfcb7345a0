"""The object stage with forests that are grown here: probabilities, verdicts, and its file."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import forests
from calcimetry.deposits import object_stage
from calcimetry.deposits.features import GEOMETRY, NAMES
from calcimetry.deposits.object_stage import (
    ARRAYS,
    CLASSES,
    COUNTED_FROM,
    HELD_BACK,
    KINDS,
    LISTED_FROM,
    UNKNOWN,
    judge,
    parse,
)
from calcimetry.deposits.rules import held_back
from calcimetry.errors import InputError
from calcimetry.records import LISTED, Kind, Likeness, Rule
from evidence_maker import NODULE, everything
from forests import Node, constant, leaf, stage_of

ALONE = dict.fromkeys(GEOMETRY, 0.0) | {"shell_fat": 0.9}


def row_of(**features: float) -> np.ndarray:
    return np.array([[(ALONE | features)[name] for name in GEOMETRY]])


def judged(stage, seen=NODULE):
    (verdict,) = judge(stage, row_of(), [seen])
    return verdict


def test_the_docs_say_from_where_it_is_counted_and_listed():
    page = (Path(__file__).resolve().parents[2] / "docs" / "finder.md").read_text()
    assert f"from {COUNTED_FROM} on a candidate is a `deposit`, from {LISTED_FROM} on" in page
    assert f"at most {HELD_BACK}" in page


def test_every_class_but_a_deposit_has_a_kind_and_a_likeness():
    assert set(CLASSES) == {"deposit", *KINDS}
    assert {Likeness(name) for name in KINDS} <= set(Likeness)
    assert not set(KINDS.values()) & set(LISTED)


# probabilities


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 20))
def test_a_forest_is_the_mean_of_the_leaves_that_its_trees_come_to(seed, trees, count):
    rng = np.random.default_rng(seed)
    grown = [forests.grown(rng, 7, 5) for _ in range(trees)]
    rows = rng.normal(0, 1.5, (count, 7))
    found = stage_of(*grown).probabilities(rows)
    expected = [np.mean([forests.walked(tree, row) for tree in grown], axis=0) for row in rows]
    expected = np.array(expected).reshape(-1, UNKNOWN + 1)
    known = (expected[:, 0] > 0.001) & (expected[:, 0] < 0.999)  # else bounded
    assert found.shape == expected.shape
    assert found[known] == pytest.approx(expected[known], abs=1e-8)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 4), st.floats(-3, 3))
def test_probabilities_of_an_object_sum_to_one(seed, slope, shift):
    rng = np.random.default_rng(seed)
    trees = [forests.grown(rng, 4, 4) for _ in range(3)]
    found = stage_of(*trees, slope=slope, shift=shift).probabilities(rng.normal(0, 1, (30, 4)))
    assert ((found >= 0) & (found <= 1)).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(30), abs=1e-6)


def test_they_sum_to_one_where_all_say_deposit():
    row = stage_of(leaf(deposit=255)).probabilities(row_of())[0]
    assert row[0] == pytest.approx(0.999)
    assert row.sum() == pytest.approx(1.0)


@given(st.floats(0.1, 4), st.floats(-4, 4))
def test_calibration_keeps_the_order_and_is_what_it_says(slope, shift):
    shares = range(0, 256, 15)
    found = [
        stage_of(leaf(deposit=share, bone=255 - share), slope=slope, shift=shift)
        .probabilities(row_of())[0, 0]
        for share in shares
    ]  # fmt: skip
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    own = 120 / 255
    logit = slope * np.log(own / (1 - own)) + shift
    assert found[8] == pytest.approx(1 / (1 + np.exp(-logit)))


def test_the_others_keep_their_shares_among_themselves():
    stage = stage_of(leaf(deposit=100, vessel=60, bone=30), shift=1.0)
    row = stage.probabilities(row_of())[0]
    assert row[CLASSES.index("vessel")] == pytest.approx(2 * row[CLASSES.index("bone")])
    assert row[UNKNOWN] == pytest.approx(row[1:].sum() * 65 / 155)


# verdicts


def test_likely_ones_are_deposits_and_doubtful_ones_are_listed():
    likely, doubtful = judged(constant(0.8)), judged(constant(0.2, "vessel"))
    assert (likely.kind, likely.rule) == (Kind.DEPOSIT, Rule.OBJECT_STAGE)
    assert likely.confidence == pytest.approx(0.8)
    assert likely.likeness is Likeness.BONE
    assert (doubtful.kind, doubtful.rule) == (Kind.UNCERTAIN, Rule.OBJECT_STAGE)
    assert doubtful.confidence == pytest.approx(0.2)
    assert doubtful.reason == "20 % deposit, else vessel-like: in fat, alone, 12 mm under the skin"


@pytest.mark.parametrize("name", KINDS)
def test_what_is_unlikely_is_of_the_kind_that_it_is_like(name):
    verdict = judged(constant(0.01, name))
    assert (verdict.kind, verdict.rule) == (KINDS[name], Rule.UNLIKELY)
    assert verdict.likeness == name
    assert verdict.confidence == pytest.approx(0.99)
    assert verdict.reason.startswith(f"{name}-like, 1.0 % deposit: ")


def test_what_is_of_no_known_class_is_like_the_likest_of_those_that_are_known():
    verdict = judged(stage_of(leaf(deposit=5, noise=20)))
    assert (verdict.kind, verdict.likeness) == (Kind.NOISE, Likeness.NOISE)
    assert verdict.confidence < 0.1


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"edge_mm": 0.0}, Rule.FIELD_EDGE),
        ({"in_trunk": True, "enclosure": 0.9}, Rule.WITHIN_TRUNK),
        ({"skin_depth_mm": 70.0, "enclosure": 0.9}, Rule.SMALL_DEEP),
    ],
)
def test_what_is_held_back_is_no_more_than_uncertain(change, rule):
    seen = replace(NODULE, **change)
    verdict = judged(constant(0.97), seen)
    assert (verdict.kind, verdict.rule) == (Kind.UNCERTAIN, rule)
    assert verdict.confidence == HELD_BACK < COUNTED_FROM
    assert judged(constant(0.3), seen).rule is Rule.OBJECT_STAGE, "doubtful by itself"


def test_the_nearness_of_the_edge_is_told():
    reason = judged(constant(0.9), replace(NODULE, edge_mm=0.9)).reason
    assert reason.startswith("1 mm from the scan's edge, where it may be part of a bone: in fat")


@given(everything, st.floats(0.002, 0.998))
def test_kind_and_confidence_agree(seen, deposit):
    verdict = judged(constant(deposit), seen)
    assert verdict.likeness is Likeness.BONE
    assert verdict.reason
    if verdict.kind is Kind.DEPOSIT:
        assert verdict.confidence == pytest.approx(deposit)
        assert verdict.confidence >= COUNTED_FROM
        assert held_back(seen) is None
    elif verdict.kind is Kind.UNCERTAIN:
        assert LISTED_FROM <= verdict.confidence < COUNTED_FROM
        assert deposit < COUNTED_FROM or held_back(seen) is not None
    else:
        assert deposit < LISTED_FROM
        assert verdict.rule is Rule.UNLIKELY


def test_each_is_judged_by_its_own_features():
    fat = GEOMETRY.index("shell_fat")
    stage = stage_of(Node(fat, 0.5, leaf(deposit=20, organ=235), leaf(deposit=230, bone=25)))
    rows = np.concatenate([row_of(shell_fat=0.2), row_of(), row_of(shell_fat=0.5)])
    kinds = [verdict.kind for verdict in judge(stage, rows, [NODULE] * 3)]
    assert kinds == [Kind.UNCERTAIN, Kind.DEPOSIT, Kind.UNCERTAIN]
    assert judge(stage, rows[:0], []) == []


def test_with_a_network_its_word_is_told():
    row = [dict.fromkeys(NAMES, 0.0)[name] for name in NAMES]
    (verdict,) = judge(constant(0.8), np.array([row]), [NODULE])
    assert verdict.reason.endswith("network 0.50")


# the file


def content_of(**parts: object) -> bytes:
    arrays: dict[str, object] = {}
    for part, names in (("network", NAMES), ("geometry", GEOMETRY)):
        stage = constant(0.7 if part == "network" else 0.4)
        arrays[f"{part}_features"] = np.array(names)
        arrays[f"{part}_scale"] = np.array([stage.slope, stage.shift])
        arrays |= {f"{part}_{name}": getattr(stage, name) for name in ARRAYS}
    file = io.BytesIO()
    np.savez_compressed(file, **(arrays | parts))
    return file.getvalue()


def write(file, content: bytes) -> None:
    file.write_bytes(content)
    card = {"sha256": hashlib.sha256(content).hexdigest()}
    file.with_suffix(".card.json").write_text(json.dumps(card))
    object_stage.load.cache_clear()


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Where the package's weights are looked for."""
    monkeypatch.setattr(object_stage, "files", lambda _: tmp_path)
    yield tmp_path / "objects.npz"
    object_stage.load.cache_clear()


def test_each_part_of_the_file_is_a_stage(kept):
    write(kept, content_of())
    for network, chance in ((True, 0.7), (False, 0.4)):
        stage = object_stage.load(network=network)
        row = np.zeros((1, len(NAMES if network else GEOMETRY)))
        assert stage.probabilities(row)[0, 0] == pytest.approx(chance)


def refused() -> bool:
    object_stage.load.cache_clear()
    with pytest.raises(InputError) as caught:
        object_stage.load(network=True)
    return caught.value.code == "WEIGHTS_DAMAGED"


def test_what_is_not_as_its_card_says_is_refused(kept):
    assert refused(), "neither is there"
    content = content_of()
    write(kept, content)
    for damaged in (b"", content[:-1], content[:200], content[::-1], content + b"0"):
        kept.write_bytes(damaged)
        assert refused()
    kept.unlink()
    assert refused(), "a card alone"


def test_features_of_another_version_and_pickled_objects_are_never_taken():
    for names in (NAMES[::-1], GEOMETRY, NAMES[:-1]):
        with pytest.raises(ValueError, match="other features"):
            parse(content_of(network_features=np.array(names)), "network")
    with pytest.raises(ValueError, match="other features"):
        parse(content_of(geometry_features=np.array(NAMES)), "geometry")
    with pytest.raises(ValueError, match="allow_pickle"):
        parse(content_of(network_root=np.array([None])), "network")


@pytest.mark.parametrize("network", [True, False])
def test_the_shipped_stages_are_whole(network):
    stage = object_stage.load(network=network)
    names = NAMES if network else GEOMETRY
    nodes, leaves = len(stage.feature), len(stage.share)
    inner = stage.feature >= 0
    assert stage.feature.max() < len(names)
    assert (stage.left[inner] > np.flatnonzero(inner)).all(), "down only: every walk ends"
    assert (stage.right[inner] > np.flatnonzero(inner)).all()
    assert max(stage.left.max(), stage.right.max(), stage.root.max()) < nodes
    assert sorted(stage.leaf[~inner].tolist()) == list(range(leaves))
    assert stage.share.shape[1] == UNKNOWN + 1
    assert stage.slope > 0
    rows = np.random.default_rng(0).normal(0, 20, (200, len(names)))
    assert stage.probabilities(rows).sum(axis=1) == pytest.approx(np.ones(200), abs=1e-6)
