"""Everything that reads from outside, each with the inputs to feed it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.batches import Exchange, collect, exchanges
from benchmarks.fuzz.inputs import TEXTS, damaged, document, lines, yaml_file
from promptstill.answers.consensus import decide
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import compact_json, read_lines
from promptstill.core.paths import PARAMS, expectation_file, golden_file, reviews_file, traffic_file
from promptstill.core.settings import StageParams
from promptstill.reviews.decisions import check_reviews
from promptstill.rows.row import Sample
from promptstill.rows.slices import load_slices, slices_of
from promptstill.teacher.replies import NoAnswerError, read_reply
from stages.ingest import __main__ as ingest
from stages.validate.suite import read_suite
from still.check import check_tasks
from still.import_rows import import_rows
from still.params import BLOCKS, described
from tests.params import section
from tests.project import JSON_SCHEMA, SUITE, golden_case, row

TASK = "colour-json"
ANSWER = {"colour": "red", "sure": 0.9, "alarm": None}
REPLY = f"Here it is:\n```json\n{json.dumps(ANSWER)}\n```\nDone."
CHAT = {
    "choices": [
        {
            "message": {"role": "assistant", "content": REPLY},
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "a", "logprob": -0.5}]},
        }
    ],
    "model": "m",
    "usage": {"prompt_tokens": 9, "completion_tokens": 7},
}
LOG = {"request": {"messages": [{"role": "user", "content": "hi"}]}, "user": "u", "created": 1790000000}
REVIEW = {
    "input_hash": "a" * 64,
    "id": "row-000",
    "decision": "edit",
    "answer": ANSWER,
    "teacher_answer": ANSWER,
    "reviewer": "r",
    "at": "2026-03-01T00:00:00Z",
}


RULES = {
    "format": "json",
    "label": "colour",
    "scored": {"alarm": "alarm_accuracy"},
    "confidence": "sure",
    "python": True,
    "keys": {
        "colour": {"names": ["color"], "case": "lower", "aliases": {"crimson": "red"}, "enum_spelling": True},
        "alarm": {"null_words": ["none"], "number": False},
    },
}
SLICES = {
    "slices": [
        {"name": "email_rows", "source": ["email"]},
        {"name": "comments", "pattern": r"(?m)^\s*(//|#)", "min_chars": 20, "max_chars": 400},
        {"name": "greek", "script": "Greek", "min_scripts": 2, "tag": "a"},
    ]
}


@dataclass(frozen=True)
class Reader:
    """What is fed to a reader, and the reader."""

    inputs: st.SearchStrategy[Any]
    read: Callable[[Any], object]


def _traffic(content: bytes) -> None:
    traffic_file(TASK).write_bytes(content)
    golden_file(TASK).write_text(compact_json(golden_case(0, lambda _: ANSWER)) + "\n")
    ingest.main(TASK)


def _golden(content: bytes) -> None:
    traffic_file(TASK).write_text(compact_json(row(0)) + "\n")
    golden_file(TASK).write_bytes(content)
    ingest.main(TASK)


def _reviews(content: bytes) -> None:
    path = reviews_file(TASK)
    path.write_bytes(content)
    check_reviews(read_lines(path), AnswerSpec.load(TASK), path)


def _suite(content: bytes) -> None:
    path = expectation_file(TASK, "suite.json")
    path.write_bytes(content)
    read_suite(path, AnswerSpec.load(TASK))


def _schema(content: bytes) -> None:
    expectation_file("colour", "answer.schema.json").write_bytes(content)
    AnswerSpec.load("colour").parse("red")


def _normalise(content: bytes) -> None:
    expectation_file(TASK, "normalise.yaml").write_bytes(content)
    spec = AnswerSpec.load(TASK)
    sample: Sample = {"sample": 0, "response": REPLY, "finish_reason": "stop"}
    compact_json(decide([sample], spec)).encode()
    spec.hash.encode()


def _slices(content: bytes) -> None:
    expectation_file(TASK, "slices.yaml").write_bytes(content)
    slices_of("# A line in Greek: \u03b1\u03b2", ["a"], "email", load_slices(TASK))


def _params(content: tuple[type[StageParams], bytes]) -> None:
    block, text = content
    PARAMS.write_bytes(text)
    "\n".join(described(block.load(TASK), "")).encode()


def _check(content: bytes) -> None:
    PARAMS.write_bytes(content)
    check_tasks([TASK])


def _params_file(*stages: str) -> dict[str, Any]:
    blocks = section()
    return {"tasks": [TASK], TASK: {stage: blocks[stage] for stage in stages}}


def _block(block: type[StageParams]) -> st.SearchStrategy[tuple[type[StageParams], bytes]]:
    return st.tuples(st.just(block), yaml_file(_params_file(block.stage)))


def _batch(exchange: Exchange) -> None:
    collect(TASK, exchange)


def _reply(content: bytes) -> None:
    try:
        record = read_reply(content)
    except NoAnswerError:
        return
    compact_json(record).encode()
    sample: Sample = {"sample": 0, "response": record["response"], "finish_reason": record["finish_reason"]}
    decision = decide([sample], AnswerSpec.load(TASK))
    compact_json(decision).encode()


def _reply_text(text: str) -> None:
    spec = AnswerSpec.load(TASK)
    parsed = spec.parse(text)
    if parsed.answer is not None:
        assert spec.parse(spec.text(parsed.answer)).answer == parsed.answer, "the answer reads as itself"


def _import(form: str) -> Callable[[bytes], None]:
    def read(content: bytes) -> None:
        traffic_file(TASK).write_text("")
        source = Path(f"delivery.{form}")
        source.write_bytes(content)
        import_rows(TASK, source, form, [], "2026-03-01T00:00:00Z", "")

    return read


ROWS = [{**row(i), "tags": ["a"]} for i in range(4)]
CSV = b'id,input,timestamp,source\n1,"a, b",2026-03-01T00:00:00Z,mail\n2,\xc3\xa9,2026-03-02T00:00:00Z,\n'
READERS = {
    "traffic": Reader(lines(ROWS), _traffic),
    "golden": Reader(lines([golden_case(i, lambda _: ANSWER) for i in range(3)]), _golden),
    "reviews": Reader(lines([REVIEW, REVIEW | {"decision": "reject", "answer": None}]), _reviews),
    "suite": Reader(document(SUITE), _suite),
    "schema": Reader(document(JSON_SCHEMA), _schema),
    "normalise": Reader(yaml_file(RULES), _normalise),
    "slices": Reader(yaml_file(SLICES), _slices),
    "params": Reader(st.one_of([_block(block) for block in BLOCKS]), _params),
    "check": Reader(yaml_file(_params_file(*section())), _check),
    "batches": Reader(exchanges(CHAT), _batch),
    "server_replies": Reader(document(CHAT), _reply),
    "reply_texts": Reader(
        st.one_of(TEXTS, damaged(REPLY.encode()).map(lambda b: b.decode("utf-8", "replace"))), _reply_text
    ),
    "import_csv": Reader(damaged(CSV), _import("csv")),
    "import_jsonl": Reader(lines(ROWS), _import("jsonl")),
    "import_chat": Reader(lines([LOG]), _import("chat")),
}
