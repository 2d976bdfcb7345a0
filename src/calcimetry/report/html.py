"""The report as one HTML page: templates filled from an examination's document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from calcimetry.escape import page_text
from calcimetry.report.language import words
from calcimetry.report.page import Page

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; " + (
    "form-action 'none'"
)
"""Content-Security-Policy: even if a text came through as HTML, no script of it would run."""


def render(
    document: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    *,
    language: str = "en",
    identify: Mapping[str, str] | None = None,
    chapters: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """One self-contained HTML page.

    Parameters
    ----------
    document : what examination.json holds: data of any origin, shown as text
    pictures : PNGs by name, as `pictures` makes them; those that are missing are left out
    language : a catalogue of ``report/words``
    identify : what names the person scanned (name, id, birth_date, sex, or other labels);
        without it the page holds nothing that does
    chapters : ``followup`` and ``clinic`` as this package's own code has just made them
        (docs/report.md says how); never from a file. A key of that name in the document is no
        chapter. Figures that are `markupsafe.Markup` are drawn, others are shown as text.

    Raises
    ------
    UsageError : UNKNOWN_LANGUAGE
    """
    page = Page.of(document, pictures, words(language), chapters or {})
    template = _environment().get_template("report.html.j2")
    made = template.render(
        page=page,
        doc=document,
        t=page.words.text,
        term=page.words.term,
        num=page.numbers.show,
        css=_css(str(document["research_use"]), page),
        policy=POLICY,
        identify=identify or {},
    )
    return page_text(made)


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
    # All in one pass: a mark that stands in one of the texts is text.
    return Markup(re.sub("|".join(texts), lambda mark: _css_string(texts[mark.group()]), style))


def _css_string(text: str) -> str:
    """A CSS string (CSS Syntax 4.3.7) that can end neither itself nor the style element."""
    return '"' + _NOT_IN_CSS.sub(lambda m: f"\\{ord(m.group()):x} ", text) + '"'


_NOT_IN_CSS = re.compile(r"[\"'\\<>&\x00-\x1f\x7f-\x9f\ud800-\udfff]")
