"""Records in a line or a few: what `repr` says and what a notebook shows.

Nothing here prints an array, a path or a name: what people typed at the scanner is left out as
documents leave it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from calcimetry.digits import shown
from calcimetry.escape import page_text
from calcimetry.records.basics import Estimate, Kind
from calcimetry.records.plain import RESEARCH_USE
from calcimetry.terms import anatomical, code

if TYPE_CHECKING:
    from calcimetry.records.deposit import Deposit
    from calcimetry.records.examination import Examination, Total, Totals
    from calcimetry.records.scan import Acquisition, Frame

_MOST_ROWS = 20  # of a table in a notebook; the rest is in `exam.table()`


def by(sizes: Iterable[float]) -> str:
    """Sizes along axes: "3 x 0.98 x 0.98"."""
    return " x ".join(f"{size:.4g}" for size in sizes)


def with_unit(estimate: Estimate, unit: str) -> str:
    """ "12.3 mg (10.1 to 14.5)"."""
    value, _, interval = str(estimate).partition(" ")
    if estimate.value is None:
        return f"{unit} unknown"
    return f"{value} {unit}{interval and ' '}{interval}"


def frame_words(frame: Frame) -> str:
    """Voxels and their size, in array order."""
    return f"{by(frame.shape)} voxels of {by(frame.spacing)} mm (z, y, x)"


def acquisition_words(facts: Acquisition) -> str:
    """How a scan was made, by what machines write of themselves."""
    scanner = " ".join(word for word in (code(facts.manufacturer), code(facts.model)) if word)
    voltage = "" if facts.kvp is None else f"{facts.kvp:g} kVp"
    kernel = code(facts.kernel)
    said = [scanner, voltage, f"kernel {kernel}" if kernel else "", facts.date or ""]
    return ", ".join([code(facts.modality) or "CT", *(word for word in said if word)])


def place_words(deposit: Deposit) -> str:
    """Side, site and tissue, as far as they are known and terms of anatomy."""
    place = deposit.place
    return " ".join(w for w in (place.side, anatomical(place.site), place.tissue) if w)


def deposit_words(deposit: Deposit) -> str:
    """Number, tier, mass and place."""
    mass = with_unit(deposit.mass_mg, "mg")
    said = [f"{deposit.number}: {tier_words(deposit)}", mass, place_words(deposit)]
    return ", ".join(word for word in said if word)


def tier_words(deposit: Deposit) -> str:
    """The tier; of what is not counted also what it looks like."""
    if deposit.kind is Kind.DEPOSIT or deposit.likeness is None:
        return str(deposit.tier)
    return f"{deposit.tier}, {deposit.likeness}-like"


def unlisted_words(totals: Totals) -> str:
    """What is too unlikely a deposit to be listed; empty where nothing is."""
    if not totals.unlisted:
        return ""
    return f"not listed: {totals.unlisted} with {_mass(Estimate(totals.unlisted_mass_mg))}"


def total_words(total: Total) -> str:
    """What is counted, how much of it is sure, and what hangs on doubt: always together."""
    counted = f"{total.count} deposit{'' if total.count == 1 else 's'}"
    if total.groups is not None and total.groups < total.count:
        counted += f" in {total.groups} group{'' if total.groups == 1 else 's'}"
    if total.count:
        counted += f", {with_unit(total.mass_mg, 'mg')} hydroxyapatite"
    sure = f"of it {_mass(total.sure_mass_mg)} sure"
    doubt = f"{total.uncertain} uncertain with {_mass(total.uncertain_mass_mg)}, not counted"
    return f"{counted}; {sure}; {doubt}"


def _mass(mass: Estimate) -> str:
    return "mg unknown" if mass.value is None else f"{shown(mass.value)} mg"


def exam_words(exam: Examination) -> str:
    """Three lines: totals, scan, what else there is."""
    kinds = {kind: sum(o.kind is kind for o in exam.objects) for kind in Kind}
    left = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count) or "nothing"
    flags = ", ".join(flag.code for flag in exam.flags[:5]) or "none"
    more = f" and {len(exam.flags) - 5} more" if len(exam.flags) > 5 else ""
    below = unlisted_words(exam.totals)
    return (
        f"Examination({total_words(exam.totals.overall)}\n"
        f"  scan: {acquisition_words(exam.acquisition)}, {frame_words(exam.frame)}\n"
        f"  left out: {left}; {below and f'{below}; '}flags: {flags}{more})"
    )


def exam_html(exam: Examination) -> str:
    """A small table of an examination's deposits and uncertain ones."""
    names = ("#", "tier", "place", "mass mg (95 %)", "volume mm3", "density mg/cm3", "confidence")
    rows = [
        (
            d.number, tier_words(d), place_words(d), d.mass_mg, _value(d.volume_mm3),
            _value(d.density_mg_cm3), f"{d.confidence:.2f}",
        )
        for d in exam.listed[:_MOST_ROWS]
    ]  # fmt: skip
    more = len(exam.listed) - len(rows)
    notes = [total_words(exam.totals.overall) + "."]
    notes += [f"{more} more in exam.table()."] if more > 0 else []
    below = unlisted_words(exam.totals)
    notes += [f"{below.capitalize()}, unlikely to be deposits."] if below else []
    notes += [f"{flag.severity}: {flag.text} [{flag.code}]" for flag in exam.flags]
    return html_table(names, rows, [*notes, RESEARCH_USE])


def _value(estimate: Estimate) -> str:
    return "" if estimate.value is None else shown(estimate.value)


def html_table(names: Sequence[str], rows: Iterable[Sequence[Any]], notes: Iterable[str]) -> str:
    """A table and lines below it as HTML; whatever text comes in is text, not markup."""
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(value)}</td>" for value in row) + "</tr>" for row in rows
    )
    below = "".join(f"<p>{_text(note)}</p>" for note in notes)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def _text(value: Any) -> str:
    return escape(page_text(str(value)))
