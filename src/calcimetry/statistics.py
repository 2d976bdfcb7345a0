"""Factors of the normal distribution, each in one place."""

from __future__ import annotations

Z95 = 1.959964
"""Standard deviations to either end of a 95 % interval."""

Z95_ONE_SIDED = 1.644854
"""Standard deviations below which 95 % lie."""

FWHM_PER_SD = 2.354820045
"""Full width at half maximum of a Gaussian, in its standard deviations: sqrt(8 ln 2)."""

SD_PER_MAD = 1.4826
"""Standard deviation over the median absolute deviation (Rousseeuw and Croux 1993,
doi 10.1080/01621459.1993.10476408)."""
