from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcimetry.errors import UsageError
from calcimetry.phantom import (
    REGIONS,
    DepositSpec,
    Phantom,
    PhantomSpec,
    Pose,
    Protocol,
    hu_per_mg_cm3,
    later_visit,
    make,
    realise,
)
from calcimetry.phantom.body import placed
from calcimetry.phantom.deposits import settled
from calcimetry.phantom.support import rod_centres

COARSE = Protocol(spacing=(2.0, 1.5, 1.5), noise_hu=0.0, ceiling_hu=20000, shape=(24, 124, 124))
NODULE = DepositSpec("anterior thigh", "nodule", 11.0, 500.0, seed=4)
THIGH = PhantomSpec("thigh", 2, (NODULE,), replace(COARSE, table=False))


def gain(spec: PhantomSpec) -> tuple[Phantom, np.ndarray]:
    """A phantom, and what the mineral alone adds to it."""
    without = tuple(replace(item, density_mg_cm3=0.0) for item in spec.deposits)
    full, empty = realise(spec), realise(replace(spec, deposits=without))
    return full, full.scan.hu.astype(np.float64) - empty.scan.hu


@pytest.mark.parametrize(
    "protocol",
    [
        replace(THIGH.protocol, spacing=(0.8, 1.2, 1.2), shape=(60, 90, 90)),
        replace(THIGH.protocol, spacing=(5.0, 0.9, 0.9), shape=(20, 120, 120), kvp=80.0),
        replace(THIGH.protocol, spacing=(3.0, 1.0, 1.0), fwhm_mm=(4.0, 2.0), shape=(30, 120, 120)),
    ],
)
def test_mass_and_place_in_the_image_are_the_truths(protocol: Protocol) -> None:
    phantom, added = gain(replace(THIGH, protocol=protocol))
    item = phantom.truth.deposits[0]
    scale = hu_per_mg_cm3(protocol.kvp, 16.0)
    mass = added.sum() * phantom.scan.voxel_mm3 / scale / 1000
    assert mass == pytest.approx(item.mass_mg, rel=0.01)
    zyx = [(added * g).sum() / added.sum() for g in np.indices(added.shape)]
    assert np.abs(phantom.scan.to_zyx(np.array(item.centroid_mm)) - zyx).max() < 0.3


@pytest.mark.parametrize("spacing", [(0.6, 0.6, 0.6), (1.5, 0.9, 0.9), (5.0, 0.98, 0.98)])
@pytest.mark.parametrize("fwhm", [(0.8, 0.8), (2.5, 1.8)])
def test_excess_over_plain_muscle_is_the_mass(
    spacing: tuple[float, float, float], fwhm: tuple[float, float]
) -> None:
    shape = tuple(int(40 / edge) | 1 for edge in spacing)
    item = replace(NODULE, diameter_mm=8.0, density_mg_cm3=600.0)
    how = Protocol(
        spacing, 120.0, fwhm, noise_hu=0.0, shape=shape, table=False, matrix_hu=56.0, plain=True
    )
    pose = Pose(shift_mm=(-4.0, 40.0, -10.0))  # the deposit near the middle of a small field
    phantom = realise(PhantomSpec("thigh", 0, (item,), how, pose))
    muscle = Protocol(spacing, shape=shape, noise_hu=0.0, table=False, plain=True, fwhm_mm=fwhm)
    empty = realise(PhantomSpec("thigh", 0, (), muscle, pose)).scan.hu
    assert np.count_nonzero(empty == 56) > 0.5 * empty.size
    excess = (phantom.scan.hu.astype(float) - empty).sum() * phantom.scan.voxel_mm3
    mass = excess / hu_per_mg_cm3(120.0, 16.0) / 1000
    assert mass == pytest.approx(phantom.truth.mass_mg, rel=0.01)


