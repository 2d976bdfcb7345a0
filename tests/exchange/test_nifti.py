"""Our NIfTI files are nibabel's, byte for byte but for the last digits of a quaternion."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from calcimetry.exchange.nifti import nifti_file

QUATERNION = slice(256, 268)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([np.uint8, np.uint16, np.int16, np.int32, np.float32]),
    st.booleans(),
)
def test_the_bytes_are_nibabels(seed, dtype, mirrored):
    rng = np.random.default_rng(seed)
    volume = rng.integers(0, 200, tuple(rng.integers(1, 6, 3))).astype(dtype)
    qform = np.eye(4)
    qform[:3, :3] = Rotation.random(random_state=rng).as_matrix() * rng.uniform(0.3, 5, 3)
    qform[:3, 0] *= -1 if mirrored else 1
    qform[:3, 3] = rng.uniform(-500, 500, 3)
    sform = qform.copy()
    sform[:3, 2] += 0.1 * sform[:3, 1]  # a tilted gantry
    image = nib.Nifti1Image(volume, sform)
    image.header.set_xyzt_units("mm")
    image.set_qform(qform, code="scanner")
    image.set_sform(sform, code="scanner")
    expected, found = image.to_bytes(), nifti_file(volume, sform, qform)
    assert np.frombuffer(found[QUATERNION], "<f4") == pytest.approx(
        np.frombuffer(expected[QUATERNION], "<f4"), abs=1e-6
    )
    # Edges are worked out in another order: to the last digit of a single float.
    assert np.frombuffer(found[76:92], "<f4") == pytest.approx(
        np.frombuffer(expected[76:92], "<f4"), rel=3e-7
    )
    assert (
        found[:76] + found[92:256] + found[268:]
        == expected[:76] + expected[92:256] + expected[268:]
    )


def test_stored_the_other_way_round_it_is_the_same():
    volume = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    plain = nifti_file(volume, np.eye(4), np.eye(4))
    assert nifti_file(volume.astype(">i2"), np.eye(4), np.eye(4)) == plain
    assert nifti_file(np.asfortranarray(volume), np.eye(4), np.eye(4)) == plain
