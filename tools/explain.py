"""`still explain`: what happened to one row, stage by stage."""

from __future__ import annotations

import json

from stages.shared.errors import UserError
from stages.shared.files import Row, read_rows
from stages.shared.paths import out
from stages.shared.settings import require_task
from stages.shared.text import input_hash


def explain_row(task: str, row_id: str) -> None:
    """Print the story of a row. Raises UserError where no stage has seen the id."""
    require_task(task)
    print("\n".join(story(task, row_id)))


def story(task: str, row_id: str) -> list[str]:
    """One line a fact, in the order of the stages."""
    row = _find(task, "ingest", "rows", row_id)
    if row is None:
        for kept in _rows(task, "ingest", "rows"):
            if any(repeat["id"] == row_id for repeat in kept["repeats"]):
                return [
                    f"{row_id}: the same text as the earlier {kept['id']}, folded into it",
                    *story(task, kept["id"]),
                ]
        raise UserError(
            f"{out('ingest', task)}: no row {row_id!r}; look its id up in data/traffic/{task}.jsonl"
        )
    lines = [
        f"{row_id}: {json.dumps(row['input'], ensure_ascii=False)}",
        f"came {row['timestamp']} from {row['source']}, account {row['account']}, thread {row['thread']}",
        f"slices {', '.join(row['slices']) or 'none'}; repeats {len(row['repeats'])}; "
        f"input hash {input_hash(row['input'])}",
    ]
    dead = _find(task, "generate", "dead", row_id)
    if dead is not None:
        return [
            *lines,
            f"the teacher gave no answer: {dead['reason']}; `dvc repro -f generate@{task}` asks again",
        ]
    judged = _find(task, "validate", "rows", row_id)
    if judged is None:
        return [*lines, "not yet validated; run `dvc repro`"]
    teacher = judged["teacher"]
    lines.append(
        f"teacher {teacher['model']} at {teacher['endpoint']}, prompt {teacher['prompt_hash'][:12]}, "
        f"sampling {json.dumps(teacher['sampling'])}"
    )
    for sample, key, at in zip(
        judged["samples"], teacher["request_keys"], teacher["recorded_at"], strict=True
    ):
        lines.append(f"  sample {sample['sample']} ({at}, request {key[:12]}): {sample['response']}")
    lines.append(
        f"answer {json.dumps(judged['answer'], ensure_ascii=False)}, agreement {judged['agreement']}, "
        f"review {judged['review'] or 'none'}, edited {judged['edited']}"
    )
    lines.append(f"status {judged['status']}; reasons {', '.join(judged['reasons']) or 'none'}")
    return [*lines, *_fate(task, row_id, judged["status"])]


def _fate(task: str, row_id: str, status: str) -> list[str]:
    if status != "kept":
        return []
    removed = _find(task, "dedupe", "removed", row_id)
    if removed is not None:
        near = removed["nearest"]
        return [
            f"removed ({removed['removed_because']}): {removed['removed_for']} stays; nearest {near['id']}, "
            f"meaning {near['meaning']}, text {near['text']}"
        ]
    quarantined = _find(task, "split", "quarantine", row_id)
    if quarantined is not None:
        near = quarantined["quarantined_for"]
        return [
            f"quarantined ({near['because']}): golden {near['id']}, meaning {near['meaning']}, "
            f"text {near['text']}"
        ]
    for name in ("train", "validation", "test"):
        placed = _find(task, "split", name, row_id)
        if placed is not None:
            return [
                f"in {name} by {placed['split_reason']}, with the component of {placed['component']}; "
                f"difficulty {placed['difficulty']}"
            ]
    return ["not yet split; run `dvc repro`"]


def _rows(task: str, stage: str, name: str) -> list[Row]:
    path = out(stage, task, name)
    return read_rows(path) if path.exists() else []


def _find(task: str, stage: str, name: str, row_id: str) -> Row | None:
    return next((row for row in _rows(task, stage, name) if row["id"] == row_id), None)
