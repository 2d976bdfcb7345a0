from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from calcimetry.phantom import Imaging, Placement, insert
from calcimetry.phantom.shapes_independent import Make, Sharp, draw_independent, insert_independent
from calcimetry.records import Scan


@pytest.mark.parametrize("make", list(Make))
def test_every_make_is_whole_of_its_size_and_repeatable(make: Make) -> None:
    for seed in range(12):
        shape = draw_independent(make, 8.0, np.random.default_rng(seed), 0.4)
        assert shape.dtype == np.float32
        assert 0 < shape.max() <= 1.6
        assert shape.min() >= 0
        assert max(shape.shape) <= 21
        assert np.array_equal(shape, draw_independent(make, 8.0, np.random.default_rng(seed), 0.4))


def test_both_painters_put_the_same_mass_in_the_same_place(flat: Callable[..., Scan]) -> None:
    scan = flat((3.0, 0.9, 0.9), (20, 50, 50), hu=40)
    shape = draw_independent("metaballs", 9.0, np.random.default_rng(4), 0.35)
    place = Placement(shape, 0.35, (10.4, -19.0, 31.0), 500.0)
    look = Imaging(fwhm_mm=(3.0, 1.0))
    one, truth = insert(scan, [place], imaging=look)
    two, other = insert_independent(scan, [place], 1, look, Sharp(texture_hu=0.0))
    assert other.mass_mg == pytest.approx(truth.mass_mg, rel=1e-6)
    gains = [float((out.hu.astype(float) - 40).sum()) for out in (one, two)]
    assert gains[1] == pytest.approx(gains[0], rel=0.01)
    assert two.hu.max() > one.hu.max()  # the sharp kernel overshoots
    assert abs(int(truth.labels().sum()) - int(other.labels().sum())) <= 8


def test_independent_deposits_confine_too(flat: Callable[..., Scan]) -> None:
    scan = flat(hu=50)
    scan.hu[:, :, 22:] = 900
    x, y, z = scan.to_lps(np.array([20.0, 20.0, 20.0]))
    ball = draw_independent("metaballs", 10.0, np.random.default_rng(0), 0.5)
    place = Placement(ball, 0.5, (float(x), float(y), float(z)), 700.0, confine=True)
    truth = insert_independent(scan, [place])[1]
    free = insert_independent(flat(hu=50), [place])[1]
    assert truth.deposits[0].touches_bone
    assert truth.mass_mg < free.mass_mg
