"""report: the model card, the dataset card and one page about a build."""

from __future__ import annotations

from promptstill.answers.prediction import Prediction
from promptstill.answers.spec import AnswerSpec
from promptstill.console.say import say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import read_json, read_rows, read_text, replacing
from promptstill.core.paths import model_dir, out, plot_file, report_dir
from promptstill.core.settings import require_task
from promptstill.models.student import read_student
from promptstill.rows.row import SplitRow
from stages.report.build import METRICS, TABLES, Build, metrics_path, read_table, require_one_build
from stages.report.dataset_card import dataset_card
from stages.report.model_card import model_card
from stages.report.page import page


def main(task: str) -> None:
    """Write `reports/<task>/model_card.md`, `dataset_card.md` and `report.html`."""
    require_task(task)
    build = read_build(task)
    require_one_build(build)

    texts = {
        "model_card.md": str(model_card(build)),
        "dataset_card.md": str(dataset_card(build)),
        "report.html": page(build),
    }
    with replacing(report_dir(task)) as folder:
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    say("report", task, summary(build))


def read_build(task: str) -> Build:
    """All inputs of the stage."""
    return Build(
        task,
        AnswerSpec.load(task),
        {name: read_json(metrics_path(task, name)) for name in METRICS},
        {name: read_table(read_text(plot_file(task, name))) for name in TABLES},
        read_rows(out("eval", task), Prediction, "eval"),
        read_rows(out("split", task, "train"), SplitRow, "split"),
        read_rows(out("split", task, "validation"), SplitRow, "split"),
        read_student(task),
        read_json(model_dir(task) / "adapter_config.json"),
    )


def summary(build: Build) -> list[str]:
    """The closing lines of the stage."""
    traffic, split = build.metrics["ingest"]["input"], build.metrics["split"]
    golden, test = (build.metrics["eval"][name]["student"]["accuracy"] for name in ("golden", "test"))
    return [
        f"{traffic} rows of traffic, {split['kept']} in the dataset",
        f"accuracy of the student: golden {golden:.3f}, test {test:.3f}",
        f"cards and page in {report_dir(build.task)}",
    ]


if __name__ == "__main__":
    stage_main(main, "Write the cards and the page about a build of a task.")
