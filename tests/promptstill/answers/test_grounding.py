"""Which facts of a text its passages support."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.answers.grounding import facts, unsupported
from promptstill.answers.schema.passages import passages
from tests.promptstill.answers.grounded import INPUT, PASSAGES


def test_passages_by_number() -> None:
    numbered = passages(INPUT, PASSAGES)
    assert list(numbered) == [1, 2]
    assert numbered[2].startswith("The ferry Heron")


@pytest.mark.parametrize(
    ("text", "numbered"),
    [
        ("[1] a\n[1] b\n[x] c", {1: "a"}),
        ("[٣] ثلاثة", {3: "ثلاثة"}),
        (f"[{'9' * 5000}] too long", {}),
        ("[²] no digit\nno passage", {}),
    ],
)
def test_numbers_of_passages(text: str, numbered: dict[int, str]) -> None:
    assert passages(text, r"(?m)^\[(\S+?)\] (.*)$") == numbered


@pytest.mark.parametrize(
    ("text", "passage"),
    [
        ("It opens at 9 a.m. daily.", "Open 9:00-17:00."),
        ("It closes at 17:00.", "Open until 5 p.m."),
        ("It closes at 5:30 PM.", "Open until 17:30."),
        ("It closes at midnight.", "Open until 24:00."),
        ("It closes at 12 o'clock.", "Closed from noon."),
        ("It opens at 8.", "Open from 8:00."),
        ("It costs 1150 dollars.", "Price: $1,150.00"),
        ("It costs €1.150,50.", "Price: 1,150.50 euros"),
        ("It costs 1'150 CHF.", "Price: CHF 1\u202f150"),
        ("It costs 4.00 EUR.", "Price: 4 euros"),
        ("You get 5% off.", "A discount of 5 percent"),
        ("You get 5 per cent off.", "A discount of 5 %"),
        ("The 3rd floor is closed.", "Floor 3 is closed"),
        ("The third day is free.", "Day 3 costs nothing"),
        ("There are 24 places.", "Twenty-four places"),
        ("There are three places for one child.", "3 places"),
        ("It is closed on Tuesday.", "Mon-Wed closed"),
        ("It is closed on Mondays.", "Closed Sat to Tues"),
        ("It is open in January.", "Open from November until February"),
        ("It is open on Saturdays.", "Open at weekends"),
        ("It is closed in September.", "closed from 3 Sept. 2026"),
        ("Ask the Libraries' desk at O’Neill's.", "The library desk is at O'Neill"),
        ("Yes, Bay Pass holders pay half.", "Holders of bay passes pay half"),
        ("Children pay nothing, and I do too.", "Free"),
        ("May I come first on one day?", "Free"),
        ("Form M3 and a PIN are needed.", "Bring form m3 and the pin"),
        ("It lasts ٣٠ minutes in Πάτρα.", "30 minutes, πάτρα"),
        ("Es kostet 12,50 Euro.", "12.50 euros"),
        ("图书馆九点开门，费用30元。", "30"),
        ("It is FİFTY-one minutes to İzmir on Saturday.", "51 minutes to İzmir, FRİDAY to sunday"),
    ],
)
def test_supported(text: str, passage: str) -> None:
    assert unsupported(text, [passage]) == []


@pytest.mark.parametrize(
    ("text", "passage", "missing"),
    [
        ("It opens at 9 p.m. daily.", "Open 9:00-17:00.", ["9 p.m."]),
        ("It costs $1,150.", "Price: €1,150", ["$"]),
        ("It costs 1.15 euros.", "Price: 115 euros", ["1.15"]),
        ("It costs 3.40 euros.", "Price: 3.45 euros", ["3.40"]),
        ("There are twenty-five places.", "24 places", ["twenty-five"]),
        ("It is closed on Thursday.", "Mon-Wed closed", ["Thursday"]),
        ("Thursday is free.", "Mon-Wed free", ["Thursday"]),
        ("Ask at Fern House in May.", "Ask at Linden House", ["Fern", "May"]),
        ("Yes, Heron carries dogs.", "The Petrel carries dogs", ["Heron"]),
        ("Form M4 is needed.", "Form M3 is needed", ["M4"]),
        ("Bring the PIN. USB is free.", "Bring a card", ["PIN", "USB"]),
        ("Es kostet ٤٠ Euro in Πάτρα.", "30 Euro in Αθήνα", ["40", "Πάτρα"]),
        ("It is 30 June 2026.", "", ["30", "June", "2026"]),
        ("2 May is free.", "2 June is free", ["May"]),
    ],
)
def test_unsupported(text: str, passage: str, missing: list[str]) -> None:
    assert unsupported(text, [passage]) == missing
    assert unsupported(text, [passage, text]) == []


def test_a_name_may_come_from_the_question_and_a_number_may_not() -> None:
    text = "On Dock Street it costs 5 euros on Mondays."
    assert unsupported(text, ["It costs 4 euros"], "Dock Street, 5 euros, Monday?") == ["5"]


def test_a_text_without_passages_supports_nothing() -> None:
    assert unsupported("Closed on 3 days", []) == ["3"]


@given(st.text(), st.lists(st.text(), max_size=3), st.text())
def test_any_text_has_facts_and_supports_itself(text: str, cited: list[str], named: str) -> None:
    missing = unsupported(text, cited, named)
    assert len(missing) <= len(facts(text))
    assert unsupported(text, [*cited, text]) == []
    assert passages(text, PASSAGES).keys() >= set()


@given(st.text(alphabet="0123456789.,:'’ apmst$€%-\u202f", max_size=40))
def test_any_writing_of_numbers_supports_itself(text: str) -> None:
    assert unsupported(text, [text]) == []
