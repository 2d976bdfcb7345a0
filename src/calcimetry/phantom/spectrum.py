"""HU per mg of hydroxyapatite per cm3, by tube voltage and water path.

A spectral model (tungsten spectra, NIST attenuation, water-corrected reconstruction, no
scatter): c in mg/cm3 for each HU above tissue. Its middle values agree with four 64-row
scanners at 80 and 120 kVp; vendors spread about +-15 %. Kept apart from the quantity room's
calibration on purpose: a phantom must not be made with the number that it tests.
"""

from __future__ import annotations

import numpy as np

_KVP = (70.0, 80.0, 100.0, 120.0, 130.0, 140.0)
_PATH_CM = (2.0, 6.0, 8.0, 12.0, 16.0, 30.0)
_MG_CM3_PER_HU = np.array(
    [
        [0.389, 0.440, 0.527, 0.604, 0.640, 0.673],
        [0.409, 0.463, 0.556, 0.638, 0.675, 0.710],
        [0.419, 0.474, 0.569, 0.654, 0.692, 0.728],
        [0.435, 0.494, 0.594, 0.683, 0.723, 0.761],
        [0.450, 0.511, 0.616, 0.710, 0.752, 0.792],
        [0.492, 0.560, 0.681, 0.793, 0.842, 0.889],
    ]
)


def hu_per_mg_cm3(kvp: float, path_cm: float) -> float:
    """HU above tissue for each mg HA/cm3; clamped to 70-140 kVp and 2-30 cm of water."""
    by_kvp = [np.interp(path_cm, _PATH_CM, column) for column in _MG_CM3_PER_HU.T]
    return 1.0 / float(np.interp(kvp, _KVP, by_kvp))
