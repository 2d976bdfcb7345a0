"""Pairs of crops, first visit left and second right, of lineages that were judged wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from benchmarks.followup.judged import Outcome
from benchmarks.followup.visits import Made
from numpy.typing import NDArray
from PIL import Image, ImageDraw


class Tile(NamedTuple):
    """way : of the outcome; picture : both visits side by side"""

    way: str
    picture: NDArray[np.uint8]


def tiles(outcomes: Sequence[Outcome], visits: tuple[Made, Made], way: str) -> Iterator[Tile]:
    for o in outcomes:
        if o.right or o.truth in ("partly", "too small"):
            continue
        title = f"{o.pair[-9:]} {o.truth[:6]}"
        said = f"{o.said[:10]} {max(o.mass_mg):.0f} mg"
        sides = []
        for visit, text in zip(visits, (title, said), strict=True):
            picture = Image.fromarray(visit.pictures[o.number])
            ImageDraw.Draw(picture).text((2, 1), text, fill=255)
            sides.append(np.asarray(picture))
        yield Tile(way, np.concatenate(sides, axis=1))
