"""What the object stage is taught from and how it is fitted: labels, weights, scale, card."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training.objects.labels import (
    CLASS_OF,
    FILLED,
    MINE,
    MINE_AT_ALL,
    MIXED,
    REACH_MM,
    UNKNOWN,
    UNKNOWN_WEIGHT,
    Judged,
    filled_by,
    judgements,
    natural_label,
    painted_label,
)

from calcimetry.deposits.features import GEOMETRY, NAMES
from calcimetry.deposits.object_stage import CLASSES, parse
from calcimetry.phantom.truth import Painted, Truth
from calcimetry.scan import from_array

# labels


def judged(*rows: tuple[float, float, str, float]) -> Judged:
    """Rows of x, diameter, word and sureness; y and z are 0."""
    x, diameter, word, sureness = zip(*rows, strict=True)
    at = np.array([(one, 0.0, 0.0) for one in x])
    return Judged(at, np.array(diameter), word, np.array(sureness))


def cube(x: float, side: int = 3) -> np.ndarray:
    """Voxels of 1 mm around (x, 0, 0), LPS."""
    return np.argwhere(np.ones((side,) * 3)) - (side - 1) / 2 + (x, 0.0, 0.0)


def test_an_object_is_what_it_was_judged_to_be():
    words = judged((0.0, 4.0, "sesamoid", 0.9), (50.0, 4.0, "vascular", 0.7))
    assert natural_label(cube(0), words) == ("sesamoid", 0.9)
    assert natural_label(cube(50), words) == ("vessel", 0.7)
    assert natural_label(cube(25), words) == (UNKNOWN, UNKNOWN_WEIGHT)
    assert natural_label(cube(0), None) == (UNKNOWN, UNKNOWN_WEIGHT)


def test_a_place_is_that_of_an_object_within_reach_or_within_the_size_that_was_seen():
    edge = 1.0 + REACH_MM  # of the cube around 0
    assert natural_label(cube(0), judged((edge - 0.1, 2.0, "noise", 1.0)))[0] == "noise"
    assert natural_label(cube(0), judged((edge + 0.1, 2.0, "noise", 1.0)))[0] == UNKNOWN
    assert natural_label(cube(0), judged((edge + 4.0, 20.0, "noise", 1.0)))[0] == "noise"


def test_what_is_true_wins_over_what_is_nearer():
    words = judged((0.0, 4.0, "bone_edge", 0.9), (3.5, 4.0, "true", 0.8), (-3.0, 4.0, "true", 0.6))
    assert natural_label(cube(0), words) == ("deposit", 0.6), "the nearer of two true ones"
    assert natural_label(cube(-30), words)[0] == UNKNOWN


def test_the_nearest_of_others_is_meant():
    words = judged((2.0, 4.0, "noise", 0.9), (0.5, 4.0, "sesamoid", 0.8))
    assert natural_label(cube(0), words)[0] == "sesamoid"


def test_what_is_known_to_be_true_needs_no_judgement():
    known = [cube(40), cube(1)]
    words = judged((0.0, 4.0, "noise", 0.9))
    assert natural_label(cube(0), words, known) == ("deposit", 1.0)
    assert natural_label(cube(0), None, known) == ("deposit", 1.0)
    assert natural_label(cube(0), words, [cube(40)])[0] == "noise"


@given(st.permutations(range(4)), st.floats(-100, 100))
def test_neither_order_nor_origin_matters(order, shift):
    rows = [(0.0, 4.0, "noise", 0.9), (1.9, 4.0, "true", 0.8), (6.0, 3.0, "dens", 0.7),
            (9.0, 2.0, "stone", 0.5)]  # fmt: skip
    moved = judged(*[(rows[k][0] + shift, *rows[k][1:]) for k in order])
    for x in (0.0, 7.0, 9.5, 30.0):
        assert natural_label(cube(x + shift), moved) == natural_label(cube(x), judged(*rows))


def test_every_word_of_a_reader_has_a_class(shared_data):
    words = judgements(shared_data / "judged.csv")
    assert len(words) > 30
    said = {word for one in words.values() for word in one.word}
    assert said <= set(CLASS_OF)
    assert set(CLASS_OF.values()) <= set(CLASSES)


def test_a_table_of_judgements_is_read(tmp_path):
    columns = "scan,x_mm,y_mm,z_mm,diameter_mm,judgement,is_true,sureness"
    (tmp_path / "j.csv").write_text(
        f"{columns}\na,1,2,3,4.5,tumour,1,0.9\nb,0,0,0,3,noise,0,\na,5,6,7,8,dens,0,0.7\n"
    )
    found = judgements(tmp_path / "j.csv")
    assert set(found) == {"a", "b"}
    assert found["a"].at.tolist() == [[1, 2, 3], [5, 6, 7]]
    assert found["a"].word == ("true", "dens")
    assert found["a"].diameter_mm.tolist() == [4.5, 8]
    assert found["b"].sureness.tolist() == [0.5], "half, where nobody said"


@pytest.mark.parametrize(
    ("share", "label"),
    [
        (0.0, UNKNOWN),
        (MINE_AT_ALL - 0.02, UNKNOWN),
        (MINE_AT_ALL + 0.02, MIXED),
        (MINE - 0.02, MIXED),
        (MINE, "deposit"),
        (1.0, "deposit"),
    ],
)
def test_an_object_is_painted_where_paint_is_most_of_it(share, label):
    scan = from_array(np.zeros((4, 5, 20), np.int16), spacing=(3.0, 2.0, 1.0), kvp=120)
    voxels = np.argwhere(np.ones((4, 5, 10)))
    filled = np.zeros(scan.hu.shape, bool)
    filled[tuple(voxels[: round(share * len(voxels))].T)] = True
    assert painted_label(scan.to_lps(voxels), scan, filled) == label


def painted(box: tuple[slice, slice, slice], imaged: np.ndarray, negative: bool = False) -> Painted:
    none, numbers = np.zeros((0,), np.float32), dict.fromkeys(
        ("mass_mg", "mass_in_field_mg", "volume_mm3", "density_mg_cm3", "diameter_mm"), 1.0
    )  # fmt: skip
    return Painted(
        family="ball", site=None, tissue=None, touches_bone=None, centroid_mm=(0.0, 0.0, 0.0),
        negative=negative, box=box, fraction=none, imaged=imaged.astype(np.float32), **numbers,
    )  # fmt: skip


def test_voxels_that_hold_some_of_a_deposit_are_filled():
    boxes = [(slice(0, 1), slice(0, 1), slice(k, k + 3)) for k in (0, 2, 6)]
    some = np.array([[[FILLED + 0.01, 0.9, FILLED - 0.01]]])
    items = [painted(boxes[0], some), painted(boxes[1], some), painted(boxes[2], some, True)]
    found = filled_by(Truth.of(items, (1, 1, 10)))
    assert np.flatnonzero(found).tolist() == [0, 1, 2, 3], "what is no deposit fills nothing"


# the fit


@pytest.fixture(scope="module")
def fit():
    pytest.importorskip("sklearn", reason="the extra `train` is not installed")
    from training.objects import fit

    return fit


def rows_of(**columns):
    """A table of natural objects on limbs; features are noise unless given."""
    from training.objects.table import NATURAL, Table

    count = len(next(iter(columns.values())))
    rng = np.random.default_rng(0)
    whole = {
        "features": rng.normal(0, 1, (count, len(NAMES))),
        "label": np.full(count, UNKNOWN),
        "weight": np.ones(count),
        "patient": np.full(count, "a"),
        "look": np.full(count, NATURAL),
        "limb": np.ones(count, bool),
        "shipped": np.ones(count, bool),
        "volume_mm3": np.full(count, 50.0),
        "held_back": np.zeros(count, bool),
    }
    return Table(**(whole | columns))


TELLING = ("mean_hu", "shell_fat", "skin_mm", "fill", "core_logit", "hidden_7")
"""Features in which the clouds are apart."""


@pytest.fixture
def clouds(fit):
    """Deposits and vessels of four patients."""
    rng = np.random.default_rng(1)
    true = rng.random(400) < 0.4
    features = rng.normal(0, 1, (400, len(NAMES)))
    for name in TELLING:
        features[:, NAMES.index(name)] = rng.normal(0, 1, 400) + np.where(true, 6.0, -6.0)
    return rows_of(
        features=features,
        label=np.where(true, "deposit", "vessel"),
        patient=rng.choice(np.array(["a", "b", "c", "d"]), 400),
    )


def test_what_is_apart_is_told_apart(fit, clouds):
    stage = fit.fitted(clouds, fit.Recipe(trees=30))
    fresh = np.random.default_rng(2).normal(0, 1, (100, len(NAMES)))
    for name in TELLING:
        fresh[:50, NAMES.index(name)] += 6
        fresh[50:, NAMES.index(name)] -= 6
    found = stage.probabilities(fresh)
    assert found[:50, 0].min() > 0.9
    assert found[50:, 0].max() < 0.1
    assert (found[50:].argmax(axis=1) == CLASSES.index("vessel")).all()


def test_a_stage_is_the_forest_that_was_fitted(fit, clouds):
    """The nodes walked here give what sklearn's own walk gives."""
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(12, max_leaf_nodes=9, random_state=3)
    truth = np.where(clouds.label == "deposit", 0, 1)
    forest.fit(clouds.features.astype(np.float32), truth)
    found = fit._as_stage(forest).probabilities(clouds.features)
    assert found[:, 1] == pytest.approx(forest.predict_proba(clouds.features)[:, 1], abs=0.01)


