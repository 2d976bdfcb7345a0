"""The benchmark of wrong pairs in small: refused or withheld, and turned bodies followed."""

from __future__ import annotations

import pytest
from benchmarks.followup.wrong_pairs import (
    MIRRORED,
    MOVED,
    STILL,
    TURNED,
    Pair,
    drawn,
    judged,
    real,
)

pytestmark = [pytest.mark.slow, pytest.mark.integration]


@pytest.mark.parametrize(
    "pair",
    [
        Pair("other person", (drawn("hand", 70), STILL), (drawn("hand", 71), MOVED)),
        Pair("other part", (drawn("hand", 70), STILL), (drawn("elbow", 70), MOVED)),
        Pair("mirrored", (drawn("hand", 70), STILL), (drawn("hand", 70), MIRRORED)),
        Pair("given twice", (drawn("hand", 70), STILL), (drawn("hand", 70), STILL)),
        Pair("turned", (drawn("hand", 70), STILL), (drawn("hand", 70), TURNED), follow_it=True),
    ],
    ids=lambda pair: pair.what,
)
def test_drawn_pairs(pair, tmp_path):
    said, right = judged(pair, tmp_path)
    assert right, said


def test_a_turned_body_is_followed_not_merely_refused(tmp_path):
    pair = Pair("turned", (drawn("hand", 70), STILL), (drawn("hand", 70), TURNED), follow_it=True)
    said, right = judged(pair, tmp_path)
    assert right
    assert "withheld" not in said
    assert "refused" not in said


@pytest.mark.parametrize(("first", "second"), [(23, 41), (1, 23)])
def test_real_thighs_of_two_persons(first, second, shared_data, tmp_path):
    pair = Pair("other", (real(shared_data, first), STILL), (real(shared_data, second), MOVED))
    said, right = judged(pair, tmp_path)
    assert right, said
