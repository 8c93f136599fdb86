from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.ingest import __main__ as ingest
from stages.ingest.contract import check_rows
from stages.ingest.fold import fold_repeats
from stages.shared.errors import UserError
from stages.shared.redact import redact
from stages.shared.slices import Slice, load_slices, slices_of
from stages.shared.text import same_text
from tests.project import read_lines, row, write, write_lines

ALL = ("secret", "email", "iban", "card", "ip", "phone")
HERE = Path("rows.jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object but list"),
        (json.dumps({"id": "a", "input": "x"}), "`timestamp` is missing"),
        (json.dumps(row(0) | {"input": 5}), "`input` is not a string but int"),
        (json.dumps(row(0) | {"id": " "}), "`id` is empty"),
        (json.dumps(row(0) | {"timestamp": "yesterday"}), "not ISO 8601"),
        (json.dumps(row(0) | {"timestamp": "2026-03-01T00:00:00"}), "not ISO 8601 with a time zone"),
        (json.dumps(row(0) | {"acount": "x"}), "`acount` is no field of a row (did you mean account?)"),
        (json.dumps(row(0) | {"tags": "x"}), "`tags` is not a list"),
        (json.dumps(row(0) | {"input": "\ud800"}), "surrogate"),
        (json.dumps(row(1)), "`id` 'row-001' stands on line 1 already"),
    ],
)
def test_a_bad_line_is_named_with_its_number(project: Path, line: str, message: str) -> None:
    traffic = project / "data/traffic/colour.jsonl"
    write(traffic, json.dumps(row(1)) + "\n" + line + "\n")
    with pytest.raises(UserError) as told:
        ingest.main("colour")
    assert str(told.value).startswith("data/traffic/colour.jsonl:2: ")
    assert message in str(told.value)
    assert not (project / "data/ingest/colour/rows.jsonl").exists()


def test_bytes_that_are_not_utf8_are_named_with_their_line(project: Path) -> None:
    (project / "data/traffic/colour.jsonl").write_bytes(json.dumps(row(1)).encode() + b'\n{"id": "\xff"}\n')
    with pytest.raises(UserError, match=r"colour.jsonl:2: not UTF-8"):
        ingest.main("colour")


def test_all_bad_lines_are_listed() -> None:
    numbered = [(number, {"id": str(number)}) for number in range(1, 20)]
    with pytest.raises(UserError, match=r"rows.jsonl:1: .*18 more bad lines: 2, 3, 4, 5, 6, 7, 8, 9, \.\.\."):
        check_rows(numbered, HERE)


def test_an_empty_traffic_file_is_an_error(project: Path) -> None:
    write(project / "data/traffic/colour.jsonl", "\n")
    with pytest.raises(UserError, match="no rows"):
        ingest.main("colour")


def test_timestamps_become_utc() -> None:
    (checked,) = check_rows([(1, row(0, timestamp="2026-03-01T02:00:00+02:00"))], HERE)
    assert checked["timestamp"] == "2026-03-01T00:00:00Z"


def test_exact_repeats_fold_into_the_earliest_and_are_remembered() -> None:
    rows = check_rows(
        enumerate(
            [
                row(5, input="same  text", account="b", tags=["x"]),
                row(1, input="same text ", account="a"),
                row(2, input="other"),
            ]
        ),
        HERE,
    )
    folded = fold_repeats(rows)
    assert [one["id"] for one in folded] == ["row-001", "row-002"]
    assert [repeat["account"] for repeat in folded[0]["repeats"]] == ["b"]
    assert folded[0]["tags"] == ["x"]


texts = st.text(alphabet="ab \n\u00e9e\u0301", max_size=4)


@given(st.lists(texts, min_size=1, max_size=12))
def test_folding_keeps_every_text_once_and_every_row_somewhere(inputs: list[str]) -> None:
    texts = [(i, row(i, input=text)) for i, text in enumerate(inputs)]
    rows = check_rows(texts, Path("here"))
    folded = fold_repeats(rows)
    assert {same_text(one["input"]) for one in folded} == {same_text(text) for text in inputs}
    assert len(folded) + sum(len(one["repeats"]) for one in folded) == len(rows)
    assert fold_repeats(list(reversed(rows))) == folded


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail me at jo.doe+x@mail.example.org.", "mail me at [EMAIL_1]."),
        ("a@x.org, b@x.org, a@x.org", "[EMAIL_1], [EMAIL_2], [EMAIL_1]"),
        ("post an χρήστης@example.gr bitte", "post an [EMAIL_1] bitte"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [IBAN_1] please"),
        ("IBAN GB82WEST12345698765432.", "IBAN [IBAN_1]."),
        ("card 4111 1111 1111 1111 exp 12/27", "card [CARD_1] exp 12/27"),
        ("card 4111-1111-1111-1111", "card [CARD_1]"),
        ("call +44 20 7946 0018 now", "call [PHONE_1] now"),
        ("call (212) 736-5000 now", "call [PHONE_1] now"),
        ("from 192.168.2.17 and 2001:db8::8a2e:370:7334", "from [IP_1] and [IP_2]"),
        ("key AKIAIOSFODNN7EXAMPLE", "key [SECRET_1]"),
        ("Authorization: Bearer abcdefghijklmnopqrstuvwx", "Authorization: Bearer [SECRET_1]"),
        ("use sk-proj-abcdefghijklmnopqrst1234", "use [SECRET_1]"),
        ("ghp_abcdefghijklmnopqrstuvwxyzABCDEF0123", "[SECRET_1]"),
        ("clone https://joe:hunter2pass@git.example.org/x", "clone https[SECRET_1]git.example.org/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[SECRET_1]"),
    ],
)
def test_personal_data_and_secrets_become_placeholders(text: str, expected: str) -> None:
    assert redact(text, ALL, ("US",))[0] == expected


