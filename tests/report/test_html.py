"""The page: whole, valid, reachable for everyone, and right in odd cases."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from markupsafe import Markup
from tinyhtml5.parser import HTMLParser as StrictParser

import calcimetry.report
from calcimetry.errors import UsageError
from calcimetry.exchange.document import document
from calcimetry.plan import Plan
from calcimetry.records import Flag, Kind, Likeness, Place, Severity
from calcimetry.report import pictures, render, selection
from calcimetry.report.language import words
from counted import calls

from .conftest import scan_for, seen

CALLS_OF_SIXTY = 450_000
"""Python calls of a page with sixty deposits, twenty of them with pictures; measured 350,000."""


CASES = {
    "none": (0, {}),
    "one": (1, {}),
    "doubtful alone": (1, {"per_deposit": {"kind": Kind.UNCERTAIN}}),
    "sixty": (60, {}),
    "four hundred": (400, {}),
    "withheld": (8, {"per_deposit": {"withheld": True}}),
    "one slice": (8, {"per_deposit": {"size": (1, 3, 3)}}),
    "place unknown": (3, {"per_deposit": {"place": Place()}}),
    "non-Latin": (
        2,
        {
            "per_deposit": {"reason": "皮下の石灰化 <b>&</b> кальциноз · ασβέστωση · تكلس"},
            "facts": {"kernel": "标准 <script>alert(1)</script>"},
        },
    ),
}


@pytest.fixture(scope="module", params=list(CASES))
def page(request, exam_with):
    count, changes = CASES[request.param]
    exam = exam_with(count, **changes)
    return exam, render(document(exam), seen(exam))


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict]]:
    return Tags(html).tags


def test_parses_without_an_error(page):
    parser = StrictParser()
    parser.parse(page[1])
    assert parser.errors == []


def test_holds_everything_itself(page):
    html = page[1]
    for tag, facts in tags(html):
        assert tag not in ("script", "link", "iframe", "object")
        for name in ("src", "href", "xlink:href"):
            if facts.get(name):
                assert facts[name].startswith(("data:image/png;base64,", "#")), facts[name][:60]
    assert not re.search(r"url\(|@import|https?://", html)


def test_ids_are_unique_and_links_lead_somewhere(page):
    found = tags(page[1])
    ids = [facts["id"] for _, facts in found if "id" in facts]
    assert len(ids) == len(set(ids))
    for _, facts in found:
        for target in (facts.get("href", ""), "#" + facts.get("aria-labelledby", "")):
            if target.startswith("#") and target != "#":
                assert target[1:] in ids, target


def test_headings_do_not_skip_a_level(page):
    levels = [int(tag[1]) for tag, _ in tags(page[1]) if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_pictures_have_words_and_tables_have_headers(page):
    html = page[1]
    found = tags(html)
    assert all(facts.get("alt") for tag, facts in found if tag == "img")
    for tag, facts in found:
        if tag == "svg":
            assert facts.get("aria-hidden") == "true" or facts.get("aria-label")
    assert all(facts.get("scope") in ("col", "row") for tag, facts in found if tag == "th")
    assert html.count("<table") == html.count("<caption")


def test_research_use_stands_on_the_page_and_in_every_margin(page):
    exam, html = page
    line = document(exam)["research_use"]
    assert html.count(line) >= 3  # top, bottom, and the footer of printed pages
    assert f'@bottom-left {{ content: "{line}"' in html


def test_text_of_others_is_not_markup(exam_with):
    exam = exam_with(2, **CASES["non-Latin"][1])
    html = render(document(exam), seen(exam))
    assert "<script>" not in html
    assert "&lt;b&gt;&amp;&lt;/b&gt; кальциноз" in html


def test_sixty_deposits_are_small_and_bounded_work(exam_with):
    """Bytes and calls, not seconds: the same on every machine."""
    exam, bigger = exam_with(60), exam_with(120)
    scan, wide = scan_for(exam), scan_for(bigger)
    render(document(exam), pictures(exam, scan))  # templates are compiled once in a process
    html, made = calls(lambda: render(document(exam), pictures(exam, scan)))
    assert len(html.encode()) < 5_000_000
    assert made < CALLS_OF_SIXTY
    _, of_bigger = calls(lambda: render(document(bigger), pictures(bigger, wide)))
    assert of_bigger < 2 * made  # grows no faster than the deposits do


def test_four_hundred_deposits_all_stand_in_the_page(exam_with):
    exam = exam_with(400)
    html = render(document(exam), seen(exam))
    assert len(html.encode()) < 5_000_000
    rows = {facts["id"] for _, facts in tags(html) if facts.get("id", "").startswith("deposit-")}
    sure = {f"deposit-{d.number}" for d in exam.deposits}
    assert sure <= rows


def test_without_pictures_the_numbers_are_still_there(exam_with):
    html = render(document(exam_with(3)), {})
    assert "No picture was saved" in html
    assert "<img" not in html
    assert 'data-at="/deposits/0/mass_mg"' in html


def test_cards_without_pictures_use_the_whole_width(exam_with):
    exam = exam_with(2)
    assert 'class="card bare"' in render(document(exam), {})
    assert 'class="card bare"' not in render(document(exam), seen(exam))


def test_nothing_found_is_said_without_an_interval(exam_with):
    html = render(document(exam_with(0)), {})
    assert "No deposits of at least" in html
    assert "95\u00a0% interval <data" not in html
    assert "Agatston score, as an extra" not in html


def test_rows_beyond_the_table_are_counted(exam_with, monkeypatch):
    monkeypatch.setattr(selection, "ROWS", 10)
    html = render(document(exam_with(60)), {})
    assert "18 more are in deposits.csv." in html  # 48 sure, 20 cards, 10 rows


def grouped(exam, groups, **totals):
    """The examination's document with these groups of its first deposits."""
    content = document(exam)
    for row, group in zip(content["deposits"], groups, strict=False):
        row["group"] = group
    content["totals"]["overall"]["groups"] = len(set(groups))
    content["totals"] |= totals
    return content


