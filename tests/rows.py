"""Rows of every stage for unit tests: complete by default, with the changes that a test is about."""

from __future__ import annotations

from typing import Any, cast

from promptstill.rows.row import (
    DedupedRow,
    IngestedCase,
    IngestedRow,
    KeptRow,
    PlacedRow,
    RatedRow,
    SampledRow,
    SplitRow,
    TrafficRow,
)
from tests.project import golden_case, row


def traffic_row(number: int, **changes: Any) -> TrafficRow:
    """A checked row of traffic that is linked to no other row."""
    fields: dict[str, Any] = {"account": None, "document": None, "translation_group": None, "tags": []}
    return cast(TrafficRow, row(number) | fields | changes)


def ingested_row(number: int, **changes: Any) -> IngestedRow:
    """A row after ingest, without repeats and slices."""
    return cast(IngestedRow, {**traffic_row(number), "repeats": [], "slices": []} | changes)


def sampled_row(number: int, *responses: str, **changes: Any) -> SampledRow:
    """A row after generate with one sample per response."""
    samples = [
        {"sample": i, "response": response, "finish_reason": "stop"} for i, response in enumerate(responses)
    ]
    teacher = {
        "model": "test-teacher",
        "endpoint": "test",
        "prompt_hash": "p",
        "schema_hash": "s",
        "sampling": {},
        "request_keys": [f"key-{i}" for i in range(len(responses))],
        "recorded_at": ["2026-11-01T00:00:00Z"] * len(responses),
    }
    return cast(SampledRow, {**ingested_row(number), "samples": samples, "teacher": teacher} | changes)


def kept_row(number: int, **changes: Any) -> KeptRow:
    """A row that validate kept."""
    answer: dict[str, Any] = {
        "answer": "red",
        "label": "red",
        "confidence": None,
        "agreement": 1.0,
        "valid_samples": 2,
        "dissent": 0,
        "answer_sample": 0,
        "repairs": [],
        "problem": None,
        "problem_detail": None,
        "review": None,
        "edited": False,
        "status": "kept",
        "reasons": [],
    }
    return cast(KeptRow, {**sampled_row(number, "red", "red"), **answer} | changes)


def deduped_row(number: int, **changes: Any) -> DedupedRow:
    """A row that dedupe kept, in a group of its own."""
    group = {
        "group": f"row-{number:03}",
        "nearest": {"id": None, "meaning": None, "text": None},
        "linked": [],
    }
    return cast(DedupedRow, {**kept_row(number), **group} | changes)


def rated_row(number: int, **changes: Any) -> RatedRow:
    """A row that split has rated, in no hard slice."""
    return cast(RatedRow, {**deduped_row(number), "hard": [], "difficulty": 0.0} | changes)


def placed_row(number: int, **changes: Any) -> PlacedRow:
    """A row in train, in a component of its own."""
    place = {"component": f"row-{number:03}", "split": "train", "split_reason": "share"}
    return cast(PlacedRow, {**rated_row(number), **place} | changes)


def split_row(number: int, **changes: Any) -> SplitRow:
    """A row of a split file."""
    return cast(SplitRow, {"messages": [], **placed_row(number)} | changes)


def ingested_case(number: int, **changes: Any) -> IngestedCase:
    """A golden case after ingest."""
    return cast(IngestedCase, golden_case(number, str) | {"slices": []} | changes)


def never(left: KeptRow, right: KeptRow) -> bool:
    """The answers of two rows do not contradict each other."""
    return False
