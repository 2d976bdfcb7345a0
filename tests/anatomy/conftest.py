"""Scans of known shape: cylinders and slabs in mm, blurred a little, with noise."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.records import Scan

FAT, MUSCLE, BONE, LUNG, CARBON = -100, 50, 900, -850, 100


class Stage:
    """An empty field of air that solids are put into; positions are mm from its corner."""

    def __init__(self, size_mm=(60, 100, 100), spacing=(2.0, 1.0, 1.0), air=-1000):
        self.spacing = np.array(spacing)
        shape = np.round(np.array(size_mm) / spacing).astype(int)
        self.z, self.y, self.x = (
            (np.arange(n) * step).reshape([-1 if i == k else 1 for i in range(3)])
            for k, (n, step) in enumerate(zip(shape, spacing, strict=True))
        )
        self.hu = np.full(shape, float(air))

    def put(self, where, hu):
        self.hu[np.broadcast_to(where, self.hu.shape)] = hu
        return self

    def cylinder(self, y, x, radius, hu, z=(-1e9, 1e9)):
        """Along z."""
        far = np.hypot(self.y - y, self.x - x)
        return self.put((far <= radius) & (self.z >= z[0]) & (self.z <= z[1]), hu)

    def limb(self, y, x, radius, skin=1.5, fat=6.0, bone=8.0):
        self.cylinder(y, x, radius, MUSCLE)
        self.cylinder(y, x, radius - skin, FAT)
        self.cylinder(y, x, radius - skin - fat, MUSCLE)
        self.cylinder(y, x, bone, BONE)
        return self.cylinder(y, x, bone - 3, FAT)

    def box(self, z, y, x, hu):
        def within(axis, bounds):
            return (axis >= bounds[0]) & (axis < bounds[1])

        return self.put(within(self.z, z) & within(self.y, y) & within(self.x, x), hu)

    def scan(self, noise=10.0, blur_mm=0.5, circle=None, padding=-2048, affine=None):
        rng = np.random.default_rng(0)
        hu = ndimage.gaussian_filter(self.hu, blur_mm / self.spacing) if blur_mm else self.hu
        hu = np.maximum(hu + rng.normal(0, noise, hu.shape), -1024)
        if circle is not None:
            middle = [(n - 1) / 2 * s for n, s in zip(hu.shape[1:], self.spacing[1:], strict=True)]
            outside = np.hypot(self.y - middle[0], self.x - middle[1]) > circle
            hu[np.broadcast_to(outside, hu.shape)] = padding
        if affine is None:
            affine = np.diag([*self.spacing[::-1], 1.0])
        values = np.ascontiguousarray(np.rint(hu).astype(np.int16))
        return Scan.of(values, affine)

    def at(self, z, y, x):
        """mm to voxel positions."""
        columns = np.broadcast_arrays(*(np.asarray(v, float) for v in (z, y, x)))
        return np.stack(columns, axis=-1).reshape(-1, 3) / self.spacing


@pytest.fixture
def shared():
    """The folder of real scans that is kept beside the repository."""
    folder = Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is not here")
    return folder


@pytest.fixture
def stage():
    return Stage
