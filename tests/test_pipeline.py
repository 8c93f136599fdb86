"""The pipeline file itself, run by DVC on a small project with a tiny random student."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from promptstill.rows.row import SplitRow
from tests.conftest import Run
from tests.pipeline import TASKS, dvc, git, lock, stages_run
from tests.project import read_lines, write, write_lines

FIELDS = set(get_type_hints(SplitRow, include_extras=True)) - {"score"}


def edit_params(project: Path, task: str, stage: str, **changes: Any) -> None:
    document = yaml.safe_load((project / "params.yaml").read_text())
    document[task][stage] |= changes
    write(project / "params.yaml", yaml.safe_dump(document, sort_keys=False))


def test_a_second_run_does_nothing(clone: Path) -> None:
    ended = dvc(clone, "repro")
    assert ended.returncode == 0
    assert stages_run(ended) == []


def test_the_rows_and_counts_of_the_outs_are_consistent(built: Path) -> None:
    # A row that is in train explains itself from its own fields.
    row = read_lines(built / "data/split/colour-json/train.jsonl")[0]
    assert set(row) == FIELDS, "the type of a row is the list of its fields"
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
    assert row["messages"][0]["content"] == row["input"]
    card = (built / "reports/colour-json/model_card.md").read_text()
    assert row["teacher"]["prompt_hash"] in card
    for name in ("ingest", "validate", "dedupe", "split"):
        counts = yaml.safe_load((built / f"data/{name}/colour/metrics.json").read_text())
        assert counts["kept"] + counts["rejected"] + counts["review"] == counts["input"]


def test_the_leak_certificate_names_method_thresholds_and_files_and_is_in_the_card(built: Path) -> None:
    certificate = yaml.safe_load((built / "data/split/colour/leaks.json").read_text())
    files = {name: f"data/split/colour/{name}.jsonl" for name in ("train", "validation", "test")}
    files["golden"] = "data/ingest/colour/golden.jsonl"
    assert certificate["files_sha256"] == {
        name: hashlib.sha256((built / path).read_bytes()).hexdigest() for name, path in files.items()
    }
    assert certificate["thresholds"]["link"] == {
        "meaning": 0.99, "text": 0.9, "text_alone": 0.7, "contained": 0.85,
    }  # fmt: skip
    rows = [row for path in files.values() for row in read_lines(built / path)]
    for name in ("leaks", "leaks_random"):
        text = (built / f"data/split/colour/{name}.json").read_text()
        assert [row["id"] for row in rows if row["input"] in text] == [], "texts stay in the rows"
    assert len(certificate["pairs"]) == 6
    assert all(pair["shared_keys"] == pair["near_pairs"] == 0 for pair in certificate["pairs"].values())
    card = " ".join((built / "reports/colour/model_card.md").read_text().split())
    assert certificate["method"] in card
    assert all(digest in card for digest in certificate["files_sha256"].values())
    nearest = certificate["pairs"]["train/test"]["nearest_text"]["similarity"]
    assert f"| {nearest:.4f} |" in card


def test_train_refuses_files_that_are_not_the_certified_ones(clone: Path, run: Run) -> None:
    train = clone / "data/split/colour/train.jsonl"
    rows = read_lines(train)
    golden = read_lines(clone / "data/ingest/colour/golden.jsonl")[0]
    train.unlink()
    write_lines(train, [*rows, rows[0] | {"id": "new", "input": golden["input"]}])
    ended = run("stages.train", "colour", cwd=clone)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "error: data/split/colour/train.jsonl: not the file that the leak certificate was made for; "
        "run `dvc repro split@colour`"
    )


def test_datasets_reads_the_splits(built: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    for task in TASKS:
        folder = built / "data/split" / task
        files = {name: str(folder / f"{name}.jsonl") for name in ("train", "validation", "test")}
        loaded = load_dataset("json", data_files=files, cache_dir=str(tmp_path))
        assert all(len(loaded[name]) == len(read_lines(Path(path))) for name, path in files.items())
        assert loaded["train"][0]["messages"][1]["role"] == "assistant"


def test_a_filter_of_one_task_rebuilds_what_follows_it(clone: Path) -> None:
    suite = clone / "expectations/colour/suite.json"
    longest = max(len(row["input"]) for row in read_lines(clone / "data/ingest/colour/rows.jsonl"))
    write(suite, suite.read_text().replace('"max_value": 200', f'"max_value": {longest - 1}'))
    before = lock(clone)
    ended = dvc(clone, "repro", *(f"split@{task}" for task in TASKS))
    assert ended.returncode == 0, ended.stderr
    assert stages_run(ended) == ["validate@colour", "dedupe@colour", "split@colour"]
    changed = {name for name, outs in lock(clone).items() if outs != before[name]}
    assert changed == {"validate@colour", "dedupe@colour", "split@colour"}


def test_an_edited_prompt_says_what_is_missing_and_restoring_it_restores_all(clone: Path) -> None:
    before = lock(clone)
    prompt = clone / "prompts/colour/teacher.md"
    original = prompt.read_text()
    write(prompt, original.replace("Name", "Tell"))
    ended = dvc(clone, "repro")
    assert ended.returncode != 0
    assert "error: colour: 108 of 108 requests have no recorded answer under prompt" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list((clone / "data/generate/colour").glob(".*")) == [], "nothing half-written"
    write(prompt, original)
    ended = dvc(clone, "repro")
    assert ended.returncode == 0, ended.stderr
    assert stages_run(ended) == []
    assert lock(clone) == before
    assert (clone / "data/generate/colour/rows.jsonl").exists()


def test_a_colleague_pulls_what_was_pushed(clone: Path, tmp_path: Path) -> None:
    assert dvc(clone, "remote", "add", "-d", "store", str(tmp_path / "store")).returncode == 0
    assert dvc(clone, "push").returncode == 0
    colleague = tmp_path / "colleague"
    shutil.copytree(clone, colleague, ignore=shutil.ignore_patterns("cache", "ingest", "generate", "models"))
    # The patterns also leave out packages of those names.
    for name in ("stages", "promptstill"):
        shutil.copytree(clone / name, colleague / name, dirs_exist_ok=True)
    pulled = dvc(colleague, "pull")
    assert pulled.returncode == 0, pulled.stderr
    assert stages_run(dvc(colleague, "repro")) == []
    assert (colleague / "models/colour/adapter_model.safetensors").exists()


def test_all_metrics_fit_on_a_screen(built: Path) -> None:
    shown = dvc(built, "metrics", "show")
    assert shown.returncode == 0, shown.stderr
    header, *lines = shown.stdout.splitlines()
    accuracy = ["accuracy", "accuracy_high", "accuracy_low", "alarm_accuracy"]
    others = ["baseline", "cases", "kept_labels.decided", "train_rows"]
    assert header.split() == ["Path", *accuracy, *others]
    assert max(map(len, (header, *lines))) <= 160
    assert [line.split()[0] for line in lines] == [
        *(f"metrics/{task}/review.json" for task in TASKS),
        *(f"metrics/{task}/scores_{name}.json" for task in TASKS for name in ("golden", "test")),
    ]


def test_plots_and_experiments_work_as_dvc_users_expect(clone: Path) -> None:
    plots = dvc(clone, "plots", "show", "-o", "page")
    assert plots.returncode == 0, plots.stderr
    page = (clone / "page/index.html").read_text()
    for name in (
        "train_curve",
        "slices_golden",
        "labels_test",
        "confusion_test",
        "cascade",
        "reliability_test",
    ):
        assert f"metrics_colour-json_{name}_csv" in page

    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "built")
    experiment = dvc(clone, "exp", "run", "-S", "colour-json.train.learning_rate=0.003")
    assert experiment.returncode == 0, experiment.stderr
    assert stages_run(experiment) == ["train@colour-json", "eval@colour-json", "report@colour-json"]
    changed = dvc(clone, "params", "diff")
    assert "colour-json.train.learning_rate" in changed.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda root: edit_params(root, "colour", "split", tset=0.1),
            "params.yaml: colour.split.tset: unknown key",
        ),
        (
            lambda root: write(root / "data/traffic/colour.jsonl", "{oops\n"),
            "data/traffic/colour.jsonl:1: not JSON",
        ),
        (lambda root: write(root / "data/traffic/colour.jsonl", ""), "data/traffic/colour.jsonl: no rows"),
    ],
)
def test_what_a_user_can_fix_is_one_line_under_dvc(clone: Path, change: Any, message: str) -> None:
    change(clone)
    ended = dvc(clone, "repro")
    assert ended.returncode != 0
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    assert message in line
    assert "Traceback" not in ended.stderr