def test_the_same_seed_gives_the_same_stage(fit, clouds):
    one, two = (fit.fitted(clouds, fit.Recipe(trees=5)) for _ in range(2))
    assert np.array_equal(one.threshold, two.threshold)
    assert np.array_equal(one.share, two.share)


def test_weights_that_are_written_are_read_as_they_were(fit, clouds):
    few = replace(clouds, features=clouds.features[:, : len(GEOMETRY)])
    stages = {
        "network": fit.with_scale(fit.fitted(clouds, fit.Recipe(trees=4)), (1.7, -0.4)),
        "geometry": fit.with_scale(fit.fitted(few, fit.Recipe(trees=3)), (0.6, 0.2)),
    }
    file = io.BytesIO()
    np.savez_compressed(file, **fit.as_arrays(stages))
    for part, rows in (("network", clouds), ("geometry", few)):
        again = parse(file.getvalue(), part).probabilities(rows.features)
        assert np.array_equal(again, stages[part].probabilities(rows.features))


def test_each_patient_is_judged_by_a_stage_that_did_not_see_it(fit, clouds, monkeypatch):
    seen = []
    monkeypatch.setattr(fit, "fitted", lambda rows, _: seen.append(set(rows.patient)) or len(seen))
    test = replace(clouds, shipped=clouds.patient != "d")
    stages = dict(fit.left_out(test, fit.Recipe()))
    assert list(stages) == ["a", "b", "c", "d"]
    assert seen == [{"b", "c"}, {"a", "c"}, {"a", "b"}, {"a", "b", "c"}]


