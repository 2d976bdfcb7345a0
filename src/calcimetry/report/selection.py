"""Which deposits get a card, a thumbnail or a row: one rule for the pictures and the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CARDS = 20  # at most; the rest go into the table
THUMBNAILS = 40  # at most, of deposits in the table, and again of doubtful ones
ROWS = 500  # at most, in the table of smaller deposits
NUMBERED = 24  # at most, in the whole views: more lines than that hide the picture
LEFT_OUT = 12  # at most, of objects that were left out with little confidence
SURE = 0.75  # an object left out with at least this confidence is not shown

Rank = tuple[int, bool, float | None, float | None]
"""Number, whether it is a deposit (not uncertain), mass in mg, volume in mm3."""


def biggest_first(ranks: Iterable[Rank]) -> list[Rank]:
    """By mass; those whose mass is withheld after the others, by volume."""

    def key(rank: Rank) -> tuple[bool, float, float, int]:
        number, _, mass, volume = rank
        return mass is None, -(mass or 0.0), -(volume or 0.0), number

    return sorted(ranks, key=key)


def carded(ranks: Iterable[Rank]) -> list[int]:
    """Numbers of the deposits that get a card, biggest first.

    The biggest CARDS, but beyond the sixth only while one holds 1 % of the biggest.
    """
    sure = biggest_first(rank for rank in ranks if rank[1])
    least = 0.01 * (sure[0][2] or 0.0) if sure else 0.0
    return [
        rank[0]
        for row, rank in enumerate(sure[:CARDS])
        if row < 6 or rank[2] is None or rank[2] >= least
    ]


def pictured(ranks: Sequence[Rank]) -> list[int]:
    """Numbers of all deposits, doubtful ones too, that get any picture."""
    large = carded(ranks)
    known = set(large)
    order = biggest_first(ranks)
    small = [rank[0] for rank in order if rank[1] and rank[0] not in known][:THUMBNAILS]
    doubtful = [rank[0] for rank in order if not rank[1]][:THUMBNAILS]
    return [*large, *small, *doubtful]


def doubtful_objects(rows: Iterable[tuple[int, str, float, float]]) -> list[int]:
    """Numbers of left-out objects (number, kind, confidence, mm3), least sure first."""
    unsure = [row for row in rows if row[2] < SURE and row[1] != "external"]
    return [row[0] for row in sorted(unsure, key=lambda row: (row[2], -row[3]))[:LEFT_OUT]]
