"""`still summary`: rows, splits and scores of every task, on one screen."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from promptstill.answers.measures import measures
from promptstill.answers.rates import rates
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import JsonObject, file_hash, read_json
from promptstill.core.paths import cache_dir, details_file, model_dir, report_dir
from promptstill.core.settings import task_names
from promptstill.models.student import student_file
from stages.eval.verdict import against_baseline, cascade_line, latency_line, price_line

STAGES = ("ingest", "generate", "validate", "dedupe", "split")
SETS = ("golden", "test")


def print_summary() -> None:
    """For each task, its rows through the stages, the scores of all contestants on golden and test, how the
    student compares with the better baseline, what it can answer alone, and how fast it was here."""
    console = Console()
    for task in task_names():
        if not details_file("eval", task).exists():
            console.print(f"[bold]{task}[/]: not built yet; run `dvc repro`, or `dvc pull` a build")
            continue
        console.print(flow(task))
        console.print(scores(task))
        metrics = read_json(details_file("eval", task))
        for name in SETS:
            console.print(f"{name}: the student is {against_baseline(metrics[name])}", highlight=False)
        console.print(cascade_line(metrics["cascade"]), highlight=False)
        if speed := speed_of_student(task):
            console.print(price_line(metrics["cascade"], speed), highlight=False)
            console.print(latency_line(speed), highlight=False)


def speed_of_student(task: str) -> JsonObject | None:
    """What eval measured on this machine of the student that is here, or None if it measured none or another
    one."""
    measured, student = cache_dir() / "speed" / f"{task}.json", student_file(task)
    if not measured.exists() or not student.exists():
        return None
    speed: JsonObject = read_json(measured)
    return speed if speed.get("student") == file_hash(student) else None


def flow(task: str) -> str:
    """Rows in and out of each stage in one line."""
    steps = []
    for stage in STAGES:
        counts = read_json(details_file(stage, task))
        left = counts["input"] - counts["kept"]
        steps.append(f"{stage} {counts['kept']}" + (f" (-{left})" if left else ""))
    parts = read_json(details_file("split", task))
    steps.append(f"train {parts['train']} / validation {parts['validation']} / test {parts['test']}")
    return f"\n[bold]{task}[/]: " + " → ".join(steps)


def scores(task: str) -> Table:
    """Accuracy with interval, macro F1, valid answers and further scored keys of every contestant."""
    metrics = read_json(details_file("eval", task))
    agreed = ", ".join(f"{name} {metrics[name]['student_teacher_agreement']:.3f}" for name in SETS)
    saved = metrics["prompt_tokens_saved_per_request"]
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="low, high: interval that counts the cases of a component together; * the teacher "
        f"gave the truth of test; student and teacher agree: {agreed}; {saved} prompt tokens saved per "
        f"request; model in {model_dir(task)}, report in {report_dir(task)}",
        caption_justify="left",
    )
    spec = AnswerSpec.load(task)
    further = [*measures(spec), *rates(spec)][1:]
    names = [key.removesuffix("_accuracy").replace("_", " ") for key in further]
    for column in ("set", "who", "accuracy", "low", "high", "F1", *names, "valid", "n"):
        # Names of several words may wrap, so that a task with many measures fits on a screen.
        table.add_column(
            column, justify="left" if column in ("set", "who") else "right", no_wrap=" " not in column
        )
    for name in SETS:
        contestants = {
            who: scores
            for who, scores in metrics[name].items()
            if isinstance(scores, dict) and "accuracy" in scores
        }
        for who, values in contestants.items():
            shown = f"{who}*" if (name, who) == ("test", "teacher") else who
            columns = ("accuracy", "accuracy_low", "accuracy_high", "macro_f1", *further, "valid")
            cells = ["-" if values[key] is None else f"{values[key]:.3f}" for key in columns]
            table.add_row(name, shown, *cells, str(values["n"]), style="bold" if who == "student" else None)
    return table
