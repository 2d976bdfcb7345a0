"""Quantity: mass, volume, density, scores and diameters of deposits, each with its doubt."""

from calcimetry.quantity.calibration import calibrate, hu_threshold, user_calibration
from calcimetry.quantity.density import DensityClass, density_classes, density_map
from calcimetry.quantity.diameter import Diameters, diameters, form
from calcimetry.quantity.measure import quantify
from calcimetry.quantity.noise import Noise, noise_of
from calcimetry.quantity.total import Sums, total

__all__ = [
    "DensityClass",
    "Diameters",
    "Noise",
    "Sums",
    "calibrate",
    "density_classes",
    "density_map",
    "diameters",
    "form",
    "hu_threshold",
    "noise_of",
    "quantify",
    "total",
    "user_calibration",
]
