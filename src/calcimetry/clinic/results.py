"""Laboratory results as they came: read, named, converted, and sorted by what can be used.

Missing, unknown, impossible, stale and unreadable are different states, and all are kept:
nothing that was given is dropped, and nothing that was not given is made up.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from calcimetry.bounded import TextError, read_text, shown
from calcimetry.clinic.base import Knowledge
from calcimetry.errors import InputError

COLUMNS = ("loinc", "name", "value", "unit", "date", "low", "high")
DELIMITERS = (",", ";", "\t")
LARGEST = 16 * 1024 * 1024  # bytes of labs.csv
MOST_ROWS, MOST_COLUMNS = 100_000, 200  # of labs.csv; a person's whole life has some 10,000
ROUNDING = 0.005  # two printed forms of one usual limit (mg/dL, mmol/L) differ by as much


@dataclass(frozen=True, slots=True)
class Result:
    """One result. `value`, `low`, `high` in the analyte's own unit (knowledge/analytes.toml).

    state : used, older, missing, unreadable, unknown, unit_unknown, impossible, stale, future
    level : low, normal, high; None where no range is known
    bound : "<" or ">" for a value given as a limit
    range : laboratory, default or None
    """

    analyte: str | None
    label: str
    loinc: str | None
    name: str | None
    given: str
    given_unit: str
    value: float | None
    date: date | None
    low: float | None
    high: float | None
    state: str
    level: str | None = None
    bound: str = ""
    range: str | None = None

    @property
    def usable(self) -> bool:
        return self.state == "used"


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of labs.csv: columns loinc, name, value, unit, date, low, high.

    Between them stand commas, semicolons or tabs, whichever the first line has. A row with more
    cells than the first line has lost its columns (a decimal comma does that): its value is then
    the whole row, which no number is, so that it is shown and not used.

    Raises InputError LABS_UNREADABLE: no such file, no text, no table, a compulsory column
    lacks or stands twice, more rows or columns than a person's results have.
    """
    try:
        return parse_csv(read_text(path, LARGEST))
    except (TextError, csv.Error) as error:
        raise unreadable(str(error), str(path)) from error


def parse_csv(text: str) -> list[dict[str, str]]:
    """`read_csv` on the text itself. Raises TextError or csv.Error."""
    delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
    table = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    names = [shown(name.strip().lower(), 40) for name in next(table, [])]
    twice = sorted({name for name in names if name in COLUMNS and names.count(name) > 1})
    if len(names) > MOST_COLUMNS or twice:
        raise TextError(f"{len(names)} columns" + f", {', '.join(twice)} twice" * bool(twice))
    if "value" not in names or "unit" not in names or not {"loinc", "name"} & set(names):
        raise TextError(f"columns {shown(', '.join(names), 200) or '(none)'}")
    rows: list[dict[str, str]] = []
    for cells in table:
        if len(rows) == MOST_ROWS:
            raise TextError(f"more than {MOST_ROWS} rows")
        if any(cell.strip() for cell in cells):
            rows.append(_row(names, [cell.strip() for cell in cells], delimiter))
    return rows


def _row(names: Sequence[str], cells: Sequence[str], delimiter: str) -> dict[str, str]:
    row = dict.fromkeys(names, "") | dict(zip(names, cells, strict=False))
    if any(cells[len(names) :]):
        row["value"] = delimiter.join(cells)
    return row


def results(
    rows: Iterable[Mapping[str, Any]], base: Knowledge, *, as_of: date, max_age_days: int
) -> list[Result]:
    """Each row as a result; the order of rows does not matter to what follows."""
    found = [_result(row, base) for row in rows]
    found = [_aged(result, as_of, max_age_days) for result in found]
    return sorted(found, key=_order)


def chosen(found: Sequence[Result]) -> dict[str, Result]:
    """Of each analyte the result that counts: the newest usable one; undated ones come last."""
    best: dict[str, tuple[tuple[date, float], Result]] = {}
    for result in found:
        if result.usable and result.analyte is not None:
            rank = (result.date or date.min, result.value or 0.0)
            if result.analyte not in best or rank > best[result.analyte][0]:
                best[result.analyte] = (rank, result)
    return {name: result for name, (_, result) in best.items()}


def rivals(found: Sequence[Result], chosen: Result) -> list[Result]:
    """Results of the same analyte and the same day as the one that counts, itself included."""
    return [r for r in found if r.usable and r.analyte == chosen.analyte and r.date == chosen.date]


def older_marked(found: Sequence[Result]) -> list[Result]:
    """The same results, those that a newer one replaces marked as older."""
    kept = {id(result) for result in chosen(found).values()}
    return [replace(r, state="older") if r.usable and id(r) not in kept else r for r in found]


def judged(result: Result, base: Knowledge, *, adult: bool) -> Result:
    """The result with its level: by the laboratory's range, else by the usual adult one.

    A side that the laboratory left out is filled by the usual limit, for adults only.
    """
    if result.analyte is None or result.value is None:
        return result
    usual = base.analytes[result.analyte]
    own = result.low is not None or result.high is not None
    low = result.low if result.low is not None or not adult else usual.get("low")
    high = result.high if result.high is not None or not adult else usual.get("high")
    below = low is not None and result.value < low * (1 - _slack(result.low))
    above = high is not None and result.value > high * (1 + _slack(result.high))
    level = "low" if below else "high" if above else None
    if level is None and low is not None and high is not None:
        level = "normal"
    if result.bound:
        level = _bounded(result, low, high)
    source = "laboratory" if own else "default" if level else None
    return replace(result, low=low, high=high, level=level, range=source)