def test_what_is_predicted_of_a_row_is_by_its_patient_s_stage(fit, clouds):
    from forests import constant

    chance = {"a": 0.1, "b": 0.3, "c": 0.6, "d": 0.9}
    found = fit.predicted(clouds, {name: constant(c) for name, c in chance.items()})
    assert found == pytest.approx([chance[name] for name in clouds.patient.tolist()])


def test_guises_share_what_a_scan_counts_and_paint_counts_as_told(fit):
    recipe = fit.Recipe(painted=0.2, wall=0.4, within=0.02, true=3.0)
    look = ["natural", "shifted", "natural", "painted", "painted", "painted", "phantom"]
    rows = rows_of(
        look=np.array(look),
        label=np.array(["deposit", "deposit", "bone", *["deposit"] * 4]),
        weight=np.array([0.9, 0.9, 0.8, 1, 1, 1, 0.5]),
        limb=np.array([True, True, True, True, False, True, True]),
        held_back=np.array([False, True, False, False, False, True, False]),
    )
    expected = [2.7 / 2, 2.7 / 2, 0.4, 0.2, 0.4, 0.02, 0.2]
    assert fit.weights_of(rows, recipe) == pytest.approx(expected)
    assert rows.weight[0] == 0.9, "the table is left as it is"


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, -1.0), (2.0, 0.7)])
def test_the_scale_that_made_the_truth_is_found(fit, slope, shift):
    rng = np.random.default_rng(4)
    logit = rng.normal(0, 2, 30_000).clip(-6, 6)
    true = rng.random(len(logit)) < 1 / (1 + np.exp(-(slope * logit + shift)))
    rows = rows_of(
        features=np.zeros((len(logit), 1)), label=np.where(true, "deposit", "bone")
    )  # fmt: skip
    found = fit.calibrated(rows, 1 / (1 + np.exp(-logit)), fit.Recipe())
    assert found == pytest.approx((slope, shift), abs=0.08)


