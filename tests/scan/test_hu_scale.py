"""HU or not: real scans and the phantom hand pass; every way to spoil a scale is caught."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.errors import InputError
from calcimetry.phantom import make as make_phantom
from calcimetry.records import Acquisition
from calcimetry.scan import from_array, read
from calcimetry.scan.hu_histogram import LINES, explained
from calcimetry.scan.hu_scale import Verdict, clipped_at, sampled, verdict

LIMB, TRUNK = "limbs/STS_019_CT.nii.gz", "trunks/chest_lidc0314_1.5mm.nii.gz"
REAL = (
    LIMB,
    TRUNK,
    "limbs/STS_002_CT.nii.gz",  # a foam mattress at -880, no other air
    "limbs/STS_005_CT.nii.gz",
    "trunks/head_1.5mm.nii.gz",
    "more/chest_cmb-crc_lungkernel_2.5mm.nii.gz",
    "more/chest_acrin-flt13_4mm.nii.gz",
    "more/spine-lumbar_taichi_cor3mm.nii.gz",
    "abdomen_j2k",
)


@pytest.fixture(scope="module")
def volumes(request):
    """volumes(name): HU of the phantom hand, or of a real scan, in every second row and column."""
    kept: dict[str, np.ndarray] = {}

    def volume(name: str) -> np.ndarray:
        if name not in kept:
            if name == "hand":
                hu = make_phantom("hand", spacing=(2.0, 1.2, 1.2)).scan.hu
            else:
                hu = read(request.getfixturevalue("shared_data") / name).hu[:, ::2, ::2]
            kept[name] = np.ascontiguousarray(hu)
        return kept[name]

    return volume


def whole(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def ringed(hu: np.ndarray, padding: int) -> np.ndarray:
    """With a scanner's padding outside the round field of view."""
    y, x = np.ogrid[-1 : 1 : hu.shape[1] * 1j, -1 : 1 : hu.shape[2] * 1j]
    return np.where(x**2 + y**2 > 1, np.int16(padding), hu)


def stretched(hu: np.ndarray, top: float) -> np.ndarray:
    low, high = -1024.0, float(hu.max())
    return whole((hu.clip(low) - low) / (high - low) * top)


Change = Callable[[np.ndarray], np.ndarray]
WRONG: dict[str, Change] = {
    "intercept of 1024 lost": lambda hu: hu + 1024,
    "intercept of 1000 lost": lambda hu: hu + 1000,
    "intercept lost, padding of -2000": lambda hu: ringed(hu + 1024, -2000),
    "intercept lost, padding of -1024": lambda hu: ringed(hu + 1024, -1024),
    "intercept lost, padding of 0": lambda hu: ringed(hu + 1000, 0),
    "intercept lost, unsigned": lambda hu: np.maximum(hu + 1024, 0),
    "intercept twice": lambda hu: hu - 1024,
    "intercept of 1000 twice": lambda hu: hu - 1000,
    "intercept twice, padding of -3024": lambda hu: ringed(hu - 1024, -3024),
    "twice as steep": lambda hu: whole(hu * 2.0),
    "half as steep": lambda hu: whole(hu * 0.5),
    "ten times as steep": lambda hu: whole(hu * 10.0),
    "a tenth as steep": lambda hu: whole(hu * 0.1),
    "to 0..1": lambda hu: stretched(hu, 1),
    "to 0..255": lambda hu: stretched(hu, 255),
    "to 0..1000": lambda hu: stretched(hu, 1000),
    "to 0..32767": lambda hu: stretched(hu, 32767),
    "to mean 0, deviation 1": lambda hu: whole((hu - hu.mean()) / hu.std()),
    "windowed to 0..255": lambda hu: whole((hu.clip(-160, 240) + 160) / 400 * 255),
    "windowed, in HU": lambda hu: hu.clip(-160, 240),
    "cut off at 0": lambda hu: hu.clip(0),
    "air set to 0": lambda hu: np.where(hu < -300, np.int16(0), hu),
    "air set to soft tissue": lambda hu: np.where(hu < -300, np.int16(40), hu),
}
DOUBTFUL: dict[str, Change] = {
    "intercept twice, unsigned": lambda hu: np.maximum(hu - 1024, -1024),
    "to 0..4095": lambda hu: stretched(hu, 4095),
    "slope and intercept lost": lambda hu: whole(hu * 2.0 + 1024),
}
RIGHT: dict[str, Change] = {
    "as it is": lambda hu: hu,
    "padding of -2000": lambda hu: ringed(hu, -2000),
    "padding of -3024": lambda hu: ringed(hu, -3024),
    "padding of -1024": lambda hu: ringed(hu, -1024),
    "cut off at 1000": lambda hu: hu.clip(-1000, 1000),
    "noise of 60 HU": lambda hu: whole(hu + np.random.default_rng(0).normal(0, 60, hu.shape)),
    "rounded to 16": lambda hu: whole(np.rint(hu / 16) * 16),
    "much air": lambda hu: np.pad(hu, ((0, 0), (60, 60), (60, 60)), constant_values=-1000),
}


