"""Texts of a document are data: whatever they hold, the page's elements stay as they are."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

import calcimetry.report
from calcimetry.exchange.document import document
from calcimetry.report import render
from calcimetry.report.html import POLICY

from .conftest import seen

PAYLOAD = (
    "\"'><script>x()</script><img src=x onerror=x()><svg/onload=x()>' onfocus='x()' \" autofocus "
    'onfocus="x() javascript:x() </style></title><!-- --><![CDATA[ {{7*7}} {0.__class__} &#60;b> '
    "@PAGE@ @OF@ \\22 ;}*{background:url(//x.example/)} \x00\x1b]0;x\x07 \u202e\ud800"
)
HARMLESS = "word"
FORBIDDEN = {
    "script",
    "iframe",
    "object",
    "embed",
    "base",
    "form",
    "input",
    "link",
    "foreignobject",
}


class Parts(HTMLParser):
    """Elements with the names of their attributes, and every address that is asked for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [v or "" for k, v in attrs if k in ("href", "src", "xlink:href")]

    def handle_comment(self, data):
        self.elements.append(("comment", (data,)))

    def handle_data(self, data):
        self.text.append(data)


def strings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a document holds texts."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from strings(item, (*path, at))
    elif isinstance(value, str) or value is None:
        yield path


def replaced(content: dict[str, Any], path: tuple[Any, ...], text: str) -> dict[str, Any]:
    changed = copy.deepcopy(content)
    at: Any = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = text
    return changed


def check(html: str, like: str) -> None:
    found = Parts(html)
    assert found.elements == Parts(like).elements
    assert not FORBIDDEN & {tag for tag, _ in found.elements}
    assert not [n for _, names in found.elements for n in names if n.startswith("on")]
    for address in found.addresses:
        assert re.match(r"#[\w-]|data:image/png;base64,", address), address
    html.encode()  # no lone surrogates
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\u202e]", html)


def is_number(path: tuple[Any, ...]) -> bool:
    """Null in the makers' document, where a number stands otherwise."""
    return str(path[-1]).endswith(("_mg", "_mm", "_mm3", "_cm3", "_hu", "_low", "_high"))


def test_no_text_of_a_document_becomes_an_element_or_an_attribute(exam_with):
    exam = exam_with(2, facts={"body_part": "HAND", "kernel": "B40"})
    content = json.loads(json.dumps(document(exam)))
    known = ["kev", "kvp", "value", "low", "high", "agatston", "contrast", "research_use"]
    paths = [p for p in strings(content) if not is_number(p) and p[-1] not in known]
    assert len(paths) > 50
    for path in [*paths, ("research_use",)]:
        check(
            render(replaced(content, path, PAYLOAD), {}),
            render(replaced(content, path, HARMLESS), {}),
        )


def test_no_name_in_a_document_becomes_an_element(exam_with):
    content = document(exam_with(2))

    def named(word: str) -> str:
        changed = copy.deepcopy(content)
        for part in ("by_region", "by_tissue"):
            changed["totals"][part] = {word: next(iter(content["totals"][part].values()))}
        changed |= {"kinds": {word: 3}, "software": {word: "1"}, "plan": dict(content["plan"])}
        changed["plan"][word] = {word: [word]}
        changed["deposits"][0]["relative_error"] = {word: 0.1}
        return render(changed, {}, identify={word: word})

    check(named(PAYLOAD), named(HARMLESS))


def test_a_page_of_texts_that_all_attack_holds_them_as_text(exam_with):
    exam = exam_with(2)
    content = document(exam)
    content["deposits"][0]["reason"] = PAYLOAD
    html = render(content, seen(exam))
    assert "<script>x()</script>" in "".join(Parts(html).text)
    check(html, render(document(exam), seen(exam)))


@pytest.mark.parametrize("figure", ["<script>x()</script>", "<svg onload=x()></svg>", 7, {"a": 1}])
def test_what_a_received_document_calls_chapters_are_none(exam_with, figure):
    content = document(exam_with(2))
    rows = [{"text": PAYLOAD, "source": PAYLOAD}]
    planted = {"summary": PAYLOAD, "figures": [figure], "notes": rows, "symptoms": {"1": rows}}
    given = content | {"followup": planted, "clinic": planted}
    assert render(given, {}) == render(content, {})


def test_chapters_show_texts_and_draw_only_what_our_code_drew(exam_with):
    content = document(exam_with(2))

    def page(word: str) -> str:
        rows = [{"text": word, "source": word}]
        table = {"caption": word, "columns": [word], "rows": [[word]]}
        made = {"summary": word, "table": table, "notes": rows, "symptoms": {"1": rows}}
        drawn = Markup("<svg><title>{}</title></svg>").format(word)
        return render(content, {}, chapters={"clinic": made | {"figures": [word, drawn]}})

    check(page(PAYLOAD), page(HARMLESS))


def test_the_page_forbids_scripts_and_every_address(exam_with):
    html = render(document(exam_with(1)), {})
    assert f'http-equiv="Content-Security-Policy" content="{Markup.escape(POLICY)}"' in html
    assert "default-src 'none'" in POLICY
    assert "script-src" not in POLICY


def test_no_template_takes_text_for_html():
    folder = Path(calcimetry.report.__file__).parents[1]
    templates = [path.read_text() for path in folder.rglob("*.j2")]
    assert len(templates) > 5
    assert not [t for t in templates if re.search(r"\|\s*safe\b|autoescape", t)]
    sources = [path.read_text() for path in folder.rglob("*.py")]
    # Markup of what is not a text of our own would pass it on as HTML.
    odd = [m for s in sources for m in re.findall(r"\bMarkup\((?![\"'\s])[^)]*\)?", s)]
    assert sorted(odd) == sorted(ALLOWED)


ALLOWED = ["Markup(alt)", "Markup(escape(found)", 'Markup(re.sub("|".join(texts)']
"""The first is stripped of tags; the second is escaped; the third is our style sheet."""
