"""Parts of a request that some servers refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptstill.core.paths import journal_file
from promptstill.teacher.capabilities import Fact, facts
from promptstill.teacher.journal import Journal
from stages.generate import __main__ as generate
from stages.ingest import __main__ as ingest
from tests.conftest import Run
from tests.project import configure, read_lines, row, write
from tests.promptstill.teacher.project_state import PRICE, REQUESTS, ROWS, sampled_rows, spent
from tests.teacher_server import Fault, TeacherServer, last_line

# What OpenAI's models that reason answer.
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
NO_MAX_TOKENS = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)
NO_TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is "
    "supported."
)


def refusing(
    words: Callable[[dict[str, Any]], str | None],
) -> Callable[[int, dict[str, Any]], Fault | None]:
    """A fault for bodies about which `words` has a message."""

    def fault(number: int, body: dict[str, Any]) -> Fault | None:
        message = words(body)
        return (
            None if message is None else Fault(400, body=json.dumps({"error": {"message": message}}).encode())
        )

    return fault


def like_a_model_that_reasons(body: dict[str, Any]) -> str | None:
    if "max_tokens" in body:
        return NO_MAX_TOKENS
    return NO_TEMPERATURE if body.get("temperature", 1) != 1 else None


@pytest.mark.parametrize(("feature", "word"), [("structured", "response_format"), ("logprobs", "logprobs")])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_refused_feature_is_left_out_and_no_row_is_lost(
    ingested: Path, teacher: TeacherServer, feature: str, word: str, concurrency: int
) -> None:
    """Also for the rows that were in flight when the refusal was learnt."""
    features: dict[str, Any] = {feature: True}
    teacher.fault = refusing(
        lambda body: f"'{word}' is not supported by this model" if word in body else None
    )
    teacher.seconds = 0.02
    configure(ingested, base_url=teacher.url, concurrency=concurrency, max_retries=0, **features)
    generate.main("colour")
    refused = sum(word in body for body in teacher.requests)
    assert 1 <= refused <= concurrency
    assert len(teacher.requests) == REQUESTS + refused
    assert len(sampled_rows(ingested)) == ROWS
    if feature == "structured":
        assert all(not sample["structured"] for row in sampled_rows(ingested) for sample in row["samples"])
    asked = len(teacher.requests)
    configure(ingested, base_url=teacher.url, **features)
    (ingested / "data/generate/colour/rows.jsonl").unlink()
    generate.main("colour")
    assert len(teacher.requests) == asked


def test_an_accepted_feature_is_sent_and_its_result_is_kept(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, structured=True, logprobs=True)
    generate.main("colour")
    assert all(body["response_format"]["json_schema"]["schema"] for body in teacher.requests)
    samples = [sample for row in sampled_rows(ingested) for sample in row["samples"]]
    assert all(sample["structured"] and sample["logprob"] == -0.75 for sample in samples)
    assert all("left_out" not in sample for sample in samples)


def test_a_refused_schema_says_nothing_about_another(ingested: Path, teacher: TeacherServer) -> None:
    def words(body: dict[str, Any]) -> str | None:
        bad = "bad" in json.dumps(body.get("response_format"))
        return "Invalid schema for response_format 'answer': 'bad' is not permitted" if bad else None

    teacher.fault = refusing(words)
    path = ingested / "expectations/colour/answer.schema.json"
    good = json.loads(path.read_text())
    write(path, json.dumps(good | {"description": "bad"}))
    configure(ingested, base_url=teacher.url, structured=True)
    generate.main("colour")
    assert not any(sample["structured"] for line in sampled_rows(ingested) for sample in line["samples"])

    write(path, json.dumps(good))
    generate.main("colour")
    assert all(sample["structured"] for line in sampled_rows(ingested) for sample in line["samples"])


def test_a_model_that_reasons_is_asked_in_its_own_terms(
    ingested: Path, teacher: TeacherServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The keys of the requests are those that another server of the endpoint would have got."""
    sampling = {"temperature": 0.7, "max_tokens": 8}
    settings: dict[str, Any] = {"price": PRICE, "sampling": sampling, "max_usd": 1.0, "max_retries": 0}
    configure(ingested, base_url=teacher.url, concurrency=1, **settings)
    generate.main("colour")
    plain = sampled_rows(ingested)
    assert all("left_out" not in sample for line in plain for sample in line["samples"])
    (ingested / ".still/journal.sqlite").unlink()
    teacher.requests.clear()

    teacher.fault = refusing(like_a_model_that_reasons)
    generate.main("colour")
    assert len(teacher.requests) == REQUESTS + 2
    assert teacher.requests[-1]["max_completion_tokens"] == 8
    assert not {"max_tokens", "temperature"} & set(teacher.requests[-1])
    rows = sampled_rows(ingested)
    assert [line["teacher"]["request_keys"] for line in rows] == [
        line["teacher"]["request_keys"] for line in plain
    ]
    assert all(sample["left_out"] == ["temperature"] for line in rows for sample in line["samples"])
    assert spent(ingested)[0] == REQUESTS * 18_000_000, "refusals cost nothing"
    shown = capsys.readouterr().err
    assert (
        f"{teacher.url}: refuses max_tokens ({NO_MAX_TOKENS}); the run sends max_completion_tokens instead\n"
        in shown
    )
    assert f"{teacher.url}: refuses temperature ({NO_TEMPERATURE}); the run asks without it\n" in shown


