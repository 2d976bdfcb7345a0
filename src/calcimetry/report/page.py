"""What the templates ask for: pieces of the page, each from the document alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from calcimetry.report import bodymap, charts, png, prose, selection, svg
from calcimetry.report.groups import Groups, whole
from calcimetry.report.language import Words
from calcimetry.report.numbers import Numbers, given_places, lookup, pointer
from calcimetry.report.place_words import in_words, part_of_body

MEASURES = (
    ("mass", "mass_mg", "mg"),
    ("volume", "volume_mm3", "mm³"),
    ("density", "density_mg_cm3", "mg/cm³"),
)
MOST = {"mass_mg": 1e9, "volume_mm3": 1e9, "density_mg_cm3": 3160.0}  # that of pure HA


@dataclass(frozen=True)
class Page:
    """One document with its pictures, in one language."""

    document: Mapping[str, Any]
    pictures: Mapping[str, bytes]
    words: Words
    numbers: Numbers
    filled: Mapping[str, Mapping[str, Any]]  # chapters of other rooms, by key

    measures = MEASURES
    most_cards = selection.CARDS
    most_thumbs = selection.THUMBNAILS
    pointer = staticmethod(pointer)

    @classmethod
    def of(
        cls,
        document: Mapping[str, Any],
        pictures: Mapping[str, bytes],
        words: Words,
        filled: Mapping[str, Mapping[str, Any]],
    ) -> Page:
        """A page of a document, with the chapters that other rooms fill."""
        return cls(document, pictures, words, Numbers(document, words), filled)

    # Which deposits stand where ------------------------------------------------------------

    @cached_property
    def ranks(self) -> list[selection.Rank]:
        return [
            (d["deposit"], d["kind"] == "deposit", d["mass_mg"], d["volume_130_mm3"])
            for d in self.document["deposits"]
        ]

    @cached_property
    def index(self) -> Mapping[int, int]:
        """Row in the document's list, by deposit number."""
        return {d["deposit"]: k for k, d in enumerate(self.document["deposits"])}

    @cached_property
    def cards(self) -> list[int]:
        """Rows of the deposits that get a card, biggest first."""
        return [self.index[number] for number in selection.carded(self.ranks)]

    @cached_property
    def small(self) -> list[int]:
        """Rows of the deposits that stand in the table, biggest first."""
        carded = set(self.cards)
        order = [self.index[r[0]] for r in selection.biggest_first(self.ranks) if r[1]]
        return [k for k in order if k not in carded][: selection.ROWS]

    @cached_property
    def beyond(self) -> int:
        """How many deposits stand in deposits.csv alone."""
        return sum(rank[1] for rank in self.ranks) - len(self.cards) - len(self.small)

    @cached_property
    def doubtful(self) -> list[int]:
        """Rows of the doubtful objects, biggest first."""
        return [self.index[r[0]] for r in selection.biggest_first(self.ranks) if not r[1]]

    @cached_property
    def unsure(self) -> list[int]:
        """Rows, in the list of objects, of those left out with least confidence."""
        objects = self.document["objects"]
        rows = [(o["object"], o["kind"], o["confidence"], o["volume_mm3"]) for o in objects]
        chosen = selection.doubtful_objects(rows)
        at = {o["object"]: k for k, o in enumerate(objects)}
        return [at[number] for number in chosen]

    @cached_property
    def groups(self) -> Groups:
        """Which deposits are pieces of one lesion."""
        return Groups.in_document(self.document)

    @property
    def unlisted(self) -> int:
        """How many objects were too unlikely a deposit to be listed, as far as is known."""
        return whole(self.at("totals", "unlisted")) or 0

    # Numbers and words ---------------------------------------------------------------------

    def at(self, *parts: Any) -> Any:
        """A value of the document; None where it has none."""
        return lookup(self.document, pointer(*parts))

    def deposit(self, k: int, field: str, unit: str = "", places: int | None = None) -> Markup:
        """A number of the deposit at row `k`."""
        return self.numbers.show(pointer("deposits", k, field), unit, places=places)

    def deposit_interval(self, k: int, field: str, unit: str) -> Markup:
        """The 95 % interval of a number of the deposit at row `k`; empty without one."""
        at = pointer("deposits", k, field)
        return self.numbers.interval(f"{at}_low", f"{at}_high", unit, like=at)

    def total_interval(self, field: str, unit: str) -> Markup:
        """The 95 % interval of a total; empty without one."""
        at = pointer("totals", "overall", field)
        return self.numbers.interval(f"{at}/low", f"{at}/high", unit, like=f"{at}/value")

    def tiers(self, at: str) -> Markup:
        """What of the total at a pointer is sure, and what hangs on doubt."""
        sure, doubt = (
            self.numbers.show(f"{at}/{tier}_mass_mg/value", "mg") for tier in ("sure", "uncertain")
        )
        return self.words.text("summary.tiers", sure=sure, doubt=doubt)

    def place(self, k: int) -> Markup:
        """Where the deposit at row `k` lies, in words."""
        return in_words(self.numbers, k)

    def further_place(self, k: int) -> Markup:
        """The same without side and site, which the heading has."""
        return in_words(self.numbers, k, after_part=True)

    def short_place(self, k: int) -> Markup:
        """Side and site alone, for headings; empty where they are not known."""
        return part_of_body(self.numbers, k)

    def errors(self, k: int) -> Markup:
        """What the mass's error is made of, largest cause first; empty where not said."""
        causes: Mapping[str, float] = self.document["deposits"][k].get("relative_error") or {}
        order = sorted(causes, key=lambda cause: -causes[cause])
        return Markup(", ").join(
            Markup("{} {}").format(
                self.words.term("cause", cause),
                self.numbers.percent(pointer("deposits", k, "relative_error", cause)),
            )
            for cause in order
            if causes[cause] > 0
        )

    def slices(self, k: int) -> Markup:
        """First and last slice of the deposit at row `k`, or its only one."""
        first, last = (self.deposit(k, name) for name in ("slice_first", "slice_last"))
        row = self.document["deposits"][k]
        key = "slice_value" if row["slice_first"] == row["slice_last"] else "slices_value"
        return self.words.text(f"deposits.{key}", first=first, last=last)

    @property
    def title(self) -> Markup:
        """What the browser shows as the page's name."""
        date = prose.day(self.at("scan", "date"))
        return self.words.text("page.title_dated" if date else "page.title", date=date)

    @property
    def facts(self) -> list[tuple[Markup, Markup]]:
        """How the scan was made: names and values."""
        return prose.header(self.numbers)

    @property
    def chapters(self) -> list[tuple[str, str]]:
        """Keys and anchors of the page's chapters."""
        keys = ["summary", "followup", "deposits", "clinic", "left_out"]
        keys += ["distributions", "methods", "plain"]
        absent = {key for key in ("followup", "clinic") if not self.filled.get(key)}
        return [(key, key.replace("_", "-")) for key in keys if key not in absent]

    @property
    def paste(self) -> Markup:
        """A sentence ready for a paper."""
        return prose.paste(self.numbers)

    @property
    def plain_words(self) -> list[prose.Chapter]:
        """The page for the person scanned."""
        return prose.plain_words(self.numbers, self.cards[0] if self.cards else None)

    def symptoms(self, number: int) -> Sequence[Mapping[str, str]]:
        """What the place of a deposit can cause, where a clinic chapter says it."""
        by_number = self.filled.get("clinic", {}).get("symptoms", {})
        found: Sequence[Mapping[str, str]] = by_number.get(str(number), ())
        return found

    def parts(self, group: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Totals by region or tissue, most mass first; those with nothing but doubt too."""
        totals: Mapping[str, Mapping[str, Any]] = self.document["totals"][group]
        found = [(name, p) for name, p in totals.items() if p["count"] or p["uncertain"]]
        return sorted(found, key=lambda item: -(item[1]["mass_mg"]["value"] or 0))

    def flag(self, flag: Mapping[str, str]) -> str:
        """What a flag says: in the catalogue's words when it has them, else as it came."""
        found = self.words.find(f"flag.{flag['code']}")
        return found if isinstance(found, str) else flag["text"]

    @cached_property
    def parameters(self) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
        """What the version that measured says of its parameters: default, unit, meaning, source.

        Empty for documents of before schema 1.3: they hold values alone, and what a parameter
        is today may not be what it was.
        """
        found: Mapping[str, Mapping[str, Mapping[str, Any]]]
        found = self.document.get("plan_described") or {}
        return found

    def about(self, section: str, name: str) -> Mapping[str, Any]:
        """What the document says of one parameter, its meaning in the page's language."""
        said = self.parameters.get(section, {}).get(name)
        if said is None:
            return {}
        return {**said, "text": self.words.find(f"plan.{section}.{name}") or said.get("text", "")}

    def changed(self, section: str, name: str) -> bool:
        """Whether a parameter of the plan stood at other than its default."""
        about = self.about(section, name)
        return "default" in about and about["default"] != self.at("plan", section, name)

    def value(self, at: str, unit: str = "") -> Markup:
        """A parameter of any type, with its pointer."""
        found = lookup(self.document, at)
        if isinstance(found, int | float) and not isinstance(found, bool):
            places = given_places(found)
            return self.numbers.show(at, unit.replace("mm3", "mm³"), places=places)
        return Markup('<span data-at="{}">{}</span>').format(at, _plainly(found))

    # Pictures ------------------------------------------------------------------------------

    def image(self, name: str, alt: str) -> Markup:
        """A picture in the page itself; empty where there is none of that name."""
        content = self.pictures.get(name)
        if content is None:
            return Markup("")
        about = png.description_of(content)
        return Markup('<img src="{}" width="{}" height="{}" alt="{}">').format(
            svg.data_uri(content), about["width"], about["height"], Markup(alt).striptags()
        )

    def slice_of(self, name: str) -> int | None:
        """The slice that an axial picture shows, along the stored axis."""
        content = self.pictures.get(name)
        return None if content is None else png.description_of(content).get("slice")

    @property
    def thumbs(self) -> bool:
        """Whether any of the smaller deposits has a picture."""
        numbers = (self.document["deposits"][k]["deposit"] for k in self.small)
        return any(f"deposit-{number}-axial-bone.png" in self.pictures for number in numbers)

    def picture_alt(self, number: int, plane: str, window: str) -> Markup:
        """What a deposit's picture shows, for those who do not see it."""
        return self._named("picture_alt", number, plane, window)

    def plane_caption(self, number: int, plane: str, window: str) -> Markup:
        """Plane and slice under a picture."""
        return self._named("plane_caption", number, plane, window)

    def _named(self, key: str, number: int, plane: str, window: str) -> Markup:
        shown = self.slice_of(f"deposit-{number}-{plane}-{window}.png")
        values: dict[str, Any] = {"number": number, "slice": shown}
        values |= {"plane": self.words.term("plane", plane)}
        values |= {"window": self.words.term("window", window)}
        ending = "" if shown is None else "_slice"
        return self.words.text(f"deposits.{key}{ending}", **values)

    @cached_property
    def views(self) -> Mapping[str, Mapping[str, Any]]:
        """The whole views that there are, by name, with what they say of themselves."""
        found = {name: self.pictures.get(f"{name}.png") for name in ("front", "side")}
        descriptions = {
            name: png.description_of(content)
            for name, content in found.items()
            if content is not None
        }
        return {name: view for name, view in descriptions.items() if "lps_to_pixel" in view}

    @cached_property
    def numbered(self) -> list[int]:
        """Rows of the deposits that are numbered in the whole views."""
        unit = bodymap.unit_mm(list(self.views.values()))
        room = min(bodymap.room(view, unit) for view in self.views.values())
        most = min(room, selection.NUMBERED)
        return [*self.cards, *self.small][:most]

    @property
    def unnumbered(self) -> int:
        """How many deposits are drawn without a number."""
        return len(self.cards) + len(self.small) + self.beyond - len(self.numbered)

    @cached_property
    def maps(self) -> list[tuple[Markup, Markup, float]]:
        """Caption, drawing and width of each whole view."""
        if not self.views:
            return []
        unit = bodymap.unit_mm(list(self.views.values()))
        return [self._map(name, view, unit) for name, view in self.views.items()]

    @property
    def map_share(self) -> float:
        """Width of the whole views together, as a part (%) of the page's."""
        widest = bodymap.WIDE + 2 * 2 * bodymap.MARGIN
        return round(min(100.0, 100 * sum(width for _, _, width in self.maps) / widest), 1)

    def _map(self, name: str, view: Mapping[str, Any], unit: float) -> tuple[Markup, Markup, float]:
        t, deposits = self.words.text, self.document["deposits"]
        points = [
            (deposits[k]["deposit"], *bodymap.place(view, deposits[k], unit)) for k in self.numbered
        ]
        left, right = ("right", "left") if name == "front" else ("anterior", "posterior")
        ends = {"left": left, "right": right, "top": "head", "bottom": "foot"}
        words = {end: str(t(f"summary.{word}")) for end, word in ends.items()}
        words["alt"] = str(t(f"summary.{name}_alt", count=len(points)))
        drawn = bodymap.drawing(
            svg.data_uri(self.pictures[f"{name}.png"]), view, points, unit, words
        )
        width = view["width"] * view["mm_per_pixel"] / unit + 2 * bodymap.MARGIN
        return t(f"summary.{name}"), drawn, round(width, 1)

    # Charts --------------------------------------------------------------------------------

    def spreads(self, field: str) -> list[tuple[int, charts.Spread]]:
        """Number and (value, low, high) of each deposit that has the number, biggest first."""
        rows = [self.document["deposits"][k] for k in (*self.cards, *self.small)]
        return [
            (d["deposit"], (d[field], d[f"{field}_low"], d[f"{field}_high"]))
            for d in rows
            if d[field] is not None
        ]

    @cached_property
    def scales(self) -> Mapping[str, svg.Scale]:
        """One scale for each measure, so that cards compare by eye."""
        scales = {}
        for _, field, _ in MEASURES:
            spreads = [spread for _, spread in self.spreads(field)]
            ends = [v for value, _, high in spreads for v in (value, high) if v is not None]
            middle = [spread[0] for spread in spreads]
            # One very wide interval must not press all the others into a corner.
            ends = [min(end, 2 * max(middle), MOST[field]) for end in ends]
            if field.startswith("density"):
                scales[field] = svg.linear_scale(ends)
            else:  # low ends near 0 would stretch a logarithmic axis over empty decades
                scales[field] = svg.log_scale([v / 3 for v in middle] + ends)
        return scales

    def bar(self, k: int, field: str) -> Markup:
        """Value and interval as a small bar; empty when there is no value."""
        row = self.document["deposits"][k]
        if row[field] is None:
            return Markup("")
        spread = (row[field], row[f"{field}_low"], row[f"{field}_high"])
        return charts.interval_bar(spread, self.scales[field])

    def distribution(self, field: str, forest_title: str, bins_title: str) -> Markup:
        """Each deposit with its interval while they are few, else a histogram."""
        found, scale = self.spreads(field), self.scales[field]
        if len(found) <= selection.CARDS:
            alt = self.words.text(
                "distributions.forest_alt", title=self.words.text(forest_title), count=len(found)
            )
            return charts.forest([(str(n), spread) for n, spread in found], scale, alt)
        bins = charts.bins([spread[0] for _, spread in found], scale)
        counts = ", ".join(str(count) for count in bins.counts)
        alt = self.words.text(
            "distributions.bins_alt", title=self.words.text(bins_title), counts=counts
        )
        return charts.histogram(bins, alt)

    def share(self, mass: float | None) -> Markup:
        """A mass as a part of the total mass, as a bar; empty without either."""
        total = self.at("totals", "overall", "mass_mg", "value")
        return charts.share_bar(mass / total) if mass is not None and total else Markup("")


def _plainly(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(item) for item in value)
    return str(value)
