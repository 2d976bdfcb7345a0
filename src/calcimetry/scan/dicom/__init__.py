"""DICOM to a scan: headers, choice of series, geometry, pixels.

`read` is the way in. Files (`files`) give headers (`header`, by `elements`, else `pydicom_header`),
headers give `slices`, slices are grouped into `stacks`; `fitness` says which of them can be
measured, `series` which is taken, `geometry` how it lies. `pixels` fills the volume (`codecs` where
they are compressed), and `neighbours` compares each slice with the next.
"""
