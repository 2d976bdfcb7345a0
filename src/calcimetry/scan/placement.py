"""Where a NIfTI file says that its voxels lie: sform, qform and pixdim, and when they quarrel.

The rule: the sform counts where it is set and is a geometry; the qform stands in for one that
is missing or no geometry (NIFTI_QFORM). Where both are set they must agree in the size of
voxels, and the sform with pixdim, since programs differ in which one they read and one of them
was then left over from another grid. Handedness and place are checked too: a mirrored or moved
form is refused unless pixdim and the other form leave no doubt about which is meant. Units:
https://nifti.nimh.nih.gov/nifti-1 (xyzt_units).
"""
