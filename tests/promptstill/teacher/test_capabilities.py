"""Optional parts of the protocol, which some servers refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.generate import __main__ as generate
from tests.project import configure
from tests.promptstill.teacher.project_state import REQUESTS, sampled_rows
from tests.teacher_server import Fault, TeacherServer


@pytest.mark.parametrize(("feature", "word"), [("structured", "response_format"), ("logprobs", "logprobs")])
def test_a_refused_feature_is_sent_only_once(
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