@pytest.mark.parametrize("name", ["hand", LIMB, TRUNK])
@pytest.mark.parametrize("change", WRONG)
def test_wrong_scales_are_refused(volumes, name, change):
    assert verdict(WRONG[change](volumes(name))).wrong


@pytest.mark.parametrize("name", ["hand", LIMB, TRUNK])
@pytest.mark.parametrize("change", DOUBTFUL)
def test_wrong_scales_that_look_nearly_right_are_at_least_doubted(volumes, name, change):
    found = verdict(DOUBTFUL[change](volumes(name)))
    assert found.wrong or found.doubts


@pytest.mark.parametrize("name", ["hand", LIMB, TRUNK])
@pytest.mark.parametrize("change", RIGHT)
def test_right_scales_are_taken(volumes, name, change):
    assert verdict(RIGHT[change](volumes(name))) == Verdict(None, ())


@pytest.mark.parametrize("name", REAL)
def test_real_scans_are_hu(volumes, name):
    assert verdict(volumes(name)) == Verdict(None, ())


@pytest.mark.parametrize("name", ["hand", LIMB, TRUNK])
def test_a_crop_of_fat_and_muscle_is_doubted_for_want_of_air_never_refused(volumes, name):
    hu = volumes(name)
    soft = hu[(hu > -150) & (hu < 150)]
    crop = np.resize(soft, (40, 40, 40))
    found = verdict(crop)
    assert found.wrong is None
    assert found.doubts[0].startswith("there is no air")
    assert verdict(crop + 1024).wrong


@settings(max_examples=25)
@given(st.integers(-40, 40), st.floats(5, 60), st.integers(0, 9))
def test_bodies_drawn_at_random_are_told_from_the_same_moved(muscle, noise, seed):
    """Air, fat and muscle in any shares, with any noise; and everything 1024 higher or lower."""
    rng = np.random.default_rng(seed)
    shares = rng.uniform(0.1, 1, 4)
    levels = rng.choice((-1000, -105, 45 + muscle, 500), (48, 32, 32), p=shares / shares.sum())
    hu = whole(levels + rng.normal(0, noise, levels.shape))
    assert verdict(hu).wrong is None
    for moved in (hu + 1024, hu + 1000, hu - 1024):
        found = verdict(moved)
        assert found.wrong or found.doubts


@pytest.mark.parametrize("noise", [100, 150, 200])
@pytest.mark.parametrize("air", [0.3, 0.97])
def test_noise_that_no_scanner_cut_off_is_no_other_scale(air, noise):
    """Thin slices of a sharp kernel, where air reads far below -1024 too."""
    rng = np.random.default_rng(3)
    shares = np.array([air, *((1 - air) * np.array([0.6, 0.25, 0.15]))])
    levels = rng.choice((-1000, 50, -100, 500), (60, 60, 60), p=shares)
    assert verdict(whole(levels + rng.normal(0, noise, levels.shape))).wrong is None


def test_much_of_one_contrast_medium_is_no_other_scale():
    rng = np.random.default_rng(3)
    levels = rng.choice((-1000, -105, 20, 500), (48, 32, 32), p=(0.1, 0.16, 0.42, 0.32))
    assert verdict(whole(levels + rng.normal(0, 5, levels.shape))).wrong is None


def test_drawings_without_noise_are_not_judged():
    hu = np.full((40, 40, 40), -1000, np.int16)
    hu[10:30, 10:30, 10:30], hu[20, 20, 20] = 40, 900
    assert verdict(hu) == Verdict(None, ())


