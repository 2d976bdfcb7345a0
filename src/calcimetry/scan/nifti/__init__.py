"""NIfTI to a scan: `read` the values, `affine` where the voxels lie."""
