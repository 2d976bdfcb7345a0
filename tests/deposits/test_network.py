"""The network as it ships: same answer for any number of threads, and it knows a deposit."""

from __future__ import annotations

import sys
from importlib.resources import files

import numpy as np
import pytest

from calcimetry.deposits import network
from calcimetry.errors import InputError
from calcimetry.runs import find_runs, from_mask, voxels_of
from calcimetry.scan import from_array

SPACING = (2.0, 0.9, 0.9)


@pytest.fixture(scope="module")
def net():
    found = network.load()
    assert found is not None, "the weights are part of the package"
    return found


@pytest.fixture(scope="module")
def limb():
    """A tube of bone in muscle in air, a ball touching it and a ball far from it."""
    z, y, x = np.indices((50, 110, 120)) * np.array(SPACING)[:, None, None, None]
    hu = np.full(z.shape, -1000.0)
    hu[np.hypot(y - 50, x - 54) < 46] = 50
    away = np.hypot(y - 45, x - 45)
    hu[away < 12] = 1200
    hu[away < 7] = -40
    touching = (z - 40) ** 2 + (y - 45) ** 2 + (x - 61.5) ** 2 < 4.5**2
    free = (z - 60) ** 2 + (y - 72) ** 2 + (x - 70) ** 2 < 4.5**2
    hu[(touching & (away >= 12)) | free] = 600
    hu += np.random.default_rng(3).normal(0, 10, hu.shape)
    scan = from_array(np.round(hu).astype(np.int16), spacing=SPACING, kvp=120)
    return scan, touching & (away >= 13), free, (away < 11.5) & (away > 7.5)


def _volume(scan, runs, values):
    out = np.zeros(scan.hu.shape, np.float32)
    out[tuple(voxels_of(runs).T)] = values
    return out


def test_deposits_are_told_from_the_bone_they_touch(net, limb):
    scan, touching, free, bone = limb
    runs = find_runs(scan.hu, 130)
    found = _volume(scan, runs, network.probability(net, scan, runs))
    assert np.median(found[free]) > 0.8
    assert np.median(found[touching]) > 0.5
    assert np.quantile(found[bone], 0.95) < 0.2


def test_the_number_of_threads_does_not_change_a_bit(net, limb):
    scan, *_ = limb
    runs = find_runs(scan.hu, 130)
    one, three = (network.probability(net, scan, runs, jobs=jobs) for jobs in (1, 3))
    assert np.array_equal(one, three)
    assert one.dtype == np.float32
    assert one.shape == (runs.voxels,)
    assert ((one >= 0) & (one <= 1)).all()


def test_no_dense_voxels_no_answers(net, limb):
    scan, *_ = limb
    none = from_mask(np.zeros(scan.hu.shape, bool))
    assert network.probability(net, scan, none).shape == (0,)


def test_the_answer_is_known_at_each_voxel_of_it(net, limb):
    scan, *_ = limb
    runs = find_runs(scan.hu, 130)
    answer = network.ask(net, scan, runs)
    points = voxels_of(runs).astype(np.int32)
    some = np.random.default_rng(5).permutation(len(points))[:500]
    assert np.array_equal(answer.probability_at(points[some]), answer.probability[some])
    assert np.array_equal(answer.probability_at(points), answer.probability)
    assert len(answer.looks) == 2, "a limb"


def test_the_hidden_layer_is_that_of_the_cells_around(net, limb):
    """A linear head makes the logit of it: where cells are like their voxels, they tell alike."""
    scan, touching, free, bone = limb
    answer = network.ask(net, scan, find_runs(scan.hu, 130))
    balls, bones = (
        answer.hidden(np.argwhere(part).astype(np.int32)) for part in (touching | free, bone)
    )
    assert balls.shape == ((touching | free).sum(), network.HIDDEN)
    assert balls.dtype == np.float32
    apart = np.abs(balls.mean(axis=0) - bones.mean(axis=0))
    assert (apart / (balls.std(axis=0) + bones.std(axis=0) + 1e-6)).max() > 1.5
    none = answer.hidden(np.zeros((0, 3), np.int32))
    assert none.shape == (0, network.HIDDEN)


def test_the_hidden_layer_is_the_mean_of_all_looks():
    rng = np.random.default_rng(2)
    shape, halves = (4, 6, 8), (2, 3, 4)
    looks = []
    for backwards in (False, True):
        cells = [np.arange(n, dtype=np.int32) // 2 for n in shape]
        cells = [c[::-1].copy() if backwards else c for c in cells]
        held = rng.integers(0, 256, (*halves, network.HIDDEN)).astype(np.uint8)
        looks.append(network.Look(held, tuple(cells)))
    dense = from_mask(np.ones(shape, bool))
    chance = np.zeros(dense.voxels, np.float32)
    answer = network.Answer(dense, chance, tuple(looks), scale=0.5, zero=100)
    point = np.array([[3, 1, 7]], np.int32)
    first, second = looks[0].hidden[1, 0, 3], looks[1].hidden[0, 2, 0]
    expected = ((first.astype(float) + second) / 2 - 100) * 0.5
    assert answer.hidden(point)[0] == pytest.approx(expected)


@pytest.mark.parametrize("spacing", [(0.6, 0.3, 0.3), (5.0, 1.4, 1.4), (1.5, 1.5, 1.5)])
def test_any_spacing_and_edges_of_the_volume(net, spacing):
    hu = np.full((9, 33, 21), 40, np.int16)
    hu[0, 0, 0] = hu[-1, -1, -1] = hu[4, 10:14, 10:14] = 500
    scan = from_array(hu, spacing=spacing, kvp=120)
    runs = find_runs(scan.hu, 130)
    found = network.probability(net, scan, runs, jobs=2)
    assert found.shape == (runs.voxels,)
    assert np.isfinite(found).all()


def test_weights_that_are_missing_give_none(tmp_path):
    assert network.load_file(str(tmp_path / "none.onnx")) is None


def test_without_onnxruntime_there_is_no_network(monkeypatch, tmp_path):
    copy = tmp_path / "finder.onnx"
    copy.write_bytes(b"not read")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert network.load_file(str(copy)) is None


def shipped(folder):
    """A copy of the weights and their card."""
    for name in ("finder.onnx", "finder.card.json"):
        content = files("calcimetry.weights").joinpath(name).read_bytes()
        (folder / name).write_bytes(content)
    return folder / "finder.onnx", folder / "finder.card.json"


def refused(folder) -> bool:
    network.load_shipped.cache_clear()
    with pytest.raises(InputError) as caught:
        network.load_shipped(str(folder))
    return caught.value.code == "WEIGHTS_DAMAGED"


@pytest.mark.parametrize("at", [0, 1, 100, 5000, -1])
def test_weights_that_are_not_those_of_the_card_are_refused(tmp_path, at, capfd):
    weights, _ = shipped(tmp_path)
    content = bytearray(weights.read_bytes())
    content[at] ^= 1
    for damaged in (bytes(content), bytes(content[:at]), b""):
        weights.write_bytes(damaged)
        assert refused(tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"sha256": null}', "\xff", "[" * 5000])
def test_a_card_that_cannot_be_read_is_refused(tmp_path, text):
    _, card = shipped(tmp_path)
    card.unlink()
    if text is not None:
        card.write_text(text, encoding="latin-1")
    assert refused(tmp_path)


def test_weights_of_the_card_are_taken_and_missing_ones_are_none(tmp_path):
    assert network.load_shipped(str(tmp_path)) is None
    network.load_shipped.cache_clear()
    shipped(tmp_path)
    assert network.load_shipped(str(tmp_path)).digest == network.load().digest
