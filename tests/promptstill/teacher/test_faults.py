"""What servers do wrong, and what becomes of the rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from stages.generate import __main__ as generate
from stages.validate import __main__ as validate
from tests.conftest import TEACHER_KEY
from tests.project import configure, read_lines, row
from tests.promptstill.teacher.project_state import REQUESTS, ROWS, sampled_rows
from tests.teacher_server import Fault, TeacherServer, last_line

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
    expected = sampled_rows(ingested)
    (ingested / ".still/journal.sqlite").unlink()

    teacher.requests.clear()
    teacher.fault = lambda number, body: fault if number in (1, 2, 9, 20, 21, 22) else None
    generate.main("colour")
    assert sampled_rows(ingested) == expected
    assert len(teacher.requests) == REQUESTS + 6, "only what failed is sent again"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_server_that_always_fails_ends_the_run(
    ingested: Path, teacher: TeacherServer, fault: Fault
) -> None:
    configure(ingested, base_url=teacher.url, timeout_seconds=0.1, max_retries=1, max_wait_seconds=0.1)
    teacher.fault = lambda number, body: fault
    with pytest.raises(UserError, match="and are kept") as raised:
        generate.main("colour")
    assert teacher.url in str(raised.value)
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
    assert [case["id"] for case in dead] == ["row-002", "row-005", "row-011"]
    assert all(case["reason"] == f"status {status} (fault {status})" for case in dead)
    assert len(sampled_rows(ingested)) == ROWS - 3
    tries = {text: sum(last_line(body) == text for body in teacher.requests) for text in poison}
    assert set(tries.values()) == {1 if status < 500 else 4}, "as many tries as params allow"


def test_a_golden_case_that_is_given_up_stays(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.1)
    golden = read_lines(ingested / "data/ingest/colour/golden.jsonl")
    teacher.fault = lambda number, body: 400 if last_line(body) == golden[0]["input"] else None
    generate.main("colour")
    cases = read_lines(ingested / "data/generate/colour/golden.jsonl")
    assert [case["id"] for case in cases] == [case["id"] for case in golden]
    assert cases[0]["samples"] == []
    metrics = json.loads((ingested / "data/generate/colour/metrics.json").read_text())
    assert (metrics["golden_unanswered"], metrics["kept"], metrics["rejected"]) == (1, ROWS, 0)


def test_cut_off_and_filtered_answers_are_paid_once_and_never_kept(
    ingested: Path, teacher: TeacherServer
) -> None:
    ends = {row(1)["input"]: "length", row(4)["input"]: "content_filter"}
    teacher.finish = lambda body: ends.get(last_line(body), "stop")
    generate.main("colour")
    generate.main("colour")
    assert len(teacher.requests) == REQUESTS
    validate.main("colour")
    judged = {line["id"]: line for line in read_lines(ingested / "data/validate/colour/rows.jsonl")}
    assert (judged["row-001"]["status"], judged["row-001"]["problem"]) == ("rejected", "cut_off")
    assert (judged["row-004"]["status"], judged["row-004"]["problem"]) == ("rejected", "content_filter")
    assert judged["row-002"]["status"] == "kept"


@pytest.mark.parametrize("status", [401, 403, 404, 402])
def test_a_failure_of_every_request_stops_the_run_at_once(
    ingested: Path, teacher: TeacherServer, status: int
) -> None:
    teacher.fault = lambda number, body: Fault(
        status, body=json.dumps({"error": {"message": f"bad key {TEACHER_KEY}"}}).encode()
    )
    with pytest.raises(UserError, match=f"status {status}") as raised:
        generate.main("colour")
    assert TEACHER_KEY not in str(raised.value)
    assert len(teacher.requests) <= 8


def test_an_empty_account_is_not_a_rate_limit(ingested: Path, teacher: TeacherServer) -> None:
    body = json.dumps({"error": {"message": "quota", "code": "insufficient_quota"}}).encode()
    teacher.fault = lambda number, request: Fault(429, {"Retry-After": "1"}, body)
    with pytest.raises(UserError, match="the account has no money left"):
        generate.main("colour")


def test_failed_requests_are_tried_again_and_answers_are_kept(ingested: Path, teacher: TeacherServer) -> None:
    poisoned = row(3)["input"]
    teacher.fault = lambda number, body: (
        400 if last_line(body) == poisoned else {1: 429, 2: 500, 3: 503}.get(number)
    )
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.1)
    generate.main("colour")
    (dead,) = read_lines(ingested / "data/generate/colour/dead.jsonl")
    assert (dead["id"], dead["reason"]) == ("row-003", "status 400 (fault 400)")
    assert len(read_lines(ingested / "data/generate/colour/rows.jsonl")) == 11
    metrics = json.loads((ingested / "data/generate/colour/metrics.json").read_text())
    assert (metrics["input"], metrics["kept"], metrics["rejected"]) == (12, 11, 1)
    assert metrics["reasons"] == {"status 400": 1}

    teacher.fault = lambda number, body: None
    asked = len(teacher.requests)
    generate.main("colour")
    assert len(teacher.requests) == asked + 2, "only the row that was given up is asked again"
    assert len(read_lines(ingested / "data/generate/colour/rows.jsonl")) == 12


def test_too_many_failures_stop_the_stage_and_lose_nothing(ingested: Path, teacher: TeacherServer) -> None:
    teacher.fault = lambda number, body: 400 if last_line(body) == row(3)["input"] else None
    with pytest.raises(UserError, match=r"1 row got no answer, the last one: status 400 .* and are kept"):
        generate.main("colour")
    assert not (ingested / "data/generate/colour/rows.jsonl").exists()
    answered = len(teacher.requests) - 1
    teacher.fault = lambda number, body: None
    generate.main("colour")
    assert len(teacher.requests) == 1 + 36, f"{answered} answers were kept"
