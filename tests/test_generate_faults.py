"""What servers do wrong, and what becomes of the rows."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from stages.generate import __main__ as generate
from stages.generate.fleet import Server, retry_after
from stages.generate.params import Limits
from stages.generate.replies import NoAnswerError, read_reply
from stages.shared.errors import UserError
from tests.conftest import TEACHER_KEY
from tests.project import configure, params, read_lines, row
from tests.teacher_server import Fault, TeacherServer, last_line

ROWS, REQUESTS = 12, 36


def limits(**changes: Any) -> Limits:
    return Limits.check(params()["generate"]["limits"] | changes, "here")


def outcome(project: Path) -> list[dict[str, Any]]:
    """The rows that came out, without when they were recorded."""
    rows = read_lines(project / "data/generate/colour/rows.jsonl")
    for one in rows:
        del one["teacher"]["recorded_at"]
    return rows


HTML = b"<html><body>Bad gateway</body></html>"
EMPTY = json.dumps({"object": "chat.completion", "model": "m", "choices": []}).encode()
FAULTS = {
    "429 with seconds": Fault(429, {"Retry-After": "0"}),
    "429 with a date": Fault(429, {"Retry-After": format_datetime(datetime.now(UTC), usegmt=True)}),
    "429 without Retry-After": Fault(429),
    "500": Fault(500),
    "502 in HTML": Fault(502, {"Content-Type": "text/html"}, HTML),
    "503": Fault(503),
    "503 with Retry-After": Fault(503, {"Retry-After": "0"}),
    "connection reset": Fault(action="reset"),
    "closed half way": Fault(action="half"),
    "stall": Fault(action="stall"),
    "JSON cut off": Fault(200, body=b'{"choices": [{"message": {"cont'),
    "not JSON": Fault(200, body=b"\xff\xfe no"),
    "wrong content type": Fault(200, {"Content-Type": "text/html"}, HTML),
    "JSON of another kind": Fault(200, body=b'["hello"]'),
    "no choices": Fault(200, body=EMPTY),
    "a choice without message": Fault(200, body=b'{"choices": [{}]}'),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_after_any_fault_that_passes_every_row_is_complete(
    ingested: Path, teacher: TeacherServer, fault: Fault
) -> None:
    configure(ingested, base_url=teacher.url, timeout_seconds=0.3)
    generate.main("colour")
    expected = outcome(ingested)
    (ingested / ".still/journal.sqlite").unlink()

    teacher.requests.clear()
    teacher.fault = lambda number, body: fault if number in (1, 2, 9, 20, 21, 22) else None
    generate.main("colour")
    assert outcome(ingested) == expected
    assert len(teacher.requests) == REQUESTS + 6, "only what failed is sent again"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_server_that_does_nothing_else_ends_the_run(
    ingested: Path, teacher: TeacherServer, fault: Fault
) -> None:
    configure(ingested, base_url=teacher.url, timeout_seconds=0.1, max_retries=1)
    teacher.fault = lambda number, body: fault
    with pytest.raises(UserError, match="and are kept"):
        generate.main("colour")
    assert not (ingested / "data/generate/colour/rows.jsonl").exists()


@pytest.mark.parametrize("status", [400, 422, 500], ids=["refused", "unprocessable", "failing"])
def test_poison_rows_are_given_up_and_the_rest_complete(
    ingested: Path, teacher: TeacherServer, status: int
) -> None:
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.2)
    poison = {row(i)["input"] for i in (2, 5, 11)}
    teacher.fault = lambda number, body: status if last_line(body) in poison else None
    generate.main("colour")
    dead = read_lines(ingested / "data/generate/colour/dead.jsonl")
    assert [one["id"] for one in dead] == ["row-002", "row-005", "row-011"]
    assert all(one["reason"] == f"status {status} (fault {status})" for one in dead)
    assert len(outcome(ingested)) == ROWS - 3
    tries = {text: sum(last_line(body) == text for body in teacher.requests) for text in poison}
    assert set(tries.values()) == {1 if status < 500 else 4}, "as many tries as params allow"


def test_a_golden_case_that_is_given_up_stays(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.1)
    golden = read_lines(ingested / "data/ingest/colour/golden.jsonl")
    teacher.fault = lambda number, body: 400 if last_line(body) == golden[0]["input"] else None
    generate.main("colour")
    cases = read_lines(ingested / "data/generate/colour/golden.jsonl")
    assert [one["id"] for one in cases] == [one["id"] for one in golden]
    assert cases[0]["samples"] == []
    metrics = json.loads((ingested / "metrics/colour/generate.json").read_text())
    assert (metrics["golden_unanswered"], metrics["kept"], metrics["rejected"]) == (1, ROWS, 0)


@pytest.mark.parametrize("as_date", [False, True])
def test_nothing_is_sent_before_retry_after(ingested: Path, teacher: TeacherServer, as_date: bool) -> None:
    told_at: list[float] = []
    # A date has whole seconds, so it may mean less than it says, by up to one.
    pause = 2.0 if as_date else 1.0

    def fault(number: int, body: dict[str, Any]) -> Fault | None:
        if number != 12:
            return None
        told_at.append(time.monotonic())
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=pause), usegmt=True)
        return Fault(429, {"Retry-After": date if as_date else str(pause)})

    teacher.fault = fault
    teacher.seconds = 0.02
    generate.main("colour")
    # What was in flight when the server spoke arrives around the same time.
    late = [at - told_at[0] for at in teacher.arrivals if at > told_at[0] + 0.1]
    assert min(late) >= pause - (1.0 if as_date else 0.0)
    assert len(teacher.requests) == REQUESTS + 1


def test_a_wait_of_minutes_is_kept_and_a_longer_one_ends_the_run(
    ingested: Path, teacher: TeacherServer
) -> None:
    server = Server("http://here", None, limits(max_wait_seconds=600))  # type: ignore[arg-type]
    server.limited(started=5.0, now=10.0, retry_after=150.0)
    assert not server.lost
    assert not server.ready(159.9)
    assert server.ready(160.1)

    teacher.fault = lambda number, body: Fault(429, {"Retry-After": "700"})
    with pytest.raises(
        UserError, match=r"asks to wait until \d{4}-.* UTC, longer than limits.max_wait_seconds"
    ):
        generate.main("colour")
    assert len(teacher.requests) <= 8, "nothing but what was in flight"


def test_retry_after_in_both_forms() -> None:
    def asked(value: str | None) -> float | None:
        reply = type("Reply", (), {"headers": {} if value is None else {"retry-after": value}})
        return retry_after(reply, datetime(2026, 11, 21, 12, tzinfo=UTC))

    assert asked("150") == 150
    assert asked("0.5") == 0.5
    assert asked("Sat, 21 Nov 2026 12:02:30 GMT") == 150
    assert asked("Sat, 21 Nov 2026 11:00:00 GMT") == 0
    assert asked("-3") == 0
    assert asked(None) is asked("soon") is asked("nan") is asked("inf") is None


def test_a_limited_server_is_driven_with_less_in_flight(ingested: Path, teacher: TeacherServer) -> None:
    """More than three at once are refused, as a server with few places does."""
    in_flight = threading.Semaphore(3)

    def fault(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault(429) if teacher.most_in_flight > 3 and not in_flight.acquire(blocking=False) else None

    teacher.seconds = 0.02
    teacher.fault = fault
    configure(ingested, base_url=teacher.url, concurrency=16, max_retries=8)

    def release() -> None:
        while not done.wait(0.02):
            in_flight.release()

    done = threading.Event()
    thread = threading.Thread(target=release)
    thread.start()
    try:
        generate.main("colour")
    finally:
        done.set()
        thread.join()
    assert len(outcome(ingested)) == ROWS


def test_the_minute_holds_no_more_than_the_limit(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, requests_per_minute=1200, concurrency=16)
    generate.main("colour")
    arrivals = sorted(teacher.arrivals)
    spans = [later - earlier for earlier, later in zip(arrivals, arrivals[20:], strict=False)]
    assert min(spans) >= 0.9, "20 requests a second"
    server = Server("http://here", None, limits(tokens_per_minute=6000))  # type: ignore[arg-type]
    assert [server.turn(100, now=0.0) for _ in range(3)] == [0.0, 1.0, 2.0]


def test_cut_off_and_filtered_answers_are_paid_once_and_never_kept(
    ingested: Path, teacher: TeacherServer
) -> None:
    ends = {row(1)["input"]: "length", row(4)["input"]: "content_filter"}
    teacher.finish = lambda body: ends.get(last_line(body), "stop")
    generate.main("colour")
    generate.main("colour")
    assert len(teacher.requests) == REQUESTS
    from stages.validate import __main__ as validate

    validate.main("colour")
    judged = {one["id"]: one for one in read_lines(ingested / "data/validate/colour/rows.jsonl")}
    assert (judged["row-001"]["status"], judged["row-001"]["problem"]) == ("rejected", "cut_off")
    assert (judged["row-004"]["status"], judged["row-004"]["problem"]) == ("rejected", "content_filter")
    assert judged["row-002"]["status"] == "kept"


def test_of_a_doubled_answer_the_first_counts() -> None:
    choice = {"finish_reason": "stop", "message": {"content": "red"}}
    other = {"finish_reason": "stop", "message": {"content": "blue"}}
    assert read_reply(json.dumps({"choices": [choice, other]}).encode())["response"] == "red"
    with pytest.raises(NoAnswerError, match="not JSON"):
        read_reply(json.dumps({"choices": [choice]}).encode() * 2)


def test_a_refusal_in_its_own_field_is_the_reply() -> None:
    message = {"content": None, "refusal": "I cannot"}
    assert read_reply(json.dumps({"choices": [{"message": message}]}).encode())["response"] == "I cannot"


def test_half_a_surrogate_pair_is_no_end_of_the_run(ingested: Path, teacher: TeacherServer) -> None:
    teacher.reply = lambda body: "red \ud83d"
    generate.main("colour")
    assert outcome(ingested)[0]["samples"][0]["response"] == "red ?"


def test_a_server_that_starts_late_is_waited_for(ingested: Path) -> None:
    with TeacherServer() as spare:
        port = spare.port
    late = TeacherServer(port=port)
    configure(ingested, base_url=late.url, max_retries=8, first_wait_seconds=0.1, concurrency=2)
    starter = threading.Timer(0.8, late.__enter__)
    starter.start()
    try:
        generate.main("colour")
    finally:
        starter.join()
        late.__exit__(None, None, None)
    assert len(late.requests) == REQUESTS


def test_of_several_servers_a_failing_one_is_left_and_brought_back(
    ingested: Path, teacher: TeacherServer
) -> None:
    with TeacherServer() as ill:
        ill.fault = lambda number, body: 500 if number <= 7 else None
        ill.seconds = teacher.seconds = 0.02
        configure(ingested, base_url=[ill.url, teacher.url], concurrency=2, first_wait_seconds=0.02)
        generate.main("colour")
        assert len(outcome(ingested)) == ROWS
        assert len(ill.requests) > 7, "it was asked again after its rests"
        assert len(ill.requests) + len(teacher.requests) == REQUESTS + 7


def test_with_one_server_gone_the_others_do_everything(ingested: Path, teacher: TeacherServer) -> None:
    with TeacherServer() as gone:
        address = gone.url
    configure(ingested, base_url=[address, teacher.url], concurrency=2, max_retries=1)
    generate.main("colour")
    assert len(teacher.requests) == REQUESTS


def test_another_server_of_the_fleet_asks_nothing_anew(ingested: Path, teacher: TeacherServer) -> None:
    generate.main("colour")
    with TeacherServer() as other:
        configure(ingested, base_url=[other.url, teacher.url])
        generate.main("colour")
        assert other.requests == []


@pytest.mark.parametrize(("feature", "word"), [("structured", "response_format"), ("logprobs", "logprobs")])
def test_a_feature_that_is_refused_is_found_out_once(
    ingested: Path, teacher: TeacherServer, feature: str, word: str
) -> None:
    def fault(number: int, body: dict[str, Any]) -> Fault | None:
        error = {"error": {"message": f"'{word}' is not supported by this model"}}
        return Fault(400, body=json.dumps(error).encode()) if word in body else None

    features: dict[str, Any] = {feature: True}
    teacher.fault = fault
    configure(ingested, base_url=teacher.url, concurrency=1, **features)
    generate.main("colour")
    assert sum(word in body for body in teacher.requests) == 1
    assert len(teacher.requests) == REQUESTS + 1
    if feature == "structured":
        assert all(not sample["structured"] for one in outcome(ingested) for sample in one["samples"])
    asked = len(teacher.requests)
    configure(ingested, base_url=teacher.url, **features)
    (ingested / "data/generate/colour/rows.jsonl").unlink()
    generate.main("colour")
    assert len(teacher.requests) == asked


def test_what_the_server_takes_is_sent_and_kept(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, structured=True, logprobs=True)
    generate.main("colour")
    assert all(body["response_format"]["json_schema"]["schema"] for body in teacher.requests)
    samples = [sample for one in outcome(ingested) for sample in one["samples"]]
    assert all(sample["structured"] and sample["logprob"] == -0.75 for sample in samples)


@pytest.mark.parametrize("status", [401, 403, 404, 402])
def test_what_no_request_can_pass_stops_at_once(ingested: Path, teacher: TeacherServer, status: int) -> None:
    teacher.fault = lambda number, body: Fault(
        status, body=json.dumps({"error": {"message": f"bad key {TEACHER_KEY}"}}).encode()
    )
    with pytest.raises(UserError, match=f"status {status}") as told:
        generate.main("colour")
    assert TEACHER_KEY not in str(told.value)
    assert len(teacher.requests) <= 8


def test_a_spent_account_is_no_rate_limit(ingested: Path, teacher: TeacherServer) -> None:
    body = json.dumps({"error": {"message": "quota", "code": "insufficient_quota"}}).encode()
    teacher.fault = lambda number, asked: Fault(429, {"Retry-After": "1"}, body)
    with pytest.raises(UserError, match="the account has no money left"):
        generate.main("colour")
