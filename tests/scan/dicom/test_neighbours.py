"""One odd slice among good ones: refused, flagged, or read as the others are."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bad_scans import only
from calcimetry.errors import CalcimetryError, GeometryError, InputError
from calcimetry.scan import CATALOGUE, read
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.acquisition import date_of

SHAPE = (10, 48, 48)


def codes(scan):
    return {f.code for f in scan.flags}


@pytest.fixture(scope="module")
def limb():
    """Smooth and alike from slice to slice, as bodies are: soft tissue, bone, air, noise."""
    z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    away = np.hypot(y - 24.0, x - 24.0 - 0.3 * z)
    hu = np.where(away < 17, 40.0, -1000.0)
    hu[away < 6] = 1250
    noise = np.random.default_rng(2).normal(0, 10, SHAPE)
    return np.clip(hu + noise, -1024, None).astype(np.int16)


def changed(**elements):
    """Sets or (with None) removes elements, against the rules of their VR if need be."""

    def change(data):
        with pydicom.config.disable_value_validation():
            for name, value in elements.items():
                if value is None:
                    del data[name]
                else:
                    setattr(data, name, value)
        return data

    return change


REFUSED = [
    *({"BitsStored": n} for n in (0, 1, 2, 7, 17, 65535)),
    *({"BitsAllocated": n} for n in (0, 1, 12, 24, 64)),
    *({"HighBit": n} for n in (5, 10, 16)),
    *({"PixelRepresentation": n} for n in (2, 7, 255)),
    *({"RescaleSlope": v} for v in (0, -1, 1e-9, 1000, 1e6)),
    *({"RescaleIntercept": v} for v in (1e6, -1e9)),
    {"PhotometricInterpretation": "RGB"},
    {"PhotometricInterpretation": "PALETTE COLOR"},
    *({name: None} for name in ("RescaleSlope", "RescaleIntercept", "BitsStored")),
    {"PixelRepresentation": None},
]


@pytest.mark.parametrize("which", [4, 9])
@pytest.mark.parametrize("elements", REFUSED, ids=str)
def test_a_format_that_no_ct_has_is_refused_wherever_it_stands(
    tmp_path, make, limb, elements, which
):
    folder = make.series(tmp_path, limb, change=only(which, changed(**elements)))
    with pytest.raises(InputError, match="PIXEL_FORMAT"):
        read(folder)


@pytest.mark.parametrize("which", [0, 4])
@pytest.mark.parametrize(
    "text", ["nan", "inf", "1_0", "1e400", "0x10", "ten", "1\\2", "1,024", "\u0661"]
)
@pytest.mark.parametrize("name", ["RescaleSlope", "RescaleIntercept"])
def test_a_rescale_that_is_no_number_is_not_taken_for_a_missing_one(
    tmp_path, make, limb, name, text, which
):
    folder = make.series(tmp_path, limb)
    path = folder / f"IM{SHAPE[0] - which:04d}.dcm"
    data = path.read_bytes()
    old = {"RescaleSlope": b"\x28\x00\x53\x10DS", "RescaleIntercept": b"\x28\x00\x52\x10DS"}[name]
    at = data.index(old)
    length = int.from_bytes(data[at + 6 : at + 8], "little")
    value = text.encode("utf-8")
    value += b" " * (len(value) % 2)
    fresh = old + len(value).to_bytes(2, "little") + value
    path.write_bytes(data[:at] + fresh + data[at + 8 + length :])
    with pytest.raises(InputError, match="PIXEL_FORMAT"):
        read(folder)


def test_a_decimal_comma_is_read_in_every_element_and_said(tmp_path, make, limb):
    folder = make.series(tmp_path, limb)
    for path in folder.iterdir():
        data = path.read_bytes()
        path.write_bytes(data.replace(b"-1024.0 ", b"-1024,0 ").replace(b"0.8\\0.7 ", b"0,8\\0,7 "))
    scan = read(folder)
    assert np.array_equal(scan.hu, limb)
    assert scan.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert codes(scan) == {"DECIMAL_COMMA"}


def test_each_slice_is_read_by_its_own_format_and_that_is_said(tmp_path, make, limb):
    def change(data):
        values = np.frombuffer(data.PixelData, "<u2").astype(np.int16) - 1024
        data.PixelData, data.PixelRepresentation = values.tobytes(), 1
        data.RescaleIntercept, data.BitsStored, data.HighBit = 0, 16, 15
        return data

    scan = read(make.series(tmp_path, limb, change=only(5, change)))
    assert np.array_equal(scan.hu, limb)
    assert codes(scan) == {"PIXEL_FORMAT_VARIES"}


def test_one_slice_called_signed_keeps_its_bone(tmp_path, make, limb):
    scan = read(make.series(tmp_path, limb, change=only(5, changed(PixelRepresentation=1))))
    assert np.array_equal(scan.hu, limb)
    assert codes(scan) == {"PIXEL_FORMAT_VARIES", "BEYOND_BITS_STORED"}
    assert scan.acquisition.hu_ceiling > 3071


@pytest.mark.parametrize("which", [0, 5, 9])
@pytest.mark.parametrize(
    "elements",
    [
        {"RescaleIntercept": 0},
        {"RescaleIntercept": -2048},
        {"RescaleSlope": 10},
        {"RescaleSlope": 2},
    ],
    ids=str,
)
def test_a_rescale_that_does_not_fit_its_slice_is_refused(tmp_path, make, limb, which, elements):
    folder = make.series(tmp_path, limb, change=only(which, changed(**elements)))
    with pytest.raises(InputError, match=r"PIXEL_FORMAT.*differ"):
        read(folder)


def test_a_block_of_slices_and_every_second_one_are_refused_too(tmp_path, make, limb):
    for name, wrong in (("block", range(3, 7)), ("second", range(0, 10, 2))):

        def change(k, data, wrong=wrong):
            data.RescaleIntercept = 0 if k in wrong else -1024
            return data

        with pytest.raises(InputError, match=r"PIXEL_FORMAT.*differ"):
            read(make.series(tmp_path / name, limb, change=change))


def test_a_rescale_for_each_slice_is_right_where_the_pixels_follow(tmp_path, make, limb):
    """As PET scanners' CT and some dental programs write."""

    def change(k, data):
        slope = 1 + 0.05 * k
        stored = np.rint((limb[k] + 1024) / slope)
        data.PixelData, data.RescaleSlope = stored.astype("<u2").tobytes(), slope
        return data

    scan = read(make.series(tmp_path, limb, change=change))
    assert np.abs(scan.hu.astype(int) - limb).max() <= 1
    assert codes(scan) == {"PIXEL_FORMAT_VARIES"}


