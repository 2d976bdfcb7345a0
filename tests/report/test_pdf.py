"""The PDF: bookmarks, selectable text, no reaching out, a clear word without WeasyPrint."""

from __future__ import annotations

import sys

import pytest

from calcimetry.errors import OutputError, UsageError
from calcimetry.exchange.document import document
from calcimetry.report import render, render_pdf

from .conftest import seen


def test_a_pdf_is_made_with_bookmarks(exam_with):
    weasyprint = pytest.importorskip("weasyprint")
    exam = exam_with(2)
    html = render(document(exam), seen(exam))
    assert render_pdf(html).startswith(b"%PDF-1.")
    tree = weasyprint.HTML(string=html).render().make_bookmark_tree()
    titles = [item[0] for item in tree[0][2]]
    assert titles[:2] == ["Summary", "Deposits, biggest first"]
    assert titles[-2:] == ["Methods", "In plain words"]


def test_a_page_that_reaches_out_is_refused():
    pytest.importorskip("weasyprint")
    with pytest.raises(OutputError) as caught:
        render_pdf('<html><body><img src="http://127.0.0.1:9/x.png"></body></html>')
    assert caught.value.code == "NOT_SELF_CONTAINED"


def test_without_weasyprint_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(UsageError) as caught:
        render_pdf("<html></html>")
    assert caught.value.code == "MISSING_EXTRA"
    assert "calcimetry[report]" in caught.value.remedy
