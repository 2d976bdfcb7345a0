"""A bent joint: bones turn as one, soft tissue follows without a tear, deposits keep their mass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcimetry.errors import UsageError
from calcimetry.phantom import DepositSpec, PhantomSpec, Pose, Protocol, realise
from calcimetry.phantom.body import REGIONS
from calcimetry.phantom.joint import Joint

KNEE = Joint(4.0, 22.0, 1, 30.0)
POINTS = np.random.default_rng(0).normal(size=(400, 3)) * 60


@pytest.mark.parametrize("share", [None, 0.0, 0.6, 1.0])
def test_straight_undoes_bent(share):
    at = KNEE.bent(POINTS, share).T.astype(np.float32)
    back = np.stack(KNEE.straight((at[0], at[1], at[2]), share), axis=-1)
    np.testing.assert_allclose(back, POINTS, atol=1e-3)


def test_a_bone_turns_rigidly_about_the_axis():
    bent = KNEE.bent(POINTS, 1.0)
    turned = (POINTS - [0, 4, 22]) @ KNEE.turn(POINTS[0], 1.0).T + [0, 4, 22]
    np.testing.assert_allclose(turned, bent, atol=1e-9)
    foot = KNEE.bent(np.array([0.0, 4.0, -78.0]))
    np.testing.assert_allclose(foot, [0.0, 4.0 + 50.0, 22.0 - 100 * np.cos(np.pi / 6)], atol=1e-9)


def test_soft_tissue_does_not_tear():
    step = KNEE.bent(POINTS + np.array([0.0, 0.02, 0.02])) - KNEE.bent(POINTS)
    assert np.linalg.norm(step, axis=1).max() < 0.06


def test_the_proximal_limb_stays():
    thigh = POINTS * [0.3, 0.3, 0.3] + [0.0, 4.0, 150.0]
    np.testing.assert_allclose(KNEE.bent(thigh), thigh, atol=1e-9)


@pytest.mark.parametrize(("region", "site"), [("knee", "gastrocnemius"), ("elbow", "olecranon")])
def test_a_deposit_goes_where_the_joint_takes_it_and_keeps_its_mass(region, site):
    how = Protocol(spacing=(1.5, 1.2, 1.2), table=False, noise_hu=0.0)
    spec = PhantomSpec(region, 3, (DepositSpec(site, "nodule", 8.0, 700.0, 1),), how)
    first = realise(spec)
    pose = Pose((0.0, 0.0, 8.0), (3.0, 2.0, 1.0), bend_deg=30.0)
    second = realise(replace(spec, pose=pose))
    a, b = first.truth.deposits[0], second.truth.deposits[0]
    assert b.mass_mg == pytest.approx(a.mass_mg, rel=0.02)
    joint = replace(REGIONS[region](3).joint, angle_deg=30.0)
    there = pose.to_scanner(joint.bent(np.array(a.centroid_mm), 1.0))
    assert np.linalg.norm(there - b.centroid_mm) < 0.3
    at = tuple(np.rint(second.scan.to_zyx(np.array(b.centroid_mm))).astype(int))
    assert second.scan.hu[at] > 600


def test_a_region_without_a_joint_is_not_bent():
    with pytest.raises(UsageError, match="PHANTOM_NO_JOINT"):
        realise(PhantomSpec("thigh", 3, pose=Pose(bend_deg=20.0)))
