from __future__ import annotations

import pytest

from calcimetry.phantom import hu_per_mg_cm3


@pytest.mark.parametrize(
    ("kvp", "path", "c"),
    [(120, 6, 0.638), (80, 6, 0.463), (120, 30, 0.793), (120, 2, 0.604), (70, 30, 0.492)],
)
def test_table_values(kvp: float, path: float, c: float) -> None:
    assert 1 / hu_per_mg_cm3(kvp, path) == pytest.approx(c)


def test_between_and_beyond_the_table() -> None:
    assert 0.638 < 1 / hu_per_mg_cm3(120, 7) < 0.654
    assert hu_per_mg_cm3(120, 1) == hu_per_mg_cm3(120, 2)
    assert hu_per_mg_cm3(150, 50) == hu_per_mg_cm3(140, 30)
