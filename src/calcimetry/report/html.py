"""The report as one HTML page: templates filled from an examination's document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from calcimetry.report.catalogue import words
from calcimetry.report.page import Page


def render(
    document: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    *,
    language: str = "en",
    identify: Mapping[str, str] | None = None,
) -> str:
    """One self-contained HTML page.

    Parameters
    ----------
    document : what examination.json holds. Optional keys ``followup`` and ``clinic`` fill
        their chapters (docs/report.md says how).
    pictures : PNGs by name, as `pictures` makes them; those that are missing are left out
    language : a catalogue of ``report/words``
    identify : what names the person scanned (name, id, birth_date, sex, or other labels);
        without it the page holds nothing that does

    Raises
    ------
    UsageError : UNKNOWN_LANGUAGE
    """
    page = Page.of(document, pictures, words(language))
    template = _environment().get_template("report.html.j2")
    return template.render(
        page=page,
        doc=document,
        t=page.words.text,
        term=page.words.term,
        num=page.numbers.show,
        css=_css(str(document["research_use"]), page),
        identify=identify or {},
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("calcimetry.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _css(research_use: str, page: Page) -> Markup:
    """The style sheet, with the texts that stand in the margins of every printed page."""
    style = files("calcimetry.report").joinpath("templates/style.css").read_text("utf-8")
    before, between = page.words.find("page.page_of")
    texts = {"@RESEARCH@": research_use, "@PAGE@": before, "@OF@": between}
    for mark, text in texts.items():
        # A JSON string is a CSS string, but for "<", which must not end the style element.
        quoted = json.dumps(text, ensure_ascii=False).replace("<", "\\3c ")
        style = style.replace(mark, quoted)
    return Markup(style)
