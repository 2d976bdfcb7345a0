"""The groups of a document's deposits, as the page tells them.

Documents may come from others: what is no whole number is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Groups:
    """The group of each deposit, and how many objects each group has.

    of : by row of the document's deposits; None in documents of before schema 1.4
    size : by group, with objects that are not listed
    counted : of how many groups the counted deposits are; None where that is not known
    deposits : how many are counted
    """

    of: Sequence[int | None]
    size: Mapping[int | None, int]
    counted: int | None
    deposits: int

    @classmethod
    def in_document(cls, document: Mapping[str, Any]) -> Groups:
        own = [whole(row.get("group")) for row in document["deposits"]]
        others = [whole(row.get("group")) for row in document["objects"]]
        total = document["totals"]["overall"]
        return cls(own, Counter([*own, *others]), whole(total.get("groups")), total["count"])

    @property
    def known(self) -> bool:
        return any(self.of)

    @property
    def are_fewer(self) -> bool:
        """Whether any of the counted deposits are pieces of one lesion."""
        return self.counted is not None and self.counted < self.deposits

    def parts(self, k: int) -> int:
        """How many objects are in the group of the deposit at row `k`; 1 where it is not known."""
        return self.size[self.of[k]] if self.of[k] else 1


def whole(value: Any) -> int | None:
    """A whole number of a document; None where it is none."""
    return value if isinstance(value, int) else None
