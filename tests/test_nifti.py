"""Affines to NIfTI's world and back, against nibabel's words for axes."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.nifti import lps_of_ras, ras_of_lps

numbers = st.floats(-500, 500, allow_nan=False)
affines = st.lists(numbers, min_size=12, max_size=12).map(
    lambda part: np.vstack([np.reshape(part, (3, 4)), [0, 0, 0, 1]])
)


@given(affines, st.lists(numbers, min_size=3, max_size=3))
def test_x_and_y_turn_and_back_again(affine, index):
    lps, ras = (matrix @ [*index, 1.0] for matrix in (affine, ras_of_lps(affine)))
    np.testing.assert_allclose(ras, lps * (-1, -1, 1, 1))
    np.testing.assert_array_equal(lps_of_ras(ras_of_lps(affine)), affine)


def test_an_affine_to_the_left_back_and_up_is_called_so_in_nifti():
    assert nib.aff2axcodes(ras_of_lps(np.eye(4))) == ("L", "P", "S")
    assert nib.aff2axcodes(lps_of_ras(np.eye(4))) == ("L", "P", "S")