@pytest.mark.parametrize("first", [1, 4, 8])
@pytest.mark.parametrize("stretched", [False, True])
def test_a_body_may_begin_where_the_rescale_changes(tmp_path, make, limb, first, stretched):
    """The sole of a foot fills a slice at once; and each slice has a slope of its own, a bit
    larger than that of the last, or such that its largest value is that of 15 bits."""
    hu = limb.copy()
    hu[:first] = np.minimum(hu[:first], -1000)

    def change(k, data):
        most = max(0.001, (int(hu[k].max()) + 1024) / 32_767) * (1 + 0.001 * k)
        slope = round(most, 6) if stretched else 1 + 0.01 * k
        data.BitsStored, data.HighBit = 16, 15
        data.PixelData = np.rint((hu[k] + 1024) / slope).astype("<u2").tobytes()
        data.RescaleSlope = slope
        return data

    scan = read(make.series(tmp_path, hu, change=change))
    assert np.abs(scan.hu.astype(int) - hu).max() <= 1
    assert codes(scan) == {"PIXEL_FORMAT_VARIES"}


@pytest.mark.parametrize("which", [1, 5, 8])
@pytest.mark.parametrize("kind", ["swapped", "blank", "raised"])
def test_pixels_unlike_their_neighbours_are_flagged(tmp_path, make, limb, which, kind):
    def change(data):
        values = np.frombuffer(data.PixelData, "<u2")
        data.PixelData = {
            "swapped": values.astype(">u2").tobytes(),
            "blank": bytes(values.nbytes),
            "raised": (values + 1000).tobytes(),
        }[kind]
        data.BitsStored, data.HighBit = 16, 15
        return data

    def every(k, data):
        return change(data) if k == which else changed(BitsStored=16, HighBit=15)(data)

    assert "SLICES_UNLIKE" in codes(read(make.series(tmp_path, limb, change=every)))