def test_a_refusal_can_be_forgotten(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    def journal(*arguments: str) -> str:
        ended = run("still.cli", "journal", *arguments, cwd=ingested, COLUMNS="20")
        return ended.stdout + ended.stderr

    def sent() -> set[str]:
        """The parts that the latest request had."""
        return {"response_format", "seed"} & set(teacher.requests[-1])

    with Journal(journal_file()):
        assert journal("facts").endswith("journal.sqlite: no server has refused a part of a request\n")
    teacher.fault = refusing(
        lambda body: next(
            (f"{part} is not supported" for part in ("response_format", "seed") if part in body), None
        )
    )
    configure(ingested, base_url=teacher.url, structured=True, sampling={"seed": 3})
    generate.main("colour")
    teacher.fault = lambda number, body: None
    assert re.fullmatch(
        "".join(
            rf"{re.escape(teacher.url)} refuses {part} for test-teacher, learnt at {TIME}\n"
            for part in ("response_format [0-9a-f]{12}", "seed")
        ),
        journal("facts"),
    ), "no line is folded, however narrow the terminal is"

    wrong = journal("forget", teacher.url, "temperature")
    assert wrong.count("\n") == 1
    assert f"{teacher.url} has not refused temperature; name one of: {teacher.url} response_format" in wrong
    assert "has not refused anything" in journal("forget", "http://127.0.0.1:1/v1")

    assert "forgotten that it refuses seed for test-teacher" in journal("forget", teacher.url, "seed")
    write(ingested / "prompts/colour/teacher.md", "Which colour?\n{input}\n")
    generate.main("colour")
    assert sent() == {"seed"}
    assert "refuses response_format" in journal("forget", teacher.url)
    write(ingested / "prompts/colour/teacher.md", "What colour?\n{input}\n")
    generate.main("colour")
    assert sent() == {"response_format", "seed"}
    assert "no server has refused" in journal("facts")


def test_a_refusal_of_an_older_journal_is_listed_without_its_time(project: Path) -> None:
    with Journal(journal_file()) as journal:
        journal.note_fact("http://a/v1 my model seed", "refused")
        assert facts(journal) == [Fact("http://a/v1 my model seed", "http://a/v1", "my model", "seed", "")]


def test_a_value_that_is_wrong_is_an_error_and_not_a_refused_setting(
    ingested: Path, teacher: TeacherServer
) -> None:
    configure(ingested, base_url=teacher.url, sampling={"temperature": 1.7}, max_failure_fraction=1.0)
    teacher.fault = refusing(lambda body: "temperature must be at most 1" if "temperature" in body else None)
    generate.main("colour")
    dead = read_lines(ingested / "data/generate/colour/dead.jsonl")
    assert {line["reason"] for line in dead} == {"status 400 (temperature must be at most 1)"}


def test_a_field_that_a_framework_forbids_is_left_out(ingested: Path, teacher: TeacherServer) -> None:
    detail = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
    teacher.fault = lambda number, body: (
        Fault(422, body=json.dumps({"detail": detail}).encode()) if "seed" in body else None
    )
    configure(ingested, base_url=teacher.url, sampling={"seed": 3})
    generate.main("colour")
    assert sampled_rows(ingested)[0]["samples"][0]["left_out"] == ["seed"]


def test_reasoning_that_uses_up_the_tokens_is_said_at_once(
    ingested: Path, teacher: TeacherServer, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = row(1)["input"]
    usual = teacher.reply
    teacher.reply = lambda body: "" if last_line(body) == silent else usual(body)
    teacher.finish = lambda body: "length" if last_line(body) == silent else "stop"
    configure(ingested, base_url=teacher.url, sampling={"max_tokens": 8})
    ingest.main("colour")
    generate.main("colour")
    assert capsys.readouterr().err == (
        f"{teacher.url}: a reply reached sampling.max_tokens = 8 before any text, and is paid for; raise the "
        "limit\n"
    )
