"""References in a reader's style: of a statement, of a report, of the software.

References live once, as CSL-JSON in knowledge/references.json, with a DOI or PMID only where
one was seen. A title in square brackets was supplied here, because the record that was read
did not show the paper's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from calcimetry.bounded import read_json
from calcimetry.clinic.base import SOFTWARE, Knowledge, knowledge
from calcimetry.clinic.bundle import missing_extra
from calcimetry.errors import InputError, UsageError

STYLES = ("apa", "vancouver", "bibtex", "ris", "csl-json")
_CSL_TYPES = {"software": "webpage", "document": "report", "dataset": "report"}
_RIS_TYPES = {
    "article-journal": "JOUR",
    "chapter": "CHAP",
    "paper-conference": "CPAPER",
    "report": "RPRT",
    "software": "COMP",
    "webpage": "ELEC",
    "dataset": "DATA",
}
_BIBTEX_TYPES = {
    "article-journal": "article",
    "chapter": "incollection",
    "paper-conference": "inproceedings",
    "report": "techreport",
}


def cite(what: str, style: str = "apa", *, assessment: Path | None = None) -> str:
    """References as text.

    what : id of a statement or of a reference; "calcimetry"; "report": all that an
        assessment cites (`assessment`: its folder or file), without one all there are
    Raises UsageError UNKNOWN_ID, BAD_OPTION, MISSING_EXTRA; InputError NOT_AN_ASSESSMENT.
    """
    items = chosen(what, assessment, knowledge())
    if style == "csl-json":
        return json.dumps(items, indent=1, ensure_ascii=False)
    if style == "bibtex":
        return "\n\n".join(_bibtex(item) for item in items)
    if style == "ris":
        return "\n".join(_ris(item) for item in items)
    if style in ("apa", "vancouver"):
        return "\n".join(_rendered(items, style))
    raise UsageError(
        "BAD_OPTION",
        found=f"'{style}'",
        expected=", ".join(STYLES),
        where="--style",
        remedy="give one of these",
    )


def chosen(what: str, assessment: Path | None, base: Knowledge) -> list[Mapping[str, Any]]:
    """The CSL-JSON items behind an id, a report or the software."""
    if what == SOFTWARE:
        return [base.references[SOFTWARE]]
    if what == "report":
        return _of_report(assessment, base)
    if what in base.references:
        return [base.references[what]]
    for statement in base.statements():
        if statement.id == what:
            return [base.references[name] for name in statement.refs]
    raise UsageError(
        "UNKNOWN_ID",
        found=f"'{what}'",
        expected="the id of a statement or reference, report or calcimetry",
        where="ID",
        remedy="ids stand beside every sentence in assessment.json and in docs/knowledge.md",
    )


def _of_report(assessment: Path | None, base: Knowledge) -> list[Mapping[str, Any]]:
    if assessment is None:
        return list(base.references.values())
    file = assessment / "assessment.json" if assessment.is_dir() else assessment
    try:
        document = read_json(file)
        names = [item["id"] for item in document["references"]]
        return [base.references[name] for name in [*names, SOFTWARE]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "NOT_AN_ASSESSMENT",
            found=f"{type(error).__name__}: {error}",
            expected="assessment.json as `calcimetry assess` writes it",
            where=str(file),
            remedy="give the folder that was named with -o",
        ) from error


def title(item: Mapping[str, Any]) -> str:
    """The paper's title; in square brackets where it was supplied here."""
    return f"[{item['title']}]" if _about(item).get("title_supplied") else str(item["title"])


def _about(item: Mapping[str, Any]) -> Mapping[str, Any]:
    about: Mapping[str, Any] = item.get("custom", {}).get("calcimetry", {})
    return about


def _authors(item: Mapping[str, Any]) -> list[str]:
    rows = item.get("author", ())
    names = [
        a.get("literal") or ", ".join(n for n in (a["family"], a.get("given")) if n) for a in rows
    ]
    return [*names, "others"] if _about(item).get("authors_incomplete") else names