def test_a_body_that_ends_is_not(tmp_path, make, limb):
    short = limb.copy()
    short[:3] = short[8:] = -1000
    short[:3, ::2] = short[8:, ::2] = -1010
    assert codes(read(make.series(tmp_path, short))) == set()


def test_a_high_bit_that_is_not_the_last_is_said(tmp_path, make, limb):
    scan = read(make.series(tmp_path, limb, HighBit=15))
    assert np.array_equal(scan.hu, limb)
    assert codes(scan) == {"HIGH_BIT"}


def test_values_moved_up_to_the_high_bit_are_refused(tmp_path, make, limb):
    def change(_k, data):
        values = np.frombuffer(data.PixelData, "<u2") << 4
        data.PixelData, data.HighBit = values.tobytes(), 15
        return data

    with pytest.raises(InputError, match=r"PIXEL_FORMAT.*beyond"):
        read(make.series(tmp_path, limb, change=change))


def test_overlays_above_the_values(tmp_path, make, limb):
    def change(_k, data):
        values = np.frombuffer(data.PixelData, "<u2").reshape(SHAPE[1:]).copy()
        values[5, 3:40] |= 0x8000
        data.PixelData = values.tobytes()
        return data

    scan = read(make.series(tmp_path, limb, change=change))
    assert np.array_equal(scan.hu, limb)
    assert codes(scan) == {"BITS_MASKED"}


# ------------------------------------------------------------------------- lengths of pixels


@pytest.mark.parametrize("elements", [{"Columns": 47}, {"Rows": 40}, {"Columns": 24}], ids=str)
def test_more_pixels_than_the_size_says(tmp_path, make, limb, elements):
    folder = make.series(tmp_path, limb, change=lambda _k, d: changed(**elements)(d))
    with pytest.raises(InputError, match=r"PIXEL_FORMAT.*bytes of pixels"):
        read(folder)


def test_padding_after_the_pixels_is_nothing(tmp_path, make, limb):
    def change(_k, data):
        data.PixelData += b"\0\0"
        return data

    assert np.array_equal(read(make.series(tmp_path, limb, change=change)).hu, limb)


# -------------------------------------------------------------------------------- geometry


@pytest.mark.parametrize(
    "spacing", [[1000, 1000], [1e5, 1e5], [1e-30, 1e-30], [0.8, 8], [0.01, 0.01], [40, 0.5]]
)
def test_pixels_that_no_ct_has(tmp_path, make, limb, spacing):
    with pytest.raises(GeometryError, match="BAD_SPACING"):
        read(make.series(tmp_path, limb, PixelSpacing=spacing))


@pytest.mark.parametrize("step", [0.02, 25.0, 200.0])
def test_slices_as_far_apart_as_no_ct_has_them(tmp_path, make, limb, step):
    with pytest.raises(GeometryError, match=r"BAD_SPACING.*slices"):
        read(make.series(tmp_path, limb, step=step))


def test_a_field_wider_than_any_bore(tmp_path, make):
    with pytest.raises(GeometryError, match=r"BAD_SPACING.*field of 1600 mm"):
        read(make.series(tmp_path, np.zeros((4, 40, 400), np.int16), PixelSpacing=[4, 4]))


@pytest.mark.parametrize("shape", [(6, 1, 1), (6, 4, 40), (6, 40, 7)])
def test_images_of_a_few_pixels(tmp_path, make, shape):
    with pytest.raises(GeometryError, match="TOO_FEW_PIXELS"):
        read(make.series(tmp_path, np.zeros(shape, np.int16)))


def test_positions_out_of_reach(tmp_path, make, limb):
    def far(data):
        data.ImagePositionPatient[2] *= 1e9
        return data

    with pytest.raises(GeometryError, match="NO_POSITION"):
        read(make.series(tmp_path, limb, change=lambda _k, d: far(d)))


@pytest.mark.parametrize("value", [1e308, 5, -3e38])
def test_orientations_that_would_overflow(tmp_path, make, limb, value):
    with pytest.raises(GeometryError, match="BAD_ORIENTATION"):
        read(make.series(tmp_path, limb, ImageOrientationPatient=[1, 0, 0, 0, value, 0]))