def test_truth_is_the_same_however_the_body_is_scanned() -> None:
    usual = realise(THIGH).truth.deposits[0]
    fine = replace(THIGH.protocol, spacing=(1.5, 1.5, 1.5), shape=(36, 80, 80), kvp=80.0)
    pose = Pose((4.0, -3.0, 10.0), (3.0, -2.0, 5.0))
    other = realise(replace(THIGH, protocol=fine, pose=pose, noise_seed=9)).truth.deposits[0]
    assert other.mass_mg == pytest.approx(usual.mass_mg, rel=1e-4)
    assert other.volume_mm3 == pytest.approx(usual.volume_mm3, rel=1e-4)
    moved = pose.to_scanner(np.array(usual.centroid_mm))
    assert other.centroid_mm == pytest.approx(tuple(moved), abs=0.05)


def test_a_posed_body_is_the_same_body() -> None:
    """Turned by a right angle about z, the picture is the picture turned."""
    how = replace(THIGH.protocol, shape=(8, 130, 130), spacing=(2.0, 1.5, 1.5))
    straight = realise(replace(THIGH, protocol=how)).scan.hu
    turned = realise(replace(THIGH, protocol=how, pose=Pose((0.0, 0.0, 90.0)))).scan.hu
    expected = np.rot90(straight, -1, axes=(1, 2))
    assert np.abs(turned.astype(int) - expected).mean() < 3
    assert np.abs(turned.astype(int) - straight).mean() > 20


def test_same_arguments_same_bits_other_seeds_other_phantoms() -> None:
    one, two, other = (make("hand", seed=seed, spacing=(3.0, 2.0, 2.0)) for seed in (5, 5, 6))
    assert np.array_equal(one.scan.hu, two.scan.hu)
    assert one.spec == two.spec
    assert [d.mass_mg for d in one.truth.deposits] == [d.mass_mg for d in two.truth.deposits]
    assert not np.array_equal(one.scan.hu[:, :40, :40], other.scan.hu[:, :40, :40])
    noise = realise(replace(one.spec, noise_seed=77))
    assert not np.array_equal(noise.scan.hu, one.scan.hu)


@pytest.mark.parametrize("region", list(REGIONS))
@pytest.mark.parametrize("left", [False, True])
def test_deposits_fit_every_site(region: str, left: bool) -> None:
    """Of a big deposit at any site most is left after cutting; those on bone touch it."""
    body = REGIONS[region](3, mirror=left)
    items = tuple(
        DepositSpec(name, "ellipsoid", max(0.7 * site.room_mm, 4.0), 400.0, seed=k)
        for k, (name, site) in enumerate(body.sites.items())
    )
    _, places = placed(PhantomSpec(region, 3, items, left=left, mimics=False))
    assert len(places) == len(items)
    for item, place in zip(items, places, strict=True):
        site = body.sites[item.site]
        left_over = np.count_nonzero(place.shape) * place.step_mm**3
        share = left_over / (np.pi / 6 * item.diameter_mm**3)
        assert share > (0.3 if site.on_bone else 0.6), item.site
        if site.on_bone:
            assert place.touches_bone, item.site
        if site.tissue in ("subcutis", "muscle") and not site.on_bone:
            assert not place.touches_bone, item.site
        within = (
            np.abs(np.array(place.centre_mm) - body.centre) < np.array(body.extent_mm[::-1]) / 2
        )
        assert within.all(), item.site


def test_subcutis_is_fat_and_fascia_lies_on_muscle() -> None:
    body = REGIONS["thigh"](1)
    names = ("lateral subcutis", "fascia lata", "posterior thigh")
    items = tuple(DepositSpec(name, "ellipsoid", 3.0, 0.0) for name in names)
    how = Protocol(spacing=(1.0, 1.0, 1.0), shape=(76, 150, 180), noise_hu=0.0, table=False)
    scan = realise(PhantomSpec("thigh", 1, (), how)).scan
    fat, fascia, muscle = (
        scan.hu[tuple(np.rint(scan.to_zyx(c)).astype(int))] for c in settled(body, items)
    )
    assert -125 < fat < -55
    assert -110 < fascia < 70
    assert 25 < muscle < 85