@pytest.mark.parametrize(
    "text",
    [
        "Order KD-000417 of 14 November 2026, invoice INV-2026-0611",
        "1234 5678 9012 3456 is no card: the check digit is wrong",
        "0000 0000 0000 0000",
        "version 1.2.3 and ratio 4:30:15",
        "@handle and #tag, 12:45 - 14:00",
        "DE00 0000 0000 0000 0000 00",
        "電話してください",
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert redact(text, ALL, ("US",)) == (text, {})


@given(st.text(alphabet="ab1 @.x-+[]EMAIL_", max_size=40))
def test_redaction_is_idempotent(text: str) -> None:
    once, _ = redact(text, ALL, ("US",))
    assert redact(once, ALL, ("US",))[0] == once


@pytest.mark.parametrize(
    ("predicate", "text", "holds"),
    [
        ({"max_chars": 3}, "abc", True),
        ({"max_chars": 3}, "abcd", False),
        ({"min_chars": 4}, "abcd", True),
        ({"script": "Greek"}, "γεια hi", True),
        ({"script": "Latin"}, "γεια hi", False),
        ({"script": "none"}, "12 :)", True),
        ({"min_scripts": 2}, "γεια hi", True),
        ({"pattern": r"\p{Thai}"}, "สวัสดี", True),
        ({"tag": "hard"}, "x", True),
        ({"source": ["chat"]}, "x", True),
        ({"source": ["mail"]}, "x", False),
        ({"source": ["chat"], "min_chars": 2}, "x", False),
    ],
)
def test_slices(predicate: dict[str, Any], text: str, holds: bool) -> None:
    one = Slice.check({"name": "s", **predicate}, "here")
    found = slices_of({"input": text, "tags": ["hard"], "source": "chat"}, (one,))
    assert found == (["s"] if holds else [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("slices:\n - {name: s, patern: x}", "slices.0.patern: unknown key (did you mean pattern?)"),
        ("slices:\n - {name: s}", "names no condition"),
        ("slices:\n - {name: s, pattern: '('}", "not a regular expression"),
        ("slices:\n - {name: s, script: Klingon}", "must be one of"),
        ("slices:\n - {name: s, tag: a}\n - {name: s, tag: b}", "stands there twice"),
        ("slice: []", "must hold one key"),
    ],
)
def test_mistakes_in_slices(project: Path, content: str, message: str) -> None:
    write(project / "expectations/colour/slices.yaml", content)
    with pytest.raises(UserError) as told:
        load_slices("colour")
    assert message in str(told.value)


def test_a_pattern_that_backtracks_for_ever_is_stopped() -> None:
    greedy = Slice.check({"name": "s", "pattern": "(a|aa)+$"}, "here")
    with pytest.raises(UserError, match="simplify it"):
        slices_of({"input": "a" * 100 + "b", "tags": []}, (greedy,))


def test_metrics_count_every_row(project: Path) -> None:
    traffic = [row(i) for i in range(6)] + [row(7, input=row(0)["input"]), row(8, input="write to a@b.org")]
    write_lines(project / "data/traffic/colour.jsonl", traffic)
    ingest.main("colour")
    metrics = json.loads((project / "metrics/colour/ingest.json").read_text())
    assert (metrics["input"], metrics["kept"], metrics["rejected"]) == (8, 7, 1)
    assert metrics["reasons"] == {"exact_repeat": 1}
    assert metrics["redacted_values"] == {"email": 1}
    assert metrics["slices"] == {"email_rows": 4}
    rows = read_lines(project / "data/ingest/colour/rows.jsonl")
    assert rows[-1]["input"] == "write to [EMAIL_1]"


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"id": "g", "input": "x"}, "`answer` is missing"),
        ({"id": "g", "input": "x", "answer": "purple"}, "schema_mismatch"),
        ({"id": "g", "input": "x", "answer": "red", "label": "red"}, "`label` is no field"),
        ({"id": "first", "input": "x", "answer": "red"}, "the id stands on line 1"),
        ({"id": "g", "input": " one ", "answer": "red"}, "the input stands on line 1"),
        ({"id": "row-001", "input": "x", "answer": "red"}, "also names a traffic row"),
    ],
)
def test_a_bad_golden_case_is_named(project: Path, case: dict[str, Any], message: str) -> None:
    write_lines(project / "golden/colour.jsonl", [{"id": "first", "input": "one", "answer": "red"}, case])
    with pytest.raises(UserError) as told:
        ingest.main("colour")
    assert "golden/colour.jsonl" in str(told.value)
    assert message in str(told.value)