def _bounded(result: Result, low: float | None, high: float | None) -> str | None:
    """ "<3" is low when 3 is not above the lower limit; otherwise it says nothing."""
    value = result.value
    assert value is not None
    if result.bound == "<":
        return "low" if low is not None and value <= low else None
    return "high" if high is not None and value >= high else None


def _slack(own_limit: float | None) -> float:
    return 1e-9 if own_limit is not None else ROUNDING


def _result(row: Mapping[str, Any], base: Knowledge) -> Result:
    loinc, name, given, unit = (_text(row.get(k)) for k in ("loinc", "name", "value", "unit"))
    analyte = _analyte(loinc, name, base)
    about = base.analytes.get(analyte or "")
    factor = _factor(about, unit) if about else None
    number, bound = _number(given)
    value = number * factor if number is not None and factor is not None else None
    low, high = (_limit(row.get(side), factor) for side in ("low", "high"))
    made = Result(
        analyte=analyte,
        label=about["label"] if about else (name or loinc or "?"),
        loinc=loinc or None,
        name=name or None,
        given=given,
        given_unit=unit,
        value=value,
        date=day(row.get("date")),
        low=low,
        high=high,
        state=_state(about, given, number, factor, value),
        bound=bound,
    )
    # A date that cannot be read may be an old one: the result is not used.
    lost = bool(_text(row.get("date"))) and made.date is None and made.usable
    return replace(made, state="unreadable") if lost else made


def _state(
    about: Mapping[str, Any] | None,
    given: str,
    number: float | None,
    factor: float | None,
    value: float | None,
) -> str:
    if about is None:
        return "unknown"
    if not given:
        return "missing"
    if number is None:
        return "unreadable"
    if factor is None or value is None:
        return "unit_unknown"
    least, most = about["possible"]
    return "used" if least <= value <= most else "impossible"


def _aged(result: Result, as_of: date, max_age_days: int) -> Result:
    if result.date is None or not result.usable:
        return result
    age = (as_of - result.date).days
    if age < 0:
        return replace(result, state="future")
    return replace(result, state="stale") if age > max_age_days else result


def _analyte(loinc: str, name: str, base: Knowledge) -> str | None:
    """By LOINC code, the surer word; by name only where no LOINC code is given."""
    codes, names = _index(base)
    if loinc in codes:
        return codes[loinc]
    if re.fullmatch(r"\d{1,7}-\d", loinc) or not name:
        return None
    wanted = re.sub(r"[\s_]+", " ", name.lower()).strip()
    plain = re.sub(r"\b(serum|plasma|blood|level|concentration)\b|[(),;:]", " ", wanted)
    return names.get(wanted) or names.get(" ".join(plain.split()))


@lru_cache(maxsize=4)
def _index(base: Knowledge) -> tuple[dict[str, str], dict[str, str]]:
    """Analytes by LOINC code and by name; where two share a word the first one has it."""
    codes: dict[str, str] = {}
    names: dict[str, str] = {}
    for key, about in base.analytes.items():
        for code in about.get("loinc", {}):
            codes.setdefault(code, key)
        for name in (*about["names"], key, key.replace("_", " ")):
            names.setdefault(name, key)
    return codes, names


def _factor(about: Mapping[str, Any], unit: str) -> float | None:
    wanted = plain_unit(unit)
    for known, factor in about["units"].items():
        if plain_unit(known) == wanted:
            return float(factor)
    return None


@lru_cache(maxsize=4096)
def plain_unit(unit: str) -> str:
    """A UCUM or everyday unit in one spelling: case, micro signs, braces and blanks aside."""
    text = unit.strip().lower().replace("μ", "u").replace("µ", "u").replace("mcmol", "umol")
    text = text.replace("[iu]", "iu").replace("mcg", "ug")
    text = re.sub(r"[{}\s^]", "", text).replace("_m2", "m2").replace("1.73m²", "1.73m2")
    text = re.sub(r"/\(?1\.73m2\)?", "/1.73m2", text)
    aliases = {"/24hr": "/24h", "/d": "/24h", "/day": "/24h", "/dl": "/dl", "iu/l": "u/l"}
    for old, new in aliases.items():
        text = text.removesuffix(old) + new if text.endswith(old) else text
    return text


def _number(given: str) -> tuple[float | None, str]:
    match = re.fullmatch(r"([<>]?)=?\s*(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)", given.strip())
    if match is None:
        return None, ""
    value = float(match.group(2))
    return (value, match.group(1)) if math.isfinite(value) else (None, "")


def _limit(given: Any, factor: float | None) -> float | None:
    number, _ = _number(_text(given))
    return number * factor if number is not None and factor is not None else None


def day(given: Any) -> date | None:
    """The day that a text begins with (ISO 8601), None for what is no day: 0000-00-00, say."""
    if isinstance(given, date):
        return given
    match = re.match(r"\d{4}-\d{2}-\d{2}", _text(given))
    try:
        return date.fromisoformat(match.group()) if match else None
    except ValueError:
        return None


def _text(given: Any) -> str:
    return "" if given is None else str(given).strip()


def _order(result: Result) -> tuple[str, str, str, str]:
    day = result.date.isoformat() if result.date else ""
    return (result.analyte or "~", day, f"{result.value or 0:.9g}", str(result))


def unreadable(found: str, where: str) -> InputError:
    """The error for labs that are no table of results."""
    return InputError(
        "LABS_UNREADABLE",
        found=found,
        expected=f"a CSV file with the columns {', '.join(COLUMNS)}; of these value, unit and "
        "one of loinc or name are compulsory",
        where=where,
        remedy="give such a table, or a FHIR R4 Bundle whose name ends in .json",
    )