def test_tissues_have_their_hu_and_bone_follows_voltage() -> None:
    low, high = (
        realise(replace(THIGH, protocol=replace(THIGH.protocol, kvp=k))) for k in (80, 120)
    )
    hu = high.scan.hu
    assert np.median(hu[(hu > -150) & (hu < -50)]) == pytest.approx(-100, abs=8)
    assert np.median(hu[(hu > 20) & (hu < 90)]) == pytest.approx(56, abs=5)
    assert hu.min() < -990
    assert 1300 < hu.max() < 1900
    assert low.scan.hu.max() / hu.max() == pytest.approx(0.710 / 0.511, rel=0.02)


def test_rods_hold_what_they_say() -> None:
    how = Protocol((3.0, 1.0, 1.0), noise_hu=0.0, rods=True, shape=(6, 150, 108))
    spec = PhantomSpec("elbow", 0, (), how)
    scan, centres = realise(spec).scan, rod_centres(REGIONS["elbow"](0))
    scale = hu_per_mg_cm3(120.0, 9.0)
    for name, expected in (("200", 200 * scale), ("water", 0.0)):
        z, y, x = np.rint(scan.to_zyx(np.array(centres[name]))).astype(int)
        assert scan.hu[z, y - 2 : y + 3, x - 2 : x + 3].mean() == pytest.approx(expected, abs=2)


def test_noise_has_the_sd_and_grain_asked_for() -> None:
    how = replace(THIGH.protocol, noise_hu=20.0, shape=(12, 100, 100), spacing=(2.0, 0.6, 0.6))
    one, two = (
        realise(replace(THIGH, protocol=how, noise_seed=s)).scan.hu.astype(float) for s in (1, 2)
    )
    difference = (one - two)[:, 30:70, 30:70] / np.sqrt(2)
    assert difference.std() == pytest.approx(20, rel=0.06)
    near = (difference[..., 1:] * difference[..., :-1]).mean() / difference.var()
    assert 0.3 < near < 0.95


def test_a_later_visit_is_the_same_body_with_what_changed() -> None:
    first = replace(THIGH, deposits=(NODULE, replace(NODULE, site="posterior thigh")))
    grown = later_visit(
        first, deposits=(replace(NODULE, diameter_mm=13.2),), pose=Pose(shift_mm=(2, 0, 0))
    )
    before, after = realise(first).truth, realise(grown).truth
    assert len(after.deposits) == 1
    ratio = after.deposits[0].volume_mm3 / before.deposits[0].volume_mm3
    assert ratio == pytest.approx(1.2**3, rel=1e-3)
    assert after.deposits[0].centroid_mm[0] - before.deposits[0].centroid_mm[0] == pytest.approx(
        2, abs=0.2
    )


def test_big_deposits_raise_the_skin() -> None:
    item = DepositSpec("lateral subcutis", "ellipsoid", 40.0, 300.0)
    how = replace(COARSE, shape=(48, 120, 130), table=False)
    spec = replace(THIGH, deposits=(item,), protocol=how)
    big, none = realise(spec), realise(replace(spec, deposits=()))
    assert (big.scan.hu > -300).sum() > (none.scan.hu > -300).sum() + 1000
    share = big.truth.deposits[0].volume_mm3 / (np.pi / 6 * 40.0**3)
    assert share > 0.9


def test_vessel_and_cartilage_calcium_is_no_deposit() -> None:
    spec = PhantomSpec("trunk", 0, (), Protocol((10.0, 6.0, 6.0), shape=(12, 30, 40)))
    truth = realise(spec).truth
    assert not truth.deposits
    assert {item.family for item in truth.negatives} == {"vessel_wall_calcium", "cartilage_calcium"}
    assert not realise(replace(spec, mimics=False)).truth.negatives


def test_unknown_region_and_site_are_named() -> None:
    with pytest.raises(UsageError, match="PHANTOM_UNKNOWN_REGION"):
        make("tail")
    wrong = replace(THIGH, deposits=(replace(NODULE, site="tail"),))
    with pytest.raises(UsageError, match="PHANTOM_UNKNOWN_SITE"):
        realise(wrong)
