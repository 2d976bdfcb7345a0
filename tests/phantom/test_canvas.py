from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.phantom.canvas import Canvas, Cone, Ellipsoid, Pose, Waves


def canvas(step: float = 1.0, half: float = 24.0, pose: Pose | None = None) -> Canvas:
    line = np.arange(-half, half + step / 2, step)
    return Canvas(line, line, line, pose or Pose())


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0])
def test_shares_on_the_border_make_the_volume_right(step: float) -> None:
    drawn = canvas(step)
    drawn.solid(Ellipsoid((0.3, -0.2, 0.1), (15, 15, 15)), 0.0)
    volume = ((drawn.hu + 1000) / 1000).sum() * step**3
    assert volume == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.005)


def test_shares_agree_with_supersampling() -> None:
    shape = Cone((-8, -3, -10), (6, 4, 9), 9.0, 5.0)
    coarse, fine = canvas(1.0, 20.0), canvas(0.25, 20.375)
    coarse.solid(shape, 0.0)
    fine.hu[:] = np.where(shape.distance(fine.at((slice(None),) * 3)) < 0, 0.0, -1000.0)
    blocks = fine.hu.reshape(41, 4, 41, 4, 41, 4).mean(axis=(1, 3, 5))
    assert np.abs(blocks - coarse.hu).mean() < 4
    assert np.abs(blocks - coarse.hu).max() < 260


@given(
    st.tuples(*[st.floats(-180, 180)] * 3), st.tuples(*[st.floats(-50, 50)] * 3), st.integers(0, 99)
)
@settings(max_examples=30, deadline=None)
def test_poses_are_rigid_and_undo(
    turn: tuple[float, float, float], shift: tuple[float, float, float], seed: int
) -> None:
    pose, points = Pose(turn, shift), np.random.default_rng(seed).normal(size=(5, 3)) * 40
    there = pose.to_scanner(points)
    assert np.allclose(pose.to_body(there), points)
    assert np.allclose(np.linalg.norm(there[0] - there[1]), np.linalg.norm(points[0] - points[1]))
    assert np.linalg.det(pose.rotation()) == pytest.approx(1)


def test_a_posed_solid_lies_where_the_pose_puts_it() -> None:
    pose = Pose((20.0, -30.0, 40.0), (3.0, -4.0, 5.0))
    drawn = canvas(1.0, pose=pose)
    drawn.solid(Ellipsoid((8, 2, -6), (4, 6, 8), power=2.0), 0.0)
    weight = drawn.hu + 1000
    zyx = [(weight * g).sum() / weight.sum() for g in np.meshgrid(*(drawn.z,) * 3, indexing="ij")]
    assert zyx[::-1] == pytest.approx(pose.to_scanner(np.array([8.0, 2.0, -6.0])), abs=0.05)


def test_waves_are_the_same_at_the_same_place_on_any_grid() -> None:
    waves = Waves(12.0, 3)
    fine, coarse = canvas(0.5), canvas(1.0)
    whole = (slice(None),) * 3
    one, two = waves(fine.at(whole))[::2, ::2, ::2], waves(coarse.at(whole))
    assert np.allclose(one, two, atol=2e-3)
    assert two.std() == pytest.approx(1, abs=0.35)


def test_what_misses_the_grid_changes_nothing() -> None:
    drawn = canvas()
    drawn.solid(Ellipsoid((200, 0, 0), (5, 5, 5)), 0.0)
    assert (drawn.hu == -1000).all()
    assert drawn.field([Ellipsoid((0, 0, 99), (5, 5, 5))]) is None
