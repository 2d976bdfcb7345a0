"""Features of candidates: always finite, and the same whatever lies which way and comes first."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anatomy_maker
from anatomy_maker import TURNS, Drawn, drawn
from calcimetry.anatomy import Anatomy
from calcimetry.deposits.features import FAR_MM, GEOMETRY, NAMES, features
from calcimetry.deposits.network import HIDDEN, Answer, Look
from calcimetry.describe.evidence import Evidence, SampledObjects, axes, sample_objects
from calcimetry.records import Scan
from calcimetry.runs import from_mask, voxels_of
from calcimetry.scan import from_array
from evidence_maker import NODULE, SPECK, everything

SPACING = (3.0, 1.0, 1.0)
CELLS = (8, 12, 16)
SHAPE = (8, 36, 48)
COUNT = 9


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Objects in drawn anatomy, and what a network says of each of their voxels.

    chance : float32 (z, y, x); hidden : uint8 (z, y, x, HIDDEN), in cells of 2x2x2 voxels
    """

    scan: Scan
    anatomy: Drawn
    objects: SampledObjects
    evidence: list[Evidence]
    chance: np.ndarray
    hidden: np.ndarray

    @property
    def answer(self) -> Answer:
        dense = from_mask(self.chance > 0)
        z, y, x = (np.arange(n, dtype=np.int32) // 2 for n in self.chance.shape)
        values = self.chance[tuple(voxels_of(dense).T)]
        return Answer(dense, values, (Look(self.hidden, (z, y, x)),), 0.05, 90)

    def features(self, *, network: bool = True) -> np.ndarray:
        anatomy = Anatomy(self.anatomy.body, self.anatomy.skeleton)
        answer = self.answer if network else None
        return features(self.scan, anatomy, self.objects, self.evidence, answer)


def anatomy_of(rng: np.random.Generator) -> Drawn:
    hu = rng.choice(np.array([-900, -100, 50, 200, 800], np.int16), CELLS)
    inside = rng.random(CELLS) < 0.9
    return drawn(hu, (hu == 800) & inside, inside, np.zeros((0, 3)))


def scene_of(seed: int, evidence: list[Evidence]) -> Scene:
    """Objects of seven voxels each, a cell apart, in a field of all tissues."""
    rng = np.random.default_rng(seed)
    boxes = rng.permutation(np.array(list(np.ndindex(2, 8, 11))))[: len(evidence)]
    pieces, chance = [], np.zeros(SHAPE, np.float32)
    for corner in boxes * (4, 4, 4):
        mask = np.zeros(SHAPE, bool)
        inner = rng.permutation(27)[:7]
        mask[tuple((np.argwhere(np.ones((3, 3, 3)))[inner] + corner).T)] = True
        chance[mask] = rng.uniform(0.001, 1, 7)
        pieces.append(from_mask(mask))
    halves = tuple(n // 2 for n in SHAPE)
    hidden = rng.integers(0, 256, (*halves, HIDDEN)).astype(np.uint8)
    scan = from_array(np.zeros(SHAPE, np.int16), spacing=SPACING, kvp=120)
    objects = sample_objects(pieces, SHAPE)
    return Scene(scan, anatomy_of(rng), objects, evidence, chance, hidden)


@pytest.fixture(scope="module")
def scene() -> Scene:
    evidence = [
        replace(
            NODULE,
            voxels=20 + k,
            volume_mm3=60.0 + k,
            peak_hu=500 + 10 * k,
            bone_distance_mm=None if k % 3 == 0 else 2.0 * k,
            surroundings=None if k == 4 else NODULE.surroundings,
        )
        for k in range(COUNT)
    ]
    return scene_of(7, evidence)


def named(rows: np.ndarray, name: str) -> np.ndarray:
    return rows[:, NAMES.index(name)]


# whatever comes


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.lists(everything, max_size=12))
def test_features_are_finite_whatever_is_known(seed, evidence):
    made = scene_of(seed, evidence)
    for network, names in ((True, NAMES), (False, GEOMETRY)):
        found = made.features(network=network)
        assert found.shape == (len(evidence), len(names))
        assert found.dtype == np.float64
        assert np.isfinite(found).all()


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_network_that_is_quite_sure_gives_no_infinite_odds(scene, level):
    answer = replace(scene.answer, probability=np.full(scene.answer.dense.voxels, level, "f4"))
    anatomy = Anatomy(scene.anatomy.body, scene.anatomy.skeleton)
    found = features(scene.scan, anatomy, scene.objects, scene.evidence, answer)
    assert np.isfinite(found).all()
    assert (named(found, "positive_share") == level).all()
    assert (np.sign(named(found, "core_logit")) == (1 if level else -1)).all()


def test_no_candidates_no_rows():
    made = scene_of(0, [])
    assert made.features().shape == (0, len(NAMES))
    assert made.features(network=False).shape == (0, len(GEOMETRY))


def test_each_name_stands_once():
    assert len(set(NAMES)) == len(NAMES)
    assert NAMES[: len(GEOMETRY)] == GEOMETRY


def test_the_docs_say_what_each_is():
    page = (Path(__file__).resolve().parents[2] / "docs" / "finder.md").read_text()
    section = page.split("\n## The object stage\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \| .+ \|$", section, re.M)
    said = re.findall("`([a-z0-9_]+)`", " ".join(rows))
    assert set(said) == {*NAMES} - {f"hidden_{k}" for k in range(1, HIDDEN - 1)}
    assert len(said) == len(set(said))


# whatever comes first, and however it lies


@settings(max_examples=20)
@given(st.permutations(range(COUNT)))
def test_the_order_of_objects_changes_nothing(scene, order):
    shuffled = replace(
        scene,
        objects=scene.objects.subset(order),
        evidence=[scene.evidence[k] for k in order],
    )
    assert shuffled.features() == pytest.approx(scene.features()[order], abs=1e-6)


def turned(scene: Scene, turn: anatomy_maker.Turn) -> Scene:
    order, flips = turn
    chance = anatomy_maker.array(scene.chance, turn)
    spacing = tuple(SPACING[k] for k in order)
    way = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    at = scene.objects
    return Scene(
        from_array(np.zeros(chance.shape, np.int16), spacing=spacing, kvp=120),
        anatomy_maker.turned(scene.anatomy, turn),
        replace(
            at,
            points=anatomy_maker.points(at.points, SHAPE, turn),
            centroids=anatomy_maker.points(at.centroids, SHAPE, turn),
        ),
        scene.evidence,
        chance,
        np.ascontiguousarray(scene.hidden.transpose((*order, 3))[way]),
    )


@pytest.mark.parametrize("turn", TURNS)
def test_no_axis_is_special(scene, turn):
    other = turned(scene, turn).features()
    assert other == pytest.approx(scene.features(), abs=2e-5)


def test_only_what_the_network_says_is_missing_without_it(scene):
    alone = scene.features(network=False)
    assert np.array_equal(alone, scene.features()[:, : len(GEOMETRY)])


# what they are


def test_of_the_object_itself():
    ball = np.linalg.norm(np.indices((13, 13, 13)) - 6.0, axis=0) < 6
    points = np.argwhere(ball)
    long, middle, short = axes(np.cov(points.T, bias=True), (1.0, 1.0, 1.0)).tolist()
    volume = float(ball.sum())
    seen = replace(
        NODULE,
        voxels=int(volume),
        volume_mm3=volume,
        axes_mm=(long, middle, short),
        thickness_mm=12.0,
        mean_hu=350.0,
        peak_hu=700,
    )
    row = dict(zip(NAMES, scene_of(1, [seen]).features()[0], strict=True))
    assert np.exp(row["log_volume"]) == pytest.approx(volume)
    assert np.exp(row["log_voxels"]) == pytest.approx(volume)
    assert row["fill"] == pytest.approx(1.0, abs=0.03)
    assert row["elongation"] == pytest.approx(0.0, abs=1e-6)
    assert row["flatness"] == pytest.approx(0.0, abs=1e-6)
    assert np.exp(row["log_long"]) == pytest.approx(12.0, abs=0.3)
    assert np.expm1(row["log_thickness"]) == pytest.approx(12.0)
    assert row["peak_over_mean"] == 2.0


def test_of_place_and_what_is_not_known():
    far = replace(NODULE, bone_distance_mm=None, skin_depth_mm=200.0, edge_mm=1.5)
    bright = replace(NODULE, peak_hu=230, contrast_hu=180.0, split_off=True, enclosure=None)
    found = scene_of(1, [far, bright]).features()
    assert named(found, "bone_mm").tolist() == [FAR_MM, 30.0]
    assert named(found, "skin_mm").tolist() == [FAR_MM, 12.0]
    assert named(found, "edge_mm").tolist() == [1.5, 40.0]
    assert named(found, "over_enhancement").tolist() == [0.0, 50.0]
    assert named(found, "enhanced").tolist() == [0.0, 1.0]
    assert named(found, "cut").tolist() == [0.0, 1.0]
    assert named(found, "enclosure").tolist() == [0.1, 0.0]


def test_of_the_scan_s_lattice(scene):
    found = scene.features()
    assert np.exp(named(found, "finest_mm")) == pytest.approx(np.full(COUNT, 1.0))
    assert np.exp(named(found, "coarsest_mm")) == pytest.approx(np.full(COUNT, 3.0))


def placed(centres: list[tuple[int, int, int]]) -> np.ndarray:
    """Features of single voxels of a scan of 1 mm; the anatomy is any."""
    shape = (24, 36, 180)
    pieces = []
    for centre in centres:
        mask = np.zeros(shape, bool)
        mask[centre] = True
        pieces.append(from_mask(mask))
    inside = np.ones((8, 12, 60), bool)
    one = drawn(np.full(inside.shape, 50, np.int16), ~inside, inside, np.zeros((0, 3)), (3, 3, 3))
    scan = from_array(np.zeros(shape, np.int16), spacing=(1.0, 1.0, 1.0), kvp=120)
    evidence = [SPECK] * len(centres)
    anatomy = Anatomy(one.body, one.skeleton)
    return features(scan, anatomy, sample_objects(pieces, shape), evidence, None)


def test_of_its_company():
    found = placed([(5, 5, 10), (5, 5, 20), (5, 5, 45), (5, 5, 170)])
    assert np.expm1(named(found, "neighbours_15_mm")) == pytest.approx([1, 1, 0, 0])
    assert np.expm1(named(found, "neighbours_40_mm")) == pytest.approx([2, 2, 2, 0])
    assert np.expm1(named(found, "candidates")) == pytest.approx([4] * 4)
    assert named(found, "in_line").tolist() == [0.5] * 4, "too few to tell"


def test_of_a_row_and_of_a_heap():
    row = placed([(5, 5, 10 + 12 * k) for k in range(8)])
    assert named(row, "in_line") == pytest.approx(np.ones(8))
    heap = placed([(5 + 8 * a, 5 + 8 * b, 60 + 8 * c) for a, b, c in np.ndindex(2, 2, 2)])
    assert named(heap, "in_line").max() < 0.6


def test_of_the_network(scene):
    found, first = scene.features(), scene.objects.points[: scene.objects.bounds[1]]
    own = np.sort(scene.chance[tuple(first.T)])
    logit = [np.log(p / (1 - p)) for p in (own[3:].mean(), own[-1], own.mean())]
    for name, expected in zip(("core_logit", "peak_logit", "mean_logit"), logit, strict=True):
        assert named(found, name)[0] == pytest.approx(expected, rel=1e-4)
    assert named(found, "positive_share")[0] == pytest.approx((own >= 0.5).mean())
    cells = scene.hidden[tuple((first // 2).T)].astype(float)
    values = (cells.mean(axis=0) - 90) * 0.05
    assert found[0, -HIDDEN:] == pytest.approx(values, abs=1e-4)
