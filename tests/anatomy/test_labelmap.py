"""Anatomy label maps: numbers to names, through any affine; and files that are none."""

from contextlib import suppress

import nibabel as nib
import numpy as np
import pytest

from calcimetry.anatomy import labels_of, names_at, read_labelmap, schemes, structures_at
from calcimetry.errors import InputError, UsageError


def save(path, numbers, affine=None):
    nib.save(nib.Nifti1Image(numbers, np.eye(4) if affine is None else affine), path)
    return path


def test_points_are_looked_up_through_an_oblique_flipped_affine(tmp_path):
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 118, (7, 8, 9)).astype(np.uint8)
    affine = np.array([[-1.5, 0.4, 0, 30], [0.3, 0, 2.0, -12], [0, 2.5, 0.1, 400], [0, 0, 0, 1.0]])
    labels = read_labelmap(save(tmp_path / "a.nii.gz", numbers, affine))
    index = np.argwhere(numbers >= 0)
    ras = index @ affine[:3, :3].T + affine[:3, 3]
    names = names_at(labels, ras * (-1, -1, 1))
    expected = [labels.structures[n].name if n else None for n in numbers.ravel().tolist()]
    assert names == expected
    assert names_at(labels, np.array([[1e4, 0, 0], [0, -1e4, 0]])) == [None, None]


def test_totalsegmentator_names_sides_and_kinds(tmp_path):
    numbers = np.array([[[76, 118, 52, 80, 5, 103, 200]]], np.uint8)
    labels = read_labelmap(save(tmp_path / "a.nii", numbers))
    points = np.array([[0, 0, k] for k in range(7)])
    found = [s and (s.name, s.kind, s.side) for s in structures_at(labels, points)]
    assert found == [
        ("femur_right", "bone", "right"),
        ("costal_cartilages", "cartilage", None),
        ("aorta", "vessel", None),
        ("gluteus_maximus_left", "muscle", "left"),
        ("liver", "organ", None),
        ("rib_left_12", "bone", "left"),
        None,
    ]


def test_every_scheme_is_well_formed(tmp_path):
    file = save(tmp_path / "a.nii", np.ones((2, 2, 2), np.uint8))
    assert "moose_peripheral_bones" in schemes()
    for scheme in schemes():
        labels = read_labelmap(file, scheme)
        assert labels.structures[1].name
        names = [s.name for s in labels.structures.values()]
        assert len(names) - len(set(names)) <= 1  # costal cartilages moved once
        left = {s.name.replace("left", "") for s in labels.structures.values() if s.side == "left"}
        right = {
            s.name.replace("right", "") for s in labels.structures.values() if s.side == "right"
        }
        assert left - right <= {"atrial_appendage_"}
    assert read_labelmap(file, "moose_peripheral_bones").structures[10].name == "fingers_right"


def test_a_users_own_scheme_beside_the_file_is_taken(tmp_path):
    file = save(tmp_path / "mine.nii.gz", np.full((2, 2, 2), 7, np.int16))
    (tmp_path / "mine.toml").write_text(
        'title = "mine"\n[kinds]\nbone = ["*phalanx*"]\n[structures]\n7 = "left distal phalanx"\n'
    )
    labels = read_labelmap(file)
    (found,) = structures_at(labels, np.zeros((1, 3)))
    assert (found.name, found.kind, found.side) == ("left distal phalanx", "bone", "left")
    assert labels.scheme == "the user's own scheme"


def test_whole_numbers_stored_as_floats_are_labels(tmp_path):
    numbers = np.full((2, 2, 2), 5.0, np.float32)
    labels = read_labelmap(save(tmp_path / "a.nii", numbers))
    assert names_at(labels, np.zeros((1, 3))) == ["liver"]


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        (np.full((2, 2, 2), 0.5, np.float32), "NOT_A_LABELMAP"),
        (np.full((2, 2, 2), np.nan, np.float32), "NOT_A_LABELMAP"),
        (np.zeros((2, 2, 2, 2), np.uint8), "NOT_A_LABELMAP"),
    ],
)
def test_volumes_that_are_no_label_maps(tmp_path, numbers, code):
    with pytest.raises(InputError) as caught:
        read_labelmap(save(tmp_path / "a.nii", numbers))
    assert caught.value.code == code


@pytest.mark.parametrize("content", [None, b"", b"no image at all", b"\x1f\x8b broken"])
def test_files_that_cannot_be_read(tmp_path, content):
    file = tmp_path / "a.nii.gz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match="LABELMAP_UNREADABLE"):
        read_labelmap(file)


