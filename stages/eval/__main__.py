"""eval: student, base model, teacher and an embedding baseline on the test split and the golden set."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from stages.eval.params import EvalParams
from stages.shared.answers import Answer, AnswerSpec
from stages.shared.consensus import decide
from stages.shared.edge import run_stage
from stages.shared.files import Row, read_rows, read_text, write_csv, write_json, write_rows
from stages.shared.paths import cache_dir, metrics_file, model_dir, out, plot_file, prompt_file
from stages.shared.report import say
from stages.shared.student import student_of

if TYPE_CHECKING:
    from stages.eval.scores import SliceScore

CONTESTANTS = ("student", "base", "teacher", "baseline")
SLICE_COLUMNS = ("slice", "cases", *(f"{who}{part}" for who in CONTESTANTS for part in ("", "_low", "_high")))


def main(task: str) -> None:
    """Write `data/eval/<task>/rows.jsonl`, `metrics/<task>/eval.json` and the tables for `dvc plots`."""
    params = EvalParams.load(task)
    spec = AnswerSpec.load(task)
    student = student_of(task, spec)
    sets = {"golden": read_rows(out("generate", task, "golden"), "generate")}
    sets["test"] = read_rows(out("split", task, "test"), "split")
    cases = [row for part in sets.values() for row in part]
    train_rows = read_rows(out("split", task, "train"), "split")

    said, confidence, speed = ask_student(cases, student, task, spec)
    said["teacher"] = [decide(row, spec)["answer"] for row in cases]
    said["baseline"] = ask_baseline(train_rows, cases, params, spec)

    from stages.eval.scores import Judged, agreement, label_table, said_label, slice_table, summary

    judged = {
        who: {
            (name, row["id"]): Judged(row["id"], row["answer"], answer, tuple(row["slices"]))
            for (name, row), answer in zip(
                [(n, r) for n, part in sets.items() for r in part], answers, strict=True
            )
        }
        for who, answers in said.items()
    }

    def of(who: str, name: str) -> list[Judged]:
        return [judged[who][name, row["id"]] for row in sets[name]]

    metrics: dict[str, Any] = {
        name: {who: summary(of(who, name), spec, params.confidence_level) for who in CONTESTANTS}
        | {"student_teacher_agreement": agreement(of("student", name), of("teacher", name), spec)}
        for name in sets
    }
    metrics["prompt_tokens_saved_per_request"] = prompt_tokens_saved(task, student["base"])
    write_json(metrics_file(task, "eval"), metrics)

    for name in sets:
        student_cases = of("student", name)
        write_csv(
            plot_file(task, f"labels_{name}"),
            ("label", "precision", "recall", "f1", "cases"),
            label_table(student_cases, spec),
        )
        tables = {who: slice_table(of(who, name), spec, params.confidence_level) for who in CONTESTANTS}
        write_csv(plot_file(task, f"slices_{name}"), SLICE_COLUMNS, side_by_side(tables))
        confusion = [(spec.label(one.truth), said_label(one, spec)) for one in student_cases]
        write_csv(plot_file(task, f"confusion_{name}"), ("actual", "predicted"), confusion)
    write_rows(out("eval", task), predictions(sets, said, confidence))
    # A time is a fact about this machine, not about the inputs: it stays beside the journal, outside the
    # outs.
    write_json(cache_dir() / "speed" / f"{task}.json", speed)

    golden, test = metrics["golden"], metrics["test"]
    accuracy = ", ".join(f"{who} {golden[who]['accuracy']:.3f}" for who in CONTESTANTS)
    say(
        "eval",
        task,
        [
            f"golden accuracy of {golden['student']['n']}: {accuracy}",
            f"test accuracy of {test['student']['n']}: student {test['student']['accuracy']:.3f}, valid "
            f"{test['student']['valid']:.3f}, agreement with teacher {test['student_teacher_agreement']:.3f}",
            f"{metrics['prompt_tokens_saved_per_request']} prompt tokens saved a request; "
            f"{speed['rows_per_second']} rows/s here",
        ],
    )


def side_by_side(tables: dict[str, list[SliceScore]]) -> list[list[object]]:
    """One row a slice with the accuracy and interval of every contestant, as `SLICE_COLUMNS` names them."""
    rows = zip(*(tables[who] for who in CONTESTANTS), strict=True)
    return [
        [
            scores[0].name,
            scores[0].cases,
            *(value for one in scores for value in (one.accuracy, one.low, one.high)),
        ]
        for scores in rows
    ]


def ask_student(
    cases: list[Row], student: dict[str, Any], task: str, spec: AnswerSpec
) -> tuple[dict[str, list[Answer | None]], list[float], dict[str, float]]:
    """Parsed answers of base and student, the student's confidence, and its speed."""
    from stages.shared.student import answer, load_base, load_tokenizer, with_adapter

    tokenizer = load_tokenizer(student["base"])
    model = load_base(student["base"])
    texts = [row["input"] for row in cases]
    limits = (student["max_input_tokens"], student["max_answer_tokens"])
    said: dict[str, list[Answer | None]] = {}
    said["base"] = [spec.parse(reply.text).answer for reply in answer(texts, model, tokenizer, *limits)]
    started = time.perf_counter()
    replies = answer(texts, with_adapter(model, model_dir(task)), tokenizer, *limits)
    speed = {"rows": len(texts), "rows_per_second": round(len(texts) / (time.perf_counter() - started), 1)}
    said["student"] = [spec.parse(reply.text).answer for reply in replies]
    return said, [reply.confidence for reply in replies], speed


def ask_baseline(
    train_rows: list[Row], cases: list[Row], params: EvalParams, spec: AnswerSpec
) -> list[Answer | None]:
    """What a logistic regression on embeddings of the same training rows would answer."""
    from stages.eval.baseline import baseline_answers
    from stages.shared.embeddings import embed

    vectors = embed([row["input"] for row in [*train_rows, *cases]], params.encoder)
    answers = [row["answer"] for row in train_rows]
    split = len(train_rows)
    return [*baseline_answers(vectors[:split], answers, vectors[split:], spec, params.baseline_c)]


def prompt_tokens_saved(task: str, base: str) -> int:
    """Tokens of the teacher's prompt without its input, counted with the student's tokenizer."""
    from stages.shared.student import load_tokenizer

    prompt = read_text(prompt_file(task)).replace("{input}", "")
    return len(load_tokenizer(base)(prompt, add_special_tokens=False)["input_ids"])


def predictions(
    sets: dict[str, list[Row]], said: dict[str, list[Answer | None]], confidence: list[float]
) -> list[Row]:
    """One row a case with every contestant's answer; rows that the student got wrong explain themselves.

    Answers are JSON texts, so that a table of them has one type a column.
    """
    found = []
    rows = [(name, row) for name, part in sets.items() for row in part]
    for i, (name, row) in enumerate(rows):
        answers = {who: json.dumps(said[who][i], ensure_ascii=False) for who in CONTESTANTS}
        truth = json.dumps(row["answer"], ensure_ascii=False)
        found.append(
            {"set": name, "id": row["id"], "input": row["input"], "slices": row["slices"], "answer": truth}
            | answers
            | {"student_confidence": confidence[i]}
        )
    return found


if __name__ == "__main__":
    run_stage(main, "Compare student, base, teacher and baseline on a task.")
