"""Parts of the body by name: what a user or a tag says, in many languages, to one list of sites.

The words stand in sites.toml. What is not among them is told as unknown and never taken as it
comes: a tag such as Body Part Examined is typed by people, and can hold anything.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from calcimetry.errors import UsageError

LONGEST_PHRASE = 4  # words
WHOLE_LIMBS = ("arm", "leg")
LONGEST_WORD = 64  # letters of a word that is taken apart, which takes time as the square
LEAST_PART = 3  # letters of the words that one word may be put together from, as in HANDWRIST


@dataclass(frozen=True, slots=True)
class Said:
    """What some words say of a place.

    side : left or right; None where it is not said, or both are
    sites : known parts of the body, as they were named, each once
    unknown : the words that are none of the known ones
    """

    side: str | None = None
    sites: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def site(self) -> str | None:
        """The sites in words: "hand", "hand and wrist", "trunk" for chest, abdomen and pelvis."""
        found: list[str] = []
        for site in self.sites:
            for other in found:
                if (larger := _shared(site, other)) is not None:
                    found[found.index(other)] = larger
                    break
            else:
                found.append(site)
        return " and ".join(dict.fromkeys(found)) or None


@dataclass(frozen=True, slots=True)
class _Table:
    sites: Mapping[str, Mapping[str, Any]]
    meaning: Mapping[str, tuple[str, ...]]  # phrase to what it adds: ("site", name), ("side", name)


def understand(text: str | None) -> Said:
    """What the words of a user or a tag say of a place: side, sites, words not known."""
    words = re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", text or "").casefold())
    side: dict[str, None] = {}
    sites: dict[str, None] = {}
    unknown: list[str] = []
    at = 0
    while at < len(words):
        meant, count = _phrase(words, at)
        if meant is None:
            unknown.append(words[at])
        for entry in meant or ():
            kind, _, name = entry.partition(" ")
            (side if kind == "side" else sites)[name] = None
        at += count
    one = next(iter(side)) if len(side) == 1 and "both" not in side else None
    return Said(one, tuple(sites), tuple(unknown))


def _phrase(words: list[str], at: int) -> tuple[tuple[str, ...] | None, int]:
    """What the longest known phrase from a word on means, and how many words it has."""
    known = _table().meaning
    for count in range(min(LONGEST_PHRASE, len(words) - at), 0, -1):
        phrase = " ".join(words[at : at + count])
        for spelling in (phrase, _folded(phrase)):
            if spelling in known:
                return known[spelling], count
    return _parts(words[at]), 1


def _parts(word: str) -> tuple[str, ...] | None:
    """What a word means that is put together from known ones, as CHESTABDPELVIS; else None."""
    known = _table().meaning
    if len(word) > LONGEST_WORD:
        return None
    reached: dict[int, tuple[str, ...]] = {0: ()}
    for start in range(len(word)):
        if start not in reached:
            continue
        for stop in range(len(word), start, -1):
            part = word[start:stop]
            small = part.isascii() and len(part) < LEAST_PART
            if stop not in reached and part in known and not small:
                reached[stop] = (*reached[start], *known[part])
    return reached.get(len(word))


def chain(site: str) -> tuple[str, ...]:
    """A site and the larger parts that it belongs to, in order."""
    table, found = _table().sites, [site]
    while (larger := table[found[-1]].get("within")) is not None:
        found.append(larger)
    return tuple(found)


def _shared(one: str, two: str) -> str | None:
    """The least part of the body that holds both; None where that is a whole limb, or nothing."""
    first, second = chain(one), chain(two)
    larger = next((site for site in first if site in second), None)
    return None if larger in WHOLE_LIMBS and larger not in (one, two) else larger


def known_sites() -> tuple[str, ...]:
    """Every word that the column `site` may hold, alone or joined by "and"."""
    return tuple(_table().sites)


def body_part(tag: str) -> tuple[str | None, bool]:
    """The known words of a Body Part Examined, and whether it held others (or none at all)."""
    said = understand(tag)
    odd = bool(said.unknown) or bool(tag and not re.search(r"[^\W\d_]", tag))
    if odd:
        return (said.site or "").upper() or None, True
    return " ".join(re.findall(r"[^\W\d_]+", tag)).upper() or None, False


def laterality(tag: str) -> str | None:
    """L, R, B (both) or U (unpaired) of a Laterality in any spelling; None for anything else."""
    if tag.upper() in ("L", "R", "B", "U"):
        return tag.upper()
    return {"left": "L", "right": "R"}.get(understand(tag).side or "")


def region_of(site: str | None) -> str | None:
    """Upper limb, lower limb, trunk, head and neck; None for no site or sites of several."""
    regions = {str(_table().sites[name]["region"]) for name in understand(site).sites}
    return regions.pop() if len(regions) == 1 else None


def agree(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a scan can be of both: the same, one a part of the other, or side by side."""
    others = tuple(others)
    return any(_meet(a, b) for a in some for b in others)


def _meet(one: str, two: str) -> bool:
    first, second = chain(one), chain(two)
    if one in second or two in first:
        return True
    table = _table().sites
    # Whole limbs and the trunk show too much to count as neighbours of one another's parts.
    return any(
        b in table[a].get("beside", ()) or a in table[b].get("beside", ())
        for a in (first[:-1] or first)
        for b in (second[:-1] or second)
    )


def check_site(text: str | None) -> None:
    """Raise UsageError BAD_SITE for a user's words that name no known place or side."""
    if text is None:
        return
    said = understand(text)
    if not said.unknown and (said.sites or said.side):
        return
    what = f"'{text}'" if not said.unknown else f"'{' '.join(said.unknown)}' in '{text}'"
    raise UsageError(
        "BAD_SITE",
        found=what,
        expected="a part of the body, with its side if you like: " + ", ".join(known_sites()),
        where="--site",
        remedy="give one of these (or its name in your language), or leave the option out",
    )


def _folded(text: str) -> str:
    """Without accents: Knoechel stays, Knöchel is Knochel, mão is mao."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})


def _key(text: str) -> str:
    return " ".join(re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", text).casefold()))


@cache
def _table() -> _Table:
    """The words of sites.toml by their spellings, with accents and without."""
    content = tomllib.loads(files("calcimetry").joinpath("sites.toml").read_text("utf-8"))
    meaning: dict[str, tuple[str, ...]] = {}

    def add(words: Iterable[str], means: tuple[str, ...]) -> None:
        for word in words:
            key = _key(word)
            meaning.setdefault(key, means)
            folded = _folded(key)
            meaning.setdefault(key.translate(_SPELT_OUT), means)
            # Very short words mean too much without their accents: pé is a foot, PE is not.
            if len(folded) >= LEAST_PART or folded == key:
                meaning.setdefault(folded, means)

    for name, about in content["site"].items():
        add((name, *about["words"]), (f"site {name}",))
    for name, parts in content["both"].items():
        add((name,), tuple(f"site {part}" for part in parts))
    for name, words in content["side"].items():
        add(words, (f"side {name}",))
    add((*content["none"]["words"], *content["none"]["joining"]), ())
    return _Table(content["site"], meaning)
