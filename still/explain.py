"""`still explain`: what happened to one row, stage by stage."""

from __future__ import annotations

import json
from typing import TypeVar

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.files import read_rows
from promptstill.core.paths import out
from promptstill.core.settings import require_task
from promptstill.rows.identity import input_hash
from promptstill.rows.row import (
    Answer,
    IngestedCase,
    IngestedRow,
    Input,
    QuarantinedRow,
    RemovedRow,
    SampledCase,
    SplitRow,
    UnansweredRow,
    ValidatedRow,
)
from stages.report.passages import shown
from stages.split.quota import SPLITS

R = TypeVar("R", bound=Input)


def explain_row(task: str, row_id: str) -> None:
    """Print the history of a row. Raises UserError if no stage has seen the id."""
    require_task(task)
    print("\n".join(history(task, row_id)))


def history(task: str, row_id: str) -> list[str]:
    """One line per fact, in the order of the stages."""
    ingested = read_rows(out("ingest", task), IngestedRow, "ingest")
    row = next((row for row in ingested if row["id"] == row_id), None)
    if row is None:
        for kept in ingested:
            if any(repeat["id"] == row_id for repeat in kept["repeats"]):
                return [
                    f"{row_id}: the same text as the earlier {kept['id']}, folded into it",
                    *history(task, kept["id"]),
                ]
        if lines := golden_history(task, row_id):
            return lines
        raise UserError(
            f"{out('ingest', task)}: no row {row_id!r}; if data/traffic/{task}.jsonl has it, it came after "
            f"the last build or is too long: run `dvc repro ingest@{task}`"
        )
    dead = _find(task, "generate", "dead", UnansweredRow, row_id)
    judged = None if dead is not None else _find(task, "validate", "rows", ValidatedRow, row_id)
    lines = [
        *_of_input(row_id, row["input"], None if judged is None else judged["answer"], task),
        f"received {row['timestamp']} from {row['source']}, account {row['account']}, thread {row['thread']}",
        f"slices {', '.join(row['slices']) or 'none'}; repeats {len(row['repeats'])}; "
        f"input hash {input_hash(row['input'])}",
    ]
    if dead is not None:
        return [
            *lines,
            f"the teacher gave no answer: {dead['reason']}; `dvc repro -f -s generate@{task}` asks again",
        ]
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
        f"answer {json.dumps(judged['answer'], ensure_ascii=False)}, agreement {judged['agreement']} of "
        f"{judged['valid_samples']} valid samples, repairs {', '.join(judged['repairs']) or 'none'}, "
        f"review {judged['review'] or 'none'}, edited {judged['edited']}"
    )
    lines.append(f"status {judged['status']}; reasons {', '.join(judged['reasons']) or 'none'}")
    return [*lines, *_outcome(task, row_id, judged["status"])]


def golden_history(task: str, case_id: str) -> list[str]:
    """One line per fact about a golden case; none if there is no such case."""
    case = _find(task, "ingest", "golden", IngestedCase, case_id)
    if case is None:
        return []
    lines = [
        *_of_input(case_id, case["input"], case["answer"], task),
        f"golden case with the answer {json.dumps(case['answer'], ensure_ascii=False)}; "
        f"slices {', '.join(case['slices']) or 'none'}; it enters no split",
    ]
    asked = _find(task, "generate", "golden", SampledCase, case_id)
    samples = [] if asked is None else asked["samples"]
    lines += [f"  teacher's sample {sample['sample']}: {sample['response']}" for sample in samples]
    near = [
        row["id"]
        for row in _rows(task, "split", "quarantine", QuarantinedRow)
        if row["quarantined_for"]["id"] == case_id
    ]
    lines += [f"quarantined for it: {', '.join(near)}"] if near else []
    return lines


def _of_input(row_id: str, text: str, answer: Answer | None, task: str) -> list[str]:
    """The input on one line. If the answer may cite passages, those that it cites have a line each."""
    page = None if answer is None else shown(text, {"answer": answer}, AnswerSpec.load(task))
    if page is None or not (page.cited or page.others):
        return [f"{row_id}: {json.dumps(text, ensure_ascii=False)}"]
    noun = "passage" if len(page.others) == 1 else "passages"
    return [
        f"{row_id}: {json.dumps(page.text, ensure_ascii=False)}",
        *(f"  cited: {passage}" for passage, _ in page.cited),
        f"  {len(page.others)} {noun} not cited",
    ]


def _outcome(task: str, row_id: str, status: str) -> list[str]:
    if status != "kept":
        return []
    removed = _find(task, "dedupe", "removed", RemovedRow, row_id)
    if removed is not None:
        near = removed["nearest"]
        return [
            f"removed ({removed['removed_because']}) for {removed['removed_for']}: "
            f"meaning {near['meaning']}, text {near['text']}"
        ]
    quarantined = _find(task, "split", "quarantine", QuarantinedRow, row_id)
    if quarantined is not None:
        reason = quarantined["quarantined_for"]
        return [
            f"quarantined ({reason['because']}): golden {reason['id']}, meaning {reason['meaning']}, "
            f"text {reason['text']}"
        ]
    for name in SPLITS:
        placed = _find(task, "split", name, SplitRow, row_id)
        if placed is not None:
            return [
                f"in {name} by {placed['split_reason']}, with the component of {placed['component']}; "
                f"difficulty {placed['difficulty']}"
            ]
    return ["not yet split; run `dvc repro`"]


def _rows(task: str, stage: str, name: str, kind: type[R]) -> list[R]:
    path = out(stage, task, name)
    return read_rows(path, kind) if path.exists() else []


def _find(task: str, stage: str, name: str, kind: type[R], row_id: str) -> R | None:
    return next((row for row in _rows(task, stage, name, kind) if row["id"] == row_id), None)
