"""Events that name what does not exist, or are no events, are errors that say what exists."""

from __future__ import annotations

import pytest

from calcimetry.errors import UsageError
from calcimetry.followup import Events, read_events
from calcimetry.followup.events import check

DEPOSITS = {1: [1, 2, 5], 2: []}

GOOD = """
[[left_out]]
visit = 1
deposit = 5
reason = "operated"
[[score]]
visit = 2
name = "SCTC"
value = 24
"""


def test_what_exists_passes(tmp_path):
    path = tmp_path / "events.toml"
    path.write_text(GOOD)
    found = read_events(path)
    check(found, DEPOSITS)
    assert found.left_out == {(1, 5): "operated"}
    assert found.scores == {"SCTC": {2: 24.0}}
    assert read_events(None) == Events()


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("visit = 1", 'visit = "1"'),
        GOOD.replace("visit = 1", "visit = 1.0"),
        GOOD.replace("visit = 1", "visit = true"),
        GOOD.replace("visit = 1", "visit = 0"),
        GOOD.replace("deposit = 5", "deposit = [5]"),
        GOOD.replace("deposit = 5", "deposits = 5"),
        GOOD.replace("deposit = 5\n", ""),
        GOOD.replace("deposit = 5", "deposit = 5\nlineage = 3"),
        GOOD.replace('"operated"', "3"),
        GOOD.replace('"operated"', '" "'),
        GOOD.replace("24", '"24"'),
        GOOD.replace("24", "nan"),
        GOOD.replace("24", "true"),
        GOOD.replace("[[left_out]]", "[left_out]"),
        GOOD.replace("[[left_out]]", "[[left-out]]"),
        GOOD + GOOD.split("[[score]]", maxsplit=1)[0],
        GOOD + "[[score]]" + GOOD.split("[[score]]")[1],
        "left_out = 3",
        "left_out = [3]",
        "[[",
        "a = " + "[" * 5000,
    ],
)
def test_what_is_no_event_is_an_error(text, tmp_path):
    path = tmp_path / "events.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match="BAD_EVENTS"):
        read_events(path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_an_error(content, tmp_path):
    path = tmp_path / "events.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="BAD_EVENTS"):
        read_events(path)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (Events(left_out={(3, 1): "x"}), "visits 1 to 2"),
        (Events(left_out={(1, 3): "x"}), "1, 2, 5"),
        (Events(left_out={(2, 1): "x"}), "none"),
        (Events(scores={"SCTC": {1: 2.0, 4: 3.0}}), "visits 1 to 2"),
    ],
)
def test_what_does_not_exist_is_an_error_that_says_what_does(events, words):
    with pytest.raises(UsageError, match="BAD_EVENTS") as error:
        check(events, DEPOSITS)
    assert words in error.value.expected