def test_vessels_guises_and_what_is_held_back_do_not_move_the_scale(fit):
    rng = np.random.default_rng(5)
    chance = rng.uniform(0.05, 0.95, 400)
    true = rng.random(400) < chance
    rows = rows_of(label=np.where(true, "deposit", "bone"))
    first = fit.calibrated(rows, chance, fit.Recipe())
    label, look, held = rows.label.copy(), rows.look.astype("U16"), rows.held_back.copy()
    label[:40], look[40:80], held[80:120] = "vessel", "shifted", True
    out = np.arange(400) < 120
    wrong = np.where(out, np.where(true, 0.01, 0.99), chance)
    marked = replace(rows, label=label, look=look, held_back=held)
    found = fit.calibrated(marked, wrong, fit.Recipe())
    assert found == pytest.approx(fit.calibrated(rows.part(~out), chance[~out], fit.Recipe()))
    assert fit.calibrated(rows, wrong, fit.Recipe()) != pytest.approx(first, abs=0.2)


# the card


def test_reliability_counts_natural_objects_that_no_rule_holds_back(fit):
    from training.objects.card import BANDS, reliability

    chance = np.array([0.1, 0.1, 0.5, 0.5, 0.9, 1.0, 0.9, 0.9, 0.9])
    label = ["bone", "bone", "deposit", "bone", "deposit", "deposit", "vessel", "bone", "bone"]
    rows = rows_of(
        label=np.array(label),
        look=np.array(["natural"] * 8 + ["painted"]),
        held_back=np.array([False] * 7 + [True, False]),
    )
    found = reliability(rows, chance)
    assert [row[:2] for row in found] == list(pairwise(BANDS))
    assert [row[2] for row in found] == [2, 0, 2, 0, 2]
    assert [row[3] for row in found if row[2]] == [0.0, 0.5, 1.0]


def test_a_feature_that_tells_is_worth_most(fit, clouds):
    from training.objects.card import card, worth

    stage = fit.fitted(clouds, fit.Recipe(trees=20))
    found = worth(clouds, stage, NAMES)
    assert set(found) == set(NAMES)
    assert set(list(found)[: len(TELLING)]) == set(TELLING)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    told = card(clouds, stage.probabilities(clouds.features)[:, 0], stage, NAMES, fit.Recipe())
    assert told["patients"] == ["a", "b", "c", "d"]
    assert told["rows"] == {
        "deposit": int((clouds.label == "deposit").sum()),
        "vessel": int((clouds.label == "vessel").sum()),
    }
    assert told["recipe"]["trees"] == 100
