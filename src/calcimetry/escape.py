"""Text that came from a file or a person, made fit for where it is shown: data, never commands.

A tag, a file name or an option can hold terminal sequences (ECMA-48), characters that turn the
direction of what follows (Unicode TR 36, 3.6), lone surrogates (file names that are no UTF-8) or,
in a table, what a spreadsheet takes for a formula. Here is the one place that deals with each.
"""

from __future__ import annotations

import re

_TURNS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN = "\u00ad\u200b\u2028\u2029\u2060\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
_COMMANDS = re.compile(rf"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_TURNS}{_UNSEEN}]")
_NOT_IN_A_PAGE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
_FORMULA = re.compile(r"\s*[=+\-@\u2212\uff1d\uff0b\uff0d\uff20]")


def visible(text: object, *, keep: str = "") -> str:
    """The text for a terminal: what would command it is shown as an escape, such as \\x1b.

    keep : control characters that stay as they are, such as a newline of our own
    """

    def escape(match: re.Match[str]) -> str:
        letter = match.group()
        return letter if letter in keep else _escape(letter)

    return _COMMANDS.sub(escape, str(text))


def _escape(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def plain(text: str) -> str:
    """The text with a space for each character that commands; for values as they are read."""
    return _COMMANDS.sub(" ", text)


def page_text(text: str) -> str:
    """A page without characters that HTML or UTF-8 cannot hold, or that turn its direction."""
    return _NOT_IN_A_PAGE.sub("\ufffd", text)


def cell(text: str) -> str:
    """The text for a cell of a table: a spreadsheet shows it and computes nothing.

    What begins like a formula (= + - @, their full-width forms, also after blanks) gets an
    apostrophe before it, which spreadsheets read as "text"; control characters become spaces, as
    a tab or a line's end would begin another cell.
    """
    text = plain(text)
    return f"'{text}" if _FORMULA.match(text) else text