def test_small_crops_that_were_moved_are_doubted_not_refused(volumes):
    hu = volumes("hand")
    crop = np.ascontiguousarray(hu[:6, hu.shape[1] // 2 - 25 :][:, :50, :90])
    assert crop.size < 1 << 15
    assert verdict(crop) == Verdict(None, ())
    assert verdict(crop - 1024).wrong is None
    assert verdict(crop - 1024).doubts


def test_uniform_noise_and_uniform_volumes_are_not_judged():
    noise = np.random.default_rng(0).integers(-1000, 1500, (6, 30, 40)).astype(np.int16)
    assert verdict(noise) == Verdict(None, ())
    assert verdict(np.full((40, 40, 40), -1000, np.int16)) == Verdict(None, ())
    assert verdict(np.zeros((40, 40, 40), np.int16)).doubts


def test_a_background_of_zero_beside_air_is_doubted(volumes):
    """As resampling with 0 for what lies outside leaves it in the corners."""
    found = verdict(ringed(volumes("hand"), 0))
    assert found.wrong is None
    assert "background of exactly 0" in found.doubts[0]


def test_the_refusal_says_what_was_found_and_is_a_flag_when_asked_for(volumes):
    hu = volumes("hand") + 1024
    with pytest.raises(InputError, match=r"HU_SCALE_WRONG.*\n.*\n.*--hu-as-is") as caught:
        from_array(hu, spacing=(2.0, 1.2, 1.2))
    assert caught.value.exit_code == 3
    assert "air at 24" in caught.value.found
    scan = from_array(hu, spacing=(2.0, 1.2, 1.2), hu_as_is=True)
    assert np.array_equal(scan.hu, hu)
    text = next(f.text for f in scan.flags if f.code == "HU_SCALE_DOUBTFUL")
    assert "taken as they are" in text


def test_files_are_judged_as_arrays_are(tmp_path, make, volumes):
    hu = volumes("hand")
    path = make.nifti(tmp_path / "ct.nii", (hu + 1024).T)
    with pytest.raises(InputError, match="HU_SCALE_WRONG"):
        read(path)
    codes = {f.code for f in read(path, hu_as_is=True).flags}
    assert "HU_SCALE_DOUBTFUL" in codes
    folder = make.series(tmp_path / "s", hu.clip(-1024, 3000), intercept=-2048, PixelData=None)
    for file in folder.iterdir():
        file.unlink()
    make.series(folder, hu.clip(-1024, 3000) - 1024, intercept=-2048)
    with pytest.raises(InputError, match="HU_SCALE_WRONG"):
        read(folder)
    assert "HU_SCALE_DOUBTFUL" in {f.code for f in read(folder, hu_as_is=True).flags}


# ------------------------------------------------------------------------------- cut off


@pytest.mark.parametrize("bound", [400, 777, 1000, 1300])
@pytest.mark.parametrize("name", ["hand", LIMB, TRUNK])
def test_a_value_at_which_many_voxels_end_is_the_ceiling(volumes, name, bound):
    hu = np.minimum(volumes(name), np.int16(bound))
    if (hu == bound).sum() < 30:
        pytest.skip(f"too little of this scan lies above {bound} HU")
    assert clipped_at(hu) == bound
    scan = from_array(hu, spacing=(2, 1, 1), acquisition=Acquisition(hu_ceiling=3071))
    assert scan.acquisition.hu_ceiling == bound
    assert f"at {bound} HU" in next(f.text for f in scan.flags if f.code == "HU_CLIPPED")


def test_scans_that_end_where_noise_ends_are_not_cut_off(volumes):
    assert clipped_at(volumes("hand")) is None
    assert clipped_at(volumes(LIMB)) is None
    assert clipped_at(np.full((5, 5, 5), 1000, np.int16)) is None


def test_what_scanners_themselves_cut_off_is_no_flag(volumes):
    hu = volumes("hand").copy()
    metal = np.random.default_rng(0).integers(2500, 4000, (20, 20))
    hu[5, 20:40, 20:40] = metal.clip(max=3071)
    scan = from_array(hu, spacing=(2, 1, 1))
    assert scan.acquisition.hu_ceiling == 3071
    assert "HU_CLIPPED" not in {f.code for f in scan.flags}


# ------------------------------------------------------------------------------- details


@given(st.integers(4, 80), st.integers(4, 80), st.integers(4, 80))
def test_the_sample_meets_every_column_of_a_volume(z, y, x):
    hu = np.broadcast_to(np.arange(x, dtype=np.int16), (z, y, x))
    found = sampled(np.ascontiguousarray(hu))
    assert found.values.tolist() == list(range(x))
    assert found.counts.sum() == hu.size


def test_a_large_volume_is_sampled_and_still_meets_every_column():
    hu = np.ascontiguousarray(np.broadcast_to(np.arange(512, dtype=np.int16), (20, 512, 512)))
    found = sampled(hu)
    assert len(found.values) == 512
    assert found.counts.sum() < hu.size / 2


@given(st.sampled_from(LINES[1:]), st.integers(0, 5))
def test_the_line_that_was_drawn_explains_best(line, seed):
    slope, offset = line
    rng = np.random.default_rng(seed)
    hu = rng.choice((-1000, -105, 45, 500), 40_000, p=(0.4, 0.25, 0.3, 0.05))
    values, counts = np.unique(
        np.rint((hu + rng.normal(0, 18, hu.shape)) * slope + offset), return_counts=True
    )
    lines = explained(values, counts.astype(np.float64))
    mine = next(found for found in lines if (found.slope, found.offset) == line)
    assert mine.gain > 0.1
    assert mine.gain > max(found.gain for found in lines) - 0.12


def test_a_slope_that_leaves_16_bits_is_refused(volumes):
    hu = volumes("hand").astype(np.float64)
    assert "beyond 32767" in (verdict(whole(hu * 1000)).wrong or "")
    metal = volumes("hand").copy()
    metal[:2, :2, :2] = 32767  # single voxels: an implant at the end of an extended scale
    assert verdict(metal).wrong is None
