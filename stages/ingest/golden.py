"""The golden set: numbered raw cases in, checked cases out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stages.shared.answers import AnswerSpec
from stages.shared.errors import UserError, did_you_mean
from stages.shared.files import Row
from stages.shared.text import input_hash

FIELDS = ("id", "input", "answer", "tags")


def check_golden(numbered: Iterable[tuple[int, Row]], spec: AnswerSpec, path: Path) -> list[Row]:
    """Check golden cases and bring their answers into canonical form.

    A case holds `id`, `input`, `answer` and may hold `tags`. Raises UserError with the line of a case that
    misses a field, repeats an id or an input, or whose answer the task's parser does not accept.
    """
    cases: list[Row] = []
    seen: dict[str, int] = {}
    for number, raw in numbered:
        where = f"{path}:{number}"
        missing = next((name for name in FIELDS[:3] if name not in raw), None)
        unknown = next((name for name in raw if name not in FIELDS), None)
        if missing or unknown:
            problem = (
                f"`{missing}` is missing; add it"
                if missing
                else (
                    f"`{unknown}` is no field of a golden case{did_you_mean(str(unknown), FIELDS)}; remove it"
                )
            )
            raise UserError(f"{where}: {problem}")
        if not isinstance(raw["id"], str) or not isinstance(raw["input"], str):
            raise UserError(f"{where}: `id` and `input` must be strings; quote them")
        for key in (f"id {raw['id']}", f"input {input_hash(raw['input'])}"):
            if key in seen:
                raise UserError(
                    f"{where}: the {key.split()[0]} stands on line {seen[key]} already; remove one of the two"
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
    if not cases:
        raise UserError(f"{path}: no cases; write at least one for each label")
    return cases


def refuse_shared_ids(traffic: list[Row], golden: list[Row], path: Path) -> None:
    """Raise UserError where a golden case carries the id of a traffic row: an id names one row for ever."""
    shared = {row["id"] for row in traffic} & {case["id"] for case in golden}
    if shared:
        raise UserError(f"{path}: id {min(shared)!r} also names a traffic row; give the golden case its own")
