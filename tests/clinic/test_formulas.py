"""Every formula against cases worked by hand; those of the evidence among them."""

from __future__ import annotations

import pytest

from calcimetry.clinic import formulas as f


@pytest.mark.parametrize(
    ("calcium", "albumin", "expected"),
    [(8.0, 2.8, 8.96), (9.5, 4.0, 9.5), (7.5, 2.0, 9.1)],  # the first is printed in the source
)
def test_corrected_calcium(calcium, albumin, expected):
    assert f.corrected_calcium(calcium, albumin) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("calcium", "albumin", "expected"), [(2.30, 30.0, 2.30), (2.20, 25.0, 2.25), (2.40, 38.0, 2.32)]
)
def test_corrected_calcium_hd(calcium, albumin, expected):
    assert f.corrected_calcium_hd(calcium, albumin) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("calcium", "albumin", "ph", "phosphate", "expected"),
    [
        (8.0, 4.0, 7.4, 6.0, 8.3),
        (8.0, 3.0, 7.3, 5.0, 9.05),  # + 0.25 + 0.4 + 0.1 + 0.3
        (9.0, 3.6, 7.4, 8.0, 9.2),  # + 0.1 - 0.2 + 0.3
    ],
)
def test_corrected_calcium_ckd(calcium, albumin, ph, phosphate, expected):
    assert f.corrected_calcium_ckd(calcium, albumin, ph, phosphate) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("product", "si"), [(55.0, 4.43), (70.0, 5.64), (100.0, 8.056)]
)  # the first two are printed in the evidence
def test_product_in_si(product, si):
    assert f.product_si(product) == pytest.approx(si, abs=0.005)


@pytest.mark.parametrize(
    ("calcium", "phosphate", "product"), [(10.0, 5.5, 55.0), (10.0, 7.0, 70.0), (9.5, 4.0, 38.0)]
)
def test_product(calcium, phosphate, product):
    assert f.calcium_phosphate_product(calcium, phosphate) == pytest.approx(product)


@pytest.mark.parametrize(
    ("creatinine", "age", "sex", "expected"),
    [
        (0.9, 55, "female", 75.5),  # printed
        (1.5, 60, "male", 53.0),  # printed
        # 142 x 1 x 1 x 0.9938^40 (= 0.7798) at the knot: 110.7
        (0.9, 40, "male", 110.7),
    ],
)
def test_egfr(creatinine, age, sex, expected):
    assert f.egfr_2021(creatinine, age, sex) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize(
    ("urine_p", "p", "creatinine", "urine_creatinine", "share", "ratio"),
    [
        # Up/Pp = 20, Pcr/Ucr = 0.01: TRP 0.80, at most 0.86: 0.80 x 3.0
        (60.0, 3.0, 1.0, 100.0, 0.80, 2.40),
        # 10 x 0.01 = 0.1: TRP 0.90; 0.27 / 0.28 x 4.0
        (40.0, 4.0, 1.0, 100.0, 0.90, 3.8571),
        # 5 x 0.01 = 0.05: TRP 0.95; 0.285 / 0.24 x 8.0
        (40.0, 8.0, 0.5, 50.0, 0.95, 9.5),
    ],
)
def test_trp_and_tmp_gfr(urine_p, p, creatinine, urine_creatinine, share, ratio):
    reabsorbed = f.trp(urine_p, p, creatinine, urine_creatinine)
    assert reabsorbed == pytest.approx(share, abs=1e-9)
    assert f.tmp_gfr(reabsorbed, p) == pytest.approx(ratio, abs=1e-3)


def test_tmp_gfr_has_no_step_at_the_limit():
    below, above = f.tmp_gfr(0.86, 4.0), f.tmp_gfr(0.8600001, 4.0)
    assert above == pytest.approx(below, rel=0.04)


@pytest.mark.parametrize("albumin", [1.5, 2.5, 3.5])
def test_low_albumin_never_lowers_corrected_calcium(albumin):
    """What the K/DOQI variant as printed would do, and why it is not here."""
    assert f.corrected_calcium(9.0, albumin) > 9.0
    assert f.corrected_calcium_ckd(9.0, albumin, 7.4, 6.0) > 9.0