# ----------------------------------------------------------------------------------- facts


@pytest.mark.parametrize(
    ("name", "value", "fact"),
    [
        *(("KVP", 0, "kvp"), ("KVP", 120000, "kvp"), ("SliceThickness", 1e30, None)),
        *(("SliceThickness", 0, "slice_thickness_mm"), ("SliceThickness", -1, None)),
        *(
            ("MonoenergeticEnergyEquivalent", v, "kev")
            for v in (-70.0, 1e-300, 5000.0, float("inf"), float("nan"))
        ),
    ],
)
def test_facts_that_cannot_be_are_unknown_and_said(tmp_path, make, limb, name, value, fact):
    scan = read(make.series(tmp_path, limb, change=lambda _k, d: changed(**{name: value})(d)))
    assert getattr(scan.acquisition, fact or "slice_thickness_mm") is None
    assert name in next(f.text for f in scan.flags if f.code == "VALUES_LEFT_OUT")


@pytest.mark.parametrize("value", [70.0, 40.0, 190.0])
def test_energies_that_are(tmp_path, make, limb, value):
    scan = read(make.series(tmp_path, limb, MonoenergeticEnergyEquivalent=value))
    assert scan.acquisition.kev == value


@given(st.text("0123456789", min_size=8, max_size=8))
def test_a_date_is_one_of_the_calendar_or_none(digits):
    found = date_of({t.ACQUISITION_DATE: digits.encode()})
    try:
        np.datetime64(f"{digits[:4]}-{digits[4:6]}-{digits[6:]}")
        real = digits[:4] != "0000"
    except ValueError:
        real = False
    assert (found is not None) == real


@pytest.mark.parametrize("text", ["00000000", "20261345", "20240230", "2024", "ABCDEFGH"])
def test_dates_that_are_none_leave_it_to_the_next(text):
    assert date_of({t.ACQUISITION_DATE: text.encode()}) is None
    two = {t.ACQUISITION_DATE: text.encode(), t.STUDY_DATE: b"20240229"}
    assert date_of(two) == "2024-02-29"


# ----------------------------------------------------------------------- what parts a series


@pytest.mark.parametrize("digits", [4, 5, 6, 9])
def test_the_last_digit_of_a_spacing_parts_nothing(tmp_path, make, limb, digits):
    exact = (0.78125, 0.48828125)

    def change(k, data):
        data.PixelSpacing = [round(v, digits) for v in exact] if k % 2 else list(exact)
        return data

    scan = read(make.series(tmp_path, limb, change=change))
    assert np.array_equal(scan.hu, limb)
    assert scan.spacing[1:] == pytest.approx(exact, rel=1e-4)
    assert codes(scan) == set()


def test_another_field_of_view_does_part(tmp_path, make, limb):
    folder = make.series(tmp_path, limb)
    make.series(folder, limb, prefix="B", PixelSpacing=[0.81, 0.71])
    assert codes(read(folder)) == {"MIXED_SERIES"}


def test_last_digits_of_an_orientation_part_nothing(tmp_path, make, limb):
    def change(k, data):
        data.ImageOrientationPatient = [1, 1e-7 * (k % 3), 0, 0, 1, 1e-6 * (k % 2)]
        return data

    assert np.array_equal(read(make.series(tmp_path, limb, change=change)).hu, limb)


LACKING = ["KVP", "ConvolutionKernel", "SliceThickness", "RescaleType", "Modality", "ImageType"]


@pytest.mark.parametrize("which", [(0,), (9,), (2, 3, 7), tuple(range(0, 10, 2))], ids=str)
@pytest.mark.parametrize("name", [*LACKING, "SOPClassUID", "SeriesDescription", "Manufacturer"])
def test_what_some_slices_lack_parts_nothing(tmp_path, make, limb, name, which):
    def change(k, data):
        return changed(**{name: None})(data) if k in which else data

    scan = read(make.series(tmp_path, limb, change=change))
    assert np.array_equal(scan.hu, limb)
    assert scan.acquisition.kvp == 120
    assert scan.acquisition.kernel == "Br38f\\3"
    assert codes(scan) <= {"PARTLY_STATED"}


