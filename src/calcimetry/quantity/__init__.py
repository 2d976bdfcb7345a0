"""Quantity: mass, volume, density and scores of deposits, each with its doubt."""

from calcimetry.quantity.calibration import calibrate, hu_threshold, user_calibration
from calcimetry.quantity.density import DensityClass, density_classes, density_map
from calcimetry.quantity.measure import (
    MeasurementContext,
    context_of,
    measure_deposit,
    quantify,
)
from calcimetry.quantity.noise import Noise, noise_of
from calcimetry.quantity.total import Sums, total

__all__ = [
    "DensityClass",
    "MeasurementContext",
    "Noise",
    "Sums",
    "calibrate",
    "context_of",
    "density_classes",
    "density_map",
    "hu_threshold",
    "measure_deposit",
    "noise_of",
    "quantify",
    "total",
    "user_calibration",
]
