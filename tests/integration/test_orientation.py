"""Wherever and however a scan is stored, labels lie on the right voxels."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

import calcimetry as cm

SPACING = np.array([0.9, 0.8, 1.2])  # x, y, z
SHAPE = (72, 64, 30)
CENTRE = np.array([20.0, 44.0, 14.0])  # of the deposit, voxels (i, j, k)
TURN = 0.2  # radians about z, and half of it about x

WAYS = list(product(permutations(range(3)), product((1, -1), repeat=3)))


def forearm() -> NDArray[np.int16]:
    """A limb of muscle with a bone and one deposit, (i, j, k), running along k."""
    i, j, k = np.indices(SHAPE)
    hu = np.full(SHAPE, -1000.0)
    x, y = (i - 36) * SPACING[0], (j - 32) * SPACING[1]
    hu[(x / 28) ** 2 + (y / 22) ** 2 < 1] = 55
    bone = np.hypot(x - 8, y + 2)
    hu[bone < 7] = 900
    hu[bone < 4] = 100
    apart = (np.stack([i, j, k], -1) - CENTRE) * SPACING
    hu[np.linalg.norm(apart, axis=-1) < 4] = 480
    noise = np.random.default_rng(3).normal(0, 8, SHAPE)
    return np.round(hu + noise).astype(np.int16)


def world() -> NDArray[np.float64]:
    """Voxel (i, j, k) to RAS: LPS axes turned a little."""
    c, s = np.cos(TURN), np.sin(TURN)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = np.cos(TURN / 2), np.sin(TURN / 2)
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = np.diag([-1, -1, 1]) @ about_z @ about_x @ np.diag(SPACING)
    affine[:3, 3] = (31, -17, 240)
    return affine


@pytest.fixture(scope="module")
def limb():
    return nib.Nifti1Image(forearm(), world())


@pytest.mark.parametrize(("axes", "signs"), WAYS)
def test_labels_lie_on_the_deposit(limb, tmp_path, axes, signs):
    stored = limb.as_reoriented(np.column_stack([axes, signs]))
    path = tmp_path / "scan.nii.gz"
    nib.save(stored, path)
    exam = cm.measure(cm.read(path, kvp=120))
    facts = cm.write(exam, tmp_path / "out")
    assert [d["kind"] for d in facts["deposits"]] == ["deposit"]
    labels = nib.load(tmp_path / "out" / "labels.nii.gz")
    assert labels.shape == stored.shape
    assert np.allclose(labels.affine, stored.affine, atol=1e-4)
    mask = np.asarray(labels.dataobj) == 1
    middle = labels.affine @ [*np.argwhere(mask).mean(axis=0), 1]
    truth = world() @ [*CENTRE, 1]
    assert np.linalg.norm(middle - truth) < 0.5
    row = facts["deposits"][0]
    assert np.allclose([-row["x_mm"], -row["y_mm"], row["z_mm"]], middle[:3], atol=0.01)
    # The same voxels, whatever the order they are stored in.
    back = nib.as_closest_canonical(labels)
    same = nib.as_closest_canonical(nib.Nifti1Image((forearm() >= 130).astype(np.uint8), world()))
    inside = np.asarray(same.dataobj)[np.asarray(back.dataobj) == 1]
    assert inside.all()
    assert mask.sum() == pytest.approx(4 / 3 * np.pi * 64 / SPACING.prod(), rel=0.1)


def test_a_case_is_the_same_from_dicom_and_from_nifti(shared_data, unpacked):
    dicom = cm.measure(cm.read(unpacked("limbs/STS_001_dicom.tar.xz"), kvp=140))
    nifti = cm.measure(cm.read(shared_data / "limbs" / "STS_001_CT.nii.gz", kvp=140))
    assert np.array_equal(cm.label_volume(dicom), cm.label_volume(nifti))
    for one, other in zip(dicom.listed, nifti.listed, strict=True):
        assert (one.number, one.kind, one.uid) == (other.number, other.kind, other.uid)
        assert np.allclose(one.centroid_mm, other.centroid_mm, atol=1e-3)
        assert one.quantity.mass_mg.value == pytest.approx(other.quantity.mass_mg.value, rel=1e-6)