@pytest.mark.parametrize(
    "elements",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]},
        {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]},
        {"Manufacturer": "Other"},
        {"SeriesDescription": "Other"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.2"},
        {"RescaleType": "hu"},
    ],
    ids=str,
)
def test_what_does_not_matter_to_geometry_or_hu_parts_nothing(tmp_path, make, limb, elements):
    scan = read(make.series(tmp_path, limb, change=only(4, changed(**elements))))
    assert np.array_equal(scan.hu, limb)
    assert "MIXED_SERIES" not in codes(scan)


@pytest.mark.parametrize(
    "elements",
    [
        {"KVP": 80},
        {"ConvolutionKernel": "Br64"},
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    ],
    ids=str,
)
def test_what_matters_does(tmp_path, make, limb, elements):
    with pytest.raises(GeometryError, match=r"(?s)MISSING_SLICES.*another kind"):
        read(make.series(tmp_path, limb, change=only(4, changed(**elements))))


def test_small_letters_part_nothing(tmp_path, make, limb):
    folder = make.series(tmp_path, limb)
    path = folder / "IM0004.dcm"
    data = path.read_bytes()
    assert b"ORIGINAL\\PRIMARY\\AXIAL" in data
    path.write_bytes(data.replace(b"ORIGINAL\\PRIMARY", b"Original\\primary"))
    assert np.array_equal(read(folder).hu, limb)


def test_a_mono_image_beside_a_conventional_one_in_one_series(tmp_path, make, limb):
    """One lacks the energy that the other states, and both lie at the same places."""
    folder = make.series(tmp_path, limb)
    lower = (limb - 5).clip(-1024)
    make.series(folder, lower, prefix="M", MonoenergeticEnergyEquivalent=70.0)
    scan = read(folder)
    assert len(scan.hu) == SHAPE[0]
    assert "MIXED_SERIES" in codes(scan)


def test_images_that_went_astray_to_another_series_are_said(tmp_path, make, limb):
    def change(k, data):
        if k == 9:
            data.SeriesInstanceUID = "1.2.3.5"
        return data

    scan = read(make.series(tmp_path, limb, change=change))
    assert len(scan.hu) == 9
    assert codes(scan) == {"CONTINUED_ELSEWHERE"}


def test_frames_without_positions(tmp_path, make, limb):
    data = make.slice_dataset(limb[0], make.origin, series="1.2.3.4")
    data.NumberOfFrames, data.PixelData = SHAPE[0], (limb + 1024).astype("<u2").tobytes()
    data.save_as(tmp_path / "many.dcm", enforce_file_format=True)
    for path in (tmp_path, tmp_path / "many.dcm"):
        with pytest.raises(GeometryError, match="NO_POSITION: found 10 frames in one file"):
            read(path)


@pytest.mark.parametrize("kind", ["PROJECTION", "MAP"])
def test_what_is_named_a_projection_is_remarked_on(tmp_path, make, limb, kind):
    name = {"PROJECTION": "Hand MIP 3.0", "MAP": "Hand 3.0"}[kind]
    found = codes(read(make.series(tmp_path, limb, SeriesDescription=name)))
    assert ("NAMED_AS_PROJECTION" in found) == (kind == "PROJECTION")


# ---------------------------------------------------------------------------------- mutation


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    which=st.integers(0, SHAPE[0] - 1),
    count=st.integers(1, 4),
)
def test_a_damaged_header_is_refused_flagged_or_without_effect(
    tmp_path_factory, make, limb, seed, which, count
):
    folder = make.series(tmp_path_factory.mktemp("s"), limb)
    path = folder / f"IM{SHAPE[0] - which:04d}.dcm"
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    end = len(data) - limb[0].nbytes
    for place in rng.integers(300, end, count):
        data[place] = rng.integers(256)
    path.write_bytes(data)
    try:
        scan = read(folder)
    except CalcimetryError:
        return
    same = scan.hu.shape == limb.shape and np.abs(scan.hu.astype(int) - limb).max() <= 2
    flagged = {f.code for f in scan.flags if f.code in CATALOGUE}
    assert same or flagged or scan.source.passed_over
