"""The knowledge base holds together: words, sources, grades, and each rule by itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from calcimetry.clinic import knowledge
from calcimetry.clinic.base import RULES, SOFTWARE, UNVERIFIED, Condition, load
from calcimetry.clinic.check import problems
from calcimetry.clinic.conditions import holds, vocabulary
from calcimetry.errors import InputError

BASE = knowledge()
STATEMENTS = list(BASE.statements())
ENTRIES = [
    *BASE.patterns,
    *BASE.hints,
    *BASE.rules,
    *BASE.urgent,
    *BASE.symptoms,
    *(e for o in BASE.options for e in o["entries"]),
]
OWN = {UNVERIFIED, RULES, SOFTWARE}


def test_nothing_is_wrong_with_it():
    assert problems(BASE) == []


def test_no_orphan_reference():
    cited = {name for s in STATEMENTS for name in s.refs}
    assert set(BASE.references) - cited - {SOFTWARE} == set()
    assert cited <= set(BASE.references)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda s: s.id)
def test_each_sentence_has_a_source_no_weaker_than_itself(statement):
    assert statement.refs
    assert statement.mark in BASE.marks
    if statement.mark.startswith("U"):
        assert statement.refs == (UNVERIFIED,)
        assert statement.shown.startswith("[unverified]")
    elif statement.mark == "own":
        assert statement.refs == (RULES,)
    else:
        assert not OWN & set(statement.refs)
        abouts = [BASE.references[r]["custom"]["calcimetry"] for r in statement.refs]
        assert all(about["seen"] != "none" for about in abouts)
    best = min(_ceiling(ref, statement.id) for ref in statement.refs)
    assert BASE.grades[statement.grade] >= best, "graded above its source"


def _ceiling(ref: str, statement: str) -> int:
    about: dict[str, Any] = BASE.references[ref]["custom"]["calcimetry"]
    level = about["level"]
    for topic, own in about.get("levels", {}).items():
        if statement == topic or statement.startswith(f"option.{topic}."):
            level = own
    return BASE.grades[level]


def test_traineau_is_level_one_for_warfarin_alone():
    graded = {s.id for s in STATEMENTS if s.grade == "1B" and "traineau-2020" in s.refs}
    assert graded == {"option.warfarin.1", "claim.18"}


def test_ids_are_unique():
    ids = [s.id for s in STATEMENTS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.id)
def test_each_rule_fires_by_its_own_facts_and_not_without_them(entry):
    condition = entry.condition
    if not condition.tokens:
        assert entry.id.startswith("option."), "only evidence and harms hold always"
        return
    facts = minimal(condition)
    assert holds(condition, facts)
    for token in condition.all:
        assert not holds(condition, facts - {token})
    for group in (condition.any, condition.also):
        if group and not set(group) & set(condition.all):
            assert not holds(condition, facts - set(group))
    for token in (*condition.none, *condition.unless):
        assert not holds(condition, facts | {token})


def minimal(condition: Condition) -> set[str]:
    """The fewest facts that make a condition true."""
    facts = {*condition.all, *condition.any[:1], *condition.also[:1]}
    for token in condition.none:
        family, _, rest = token.partition(".")
        if family == "lab":
            name, _, state = rest.rpartition(".")
            if not any(f.startswith(f"lab.{name}.") for f in facts):
                facts.add(f"lab.{name}.{'normal' if state != 'normal' else 'low'}")
        elif family == "kidney" and not any(f.startswith("kidney.") for f in facts):
            facts.add("kidney.normal")
    return facts


def test_no_identifier_is_in_a_reference_unless_its_form_is_right():
    for item in BASE.references.values():
        assert re.fullmatch(r"10\.\d{4,}/\S+", item.get("DOI", "10.1000/x"))
        assert re.fullmatch(r"\d{7,8}", item.get("PMID", "12345678"))
        assert re.fullmatch(r"PMC\d{5,8}", item.get("PMCID", "PMC12345"))


def test_dangers_named_by_the_evidence_are_heeded():
    names = [name for term in BASE.terms.values() for name in term]
    assert not any("snomed" in name for name in names)
    assert "rnap3" not in {t for rule in BASE.rules for t in rule.condition.tokens}
    conflicting = BASE.note("note.rnap3")
    assert set(conflicting.refs) == {"ssc-5218", "ssc-1305"}
    assert "loinc" not in BASE.terms["rnap3"]
    assert "loinc" not in BASE.terms["scl70"]


def test_unknown_words_are_found(tmp_path):
    assert "lab.phosphat.high" not in vocabulary(BASE)
    (tmp_path / "meta.toml").write_text("version = 1")
    with pytest.raises(InputError, match="KNOWLEDGE_INVALID"):
        load(tmp_path)


# For those who change it ----------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path):
    """A copy of the knowledge base that a test may spoil."""
    from importlib import resources

    for file in (resources.files("calcimetry.clinic") / "knowledge").iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def add(folder, name, text):
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(text)


NEW_DRUG = """
[[option]]
id = "examplin"
label = "Examplin"
kind = "drug"
types = ["dystrophic"]
stance = "weak"
children = false
[[option.evidence]]
id = "option.examplin.1"
text = "Expert use."
mark = "V"
grade = "5"
refs = ["valenzuela-chung-2016"]
"""


FORBID = """
[[option.forbid]]
id = "x"
text = "y"
mark = "own"
any = ["kidny.low"]
"""


def test_an_editor_without_python_can_add_a_drug(copy):
    from calcimetry.clinic import assess

    add(copy, "options.toml", NEW_DRUG)
    base = load(copy)
    assert problems(base) == []
    history = {"age": 50, "sex": "F", "conditions": ["M34.1"]}
    assert "examplin" in {o.id for o in assess(history=history, base=base).options}
    assert "examplin" not in {o.id for o in assess(history=history).options}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda t: t.replace('grade = "5"', 'grade = "A"'), "unknown grade A"),
        (lambda t: t.replace('mark = "V"', 'mark = "U-high"'), "cites a source"),
        (lambda t: t.replace('refs = ["valenzuela-chung-2016"]', ""), "without a source"),
        (lambda t: t.replace("valenzuela-chung-2016", "nobody-1999"), "no reference nobody-1999"),
        (lambda t: t.replace("children", "kids"), "unknown key kids"),
        (lambda t: t.replace('"weak"', '"good"'), "unknown stance"),
        (
            lambda t: (
                t + '[[option.forbid]]\nid = "x"\ntext = "y"\nmark = "own"\nany = ["kidny.low"]\n'
            ),
            "unknown fact",
        ),
        (lambda t: t.replace("option.examplin.1", "claim.01"), "the id stands twice"),
    ],
)
def test_an_editors_slips_are_told(copy, spoil, told):
    add(copy, "options.toml", spoil(NEW_DRUG))
    assert any(told in line for line in problems(load(copy)))


def test_the_page_in_the_docs_is_the_knowledge_base():
    from pathlib import Path

    from calcimetry.clinic.pages import page

    file = Path(__file__).parents[2] / "docs" / "knowledge.md"
    assert file.read_text("utf-8") == page(BASE), (
        "python -m calcimetry.clinic.pages > docs/knowledge.md"
    )