def test_a_file_cut_short(tmp_path):
    whole = save(
        tmp_path / "a.nii.gz",
        np.random.default_rng(0).integers(0, 9, (40, 40, 40)).astype(np.uint8),
    )
    whole.write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(InputError, match="LABELMAP_UNREADABLE"):
        read_labelmap(whole)


@pytest.mark.parametrize(
    "text",
    [
        "not toml [",
        "[kinds]\n",
        '[structures]\nx = "a"\n',
        '[kinds]\nstone=["a"]\n[structures]\n1="a"\n',
    ],
)
def test_schemes_that_are_not_well_formed(tmp_path, text):
    file = save(tmp_path / "a.nii", np.ones((2, 2, 2), np.uint8))
    (tmp_path / "own.toml").write_text(text)
    for scheme in (tmp_path / "own.toml", "no_such_scheme"):
        with pytest.raises(UsageError, match="LABEL_SCHEME"):
            read_labelmap(file, scheme)


def test_a_label_map_of_another_scan_is_refused(tmp_path, stage):
    scan = stage().limb(50, 50, 30).scan()
    away = np.eye(4)
    away[:3, 3] = 5000
    file = save(tmp_path / "a.nii", np.ones((9, 9, 9), np.uint8), away)
    with pytest.raises(InputError, match="LABELMAP_ELSEWHERE"):
        labels_of(scan, file)
    near = save(tmp_path / "b.nii", np.ones((99, 99, 99), np.uint8), np.diag([-1.0, -1, 1, 1]))
    assert labels_of(scan, near).structures


def edited(path, **fields):
    """The file with header fields written over."""
    import gzip

    raw = gzip.decompress(path.read_bytes())
    header = nib.Nifti1Header(raw[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(gzip.compress(header.binaryblock + raw[348:]))
    return path


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"srow_x": [np.nan] * 4}, "NOT_A_LABELMAP"),
        ({"srow_x": [0, 0, 0, 0]}, "NOT_A_LABELMAP"),
        ({"srow_x": [1e30, 0, 0, 0]}, "NOT_A_LABELMAP"),
        ({"sform_code": 0}, "NOT_A_LABELMAP"),
        ({"datatype": 32}, "NOT_A_LABELMAP"),
        ({"datatype": 9999}, "LABELMAP_UNREADABLE"),
        ({"dim": [3, 30000, 30000, 30000, 1, 1, 1, 1]}, "NOT_A_LABELMAP"),
        ({"dim": [3, 900, 900, 900, 1, 1, 1, 1]}, "LABELMAP_UNREADABLE"),
        ({"vox_offset": np.nan}, "LABELMAP_UNREADABLE"),
        ({"scl_slope": 1e30}, "LABELMAP_UNREADABLE"),
    ],
)
def test_headers_that_are_damaged(tmp_path, fields, code):
    file = save(tmp_path / "a.nii.gz", np.ones((12, 12, 12), np.uint8))
    with pytest.raises(InputError) as caught:
        read_labelmap(edited(file, **fields))
    assert caught.value.code == code


def test_any_damaged_byte_gives_a_map_or_a_coded_error(tmp_path):
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, 9, (12, 12, 12)).astype(np.uint8)
    whole = save(tmp_path / "a.nii.gz", numbers).read_bytes()
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        (tmp_path / "b.nii.gz").write_bytes(damaged)
        with suppress(InputError):
            read_labelmap(tmp_path / "b.nii.gz")


def test_what_inflates_to_more_than_memory_is_refused_before(tmp_path, monkeypatch):
    monkeypatch.setattr("calcimetry.scan.memory.bytes_free", lambda: 300_000_000)
    file = save(tmp_path / "a.nii.gz", np.zeros((400, 400, 100), np.uint8))
    assert file.stat().st_size < 100_000
    with pytest.raises(InputError, match="TOO_BIG"):
        read_labelmap(file)


def test_scaled_numbers(tmp_path):
    image = nib.Nifti1Image(np.full((2, 2, 2), 20, np.uint8), np.eye(4))
    image.header.set_slope_inter(4, -4)
    nib.save(image, tmp_path / "a.nii")
    labels = read_labelmap(edited_slope(tmp_path / "a.nii"))
    assert (labels.numbers == 76).all()


def edited_slope(path):
    """Stored 20, slope 4, intercept -4: nibabel would divide what it is given."""
    raw = bytearray(path.read_bytes())
    raw[352:] = bytes([20] * 8)
    header = nib.Nifti1Header(bytes(raw[:348]), check=False)
    header["scl_slope"], header["scl_inter"] = 4, -4
    path.write_bytes(header.binaryblock + bytes(raw[348:]))
    return path
