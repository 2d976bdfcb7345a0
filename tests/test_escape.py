"""Texts of any origin, where they are shown: data, never commands."""

from __future__ import annotations

import ast
import csv
import io
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import calcimetry
from calcimetry.errors import InputError
from calcimetry.escape import cell, page_text, plain, visible
from calcimetry.exchange import DEPOSIT_COLUMNS, csv_text
from calcimetry.exchange.followup import LINEAGE_COLUMNS

COMMANDS = {
    "title": "\x1b]0;title\x07",
    "colour": "\x1b[31mred",
    "one byte": "\x9b31m",
    "back": "a\b\b\bb",
    "return": "good\rbad",
    "line": "good\nERROR",
    "delete": "\x7f",
    "turned": "\u202egpj.exe",
    "isolated": "\u2067x\u2069",
    "surrogate": "\udcff",
    "line separator": "\u2028x",
    "tag": "\U000e0041",
}
any_text = st.text(st.characters(exclude_categories=())) | st.sampled_from(list(COMMANDS.values()))


def is_harmless(text: str) -> bool:
    odd = {"Cc", "Cs", "Zl", "Zp"}
    turns = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return not any(
        unicodedata.category(c) in odd or unicodedata.bidirectional(c) in turns for c in text
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_what_commands_a_terminal_is_shown(name):
    shown = visible(COMMANDS[name])
    assert is_harmless(shown)
    assert "\\" in shown
    assert plain(COMMANDS[name]) != COMMANDS[name]


@given(any_text)
def test_no_text_commands_a_terminal(text):
    for shown in (visible(text), plain(text)):
        assert is_harmless(shown)
        shown.encode()
    assert visible(visible(text)) == visible(text)
    assert len(plain(text)) == len(text)
    page_text(text).encode()


def test_other_scripts_stay_as_they_are():
    for text in ("李小龍 · кальциноз", "تكلس", "नमस्ते", "mão", "ﷺ", "👍🏽", "a\u200cb"):
        assert visible(text) == plain(text) == cell(text) == page_text(text) == text


def test_our_own_lines_may_stay():
    assert visible("a\nb\x1b\tc", keep="\n") == "a\nb\\x1b\\x09c"


@given(any_text, any_text)
def test_an_error_has_the_lines_that_we_gave_it(found, where):
    error = InputError("CODE", found=found, expected="x", where=where, remedy="y")
    lines = str(error).split("\n")
    assert [line[:9] for line in lines[1:]] == ["  where: ", "  to do: "]
    assert len(lines) == 3
    assert all(is_harmless(line) for line in lines)
    assert (error.found, error.where) == (found, where)


FORMULAS = [
    "=cmd|' /C calc'!A0", "@SUM(1+1)*cmd", "+1", "-2", "-2+3", " =1", "\t=1", "\r=1", "\n=1",
    "\u00a0=1", "\u3000@x", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u2212 1",
    "\x00=1", "\ufeff=1", "=",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("columns", [DEPOSIT_COLUMNS, LINEAGE_COLUMNS])
def test_no_cell_of_text_begins_like_a_formula(text, columns):
    texts = [name for name, kind in columns.items() if kind == "text" and name != "flags"]
    table = csv_text([dict.fromkeys(columns, text)], columns)
    row = next(csv.DictReader(io.StringIO(table)))
    for name in texts:
        assert row[name].startswith("'")
        assert row[name][1:].strip() == plain(text).strip()


def test_words_that_are_no_formula_and_numbers_stay():
    row = {"site": "hand", "reason": "a = b, 3 - 2", "x_mm": -12.5, "max_hu": -3, "uid": "2.25.1"}
    table = csv_text([row], DEPOSIT_COLUMNS)
    found = next(csv.DictReader(io.StringIO(table)))
    assert found["x_mm"] == "-12.5"
    assert found["max_hu"] == "-3"
    assert (found["site"], found["reason"]) == ("hand", "a = b, 3 - 2")


@given(st.lists(any_text, min_size=1, max_size=3))
def test_a_table_has_a_line_for_each_row_and_no_formula(texts):
    table = csv_text([{"site": text} for text in texts], {"site": "text"})
    rows = list(csv.reader(io.StringIO(table)))[1:]
    assert len(table.splitlines()) == len(texts) + 1
    for (found,), text in zip(rows, texts, strict=True):
        assert not re.match(r"\s*[=+\-@]", found)
        assert found.removeprefix("'") in (plain(text), plain(text).removeprefix("'"))


def test_every_table_is_written_through_the_one_function():
    folder = Path(calcimetry.__file__).parent
    writers = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if re.search(r"\bcsv\.(writer|DictWriter)\b", path.read_text())
    }
    assert writers == {"exchange/tables.py", "phantom/write.py"}
    assert all("cell(" in (folder / name).read_text() for name in writers)


def test_verbs_print_through_the_one_function():
    """Texts go through `say`; what is given to typer.echo is JSON, which is ASCII, or our own."""
    folder = Path(calcimetry.__file__).parent / "cli"
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "typer.echo":
                given = ast.unparse(node.args[0])
                fine = given.startswith(("codec.dumps(", "visible(")) or "__version__" in given
                assert fine, f"{path.name}: {given}"
