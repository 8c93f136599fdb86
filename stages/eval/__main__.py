"""eval: student, base model, teacher and baselines side by side, on the test split and the golden set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptstill.answers.spec import AnswerSpec
from promptstill.console.say import say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import (
    file_hash,
    read_json,
    read_rows,
    read_text,
    write_csv,
    write_json,
    write_rows,
)
from promptstill.core.paths import (
    cache_dir,
    details_file,
    metrics_file,
    model_dir,
    out,
    plot_file,
    prompt_file,
)
from promptstill.models.student import student_file, student_of
from promptstill.rows.row import SampledCase, SplitRow
from stages.eval.params import EvalParams

if TYPE_CHECKING:
    from promptstill.models.answering import StudentAnswer
    from stages.eval.confidence import AnsweredSet
    from stages.eval.contestants import SetName


def main(task: str) -> None:
    """Write `data/eval/<task>/rows.jsonl` and `metrics.json`; in `metrics/<task>/`, write `scores_<set>.json`
    and the tables for `dvc plots`."""
    params = EvalParams.load(task)
    spec = AnswerSpec.load(task)
    student = student_of(task, spec)
    test_rows = read_rows(out("split", task, "test"), SplitRow, "split")
    sets: dict[SetName, list[SampledCase] | list[SplitRow]] = {
        "golden": read_rows(out("generate", task, "golden"), SampledCase, "generate"),
        "test": test_rows,
    }
    train_rows = read_rows(out("split", task, "train"), SplitRow, "split")
    validation_rows = read_rows(out("split", task, "validation"), SplitRow, "split")

    # Imported here, because they load torch and scikit-learn.
    from stages.eval.confidence import (
        cases_of,
        confidence_metrics,
        confidence_tables,
        teacher_agreement,
        usd_per_request,
    )
    from stages.eval.contestants import ask_contestants, prompt_tokens_saved, token_counter
    from stages.eval.edited import edited_line, edited_metrics
    from stages.eval.metrics import headline, metrics_of, summary_lines, tables_of
    from stages.eval.outcomes import outcome

    prompt, level = read_text(prompt_file(task)), params.confidence_level
    further = [*validation_rows, *(row for row in train_rows if row["edited"])]
    answered, further_answers, speed = ask_contestants(
        sets, further, train_rows, student, model_dir(task), prompt, params, spec
    )
    validation_answers = further_answers[: len(validation_rows)]
    by_set = {name: [case for case in answered if case.set == name] for name in sets}
    count = token_counter(student["base"], student["kind"])
    saved = prompt_tokens_saved(prompt, count)
    answers_of: dict[AnsweredSet, tuple[Sequence[SampledCase | SplitRow], list[StudentAnswer]]] = {
        "validation": (validation_rows, validation_answers),
        **{name: (sets[name], [case.student_answer for case in by_set[name]]) for name in sets},
    }
    cases = {name: cases_of(*pair, saved, count, spec) for name, pair in answers_of.items()}
    cost = usd_per_request(read_json(details_file("generate", task)))
    agreement = teacher_agreement(validation_rows, spec, level)
    test_answers = [case.student_answer for case in by_set["test"]]
    pairs = zip([*further, *test_rows], [*further_answers, *test_answers], strict=True)
    edited = edited_metrics(((row, given.answer) for row, given in pairs), spec, level)
    metrics = {
        **metrics_of(by_set, saved, spec, level),
        **confidence_metrics(cases, agreement, cost, level),
        "edited": edited,
    }

    write_rows(out("eval", task), (case.prediction(outcome(case, spec)) for case in answered))
    write_json(details_file("eval", task), metrics)
    for table, (columns, rows) in confidence_tables(cases, metrics, level).items():
        write_csv(plot_file(task, table), columns, rows)
    for name, part in by_set.items():
        write_json(metrics_file(task, f"scores_{name}"), headline(metrics[name], len(train_rows), spec))
        for table, (columns, rows) in tables_of(part, spec, level).items():
            write_csv(plot_file(task, f"{table}_{name}"), columns, rows)
    # A time is a fact about this machine and not about the inputs, so it stays outside the outs.
    # The hash says whose speed it is, because another student may be checked out later.
    measured: dict[str, str | float] = {"student": file_hash(student_file(task)), **speed}
    write_json(cache_dir() / "speed" / f"{task}.json", measured)
    lines = summary_lines(metrics, speed)
    say("eval", task, [*lines, edited_line(edited)] if edited["n"] else lines)


if __name__ == "__main__":
    stage_main(main, "Compare student, base, teacher and baselines on a task.")
