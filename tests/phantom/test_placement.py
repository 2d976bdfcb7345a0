from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from calcimetry.phantom import Mix, candidate_sites, insert, random_placements, random_vessel
from calcimetry.records import Scan


@pytest.fixture
def limb(flat: Callable[..., Scan]) -> Scan:
    """A cylinder of fat and muscle along z with a bone in it, in air."""
    scan = flat((2.0, 1.0, 1.0), (40, 110, 110), hu=-1000)
    hu = scan.hu.copy()
    y, x = np.indices(hu.shape[1:]) - 55
    r = np.hypot(y, x)
    for radius, value in ((50, -100), (38, 55), (14, 1000), (9, -40)):
        hu[:, r < radius] = value
    return replace(scan, hu=hu)


def test_pools_lie_in_their_tissue(limb: Scan) -> None:
    sites = candidate_sites(limb)
    wanted = {"fat": -100, "subcutis": -100, "muscle": 55}
    for name, value in wanted.items():
        z, y, x = np.rint(sites[name].zyx).astype(int).T
        assert len(z) > 500
        assert (limb.hu[z, y, x] == value).mean() > 0.97
    z, y, x = sites["touching_bone"].zyx.T
    out = np.hypot(y - 55, x - 55)
    assert out.min() > 13
    assert out.max() < 22
    skin = sites["subcutis"]
    depth = 50 - np.hypot(skin.zyx[:, 1] - 55, skin.zyx[:, 2] - 55)
    assert np.abs(depth - skin.skin_mm).mean() < 1.5


def test_random_deposits_keep_apart_and_lie_where_they_say(limb: Scan) -> None:
    rng = np.random.default_rng(0)
    places = random_placements(limb, 12, rng, mix=Mix(null_share=0.5, diameter_mm=(3, 8)))
    out, truth = insert(limb, places)
    assert len(truth.deposits) >= 10
    assert len(truth.negatives) >= 5
    assert all(item.family.startswith("null_") for item in truth.negatives)
    at = np.array([item.centroid_mm for item in truth.deposits])
    gap = np.linalg.norm(at[:, None] - at[None], axis=-1) + 99 * np.eye(len(at))
    assert gap.min() > 6
    on_bone = [d.touches_bone for d in truth.deposits if d.site == "touching_bone"]
    assert sum(map(bool, on_bone)) >= 0.6 * len(on_bone)
    assert not any(d.touches_bone for d in truth.deposits if d.site in ("fat", "muscle"))
    assert out.hu[limb.hu == 1000].min() == 1000  # bone is added to by blur, never replaced
    assert {item.tissue for item in truth.deposits} == {"fat", "muscle"}


def test_same_seed_same_deposits(limb: Scan) -> None:
    one, two = (random_placements(limb, 4, np.random.default_rng(3)) for _ in range(2))
    assert [p.centre_mm for p in one] == [p.centre_mm for p in two]
    assert all(np.array_equal(a.shape, b.shape) for a, b in zip(one, two, strict=True))


def test_vessels_are_negatives_of_contrast_brightness(limb: Scan) -> None:
    tube = random_vessel(limb, np.random.default_rng(1), sites=candidate_sites(limb))
    assert tube is not None
    assert tube.negative
    assert 85 < tube.density_mg_cm3 / 0.638 < 305


def test_an_empty_scan_has_no_room(flat: Callable[..., Scan]) -> None:
    air = flat(hu=-1000)
    assert random_placements(air, 3, np.random.default_rng(0)) == []
    assert random_vessel(air, np.random.default_rng(0), sites=candidate_sites(air)) is None