def text_of(html: str) -> str:
    """The page's text, blanks as one."""
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def test_pieces_of_one_lesion_are_told_as_one(exam_with):
    text = text_of(render(grouped(exam_with(3), [1, 1, 2]), {}))
    assert "3 deposits in 2 groups" in text
    assert text.count("Group 1 (2 parts)") == 2
    assert "Group 2" in text
    alone = text_of(render(grouped(exam_with(3), [1, 2, 3]), {}))
    assert "in 3 groups" not in alone
    assert "parts)" not in alone


def test_a_row_of_the_table_has_its_group_and_an_old_document_no_column(exam_with):
    exam = exam_with(30)
    html = render(grouped(exam, list(range(1, 31))), {})
    assert '<th scope="col" class="n group">Group</th>' in html
    rows = re.findall(r'<tr id="deposit-(\d+)">.*?</tr>', html, re.S)
    assert rows
    for number in rows:
        k = int(number) - 1
        assert f'<td class="n"><data value="{number}" data-at="/deposits/{k}/group">' in html
    assert "Group</th>" not in render(document(exam), {})


def test_what_a_doubtful_object_looks_like_and_what_is_its_group(exam_with):
    exam = exam_with(5)
    content = grouped(exam, [1, 2, 3, 4, 4])
    content["deposits"][4]["likeness"] = "sesamoid"
    content["objects"][1]["likeness"] = "cartilage"
    text = text_of(render(content, {}))
    assert "5 · sesamoid-like ·" in text
    assert "group 4 (2 parts)" in text
    assert "vessel · cartilage-like ·" in text
    content["objects"][1]["likeness"] = "vessel"
    assert "vessel-like" not in text_of(render(content, {}))


def test_a_probable_deposit_says_what_else_it_may_be_and_a_sure_one_does_not(exam_with):
    for confidence, said in ((0.95, False), (0.6, True)):
        exam = exam_with(1, per_deposit={"confidence": confidence, "likeness": Likeness.VESSEL})
        assert ("If it is none vessel-like" in text_of(render(document(exam), {}))) == said


@pytest.mark.parametrize(
    ("count", "mass", "said"),
    [
        (57, 412.3, "Not listed: 57 objects, 412 mg, each unlikely to be a deposit."),
        (1, None, "Not listed: 1 object, not known, unlikely to be a deposit."),
        (0, 0, None),
        (None, None, None),
    ],
)
def test_what_is_not_listed_is_one_line(exam_with, count, mass, said):
    content = grouped(exam_with(2), [1, 2], unlisted=count, unlisted_mass_mg=mass)
    text = text_of(render(content, {})).replace("\u00a0", " ").replace(" ,", ",")
    assert ("Not listed" in text) == (said is not None)
    assert said is None or said in text


def test_names_nobody_unless_told(exam_with):
    exam = exam_with(1)
    content = document(exam)
    names = {"name": "Ås & 李", "id": "A-77", "birth_date": "1970-05-09", "Ward": "3B"}
    assert "李" not in render(content, {})
    html = render(content, {}, identify=names)
    for text in ("Name", "Ås &amp; 李", "Patient ID", "A-77", "1970-05-09", "Ward", "3B"):
        assert text in html


