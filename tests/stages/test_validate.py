"""validate: status, reasons, samples and metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from stages.validate import judge
from tests.project import REPOSITORY, write
from tests.rows import sampled_row
from tests.stages.validated import between, filter_on, filters, metrics, validated


def shipped_filters(project: Path, *reasons: str) -> None:
    """The shipped filters with these reasons, as the suite of the small task."""
    content = json.loads((REPOSITORY / "expectations/language-id/suite.json").read_text())
    filters(project, *(e for e in content["expectations"] if e.get("meta", {}).get("reason") in reasons))


def test_kept_rejected_and_reviewed_rows_with_all_their_reasons(project: Path) -> None:
    rows = validated(
        project,
        [
            sampled_row(0, "red", "red"),
            sampled_row(1, "green", "blue"),
            sampled_row(2, "who knows", "no idea"),
            sampled_row(3, "red", "blue"),
            sampled_row(4, "red", "blue", input="x" * 201),
        ],
    )
    status = {name: (row["status"], row["reasons"]) for name, row in rows.items()}
    assert status == {
        "row-000": ("kept", []),
        "row-001": ("review", ["samples_disagree"]),
        "row-002": ("rejected", ["invalid_answer"]),
        "row-003": ("review", ["samples_disagree"]),
        "row-004": ("rejected", ["input_length", "samples_disagree"]),
    }
    assert rows["row-003"]["answer"] == "red"
    assert rows["row-002"]["problem"] == "schema_mismatch"
    counts = metrics(project)
    assert (counts["input"], counts["kept"], counts["rejected"], counts["review"]) == (5, 1, 2, 2)
    assert counts["reasons"] == {"input_length": 1, "invalid_answer": 1}
    assert (counts["samples"], counts["invalid_samples"], counts["rows_with_dissent"]) == (10, 2, 3)
    assert counts["agreement"] == (1 + 3 * 0.5) / 4, "over rows that have a valid sample"


def test_a_sample_that_does_not_parse_is_not_a_sample_that_disagrees(project: Path) -> None:
    shipped_filters(project, "invalid_answer", "samples_disagree", "sample_invalid")
    rows = validated(
        project,
        [
            sampled_row(0, "red", "no idea"),
            sampled_row(1, "red", "blue"),
            sampled_row(2, "no idea", "red", "red"),
            sampled_row(3, "red", "blue", "red"),
            sampled_row(4, "red", "blue", "red", "blue"),
            sampled_row(5, "red", "no idea", "blue"),
            sampled_row(6, "none", "no idea"),
        ],
    )
    assert {name: (row["status"], row["reasons"]) for name, row in rows.items()} == {
        "row-000": ("review", ["sample_invalid"]),
        "row-001": ("review", ["samples_disagree"]),
        "row-002": ("kept", []),
        "row-003": ("kept", []),
        "row-004": ("review", ["samples_disagree"]),
        "row-005": ("review", ["samples_disagree"]),
        "row-006": ("rejected", ["invalid_answer", "sample_invalid"]),
    }
    assert [rows["row-003"][key] for key in ("agreement", "valid_samples", "dissent")] == [0.6667, 3, 1]
    assert [rows["row-002"][key] for key in ("agreement", "valid_samples", "dissent")] == [1.0, 2, 0]
    assert rows["row-002"]["answer_sample"] == 1


def test_reply_is_the_reply_behind_the_answer_and_any_reply_sees_all(project: Path) -> None:
    spoken = {"column": "reply", "regex": "sorry"}
    anywhere = {"column": "any_reply", "regex": "sorry"}
    kind = "expect_column_values_to_not_match_regex"
    filters(
        project,
        filter_on(kind, "forbidden_phrase", **spoken),
        filter_on(kind, "refused_once", "review", **anywhere),
    )
    rows = validated(
        project,
        [
            sampled_row(0, "I am sorry", "red", "red"),
            sampled_row(1, "red", "red", "I am sorry"),
            sampled_row(2, "I am sorry", "sorry"),
            sampled_row(3, "red"),
        ],
    )
    assert [row["reasons"] for row in rows.values()] == [
        ["refused_once"],
        ["refused_once"],
        ["forbidden_phrase", "refused_once"],
        [],
    ]


def test_a_row_without_an_answer_is_rejected_whatever_the_suite_says(project: Path) -> None:
    filters(project)
    rows = validated(project, [sampled_row(0, "red"), sampled_row(1, "no idea")])
    assert rows["row-000"]["status"] == "kept"
    assert (rows["row-001"]["status"], rows["row-001"]["reasons"]) == ("rejected", ["no_answer"])


def test_blocks_of_any_size_give_the_same_bytes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filters(
        project,
        between("agreement", "samples_disagree", "review", min_value=1),
        filter_on("expect_column_values_to_be_unique", "repeated_answer", column="input_chars"),
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 9, "max_value": 9}},
        {
            "type": "expect_column_unique_value_count_to_be_between",
            "kwargs": {"column": "label", "min_value": 3, "max_value": 3},
        },
    )
    lines = [
        sampled_row(i, ["red", "green", "blue"][i % 3], "red", input="x" * (i % 7 + 3)) for i in range(9)
    ]

    def written(rows_in_a_block: int) -> bytes:
        monkeypatch.setattr(judge, "BLOCK", rows_in_a_block)
        monkeypatch.setattr("stages.validate.__main__.BLOCK", rows_in_a_block)
        validated(project, lines)
        folder = project / "data/validate/colour"
        return (folder / "rows.jsonl").read_bytes()

    whole = written(1000)
    assert b"repeated_answer" in whole
    assert written(1) == whole
    assert written(4) == whole
    assert sorted(path.name for path in (project / "data/validate/colour").iterdir()) == [
        "metrics.json",
        "rows.jsonl",
    ]


def test_a_build_that_keeps_no_row_says_why_and_what_it_saw(project: Path) -> None:
    filters(
        project,
        between("input_chars", "input_length", min_value=500),
        between("agreement", "samples_disagree", "review", min_value=1),
    )
    rows = [sampled_row(0, "red", input="x" * 5), sampled_row(1, "blue", "red", input="x" * 31)]
    with pytest.raises(UserError) as raised:
        validated(project, rows)
    message = str(raised.value)
    assert "no row was kept of 2: rejected input_length 2; in review none" in message
    assert "observed input_chars 5 to 31; agreement 0.5 to 1" in message
    assert "expectations/colour/suite.json" in message
    assert metrics(project)["rejected"] == 2, "what a person needs to understand it is written"
    assert (project / "data/validate/colour/rows.jsonl").exists()


def test_labels_that_are_texts_are_not_shown(project: Path) -> None:
    write(project / "expectations/colour/answer.schema.json", json.dumps({"type": "string"}))
    filters(project, filter_on("expect_column_values_to_be_null", "a_label", column="label"))
    with pytest.raises(UserError, match=r"observed label \(text\) 1") as raised:
        validated(project, [sampled_row(0, "Ann lives here", "Ann lives here")])
    assert "Ann" not in str(raised.value)


def test_no_row_at_all_is_one_line_too(project: Path) -> None:
    with pytest.raises(UserError, match="no row was kept of 0"):
        validated(project, [])


def test_labels_in_free_text_do_not_fill_the_metrics(project: Path) -> None:
    write(project / "expectations/colour/answer.schema.json", json.dumps({"type": "string"}))
    validated(project, [sampled_row(i, f"answer {i}", f"answer {i}") for i in range(1200)])
    assert metrics(project)["kept"] == 1200
    assert metrics(project)["labels"] == {"(text)": 1200}


def test_the_shipped_suites_name_the_same_reasons(project: Path) -> None:
    for task in ("language-id", "support-tickets"):
        text = (REPOSITORY / f"expectations/{task}/suite.json").read_text()
        assert set(re.findall(r'"reason": "(\w+)"', text)) >= {"samples_disagree", "sample_invalid"}
