"""What is read from a reply of a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptstill.teacher.replies import NoAnswerError, read_reply
from stages.generate import __main__ as generate
from tests.promptstill.teacher.project_state import sampled_rows
from tests.teacher_server import TeacherServer


def test_the_first_of_several_choices_counts() -> None:
    choice = {"finish_reason": "stop", "message": {"content": "red"}}
    other = {"finish_reason": "stop", "message": {"content": "blue"}}
    assert read_reply(json.dumps({"choices": [choice, other]}).encode())["response"] == "red"
    with pytest.raises(NoAnswerError, match="not JSON"):
        read_reply(json.dumps({"choices": [choice]}).encode() * 2)


def test_a_refusal_in_its_own_field_is_the_reply() -> None:
    message = {"content": None, "refusal": "I cannot"}
    assert read_reply(json.dumps({"choices": [{"message": message}]}).encode())["response"] == "I cannot"


def test_half_a_surrogate_pair_does_not_end_the_run(ingested: Path, teacher: TeacherServer) -> None:
    teacher.reply = lambda body: "red \ud83d"
    generate.main("colour")
    assert sampled_rows(ingested)[0]["samples"][0]["response"] == "red ?"


def test_tokens_of_the_reasoning_are_billed_wherever_a_server_counts_them() -> None:
    def tokens(**usage: object) -> tuple[object, object]:
        reply = {"choices": [{"message": {"content": "red"}}], "usage": usage}
        record = read_reply(json.dumps(reply).encode())
        return record.get("prompt_tokens"), record.get("completion_tokens")

    assert tokens(prompt_tokens=10, completion_tokens=302, total_tokens=312) == (10, 302)
    assert tokens(prompt_tokens=10, completion_tokens=2, total_tokens=312) == (10, 302)
    assert tokens(prompt_tokens=10, completion_tokens=2) == (10, 2)
    assert tokens(prompt_tokens=-5, completion_tokens=True, total_tokens="12") == (None, None)
    assert tokens(prompt_tokens=10**30, completion_tokens=2) == (None, 2)


def test_a_broken_count_of_tokens_loses_no_paid_answer() -> None:
    reply = {
        "choices": [{"message": {"content": "red"}, "logprobs": {"content": [{"logprob": None}]}}],
        "usage": [],
    }
    record = read_reply(json.dumps(reply).encode())
    assert record == {"response": "red", "finish_reason": None, "model": ""}
