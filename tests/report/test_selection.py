"""Which deposits get a card, a thumbnail or a row."""

from __future__ import annotations

from calcimetry.report import selection


def test_cards_go_to_the_biggest_and_small_ones_to_the_table():
    ranks = [(n, True, float(100 - n), 1.0) for n in range(1, 50)]
    assert selection.carded(ranks) == list(range(1, 21))
    tiny = [(1, True, 1000.0, 1.0)] + [(n, True, 1.0, 1.0) for n in range(2, 12)]
    assert selection.carded(tiny) == [1, 2, 3, 4, 5, 6]


def test_doubtful_ones_get_no_card_and_withheld_ones_come_last():
    ranks = [(1, False, 900.0, 9.0), (2, True, None, 500.0), (3, True, 4.0, 8.0)]
    assert selection.carded(ranks) == [3, 2]
    assert selection.pictured(ranks) == [3, 2, 1]


def test_left_out_ones_are_shown_least_sure_first():
    rows = [(1, "bone", 0.99, 5.0), (2, "vessel", 0.6, 5.0), (3, "stone", 0.5, 5.0)]
    assert selection.doubtful_objects([*rows, (4, "external", 0.1, 5.0)]) == [3, 2]