def _year(item: Mapping[str, Any]) -> str:
    parts = item.get("issued", {}).get("date-parts", [[""]])
    return str(parts[0][0])


def _rendered(items: Sequence[Mapping[str, Any]], style: str) -> list[str]:
    """By citeproc-py, with the style that ships here."""
    try:
        from citeproc import (
            Citation,
            CitationItem,
            CitationStylesBibliography,
            CitationStylesStyle,
            formatter,
        )
        from citeproc.source.json import CiteProcJSON
    except ImportError as error:
        raise missing_extra(f"--style {style}", "citeproc-py") from error
    source = CiteProcJSON([_for_citeproc(item) for item in items])
    file = resources.files("calcimetry.clinic") / "styles" / f"{style}.csl"
    with resources.as_file(file) as path:
        sheet = CitationStylesStyle(str(path), validate=False)
    made = CitationStylesBibliography(sheet, source, formatter.plain)
    for item in items:
        made.register(Citation([CitationItem(str(item["id"]))]))
    return [_tidy(str(entry)) for entry in made.bibliography()]


def _for_citeproc(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item in the types that citeproc-py knows."""
    made = {key: value for key, value in item.items() if key != "custom"}
    made["type"] = _CSL_TYPES.get(item["type"], item["type"])
    made["title"] = title(item)
    if "author" in item:
        names = [{"family": a.get("literal") or a["family"], **_given(a)} for a in item["author"]]
        if _about(item).get("authors_incomplete"):
            names[-1]["suffix"] = "et al"
        made["author"] = names
    if "at" in _about(item):
        made["note"] = f"Seen at: {_about(item)['at']}"
    return made


def _given(author: Mapping[str, Any]) -> dict[str, str]:
    return {"given": author["given"]} if author.get("given") else {}


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\.\.+", ".", text)
    return re.sub(r"\s+([.,;])", r"\1", text)


def _bibtex(item: Mapping[str, Any]) -> str:
    kind = _BIBTEX_TYPES.get(item["type"], "misc")
    fields = {
        "author": " and ".join(_authors(item)),
        "title": f"{{{title(item)}}}",
        "year": _year(item),
        "journal" if kind == "article" else "booktitle": item.get("container-title"),
        "publisher": item.get("publisher"),
        "volume": item.get("volume"),
        "number": item.get("issue"),
        "pages": (item.get("page") or "").replace("-", "--"),
        "doi": item.get("DOI"),
        "pmid": item.get("PMID"),
        "url": item.get("URL"),
        "note": _about(item).get("at"),
    }
    lines = [f"  {key} = {{{_escaped(str(v))}}}" for key, v in fields.items() if v]
    return f"@{kind}{{{item['id']},\n" + ",\n".join(lines) + "\n}"


def _escaped(text: str) -> str:
    return re.sub(r"([&%#_$])", r"\\\1", text)


def _ris(item: Mapping[str, Any]) -> str:
    pages = (item.get("page") or "").partition("-")
    rows: Iterable[tuple[str, Any]] = (
        ("TY", _RIS_TYPES.get(item["type"], "GEN")),
        ("ID", item["id"]),
        *(("AU", name) for name in _authors(item) if name != "others"),
        ("TI", title(item)),
        ("PY", _year(item)),
        ("JO", item.get("container-title")),
        ("PB", item.get("publisher")),
        ("VL", item.get("volume")),
        ("IS", item.get("issue")),
        ("SP", pages[0]),
        ("EP", pages[2]),
        ("DO", item.get("DOI")),
        ("AN", item.get("PMID") or item.get("PMCID")),
        ("UR", item.get("URL")),
        ("N1", _about(item).get("at")),
    )
    return "".join(f"{tag}  - {value}\n" for tag, value in rows if value) + "ER  - \n"
