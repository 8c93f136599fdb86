"""What is asked: prompts, keys of requests, further samples, grades."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.console.errors import UserError
from promptstill.rows.row import Input
from promptstill.teacher.questions import INPUT, Questions, check_placeholders, render
from stages.generate import __main__ as generate
from stages.validate import __main__ as validate
from tests.params import generate_params
from tests.project import REPOSITORY, configure, read_lines, row, write
from tests.teacher_server import TeacherServer, last_line

TAGGED = "Name the colour of the text between the tags.\n<text>\n{input}\n</text>\nOne word."


def questions(**changes: Any) -> Questions:
    return Questions.load("colour", generate_params(**changes))


def test_all_that_can_change_an_answer_is_in_the_key(project: Path) -> None:
    def keys(**changes: Any) -> set[str]:
        inquiry = questions(**changes).about(Input(id="row-000", input=row(0)["input"]))
        return {request.key for request in inquiry.wanted()}

    usual = keys()
    assert len(usual) == 2
    changing: list[dict[str, Any]] = [
        {"model": "other"},
        {"endpoint": "other"},
        {"sampling": {"temperature": 0.1}},
        {"structured": True},
        {"logprobs": True},
    ]
    for change in changing:
        assert not keys(**change) & usual, change
    harmless: list[dict[str, Any]] = [
        {"base_url": "http://elsewhere/v1"},
        {"api_key_env": "OTHER"},
        {"concurrency": 1},
        {"price": {"prompt": 1, "completion": 1}},
        {"max_failure_fraction": 0.5},
        {"mode": "batch", "base_url": "http://elsewhere/v1"},
    ]
    for change in harmless:
        assert keys(**change) == usual, change
    assert keys(samples=3, max_samples=3) > usual, "another sample costs only itself"


@pytest.mark.parametrize("prompt", ["no place for it", "{input} and {input}"])
def test_a_prompt_needs_its_placeholder_once(prompt: str) -> None:
    with pytest.raises(UserError, match="write it once"):
        check_placeholders(prompt, Path("teacher.md"), (INPUT,))


@given(st.text(), st.text(alphabet="{}input %s"))
def test_other_braces_are_text(before: str, text: str) -> None:
    prompt = before.replace("{input}", "") + '{"a": {input}}'
    assert render(prompt, {INPUT: text}) == before.replace("{input}", "") + '{"a": ' + text + "}"


@given(
    st.lists(st.sampled_from(["</text>", "< / TEXT >", "<text>", "a", "\n", "{input}", "\\"])).map("".join)
)
def test_a_text_cannot_leave_its_tags(text: str) -> None:
    prompt = render(TAGGED, {INPUT: text})
    before, after = TAGGED.split("{input}")
    assert prompt.startswith(before)
    assert prompt.endswith(after)
    inside = prompt[len(before) : len(prompt) - len(after)].lower()
    assert "</text>" not in inside.replace(" ", "")
    if "</text>" not in text.lower().replace(" ", ""):
        assert inside == text.lower()


def test_more_samples_are_asked_for_only_where_they_disagree(ingested: Path, teacher: TeacherServer) -> None:
    disputed = {
        row(1)["input"]: iter(["red", "blue", "red"]),
        row(2)["input"]: iter(["red", "blue", "green", "blue"]),
    }
    usual = teacher.reply
    teacher.reply = lambda body: (
        next(disputed[text]) if (text := last_line(body)) in disputed else usual(body)
    )
    configure(ingested, base_url=teacher.url, max_samples=4)
    generate.main("colour")
    rows = read_lines(ingested / "data/generate/colour/rows.jsonl")
    counts = {line["id"]: len(line["samples"]) for line in rows}
    assert counts.pop("row-001") == 3, "a majority of two of three is not asked again, so it cannot be lost"
    assert counts.pop("row-002") == 4, "half of the samples is no majority"
    assert set(counts.values()) == {2}
    asked = len(teacher.requests)
    generate.main("colour")
    assert len(teacher.requests) == asked


def test_more_samples_are_asked_for_until_enough_are_valid(ingested: Path, teacher: TeacherServer) -> None:
    replies = {
        row(1)["input"]: iter(["no idea", "red", "red", "red"]),
        row(2)["input"]: iter(["no idea", "none", "red", "red"]),
        row(3)["input"]: iter(["no idea", "red", "blue", "red"]),
        row(4)["input"]: iter(["no idea", "none", "no", "nothing"]),
    }
    usual = teacher.reply
    teacher.reply = lambda body: next(replies[text]) if (text := last_line(body)) in replies else usual(body)
    configure(ingested, base_url=teacher.url, max_samples=4)
    generate.main("colour")
    rows = read_lines(ingested / "data/generate/colour/rows.jsonl")
    counts = {line["id"]: len(line["samples"]) for line in rows if len(line["samples"]) > 2}
    assert counts == {"row-001": 3, "row-002": 4, "row-003": 4, "row-004": 4}

    suite = json.loads((REPOSITORY / "expectations/language-id/suite.json").read_text())
    suite["expectations"] = [
        e
        for e in suite["expectations"]
        if e["kwargs"].get("column") in ("agreement", "valid_samples", "problem")
    ]
    write(ingested / "expectations/colour/suite.json", json.dumps(suite))
    validate.main("colour")
    judged = {line["id"]: line for line in read_lines(ingested / "data/validate/colour/rows.jsonl")}
    assert [judged[f"row-00{i}"]["status"] for i in range(1, 5)] == ["kept", "kept", "kept", "rejected"], (
        "extra samples rescue a row by a majority"
    )


def test_the_teacher_grades_itself_and_validate_filters_on_it(ingested: Path, teacher: TeacherServer) -> None:
    write(ingested / "prompts/colour/rubric.md", "Grade from 0 to 10.\nText: {input}\nAnswer: {answer}\n")
    usual = teacher.reply

    def reply(body: dict[str, object]) -> str:
        text = json.dumps(body)
        if "Grade from" not in text:
            return usual(body)
        return "no idea" if row(2)["input"] in text else f"Grade: {3 if row(1)['input'] in text else 9}/10"

    teacher.reply = reply
    configure(ingested, base_url=teacher.url, grade=True)
    generate.main("colour")
    assert len(teacher.requests) == 36 + 18, "two equal samples are graded once"
    rows = {line["id"]: line for line in read_lines(ingested / "data/generate/colour/rows.jsonl")}
    assert [sample["score"] for sample in rows["row-001"]["samples"]] == [3.0, 3.0]
    assert rows["row-002"]["samples"][0]["score"] is None
    assert rows["row-000"]["teacher"]["rubric_hash"]

    suite = json.loads((ingested / "expectations/colour/suite.json").read_text())
    suite["expectations"].append(
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "score", "min_value": 5},
            "meta": {"reason": "low_grade", "action": "review"},
        }
    )
    write(ingested / "expectations/colour/suite.json", json.dumps(suite))
    validate.main("colour")
    judged = {line["id"]: line for line in read_lines(ingested / "data/validate/colour/rows.jsonl")}
    assert (judged["row-001"]["status"], judged["row-001"]["reasons"]) == ("review", ["low_grade"])
    assert judged["row-002"]["status"] == "kept"
    generate.main("colour")
    assert len(teacher.requests) == 36 + 18


def test_grading_needs_a_rubric_with_both_placeholders(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, grade=True)
    with pytest.raises(UserError, match=r"prompts/colour/rubric.md: no such file"):
        generate.main("colour")
    write(ingested / "prompts/colour/rubric.md", "Grade {input}")
    with pytest.raises(UserError, match=r"rubric.md: \{answer\} occurs 0 times"):
        generate.main("colour")
