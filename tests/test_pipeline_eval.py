"""What eval writes in a whole build, and what `still summary` shows of it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import yaml

from promptstill.answers.prediction import Prediction
from promptstill.core.files import file_hash
from stages.eval.cascade import CASCADE_COLUMNS
from tests.conftest import Run
from tests.pipeline import TASKS
from tests.project import read_lines


def test_metrics_predictions_and_speed_of_eval_are_consistent(built: Path) -> None:
    metrics = yaml.safe_load((built / "data/eval/colour-json/metrics.json").read_text())
    baselines = {"embeddings", "ngrams"}
    contestants = {"student", "base", "prompted", "teacher", "majority", *baselines}
    comparisons = {"better_baseline", "student_minus", "student_teacher_agreement", "outcomes"}
    comparisons |= {"truth_by_person"}
    facts = {"confidence_level", "prompt_tokens_saved_per_request"}
    assert set(metrics) == {"golden", "test", "calibration", "cascade", "edited"} | facts
    assert metrics["edited"]["n"] == 0, "the project has no reviews"
    for name in ("golden", "test"):
        assert set(metrics[name]) == contestants | comparisons
        assert metrics[name]["better_baseline"] in baselines
        assert set(metrics[name]["student_minus"]) == contestants - {"student"}
        for lead in metrics[name]["student_minus"].values():
            assert set(lead) == {"accuracy", "alarm_accuracy"}
            assert lead["accuracy"]["low"] <= lead["accuracy"]["difference"] <= lead["accuracy"]["high"]
        keys = {"accuracy", "accuracy_low", "accuracy_high", "macro_f1", "valid", "alarm_accuracy", "n"}
        assert keys <= set(metrics[name]["student"])
    assert metrics["golden"]["teacher"]["accuracy"] == 1.0
    predictions = read_lines(built / "data/eval/colour-json/rows.jsonl")
    for name in ("golden", "test"):
        outcomes = Counter(prediction["outcome"] for prediction in predictions if prediction["set"] == name)
        counts = metrics[name]["outcomes"]["all"]
        assert counts == {"n": outcomes.total(), **outcomes}
        assert metrics[name]["truth_by_person"] == (counts["n"] if name == "golden" else 0)
    for prediction in predictions:
        assert set(prediction) == set(Prediction.__annotations__)
        assert all(isinstance(prediction[contestant], str) for contestant in contestants)
    assert metrics["prompt_tokens_saved_per_request"] > 10
    speed = yaml.safe_load((built / ".still/speed/colour-json.json").read_text())
    assert speed.pop("student") == file_hash(built / "models/colour-json/student.json")
    assert (speed["rows"], speed["single_requests"]) == (len(predictions), 6), "all rows, the golden cases"
    assert speed["batched_requests"] == len(predictions)
    assert min(speed.values()) > 0


def test_confidence_is_judged_on_every_set_and_the_threshold_comes_from_validation(built: Path) -> None:
    metrics = yaml.safe_load((built / "data/eval/colour-json/metrics.json").read_text())
    calibration, cascade = metrics["calibration"], metrics["cascade"]
    for name in ("golden", "test"):
        valid = round(metrics[name]["student"]["valid"] * metrics[name]["student"]["n"])
        assert sum(entry["count"] for entry in calibration[name]["bins"]) == valid
    rows = {
        name: len(read_lines(built / f"data/split/colour-json/{name}.jsonl"))
        for name in ("validation", "test")
    }
    assert {name for name, cost in cascade["teacher_per_thousand"].items() if cost["tokens"] > 10_000} == {
        "validation",
        "golden",
        "test",
    }
    assert cascade["teacher_agreement"]["n"] == rows["validation"]
    assert cascade["teacher_agreement"]["share"] == 1.0, "the recorded teacher always answers the same"
    with (built / "metrics/colour-json/cascade.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for line in table:
        assert line["set"] in ("validation", "golden", "test")
        assert all(0 <= float(line[column]) <= 1 for column in CASCADE_COLUMNS if column != "set")
    on_validation = [line for line in table if line["set"] == "validation"]
    enough = [
        line for line in on_validation if float(line["accuracy"]) >= cascade["teacher_agreement"]["low"]
    ]
    assert cascade["threshold"] == min((float(line["threshold"]) for line in enough), default=None)
    for name, entry in (cascade["at_threshold"] or {}).items():
        assert entry["n"] == rows.get(name, 6)
        assert entry["usd_saved_per_thousand"] is None, "recorded answers have no cost"


def test_the_scores_that_git_keeps_are_those_of_eval(built: Path) -> None:
    details = yaml.safe_load((built / "data/eval/colour-json/metrics.json").read_text())
    train = read_lines(built / "data/split/colour-json/train.jsonl")
    for name in ("golden", "test"):
        kept = yaml.safe_load((built / f"metrics/colour-json/scores_{name}.json").read_text())
        facts = {key: kept.pop(key) for key in ("cases", "baseline", "train_rows")}
        student = details[name]["student"]
        better = max(details[name][baseline]["accuracy"] for baseline in ("embeddings", "ngrams"))
        assert facts == {"cases": student["n"], "baseline": better, "train_rows": len(train)}
        assert set(kept) == {"accuracy", "accuracy_low", "accuracy_high", "alarm_accuracy"}
        assert kept.items() <= student.items()


def test_the_summary_shows_rows_and_scores_of_a_build(built: Path, run: Run) -> None:
    shown = run("still.cli", "summary", cwd=built)
    assert shown.returncode == 0, shown.stderr
    text = " ".join(shown.stdout.split())
    for task in TASKS:
        counts = {
            name: yaml.safe_load((built / f"data/{name}/{task}/metrics.json").read_text())
            for name in ("ingest", "split")
        }
        assert f"{task}: ingest {counts['ingest']['kept']}" in text
        assert f"train {counts['split']['train']} / validation {counts['split']['validation']} /" in text
    assert text.count("golden student ") == len(TASKS)
    assert text.count("p50 and p99 of the latency here: ") == len(TASKS)
    shown_confidence = (
        r"the student answers \d+ % of test with accuracy|the student answers nothing of test|no threshold: "
    )
    assert len(re.findall(shown_confidence, text)) == len(TASKS)
    costs = r"a thousand requests cost the teacher [\d,]+ tokens, and the student [\d,]+ s here"
    assert len(re.findall(costs, text)) == len(TASKS)
    assert text.count("p50 and p99 of the latency here: ") == len(TASKS)
    for name in ("golden", "test"):
        compared = rf"{name}: the student is (better than|worse than|not distinguishable from) \w+ "
        assert len(re.findall(compared, text)) == len(TASKS)
