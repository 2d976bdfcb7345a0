"""Small objects along a line are told from those that are strewn about."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.deposits.vessel_course import LEAST, along_course


def strung(count: int, length_mm: float, bend_mm: float) -> np.ndarray:
    t = np.linspace(0, 1, count)
    return np.stack([bend_mm * t * (1 - t) * 4, 0 * t, length_mm * t], axis=1)


def test_string_along_a_gently_bent_line_is_a_course() -> None:
    assert along_course(strung(8, 130, 6)).all()


def test_four_are_too_few() -> None:
    assert not along_course(strung(LEAST - 1, 90, 0)).any()


def test_short_string_is_no_course() -> None:
    assert not along_course(strung(8, 40, 0)).any()


def test_wide_gap_breaks_a_course() -> None:
    far = np.array([[0.0, 0, 200 + z] for z in (0, 10)])
    assert not along_course(np.concatenate([strung(3, 60, 0), far])).any()


def test_what_lies_beside_the_string_is_not_of_it() -> None:
    aside = np.array([[30.0, 0, 60]])
    found = along_course(np.concatenate([strung(7, 120, 0), aside]))
    assert found.tolist() == [True] * 7 + [False]


def test_strewn_deposits_are_seldom_a_course() -> None:
    rng = np.random.default_rng(4)
    hits = [along_course(rng.uniform(0, 200, (24, 3))).any() for _ in range(100)]
    assert np.mean(hits) <= 0.05


@given(st.integers(0, 1000))
def test_order_and_place_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = np.concatenate([strung(6, 100, 4), rng.uniform(-100, 100, (6, 3))])
    order = rng.permutation(len(points))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = points[order] @ turn.T + rng.uniform(-500, 500, 3)
    assert (along_course(moved) == along_course(points)[order]).all()
