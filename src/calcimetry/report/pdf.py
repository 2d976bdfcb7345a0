"""The report as PDF, from the same HTML, by WeasyPrint (the extra `report`)."""

from __future__ import annotations

from calcimetry.errors import OutputError, UsageError


def render_pdf(html: str) -> bytes:
    """The report as a PDF with bookmarks, selectable text and page numbers.

    Parameters
    ----------
    html : what `render` gives

    Raises
    ------
    UsageError : MISSING_EXTRA when WeasyPrint is not installed, or its Pango is not.
    OutputError : NOT_SELF_CONTAINED when the page asks for anything outside itself.
    """
    try:
        import weasyprint
        from weasyprint.urls import FatalURLFetchingError
    except (ImportError, OSError) as error:  # OSError: Pango, a system library, is not there
        raise _missing(error) from error
    # A report must not reach out of itself, so anything but a data URI stops it.
    fetcher = weasyprint.URLFetcher(allowed_protocols=("data",), fail_on_errors=True)
    try:
        page = weasyprint.HTML(string=html, url_fetcher=fetcher)
        made: bytes = page.write_pdf(pdf_tags=True)
    except FatalURLFetchingError as error:
        raise OutputError(
            "NOT_SELF_CONTAINED",
            found=str(error)[:120],
            expected="data URIs alone",
            where="the report's HTML",
            remedy="give render_pdf what `render` made; else report it as a bug",
        ) from error
    return made


def _missing(error: Exception) -> UsageError:
    return UsageError(
        "MISSING_EXTRA",
        found=f"no usable WeasyPrint ({' '.join(str(error).split())[:160]})",
        expected="WeasyPrint with its Pango library",
        where="--pdf",
        remedy="pip install 'calcimetry[report]' (Pango comes from the system), or leave out "
        "--pdf: report.html prints to PDF from any browser",
    )
