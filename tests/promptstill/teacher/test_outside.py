"""Whatever a server sends, asking ends with rows or with one line, and what is read can be written."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from promptstill.console.errors import UserError
from promptstill.core.files import compact_json
from promptstill.teacher.budget import cost_of
from promptstill.teacher.capabilities import Capabilities
from promptstill.teacher.journal import Journal
from promptstill.teacher.pauses import pause_of
from promptstill.teacher.replies import NoAnswerError, judge_status, message_of, read_reply, scrub
from stages.generate import __main__ as generate
from stages.ingest import __main__ as ingest
from tests.params import generate_params
from tests.project import configure, read_lines, row, write_lines
from tests.promptstill.teacher.project_state import PRICE
from tests.teacher_server import Fault, TeacherServer

DIGITS = "9" * 5_000
DEEP = "[" * 100_000
NAMES = st.sampled_from(
    ["choices", "message", "content", "refusal", "finish_reason", "model", "usage", "prompt_tokens",
     "logprobs", "completion_tokens", "total_tokens", "logprob",
     "error", "detail", "msg", "loc", "code", "param", "type"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**4000), st.floats(), st.text(max_size=20),
    st.sampled_from(["\ud83d", "\x00", "\x1b[31m", "red", "max_completion_tokens", "[" * 9000]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    """A chat completion in which anything may be of the wrong type."""
    message = draw(st.one_of(VALUES, st.fixed_dictionaries({"content": VALUES})))
    choice = draw(
        st.one_of(
            VALUES, st.just({"message": message, "finish_reason": draw(VALUES), "logprobs": draw(VALUES)})
        )
    )
    usage = st.fixed_dictionaries(
        {}, optional={name: VALUES for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    )
    return {
        "choices": draw(st.one_of(VALUES, st.just([choice]))),
        "usage": draw(st.one_of(VALUES, usage)),
        "model": draw(VALUES),
    }


BODIES = st.one_of(
    st.binary(max_size=200),
    VALUES.map(lambda value: json.dumps(value).encode()),
    completions().map(lambda reply: json.dumps(reply).encode()),
    st.just(DEEP.encode()),
    st.just(f'{{"choices": [{{"message": {{"content": {DIGITS}}}}}]}}'.encode()),
    st.just(json.dumps({"choices": [{"message": {"content": DEEP[:15_000]}}]}).encode()),
    st.just(json.dumps({"choices": [{"message": {"content": f'{{"sure": {DIGITS}}}'}}]}).encode()),
    st.just(f'{{"error": {{"message": {DIGITS}}}}}'.encode()),
)
WAITS = st.one_of(
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["1790000000000", DIGITS, "6m0s", "9" * 400 + "h", "Sat, 99 Nov 99999 12:02:30 GMT"]),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Retry-After", "retry-after-ms", "llm_provider-retry-after", "x-ratelimit-reset-requests",
         "x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset"]
    ),
    WAITS,
    max_size=3,
)  # fmt: skip


@given(BODIES)
def test_any_body_is_a_record_that_can_be_written_or_no_answer(body: bytes) -> None:
    try:
        record = read_reply(body)
    except NoAnswerError as error:
        assert str(error)
        return
    compact_json(record).encode("utf-8")
    assert record["finish_reason"] is None or isinstance(record["finish_reason"], str)
    assert all(math.isfinite(value) for value in record.get("logprobs", []))
    cost = cost_of(record, generate_params(price=PRICE))
    assert cost is None or 0 <= cost < 2**63


@given(VALUES, st.integers(100, 599), HEADERS)
def test_any_error_has_a_verdict_that_can_be_written(body: Any, status: int, headers: dict[str, str]) -> None:
    message = scrub(message_of(body), "secret")
    pause = pause_of(headers, status, datetime(2026, 11, 21, tzinfo=UTC))
    verdict = judge_status(status, message, pause=pause)
    verdict.reason.encode("utf-8", "surrogatepass")
    assert verdict.reason.isprintable() and "\n" not in verdict.reason
    assert pause is None or 0 <= pause < 4e8


@given(
    VALUES,
    st.dictionaries(NAMES | st.sampled_from(["temperature", "max_tokens", "response_format"]), SCALARS),
)
def test_any_refusal_is_learnt_once_or_not_at_all(body: Any, sent: dict[str, Any]) -> None:
    with Journal(Path(":memory:")) as journal:
        names = Capabilities(journal, "m").learn(400, message_of(body), sent, "http://x")
        assert set(names) <= set(sent)


@profile(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.builds(
            Fault, st.sampled_from([200, 200, 200, 302, 400, 403, 422, 429, 500, 503]), HEADERS, BODIES
        ),
        min_size=4,
        max_size=20,
    )
)
def test_no_server_ends_a_run_with_a_traceback(
    ingested: Path, teacher: TeacherServer, faults: list[Fault]
) -> None:
    configure(
        ingested, "colour-json", base_url=teacher.url, samples=1, max_samples=2, structured=True,
        max_failure_fraction=1.0, max_retries=1, max_wait_seconds=0.02, first_wait_seconds=0.005,
        timeout_seconds=2, price=PRICE, sampling={"max_tokens": 8, "temperature": 0.5},
    )  # fmt: skip
    write_lines(ingested / "data/traffic/colour-json.jsonl", [row(i) for i in range(12)])
    ingest.main("colour-json")
    (ingested / ".still/journal.sqlite").unlink(missing_ok=True)
    teacher.requests.clear()
    teacher.fault = lambda number, body: faults[number % len(faults)] if number % 3 else None
    try:
        generate.main("colour-json")
    except UserError as error:
        assert "\n" not in str(error) and str(error).isprintable()
        return
    dead = read_lines(ingested / "data/generate/colour-json/dead.jsonl")
    assert all(line["reason"] for line in dead)


@pytest.mark.parametrize(
    "content",
    [DEEP[:15_000], '{"colour": ' * 1_500, f'{{"sure": {DIGITS}}}', '{"sure": 1e999}', "\x00", "NaN"],
    ids=["deep", "deep objects", "5,000 digits", "infinite", "NUL", "NaN"],
)
def test_a_reply_that_no_parser_likes_is_kept_and_is_no_answer(
    ingested: Path, teacher: TeacherServer, content: str
) -> None:
    configure(ingested, "colour-json", base_url=teacher.url, samples=1, max_samples=2)
    ingest.main("colour-json")
    teacher.reply = lambda body: content
    generate.main("colour-json")
    rows = read_lines(ingested / "data/generate/colour-json/rows.jsonl")
    assert rows[0]["samples"][0]["response"] == content