def test_flags_are_told_worst_first_in_words(exam_with):
    flags = (
        Flag("A_NOTE", "A note.", Severity.INFO),
        Flag("GAP", "A gap.", Severity.WITHHELD),
        Flag("TILT", "A tilt.", Severity.WARNING),
    )
    html = render(document(exam_with(1, flags=flags)), {})
    places = [html.index(text) for text in ("A gap.", "A tilt.", "A note.")]
    assert places == sorted(places)
    assert "<strong>Withheld.</strong> A gap." in html
    assert "Nothing in the scan speaks against" in render(document(exam_with(1, flags=())), {})


def parameters_of(content):
    html = render(content, {})
    return html[
        html.index('id="parameters"') : html.index("</table>", html.index('id="parameters"'))
    ]


def test_a_changed_parameter_is_marked_by_the_default_of_the_version_that_measured(exam_with):
    content = document(exam_with(1))
    assert "(changed)" not in parameters_of(content)
    about = content["plan_described"]["find"]["threshold_hu"]
    about |= {"default": 155.5, "text": "as it was meant then", "source": "of those days"}
    part = parameters_of(content)
    assert part.count("(changed)") == 1
    assert "as it was meant then" in part
    assert "of those days" in part


def test_an_old_document_is_not_given_the_defaults_and_meanings_of_today(exam_with):
    exam = exam_with(1, plan=Plan().changed("find", {"threshold_hu": 200.0}))
    content = document(exam)
    del content["plan_described"]  # as documents of before schema 1.3
    part = parameters_of(content)
    assert 'data-at="/plan/find/threshold_hu"' in part
    assert "(changed)" not in part
    for section in Plan().definitions().values():
        for about in section.values():
            assert about["text"] not in part
            assert not about.get("source") or about["source"] not in part
    assert "by value alone" in part


def test_later_chapters_have_their_place(exam_with):
    content = document(exam_with(2))
    assert "What changed" not in render(content, {})
    chapters = {
        "followup": {
            "summary": "One deposit grew.",
            "table": {
                "caption": "Changes",
                "columns": ["Deposit", "Change"],
                "rows": [[1, "+40 %"]],
            },
            "figures": [Markup("<svg><title>drawn</title></svg>"), "<svg>not ours</svg>"],
        },
        "clinic": {
            "notes": [{"text": "A note.", "source": "doi:10.1/x"}],
            "symptoms": {"1": [{"text": "pain on pinching", "source": "x"}]},
        },
    }
    html = render(content, {}, chapters=chapters)
    assert "<svg><title>drawn</title></svg>" in html
    assert "&lt;svg&gt;not ours" in html
    for text in ("What changed", "One deposit grew.", "+40 %", "Assessment", "pain on pinching"):
        assert text in html


def test_an_unknown_language_is_refused():
    with pytest.raises(UsageError) as caught:
        words("tlh")
    assert caught.value.code == "UNKNOWN_LANGUAGE"


def test_every_word_that_is_asked_for_is_in_the_catalogue():
    folder = Path(calcimetry.report.__file__).parent
    texts = [path.read_text() for path in folder.rglob("*") if path.suffix in (".py", ".j2")]
    keys = {
        key for text in texts for key in re.findall(r"\bt(?:ext)?\(\s*f?[\"']([\w.]+)[\"']", text)
    }
    known = words("en")
    assert len(keys) > 60
    for key in keys:
        if key.endswith("."):
            continue  # put together in the template; rendering the page tests it
        assert known.find(key) is not None, key


def syllables(word: str) -> int:
    word = re.sub(r"(?:[^laeiouy]es|ed|[^laeiouy]e)$", "", word.lower())
    return max(1, len(re.findall(r"[aeiouy]+", word)))


@pytest.mark.parametrize("count", [0, 1, 30])
def test_plain_words_are_for_a_reader_of_twelve(exam_with, count):
    html = render(document(exam_with(count)), {})
    part = html[html.index('<h2 id="plain">') : html.index("</main>")]
    text = re.sub(r"\s+", " ", re.sub(r"<h3>.*?</h3>|<[^>]+>", " ", part)).replace(
        "In plain words", ""
    )
    sentences = [s for s in re.split(r"[.?!]\s", text) if s.strip()]
    found = re.findall(r"[A-Za-z]+", text)
    # Flesch-Kincaid grade; an American grade of 7 is a reader of about 12.
    grade = 0.39 * len(found) / len(sentences)
    grade += 11.8 * sum(map(syllables, found)) / len(found) - 15.59
    assert grade < 6.5
    assert "iscuss this page with your doctor" in text
