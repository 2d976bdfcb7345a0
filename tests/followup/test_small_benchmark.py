"""The benchmark in small: a follow-up that got worse fails here."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.followup import tables
from benchmarks.followup.study import bends, compared, fates, merged
from benchmarks.followup.subjects import Drawn, Real
from benchmarks.followup.visits import AS_FOUND, TRUE_MASKS

pytestmark = [pytest.mark.slow, pytest.mark.integration]

COARSE = (2.0, 1.2, 1.2)


@pytest.fixture(scope="module")
def outcomes():
    """Thigh and elbow, the elbow bent as well; lineages of every fate, a field that ends."""
    subjects = Drawn("thigh", 43, COARSE), Drawn("elbow", 46, COARSE)
    cases = [fates(subject, number) for subject, number in zip(subjects, (2, 4), strict=True)]
    return merged(compared(case, "fates") for case in cases).outcomes


def _of(outcomes, way):
    rows = [o for o in tables.counted(outcomes) if o.way == way and o.big]
    assert len(rows) >= 10, "too few lineages to judge by"
    return rows


def test_fates_of_true_masks_are_right(outcomes):
    wrong = [(o.pair, o.truth, o.said) for o in _of(outcomes, TRUE_MASKS) if not o.right]
    assert len(wrong) <= 1, wrong


def test_fates_as_found_are_right_where_the_finder_was(outcomes):
    found = [o for o in _of(outcomes, AS_FOUND) if o.found]
    wrong = [(o.pair, o.truth, o.said) for o in found if not o.right]
    assert found
    assert len(wrong) <= 1, wrong


def test_nothing_outside_the_other_field_is_gone_or_new(outcomes):
    outside = [o for o in outcomes if o.truth == "not_covered"]
    assert outside
    assert not [o for o in outside if o.said in ("gone", "new")]


def test_a_bent_elbow_is_aligned_bone_by_bone():
    out = compared(bends(Drawn("elbow", 61, COARSE), 1), "bends").outcomes
    errors = np.array([o.error_mm for o in out if o.way == TRUE_MASKS])
    errors = errors[np.isfinite(errors)]
    assert len(errors) >= 5
    assert np.median(errors) <= 1.0
    assert (errors <= 2.0).mean() >= 0.6


def test_real_limbs_laid_down_anew_are_followed(shared_data):
    limbs = [shared_data / "limbs" / f"STS_{number}_CT.nii.gz" for number in ("041", "023")]
    cases = [compared(fates(Real(path), 1), "fates").outcomes for path in limbs]
    rows = [o for outcomes in cases for o in tables.counted(outcomes) if o.big]
    wrong = [(o.truth, o.said) for o in rows if o.way == TRUE_MASKS and not o.right]
    assert len(rows) >= 10
    assert len(wrong) <= 1, wrong
