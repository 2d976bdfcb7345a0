"""DICOM in: every syntax, order from positions, facts, choice of series, splitting."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from calcimetry.errors import CalcimetryError, InputError
from calcimetry.records import Scan
from calcimetry.scan import CATALOGUE, list_series, read
from calcimetry.scan.dicom import codecs, stacks
from calcimetry.scan.dicom.acquisition import is_sharp
from calcimetry.scan.dicom.codecs import decoder, worth
from calcimetry.scan.dicom.header import read_header

PLAIN = {"CONTRAST_UNKNOWN", "KVP_UNKNOWN"}


def codes(scan: Scan) -> set[str]:
    return {f.code for f in scan.flags}


@pytest.mark.parametrize(
    "name",
    [
        *("explicit", "implicit", "big-endian", "deflated"),
        *("rle", "jpeg-lossless", "jpeg-ls", "jpeg-2000"),
    ],
)
def test_every_transfer_syntax_gives_the_same_volume(tmp_path, make, name):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes[name])
    first = pydicom.dcmread(next(folder.iterdir()))
    assert first.file_meta.TransferSyntaxUID == make.syntaxes[name]
    scan = read(folder)
    assert np.array_equal(scan.hu, make.body())
    assert scan.hu.dtype == np.int16
    assert scan.hu.flags.c_contiguous
    assert scan.hu.flags.writeable
    assert codes(scan) == set()


def test_geometry_comes_from_positions(tmp_path, make):
    scan = read(make.series(tmp_path / "s", SliceThickness=9.0))
    expected = np.diag([0.7, 0.8, 2.5, 1.0])
    expected[:3, 3] = make.origin
    np.testing.assert_allclose(scan.affine, expected, atol=1e-9)
    assert scan.spacing == pytest.approx(make.spacing)


def test_facts_are_kept_and_names_are_not(tmp_path, make, caplog):
    with caplog.at_level(logging.DEBUG):
        scan = read(make.series(tmp_path / "s"))
    facts = scan.acquisition
    assert (facts.kvp, facts.kernel, facts.contrast, facts.date) == (
        *(120.0, "Br38f\\3", False),
        "2024-02-29",
    )
    assert (facts.manufacturer, facts.model, facts.body_part) == ("ACME", "One", "HAND")
    assert (facts.series_uid, facts.series_number) == ("1.2.3.4", 4)
    assert facts.image_type == ("ORIGINAL", "PRIMARY", "AXIAL")
    assert facts.hu_ceiling == 4095 - 1024
    assert facts.slice_thickness_mm == 2.5
    written = repr(scan.acquisition) + repr(scan.source) + repr(scan.flags) + caplog.text
    assert "Doe" not in written
    assert "SECRET" not in written


def test_instance_uids_follow_the_scan_and_digests_the_files(tmp_path, make):
    folder = make.series(tmp_path / "s")
    scan = read(folder)
    for z, uid in enumerate(scan.acquisition.sop_instance_uids):
        path = folder / f"IM{make.shape[0] - z:04d}.dcm"
        data = pydicom.dcmread(path)
        assert data.SOPInstanceUID == uid
        assert data.ImagePositionPatient[2] == pytest.approx(scan.to_lps([z, 0, 0])[2])
        assert scan.source.digests[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_rescale_is_each_slices_own(tmp_path, make):
    def change(k, data):
        data.RescaleIntercept = -1024 + k
        data.RescaleSlope = 1 + 0.25 * (k == 2)
        return data

    hu = read(make.series(tmp_path / "s", change=change)).hu
    expected = make.body().astype(float) + np.arange(make.shape[0])[:, None, None]
    expected[2] = (make.body()[2] + 1024) * 1.25 - 1022
    assert np.array_equal(hu, np.rint(expected).clip(-32768, 32767))


def test_sixteen_bits_are_clipped_not_wrapped(tmp_path, make):
    def change(k, data):
        stored = np.full(make.shape[1:], 65535 if k else 0, "<u2")
        data.PixelData, data.BitsStored, data.HighBit = stored.tobytes(), 16, 15
        return data

    hu = read(make.series(tmp_path / "s", change=change)).hu
    assert hu[0].max() == -1024
    assert hu[1:].min() == 32767


def test_signed_pixels_and_spare_high_bits(tmp_path, make):
    def change(_k, data):
        values = np.frombuffer(data.PixelData, "<u2").astype(np.int16) - 1024
        data.PixelData = (values.astype("<u2") & 0x0FFF | 0x5000).tobytes()
        data.PixelRepresentation, data.RescaleIntercept = 1, 0
        return data

    hu = read(make.series(tmp_path / "s", change=change)).hu
    assert np.array_equal(hu, make.body())


@pytest.mark.parametrize(("padding", "air"), [(4095, True), (1024, False)])
def test_padding_becomes_air_unless_it_would_be_tissue(tmp_path, make, padding, air):
    def change(_k, data):
        stored = np.frombuffer(data.PixelData, "<u2").copy()
        stored[5] = padding
        data.PixelData, data.PixelPaddingValue = stored.tobytes(), padding
        return data

    hu = read(make.series(tmp_path / "s", change=change)).hu
    assert (hu[:, 0, 5] == (-1024 if air else padding - 1024)).all()


@pytest.mark.parametrize(("value", "limit"), [(0, 65535), (4095, None), (4090, 4095)])
def test_padding_that_would_take_the_tissue_or_the_densest_voxels_is_none(
    tmp_path, make, value, limit
):
    """A range with all tissue in it, or the ceiling of 12 bits, which stands for deposits too."""
    hu = make.body()
    hu[2, 10:12, 10:12] = 3071

    def change(_k, data):
        data.PixelPaddingValue = value
        if limit is not None:
            data.PixelPaddingRangeLimit = limit
        return data

    assert np.array_equal(read(make.series(tmp_path / "s", hu, change=change)).hu, hu)


def test_enhanced_multiframe(tmp_path, make):
    scan = read(make.enhanced(tmp_path / "enhanced.dcm"))
    assert np.array_equal(scan.hu, make.body())
    assert scan.acquisition.kvp == 100
    assert scan.acquisition.kernel == "Qr40"
    assert scan.acquisition.slice_thickness_mm == 2.5
    assert scan.acquisition.image_type[2] == "VOLUME"
    assert scan.spacing == pytest.approx(make.spacing)


def test_a_file_brings_the_slices_of_its_series(tmp_path, make):
    folder = make.series(tmp_path / "s")
    make.series(folder, make.body(seed=5), series="9.9", prefix="B")
    scan = read(folder / "IM0002.dcm")
    assert np.array_equal(scan.hu, make.body())


def test_stray_files_and_depth_do_not_matter(tmp_path, make):
    folder = make.series(tmp_path / "a" / "b" / "c")
    (tmp_path / "README.txt").write_text("hello")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 40)
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4")
    (tmp_path / "empty").touch()
    (folder / ".IM0001.dcm").write_bytes(b"hidden")
    scan = read(tmp_path)
    assert np.array_equal(scan.hu, make.body())
    assert all(name.startswith("a") for name in scan.source.digests)


def test_broken_files_beside_a_series_are_flagged(tmp_path, make):
    folder = make.series(tmp_path / "s")
    (folder / "IM9999.dcm").touch()
    scan = read(folder)
    (flag,) = (f for f in scan.flags if f.code == "BROKEN_FILES")
    assert any("IM9999.dcm" in name for name in flag.names)  # for the terminal
    assert flag.text.endswith("1 file")


def test_files_without_any_identifier_still_make_a_series(tmp_path, make):
    blank = dict.fromkeys(("SOPInstanceUID", "StudyInstanceUID", "SOPClassUID"), "")
    scan = read(make.series(tmp_path / "s", series="", SeriesNumber=None, **blank))
    assert np.array_equal(scan.hu, make.body())
    assert scan.acquisition.sop_instance_uids == ()


def test_values_that_break_dicom_rules_give_no_warning(tmp_path, make):
    with pydicom.config.disable_value_validation():
        folder = make.series(
            tmp_path / "s", ManufacturerModelName="x" * 90, KVP="120.00000000000000000"
        )
    assert read(folder).acquisition.kvp == 120


# ------------------------------------------------------------------------------- choice


def test_series_are_chosen_by_the_stated_rules(tmp_path, make):
    def coronal(k, data):
        data.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        data.ImagePositionPatient = [0, 2.5 * k, 0]
        return data

    thin = make.body((11, *make.shape[1:]), seed=2)
    make.series(tmp_path / "best", thin, step=1.25, series="1.1", SeriesNumber=1)
    make.series(tmp_path / "thick", series="1.2", SeriesNumber=2)
    make.series(
        tmp_path / "sharp", thin, step=1.25, series="1.3", SeriesNumber=3, ConvolutionKernel="Br64"
    )
    make.series(tmp_path / "mpr", change=coronal, series="1.4", SeriesNumber=4)
    derived = ["DERIVED", "PRIMARY", "AXIAL"]
    make.series(
        tmp_path / "derived", thin, step=1.25, series="1.5", SeriesNumber=5, ImageType=derived
    )
    make.series(tmp_path / "short", step=0.5, series="1.6", SeriesNumber=6)
    make.series(tmp_path / "fewer", thin[:-1], step=1.25, series="1.7", SeriesNumber=7)
    make.series(tmp_path / "pet", series="1.8", SeriesNumber=8, Modality="PT")
    scout = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    make.series(tmp_path / "scout", series="1.9", SeriesNumber=9, ImageType=scout)
    agent = make.body((11, *make.shape[1:]), seed=3)
    make.series(
        tmp_path / "iv",
        agent,
        step=1.25,
        series="1.10",
        SeriesNumber=10,
        ContrastBolusAgent="Ultravist",
    )
    scan = read(tmp_path)
    assert np.array_equal(scan.hu, thin)
    reasons = {f.key: f.reason for f in list_series(tmp_path)}
    assert reasons["1"] == ""
    for key, word in {
        "2": "thicker",
        "3": "sharp",
        "4": "coronal",
        "5": "derived",
        "6": "covers",
        "7": "fewer",
        "8": "NOT_CT",
        "9": "ONLY_LOCALIZER",
        "10": "contrast",
    }.items():
        assert word in reasons[key]
        assert any(f"series {key} " in p and word in p for p in scan.source.passed_over)


@pytest.mark.parametrize("wanted", ["4", "1.2.3.4", "body", "dy 2", "Body 2.5"])
def test_series_can_be_named(tmp_path, make, wanted):
    make.series(tmp_path / "a")
    make.series(
        tmp_path / "b",
        make.body(seed=3),
        series="7.7",
        SeriesNumber=8,
        SeriesDescription="Lung",
        step=1.5,
    )
    assert np.array_equal(read(tmp_path, series=wanted).hu, make.body())
    assert np.array_equal(read(tmp_path, series="8").hu, make.body(seed=3))
    assert "asked" in read(tmp_path, series=wanted).source.passed_over[0]


def test_wrong_names_list_the_choices(tmp_path, make):
    make.series(tmp_path / "a")
    make.series(tmp_path / "b", series="1.2.3.7", SeriesNumber=8)
    with pytest.raises(InputError, match="SERIES_NOT_FOUND") as missing:
        read(tmp_path, series="77")
    assert "Body 2.5" in missing.value.where
    with pytest.raises(InputError, match="SERIES_AMBIGUOUS"):
        read(tmp_path, series="1.2.3")


def test_listing_says_when_nothing_is_fit(tmp_path, make):
    make.series(tmp_path, Modality="MR")
    (only,) = list_series(tmp_path)
    assert not only.chosen
    assert only.refusal is not None
    assert "NOT_CT" in only.refusal


# ---------------------------------------------------------------- what one series can hold


def test_localizer_inside_the_series_is_left_out(tmp_path, make):
    folder = make.series(tmp_path)
    plane = np.zeros((30, 40), np.int16)
    scout = make.slice_dataset(plane, (0, 0, 0), series="1.2.3.4", orientation=(0, 1, 0, 0, 0, -1))
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.save_as(folder / "scout.dcm", enforce_file_format=True)
    scan = read(folder)
    assert np.array_equal(scan.hu, make.body())
    assert codes(scan) == {"MIXED_SERIES"}
    assert "ONLY_LOCALIZER" in scan.source.passed_over[0]


@pytest.mark.parametrize(
    "told_by", ["AcquisitionNumber", "TemporalPositionIdentifier", "InstanceNumber"]
)
def test_passes_over_the_same_places_are_told_apart(tmp_path, make, told_by):
    def change(k, data):
        setattr(data, told_by, 20 + k if told_by == "InstanceNumber" else 2)
        return data

    folder = make.series(tmp_path, TemporalPositionIdentifier=1)
    make.series(folder, make.body(seed=9), change=change, prefix="P", TemporalPositionIdentifier=1)
    scan = read(folder)
    assert np.array_equal(scan.hu, make.body()) or np.array_equal(scan.hu, make.body(seed=9))
    assert len(scan.source.passed_over) == 1
    keys = {f.key for f in list_series(folder)}
    assert keys == {"4/1", "4/2"}
    both = [read(folder, series=key).hu for key in sorted(keys)]
    assert np.array_equal(both[0], make.body())
    assert np.array_equal(both[1], make.body(seed=9))


def test_two_hands_in_one_series(tmp_path, make):
    def right(_k, data):
        data.ImagePositionPatient[0] -= 150
        return data

    folder = make.series(tmp_path)
    make.series(folder, make.body(seed=9), change=right, prefix="R")
    assert np.array_equal(read(folder, series="4/1").hu, make.body())
    assert np.array_equal(read(folder, series="4/2").hu, make.body(seed=9))


def test_blocks_with_a_gap_are_separate_scans(tmp_path, make):
    def far(_k, data):
        data.ImagePositionPatient[2] += 300
        data.AcquisitionNumber = 2
        return data

    folder = make.series(tmp_path)
    make.series(folder, make.body((9, *make.shape[1:]), 4), change=far, prefix="F")
    assert read(folder).hu.shape[0] == 9
    other = next(f.key for f in list_series(folder) if not f.chosen)
    assert np.array_equal(read(folder, series=other).hu, make.body())


def test_copies_are_dropped_and_flagged(tmp_path, make):
    folder = make.series(tmp_path)
    (folder / "copy.dcm").write_bytes((folder / "IM0003.dcm").read_bytes())
    scan = read(folder)
    assert np.array_equal(scan.hu, make.body())
    assert codes(scan) == {"DUPLICATE_SLICES"}
    assert len(scan.acquisition.sop_instance_uids) == make.shape[0]


def test_files_of_many_passes_are_compared_by_one_look_at_each(tmp_path, make, monkeypatch):
    def numbered(number):
        def change(_k, data):
            data.AcquisitionNumber = number
            return data

        return change

    for number in range(1, 7):
        hu = make.body(make.shape, number)
        make.series(tmp_path, hu, change=numbered(number), prefix=f"P{number}_")
    looks = []
    content = stacks._content
    monkeypatch.setattr(stacks, "_content", lambda piece: looks.append(piece) or content(piece))
    assert np.array_equal(read(tmp_path).hu, make.body(make.shape, 1))
    assert len(looks) == 6 * make.shape[0]


def test_gantry_tilt_is_flagged_and_volumes_hold(tmp_path, make):
    angle = np.radians(15)
    tilted = [1, 0, 0, 0, float(np.cos(angle)), float(np.sin(angle))]
    scan = read(make.series(tmp_path, ImageOrientationPatient=tilted))
    assert codes(scan) == {"GANTRY_TILT"}
    assert "15.0 degrees" in next(f.text for f in scan.flags)
    assert scan.voxel_mm3 == pytest.approx(0.7 * 0.8 * 2.5 * np.cos(angle))


def test_rounded_positions_are_even_enough(tmp_path, make):
    def change(k, data):
        data.ImagePositionPatient = [0, 0, round(0.625 * k, 1)]
        return data

    scan = read(make.series(tmp_path, make.body((20, *make.shape[1:])), change=change))
    assert codes(scan) == {"UNEVEN_SPACING"}
    assert scan.spacing[0] == pytest.approx(0.625, abs=0.003)


def test_two_studies_in_one_folder_are_flagged(tmp_path, make):
    make.series(tmp_path / "a")
    make.series(tmp_path / "b", make.body((9, 33, 40)), series="6.6", StudyInstanceUID="6")
    scan = read(tmp_path)
    assert codes(scan) == {"SEVERAL_STUDIES"}
    assert scan.hu.shape[0] == 9


@pytest.mark.parametrize(
    ("code", "elements"),
    [
        ("KVP_UNKNOWN", {"KVP": None}),
        ("CONTRAST", {"ContrastBolusAgent": "APPLIED"}),
        ("CONTRAST_UNKNOWN", {"ContrastBolusAgent": None}),
        ("THICK_SLICES", {"SliceThickness": 5}),
        ("SHARP_KERNEL", {"ConvolutionKernel": "BONE"}),
        ("LOSSY_COMPRESSION", {"LossyImageCompression": "01"}),
        ("DERIVED_SERIES", {"ImageType": ["DERIVED", "PRIMARY", "MPR"]}),
        ("RESCALE_TYPE", {"RescaleType": "US"}),
        ("RESCALE_TYPE", {"RescaleType": "Hounsfield Units"}),
        ("HU_SCALE_MISSING", {"RescaleSlope": None}),
        ("MONOENERGETIC", {"SeriesDescription": "Mono 70 keV"}),
        ("HU_SCALE_DOUBTFUL", {"RescaleIntercept": 0}),
    ],
)
def test_fitness_flags(tmp_path, make, code, elements):
    scan = read(make.series(tmp_path, change=lambda _k, d: _set(d, elements)))
    assert codes(scan) == {code}
    assert code in CATALOGUE


def _set(data, elements):
    for name, value in elements.items():
        if value is None:
            del data[name]
        else:
            setattr(data, name, value)
    return data


def test_kvp_argument_overrides(tmp_path, make):
    folder = make.series(tmp_path, KVP=None)
    scan = read(folder, kvp=80)
    assert scan.acquisition.kvp == 80
    assert codes(scan) == set()
    with pytest.raises(CalcimetryError, match="BAD_KVP"):
        read(folder, kvp=1.2e6)


@pytest.mark.parametrize(
    ("kernel", "sharp"),
    [
        *(("Br38f\\3", False), ("B70f", True), ("Hr59", True), ("SOFT", False)),
        *(("BONEPLUS", True), ("FC12", False), ("FC52", True), ("YB", True)),
        *(("B", False), (None, False), ("I30f", False)),
    ],
)
def test_sharp_kernels_are_known_by_name(kernel, sharp):
    assert is_sharp(kernel) is sharp


# ------------------------------------------------------------------------------- parallel


def test_workers_decode_to_the_same_planes(tmp_path, make):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes["jpeg-2000"])
    header = read_header(folder / "IM0001.dcm")
    raw = header.path.read_bytes()
    with decoder(header, 10_000, jobs=2) as decode:
        assert decode.__name__ == "remote"
        (plane,) = decode(raw, header, [0])
        assert np.array_equal(plane.astype(int) - 1024, make.body()[-1])
        with pytest.raises(InputError, match="CANNOT_DECODE"):
            decode(raw[: len(raw) // 2], header, [0])


def test_a_worker_that_dies(tmp_path, make, monkeypatch):
    """The scan is decoded here instead, unless that could end this process too."""
    monkeypatch.setattr(
        codecs,
        "_start",
        lambda: subprocess.Popen(
            [sys.executable, "-c", "pass"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ),
    )
    monkeypatch.setattr(codecs, "worth", lambda *_: 1)
    folder = make.compress(make.series(tmp_path / "a"), make.syntaxes["jpeg-ls"])
    assert np.array_equal(read(folder).hu, make.body())
    folder = make.compress(make.series(tmp_path / "b"), make.syntaxes["jpeg-lossless"])
    with pytest.raises(InputError, match="crashed"):
        read(folder)


def test_workers_only_where_they_pay(monkeypatch):
    jpeg2000 = "1.2.840.10008.1.2.4.90"
    jpeg_lossless = "1.2.840.10008.1.2.4.70"
    assert worth(jpeg2000, 400, 2) == 2
    assert worth(jpeg2000, 20, 2) == 0
    assert worth(jpeg2000, 400, 1) == 0
    assert worth("1.2.840.10008.1.2.1", 4000, 8) == 0
    assert worth(jpeg_lossless, 20, 1) == 1
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    assert worth(jpeg2000, 400, 2) == 0
    assert worth(jpeg_lossless, 4000, 2) == 1


@pytest.mark.parametrize("name", ["explicit", "jpeg-ls"])
def test_jobs_change_nothing(tmp_path, make, name):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes[name])
    one, three = read(folder, jobs=1), read(folder, jobs=3)
    assert np.array_equal(one.hu, three.hu)
    assert one.source.digests == three.source.digests


# ------------------------------------------------------------------------------ real scans


@pytest.mark.integration
def test_real_jpeg_2000_series_without_identifiers(shared_data: Path):
    scan = read(shared_data / "abdomen_j2k")
    assert scan.hu.shape == (20, 512, 512)
    assert scan.spacing == pytest.approx((2.0, 0.9765625, 0.9765625))
    assert scan.acquisition.contrast is True
    assert scan.acquisition.hu_ceiling == 3071
    assert codes(scan) == {"CONTRAST"}


@pytest.mark.integration
def test_real_case_is_the_same_from_dicom_and_nifti(shared_data: Path, unpacked):
    dicom = read(unpacked("limbs/STS_001_dicom.tar.xz"))
    nifti = read(shared_data / "limbs" / "STS_001_CT.nii.gz")
    assert np.array_equal(dicom.hu, nifti.hu)
    np.testing.assert_allclose(dicom.affine, nifti.affine, atol=1e-3)


@pytest.mark.integration
def test_real_derived_only_series(unpacked):
    scan = read(unpacked("phantom/qrm_canon_large_rep1_dicom.tar.xz"))
    assert scan.hu.shape == (47, 512, 512)
    assert scan.spacing == pytest.approx((3.0, 0.488, 0.488))
    assert codes(scan) == {"DERIVED_SERIES", "CONTRAST_UNKNOWN"}
