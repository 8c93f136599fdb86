"""The golden set: numbered raw cases in, checked cases out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError, check_each, did_you_mean
from promptstill.core.files import JsonObject
from promptstill.rows.identity import input_hash
from promptstill.rows.row import GoldenCase, TrafficRow

FIELDS = tuple(GoldenCase.__annotations__)
REQUIRED = tuple(name for name in FIELDS if name != "tags")


def check_golden(
    numbered: Iterable[tuple[int, JsonObject]], spec: AnswerSpec, path: Path
) -> list[GoldenCase]:
    """Check golden cases and bring their answers into canonical form.

    A case holds `id` (non-empty), `input` and `answer`, and may hold `tags` (list of text). Raises UserError
    with the lines of cases that lack a field, have one of another type, repeat an id or an input, or have an
    answer that the task's parser does not accept.
    """
    cases: list[GoldenCase] = []
    seen: dict[str, int] = {}

    def check(number: int, raw: JsonObject) -> None:
        where = f"{path}:{number}"
        _check_fields(raw, where)
        for key in (f"id {raw['id']}", f"input {input_hash(raw['input'])}"):
            if key in seen:
                raise UserError(
                    f"{where}: the {key.split()[0]} is already on line {seen[key]}; remove one of the two"
                )
            seen[key] = number
        parsed = spec.of_value(raw["answer"])
        if parsed.answer is None:
            raise UserError(
                f"{where}: `answer` {raw['answer']!r}: {parsed.problem} ({parsed.detail}); correct it"
            )
        cases.append(
            {"id": raw["id"], "input": raw["input"], "answer": parsed.answer, "tags": raw.get("tags", [])}
        )

    check_each(numbered, check)
    if not cases:
        raise UserError(f"{path}: no cases; write at least one for each label")
    return cases


def _check_fields(raw: JsonObject, where: str) -> None:
    missing = next((name for name in REQUIRED if name not in raw), None)
    if missing is not None:
        raise UserError(f"{where}: `{missing}` is missing; add it")
    unknown = next((name for name in raw if name not in FIELDS), None)
    if unknown is not None:
        hint = did_you_mean(unknown, FIELDS)
        raise UserError(f"{where}: `{unknown}` is not a field of a golden case{hint}; remove it")
    if not isinstance(raw["id"], str) or not isinstance(raw["input"], str):
        raise UserError(f"{where}: `id` and `input` must be strings; quote them")
    if not raw["id"].strip():
        raise UserError(f"{where}: `id` is empty; give every case an id of its own")
    tags = raw.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise UserError(f"{where}: `tags` is not a list of strings; write [] for none")


def refuse_long_inputs(golden: Sequence[GoldenCase], limit: int, path: Path) -> None:
    """Raise UserError if the input of a case has more than `limit` characters: no case may leave silently."""
    case = next((case for case in golden if len(case["input"]) > limit), None)
    if case is not None:
        raise UserError(
            f"{path}: {case['id']}: the input has {len(case['input'])} characters and ingest.max_chars is "
            f"{limit}; shorten it, or raise the limit"
        )


def refuse_shared_ids(traffic: Sequence[TrafficRow], golden: Sequence[GoldenCase], path: Path) -> None:
    """Raise UserError if a golden case has the id of a traffic row: an id must never be reused."""
    shared = {row["id"] for row in traffic} & {case["id"] for case in golden}
    if shared:
        raise UserError(f"{path}: id {min(shared)!r} also names a traffic row; give the golden case its own")
