"""Runs and objects against scipy.ndimage and numpy, voxel for voxel."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from calcimetry import runs as rl
from calcimetry.errors import UsageError
from calcimetry.records import Runs

STRUCTURE = {6: 1, 18: 2, 26: 3}
SHAPES = st.one_of(
    st.tuples(*[st.integers(1, 6)] * 3),
    st.sampled_from([(1, 1, 1), (1, 1, 200), (5, 1, 1), (2, 3, 64), (3, 2, 65), (1, 4, 130)]),
)


@st.composite
def volumes(draw):
    shape = draw(SHAPES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from([0.0, 0.03, 0.2, 0.5, 0.8, 1.0]))
    hu = rng.integers(-1024, 130, shape).astype(np.int16)
    dense = rng.random(shape) < share
    hu[dense] = rng.integers(130, 3072, dense.sum())
    return hu


def masks(shape):
    return hnp.arrays(np.bool_, shape)


@given(volumes(), st.sampled_from([1, 2, 3]))
def test_runs_and_back_is_the_threshold(hu, jobs):
    runs = rl.find_runs(hu, 130, jobs=jobs)
    assert np.array_equal(rl.to_mask(runs), hu >= 130)
    assert runs.voxels == (hu >= 130).sum()
    same_row = np.diff(runs.row) == 0
    assert (np.diff(runs.row) >= 0).all()
    assert (runs.start[1:][same_row] > runs.stop[:-1][same_row]).all()


@given(volumes())
def test_mask_round_trip(hu):
    mask = hu >= 300
    assert np.array_equal(rl.to_mask(rl.from_mask(mask, jobs=2)), mask)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@given(hu=volumes(), jobs=st.sampled_from([1, 2, 4]))
@settings(max_examples=150)
def test_objects_are_those_of_scipy(connectivity, hu, jobs):
    mask = hu >= 130
    structure = ndimage.generate_binary_structure(3, STRUCTURE[connectivity])
    expected, count = ndimage.label(mask, structure)
    found = rl.objects_of(hu, rl.from_mask(mask), connectivity=connectivity, jobs=jobs)
    assert len(found) == count
    # Both number by first voxel in raster order, so that labels must be equal as they are.
    assert np.array_equal(rl.to_labels(hu.shape, rl.object_runs(found), np.int32), expected)
    for number in range(1, count + 1):
        where = np.argwhere(expected == number)
        values = hu[expected == number].astype(np.int64)
        index = number - 1
        assert found.voxels[index] == len(where)
        assert found.total[index] == values.sum()
        assert (found.peak[index], found.floor[index]) == (values.max(), values.min())
        assert np.allclose(found.centroid[index], where.mean(axis=0), atol=1e-9)
        assert np.allclose(found.moment[index], np.cov(where.T, bias=True), atol=1e-9)
        low, high = found.box[index, ::2], found.box[index, 1::2]
        assert np.array_equal(low, where.min(axis=0))
        assert np.array_equal(high, where.max(axis=0) + 1)


@given(volumes(), st.sampled_from([-2000, 130, 900, 40_000]), st.sampled_from([1, 2, 3]))
def test_one_read_gives_the_same_objects(hu, threshold, jobs):
    fused = rl.dense_objects(hu, threshold, jobs=jobs)
    plain = rl.objects_of(hu, rl.find_runs(hu, threshold))
    assert_same(fused, plain)


def test_buffers_grow_on_noise():
    hu = np.random.default_rng(1).integers(-500, 500, (6, 300, 300)).astype(np.int16)
    fused = rl.dense_objects(hu, 0, jobs=1)
    assert np.array_equal(rl.to_mask(fused.runs), hu >= 0)
    assert_same(fused, rl.objects_of(hu, rl.find_runs(hu, 0), jobs=2))


def assert_same(a, b):
    for name in ("row", "start", "stop"):
        assert np.array_equal(getattr(a.runs, name), getattr(b.runs, name))
    for name in ("label", "voxels", "total", "peak", "floor", "centroid", "moment", "box"):
        assert np.array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype


@pytest.mark.parametrize("connectivity", [4, 8])
@given(hu=volumes(), jobs=st.sampled_from([1, 2]))
def test_slices_can_be_labelled_apart(connectivity, hu, jobs):
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = ndimage.generate_binary_structure(2, connectivity // 4)
    expected, _ = ndimage.label(hu >= 130, structure)
    runs = rl.find_runs(hu, 130)
    label = rl.label_components(runs, connectivity=connectivity, jobs=jobs)
    box = tuple(slice(0, n) for n in hu.shape)
    assert np.array_equal(rl.paint(box, runs, label), expected)


def test_sums_do_not_overflow_on_a_full_volume():
    hu = np.full((40, 512, 512), 32767, np.int16)
    found = rl.objects_of(hu, rl.find_runs(hu, 130), jobs=2)
    assert found.total.tolist() == [32767.0 * hu.size]
    variance = (np.array(hu.shape) ** 2 - 1) / 12  # of whole numbers 0..n-1
    assert np.allclose(found.moment[0], np.diag(variance), rtol=1e-12, atol=1e-7)


def test_moments_far_from_the_origin_keep_their_digits():
    hu = np.zeros((1, 2, 30_000), np.int16)
    hu[0, 0, 29_990] = hu[0, 1, 29_991] = 200
    found = rl.objects_of(hu, rl.find_runs(hu, 130))
    assert np.allclose(found.moment[0], [[0, 0, 0], [0, 0.25, 0.25], [0, 0.25, 0.25]], atol=1e-15)


@pytest.mark.parametrize("threshold", [130.2, 131, -32768, -1e9, 32767, 32767.5, 1e9, np.inf])
def test_thresholds_of_any_size(threshold):
    hu = np.array([[[-32768, 130, 131, 32767]]], np.int16)
    assert np.array_equal(rl.to_mask(rl.find_runs(hu, threshold)), hu >= threshold)


def test_no_voxels_at_all():
    for shape in [(0, 4, 4), (3, 0, 4), (3, 4, 0)]:
        hu = np.zeros(shape, np.int16)
        found = rl.objects_of(hu, rl.find_runs(hu, -5, jobs=2), jobs=2)
        assert len(found) == 0
        assert rl.object_runs(found) == []


def test_read_only_and_strided_volumes():
    rng = np.random.default_rng(3)
    hu = rng.integers(-500, 500, (8, 9, 70)).astype(np.int16)
    view = hu[::-1, :, ::2]
    assert np.array_equal(rl.to_mask(rl.find_runs(view, 130)), view >= 130)
    hu.flags.writeable = False
    assert np.array_equal(rl.to_mask(rl.find_runs(hu, 130, jobs=2)), hu >= 130)


@given(st.data())
def test_sets(data):
    shape = data.draw(SHAPES)
    a, b = data.draw(masks(shape)), data.draw(masks(shape))
    one, other = rl.from_mask(a), rl.from_mask(b)
    for operation, expected in [
        (rl.union, a | b),
        (rl.intersect, a & b),
        (rl.difference, a & ~b),
    ]:
        result = operation(one, other)
        again = rl.from_mask(expected)
        for column in ("row", "start", "stop"):  # canonical too: no two runs that touch
            assert np.array_equal(getattr(result, column), getattr(again, column))


@given(volumes(), st.integers(0, 2000))
def test_threshold_within(hu, threshold):
    mask = hu >= 130
    result = rl.threshold_within(hu, rl.from_mask(mask), threshold)
    assert np.array_equal(rl.to_mask(result), mask & (hu >= threshold))


@given(volumes())
def test_parts_part_and_select_agree(hu):
    found = rl.objects_of(hu, rl.find_runs(hu, 130))
    pieces = rl.object_runs(found)
    assert np.array_equal(rl.to_mask(rl.union_all(pieces, hu.shape)), hu >= 130)
    for number, piece in enumerate(pieces, start=1):
        single = rl.runs_of_object(found, number)
        assert np.array_equal(single.row, piece.row)
        assert np.array_equal(single.start, piece.start)
        assert piece.voxels == found.voxels[number - 1]
    odd = np.arange(1, len(found) + 1, 2)
    by_number = rl.select(found, odd)
    by_flag = rl.select(found, np.isin(np.arange(1, len(found) + 1), odd))
    assert np.array_equal(rl.to_mask(by_number), rl.to_mask(by_flag))
    assert by_number.voxels == found.voxels[odd - 1].sum()


@given(st.data())
@example(data=None)
def test_paint_is_a_crop_of_the_whole(data):
    if data is None:
        shape, corner = (4, 5, 6), [(0, 4), (0, 5), (0, 6)]
        mask = np.ones(shape, bool)
    else:
        shape = data.draw(SHAPES)
        mask = data.draw(masks(shape))
        corner = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in shape]
    box = tuple(slice(low, high) for low, high in corner)
    runs = rl.from_mask(mask)
    assert np.array_equal(rl.paint(box, runs), mask[box])
    label = rl.label_components(runs)
    whole = rl.to_labels(
        shape, rl.object_runs(rl.objects_of(mask.astype(np.int16), runs)), np.int32
    )
    assert np.array_equal(rl.paint(box, runs, label), whole[box])


def test_paint_over_an_array():
    runs = rl.from_mask(np.eye(3, dtype=bool)[None])
    out = np.full((1, 3, 3), 9, np.uint16)
    rl.paint((slice(0, 1), slice(0, 3), slice(0, 3)), runs, 4, out=out)
    assert np.array_equal(out[0], np.where(np.eye(3, dtype=bool), 4, 9))


def test_crop_grows_in_mm_and_stays_in_the_volume():
    box = (slice(2, 3), slice(0, 4), slice(7, 10))
    grown = rl.crop(box, (5, 8, 10), 3.0, (3.27, 0.98, 1.5))
    assert grown == (slice(1, 4), slice(0, 8), slice(5, 10))
    assert rl.crop(np.array([2, 3, 0, 4, 7, 10], np.int32), (5, 8, 10)) == box


def test_box_of_and_voxels():
    mask = np.zeros((4, 5, 6), bool)
    mask[1:3, 2, 4] = mask[2, 4, 1:3] = True
    runs = rl.from_mask(mask)
    assert rl.box_of(runs) == (slice(1, 3), slice(2, 5), slice(1, 5))
    assert np.array_equal(rl.voxels_of(runs), np.argwhere(mask))
    assert rl.box_of(rl.from_mask(np.zeros((2, 2, 2), bool)))[0] == slice(0, 0)


def test_labels_take_the_smallest_type_and_refuse_what_does_not_fit():
    runs = rl.from_mask(np.ones((1, 1, 1), bool))
    assert rl.to_labels((1, 1, 1), [runs] * 255).dtype == np.uint8
    assert rl.to_labels((1, 1, 1), [runs] * 256).dtype == np.uint16
    with pytest.raises(UsageError, match="LABELS_DO_NOT_FIT"):
        rl.to_labels((1, 1, 1), [runs] * 256, np.uint8)


@pytest.mark.parametrize(
    "call",
    [
        lambda hu, _: rl.find_runs(hu.astype(np.float32), 130),
        lambda hu, _: rl.find_runs(hu[0], 130),
        lambda hu, _: rl.find_runs(hu, float("nan")),
        lambda hu, _: rl.from_mask(hu),
        lambda _, runs: rl.label_components(runs, connectivity=7),
        lambda hu, runs: rl.objects_of(hu[:1], runs),
        lambda hu, runs: rl.threshold_within(hu[:1], runs, 0),
        lambda _, runs: rl.union(runs, rl.from_mask(np.ones((1, 1, 1), bool))),
        lambda _, runs: rl.paint((slice(0, 1),) * 3, runs, out=np.zeros((2, 2, 2), bool)),
    ],
)
def test_wrong_calls_are_told(call):
    hu = np.zeros((2, 3, 4), np.int16)
    with pytest.raises(UsageError):
        call(hu, rl.find_runs(hu, 0))


def test_runs_count_voxels():
    runs = Runs((1, 2, 9), *(np.array(c, np.int32) for c in ([0, 1], [2, 0], [5, 9])))
    assert (len(runs), runs.voxels) == (2, 12)


@given(volumes(), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_kept_voxels_are_those_of_the_mask(hu, share, seed):
    runs = rl.find_runs(hu, 130)
    keep = np.random.default_rng(seed).random(runs.voxels) < share
    expected = np.zeros(hu.shape, np.bool_)
    expected[tuple(rl.voxels_of(runs)[keep].T)] = True
    assert same_runs(rl.keep_voxels(runs, keep), rl.from_mask(expected))


def same_runs(a, b):
    pairs = zip((a.row, a.start, a.stop), (b.row, b.start, b.stop), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)


@given(volumes(), st.integers(0, 2**32 - 1))
def test_stacked_pieces_lie_in_raster_order(hu, seed):
    rng = np.random.default_rng(seed)
    number = rng.integers(0, 4, hu.shape)  # so that runs of different pieces touch
    pieces = [rl.from_mask(number == k) for k in rng.permutation(np.arange(1, 4))]
    runs, label = rl.merge_labelled(pieces, hu.shape)
    place = runs.row.astype(np.int64) * hu.shape[2] + runs.start
    assert (np.diff(place) > 0).all()
    for k, piece in enumerate(pieces, start=1):
        assert same_runs(rl.take(runs, label == k), piece)


@given(volumes())
def test_chosen_parts_are_those_of_all(hu):
    found = rl.objects_of(hu, rl.find_runs(hu, 130))
    every = rl.object_runs(found)
    chosen = list(range(len(found)))[::-2]
    for index, runs in zip(chosen, rl.object_runs(found, chosen), strict=True):
        assert same_runs(runs, every[index])


@given(volumes(), st.sampled_from([1, 2, 3]), st.integers(0, 2**32 - 1))
def test_known_sums_change_nothing(hu, jobs, seed):
    known = rl.dense_objects(hu, 130)
    keep = np.random.default_rng(seed).random(known.runs.voxels) < 0.9
    runs = rl.keep_voxels(known.runs, keep)  # some of the known runs, and pieces of others
    label = rl.label_components(runs)
    with_known = rl.object_statistics(hu, runs, label, known=known, jobs=jobs)
    alone = rl.object_statistics(hu, runs, label)
    for name in ("voxels", "total", "peak", "floor", "centroid", "moment", "box"):
        assert np.array_equal(getattr(with_known, name), getattr(alone, name)), name


def test_known_sums_are_not_read_again():
    hu = np.full((1, 2, 9), 200, np.int16)
    hu[0, 0, 4] = 0
    known = rl.dense_objects(hu, 130)
    runs = rl.difference(known.runs, rl.from_mask(np.indices(hu.shape)[2] == 8))
    label = np.arange(1, len(runs) + 1, dtype=np.int32)
    again = rl.object_statistics(hu + np.int16(1), runs, label, known=known)
    assert again.peak.tolist() == [200, 201, 201]
