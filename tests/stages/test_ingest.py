"""ingest: the row contract, exact repeats, golden cases, and what the metrics count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.console.errors import UserError
from promptstill.rows.identity import same_text
from stages.ingest import __main__ as ingest
from stages.ingest.contract import check_rows
from stages.ingest.fold import fold_repeats
from stages.ingest.params import IngestParams
from tests.project import read_lines, row, write, write_lines

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
        (json.dumps(row(0) | {"acount": "x"}), "`acount` is not a field of a row (did you mean account?)"),
        (json.dumps(row(0) | {"tags": "x"}), "`tags` is not a list"),
        (json.dumps(row(0) | {"input": "\ud800"}), "surrogate"),
        (json.dumps(row(0) | {"tags": ["\udfff"]}), "surrogate"),
        (json.dumps(row(0)).replace('"input"', '"input\\uD800"'), "surrogate"),
        ('{"id": ' + "1" * 5000 + "}", "not JSON"),
        (json.dumps(row(0) | {"timestamp": "0001-01-01T00:00:00+14:00"}), "in the years 1 to 9999"),
        (json.dumps(row(1)), "`id` 'row-001' is already used on line 1"),
    ],
)
def test_a_bad_line_is_named_with_its_number(project: Path, line: str, message: str) -> None:
    traffic = project / "data/traffic/colour.jsonl"
    write(traffic, json.dumps(row(1)) + "\n" + line + "\n")
    with pytest.raises(UserError) as raised:
        ingest.main("colour")
    assert str(raised.value).startswith("data/traffic/colour.jsonl:2: ")
    assert message in str(raised.value)
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
    assert [first["id"] for first, _ in folded] == ["row-001", "row-002"]
    first, repeats = folded[0]
    assert [repeat["account"] for repeat in repeats] == ["b"]
    assert first["tags"] == ["x"]


texts = st.text(alphabet="ab \n\u00e9e\u0301", max_size=4)


@given(st.lists(texts, min_size=1, max_size=12))
def test_folding_keeps_every_text_once_and_every_row_somewhere(inputs: list[str]) -> None:
    texts = [(i, row(i, input=text)) for i, text in enumerate(inputs)]
    rows = check_rows(texts, Path("here"))
    folded = fold_repeats(rows)
    assert {same_text(first["input"]) for first, _ in folded} == {same_text(text) for text in inputs}
    assert len(folded) + sum(len(repeats) for _, repeats in folded) == len(rows)
    assert fold_repeats(list(reversed(rows))) == folded


def test_metrics_count_every_row(project: Path) -> None:
    traffic = [row(i) for i in range(6)] + [row(7, input=row(0)["input"]), row(8, input="write to a@b.org")]
    write_lines(project / "data/traffic/colour.jsonl", traffic)
    ingest.main("colour")
    metrics = json.loads((project / "data/ingest/colour/metrics.json").read_text())
    assert (metrics["input"], metrics["kept"], metrics["rejected"]) == (8, 7, 1)
    assert metrics["reasons"] == {"exact_repeat": 1}
    assert metrics["redacted_values"] == {"email": 1}
    assert metrics["slices"] == {"email_rows": 4}
    rows = read_lines(project / "data/ingest/colour/rows.jsonl")
    assert rows[-1]["input"] == "write to [EMAIL_1]"


def test_a_row_that_is_too_long_leaves_and_is_counted(project: Path) -> None:
    long = row(1, input="x" * 50_001)
    write_lines(project / "data/traffic/colour.jsonl", [row(0), long, row(2, input="x" * 50_000)])
    ingest.main("colour")
    metrics = json.loads((project / "data/ingest/colour/metrics.json").read_text())
    assert (metrics["input"], metrics["kept"], metrics["reasons"]) == (3, 2, {"too_long": 1})
    ids = [line["id"] for line in read_lines(project / "data/ingest/colour/rows.jsonl")]
    assert ids == ["row-000", "row-002"]


def test_a_blank_account_links_no_rows() -> None:
    (checked,) = check_rows([(1, row(0, account=" ", thread=""))], HERE)
    assert (checked["account"], checked["thread"]) == (None, None)


def test_missing_traffic_names_the_command_that_brings_it(project: Path) -> None:
    (project / "data/traffic/colour.jsonl").unlink()
    with pytest.raises(UserError, match=r"colour\.jsonl: no such file; run `still import colour FILE`"):
        ingest.main("colour")


@pytest.mark.parametrize("region", ["XX", "gb", "UK"])
def test_a_region_without_phone_numbers_is_refused(region: str) -> None:
    block = {"redact": ["phone"], "phone_regions": ["US", region]}
    with pytest.raises(UserError, match=rf"here\.phone_regions: no region '{region}' with phone numbers"):
        IngestParams.check(block, "here")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"id": "g", "input": "x"}, "`answer` is missing"),
        ({"id": "g", "input": "x", "answer": "purple"}, "schema_mismatch"),
        ({"id": "g", "input": "x", "answer": "red", "label": "red"}, "`label` is not a field"),
        ({"id": "first", "input": "x", "answer": "red"}, "the id is already on line 1"),
        ({"id": "g", "input": " one ", "answer": "red"}, "the input is already on line 1"),
        ({"id": "row-001", "input": "x", "answer": "red"}, "also names a traffic row"),
        ({"id": "g", "input": "\ud800", "answer": "red"}, "surrogate"),
        ({"id": "g", "input": "x", "answer": "red", "tags": ["\ud800"]}, "surrogate"),
        ({"id": "g", "input": "x", "answer": "red", "tags": "hard"}, "`tags` is not a list of strings"),
        ({"id": " ", "input": "x", "answer": "red"}, "`id` is empty"),
        ({"id": "g", "input": "x" * 50_001, "answer": "red"}, "the input has 50001 characters"),
    ],
)
def test_a_bad_golden_case_is_named(project: Path, case: dict[str, Any], message: str) -> None:
    cases = [{"id": "first", "input": "one", "answer": "red"}, case]
    write(project / "golden/colour.jsonl", "".join(json.dumps(line) + "\n" for line in cases))
    with pytest.raises(UserError) as raised:
        ingest.main("colour")
    assert "golden/colour.jsonl" in str(raised.value)
    assert message in str(raised.value)
