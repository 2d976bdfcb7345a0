"""Derived laboratory results, each from one formula that was read in a source.

Units are in the names: mg_dl = mg/dL, g_dl = g/dL. The K/DOQI variant with the factor 0.0704
is left out on purpose: stored pages print it with a sign that cannot be right.
"""

from __future__ import annotations

MMOL_PER_MG_CALCIUM = 0.2495  # mmol/L per mg/dL
MMOL_PER_MG_PHOSPHATE = 0.3229
TRP_LIMIT = 0.86  # Payne 1998: above it reabsorption is no longer proportional


def corrected_calcium(calcium_mg_dl: float, albumin_g_dl: float) -> float:
    """Albumin-corrected calcium, mg/dL (Jain 2008, doi 10.1093/ndt/gfn186, in mg/dL)."""
    return calcium_mg_dl + 0.8 * (4.0 - albumin_g_dl)


def corrected_calcium_hd(calcium_mmol_l: float, albumin_g_l: float) -> float:
    """For haemodialysis, mmol/L (Jain 2008); it did not do better than total calcium."""
    return calcium_mmol_l + 0.01 * (30.0 - albumin_g_l)


def corrected_calcium_ckd(
    calcium_mg_dl: float, albumin_g_dl: float, ph: float, phosphate_mg_dl: float
) -> float:
    """For kidney disease, mg/dL (insights.ovid.com/thad/201602000; 942 patients)."""
    return (
        calcium_mg_dl
        + 0.25 * (4.0 - albumin_g_dl)
        + 4.0 * (7.4 - ph)
        + 0.1 * (6.0 - phosphate_mg_dl)
        + 0.3
    )


def calcium_phosphate_product(calcium_mg_dl: float, phosphate_mg_dl: float) -> float:
    """Calcium x phosphate, mg2/dL2; to be shown with the evidence against it."""
    return calcium_mg_dl * phosphate_mg_dl


def product_si(product_mg2_dl2: float) -> float:
    """The product in mmol2/L2."""
    return product_mg2_dl2 * MMOL_PER_MG_CALCIUM * MMOL_PER_MG_PHOSPHATE


def egfr_2021(creatinine_mg_dl: float, age_years: float, sex: str) -> float:
    """CKD-EPI 2021, mL/min/1.73m2, adults; `sex` "female" or "male" (Inker 2021)."""
    female = sex == "female"
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine_mg_dl / kappa
    value = 142.0 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.200 * 0.9938**age_years
    return float(value * (1.012 if female else 1.0))


def trp(
    urine_phosphate: float, phosphate: float, creatinine: float, urine_creatinine: float
) -> float:
    """Tubular reabsorption of phosphate, a fraction (Payne 1998); all in mg/dL."""
    return 1.0 - (urine_phosphate / phosphate) * (creatinine / urine_creatinine)


def tmp_gfr(reabsorbed: float, phosphate_mg_dl: float) -> float:
    """TmP/GFR in the unit of phosphate, from TRP as a fraction (Payne 1998)."""
    if reabsorbed <= TRP_LIMIT:
        return reabsorbed * phosphate_mg_dl
    return 0.3 * reabsorbed / (1.0 - 0.8 * reabsorbed) * phosphate_mg_dl
