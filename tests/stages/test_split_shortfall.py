"""split: quotas that are not met, and what the stage says and writes about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from promptstill.rows.row import QuarantinedRow, RemovedRow, SplitName, ValidatedRow
from stages.split.assign import Parts, assign
from stages.split.links import links_of
from stages.split.shortfall import CHARACTERS, LISTED, flow_table, label_flow, quota_error, shortfall
from tests.conftest import Run
from tests.params import split_params
from tests.project import read_lines
from tests.rows import deduped_row, kept_row, placed_row, rated_row

NONE: Parts = {"train": [], "validation": [], "test": []}


def test_unmet_quotas_name_everything_that_is_missing() -> None:
    rows = [rated_row(i, label="red" if i else "blue") for i in range(20)]
    chosen = split_params(
        label_minimum={"train": 3, "validation": 0, "test": 1},
        hard_slices={"email_rows": {"fraction": 0.3, "minimum": 2}},
    )
    missing = shortfall(assign(rows, links_of(rows, []), chosen).parts, chosen, ["blue", "red"])
    assert "blue" in missing.labels["train"]
    message = str(quota_error(missing, {}, "colour"))
    assert message.startswith("params.yaml: colour.split: quotas are not met: ")
    assert "train holds fewer than 3 rows of 1 labels: blue" in message
    assert "test holds 0 of 2 rows of slice email_rows" in message
    assert message.endswith("; bring more such traffic, raise the fraction, or lower the minimum")
    empty = shortfall(NONE, chosen, [])
    assert empty.others[-3:] == ["train is empty", "validation is empty", "test is empty"]


def test_a_label_whose_rows_all_left_is_missing_too() -> None:
    chosen = split_params(label_minimum={"train": 1, "validation": 0, "test": 0}, hard_slices={})
    parts = NONE | {"train": [placed_row(0, label="red")]}
    assert shortfall(parts, chosen, ["blue", "red"]).labels == {"train": {"blue": 0}}


def test_the_rows_of_a_label_are_followed_from_validate_to_the_splits() -> None:
    statuses = ["kept"] * 6 + ["review"] * 3 + ["rejected"]
    validated: list[ValidatedRow] = [kept_row(i, status=status) for i, status in enumerate(statuses)]
    validated.append(kept_row(10, label=None, status="review"))
    gone = {"removed_for": "row-000", "removed_because": "near_duplicate"}
    removed = [cast(RemovedRow, deduped_row(i) | gone) for i in (0, 1)]
    near = {"id": "g", "meaning": None, "text": 1.0, "because": "text"}
    quarantined = [cast(QuarantinedRow, deduped_row(2) | {"quarantined_for": near})]
    flow = label_flow(validated, removed, quarantined)
    assert dict(flow["red"]) == {
        "came in": 10, "in review": 3, "rejected": 1, "removed by dedupe": 2, "quarantined": 1, "left": 3,
    }  # fmt: skip
    missing = shortfall(NONE | {"train": [placed_row(3)]}, split_params(), ["red"])
    message = str(quota_error(missing, flow, "colour"))
    assert (
        "these labels: came in 10, in review 3, rejected 1, removed by dedupe 2, quarantined 1, left 3; "
        "decide rows with `still review colour`, bring more" in message
    )
    header, red, unanswered = flow_table(missing, flow)
    assert header.split("  ")[0].strip() == "label"
    assert red.split() == ["red", "10", "3", "1", "2", "1", "3"]
    assert unanswered.split() == ["(no", "answer)", "1", "1", "0", "0", "0", "0"]


def test_where_most_rows_were_rejected_the_counts_of_validate_are_named() -> None:
    validated: list[ValidatedRow] = [kept_row(i, status="rejected") for i in range(3)]
    missing = shortfall(NONE, split_params(), ["red"])
    message = str(quota_error(missing, label_flow(validated, [], []), "colour"))
    assert "; look at the reasons in data/validate/colour/metrics.json, bring more such traffic" in message


def test_many_labels_fit_on_a_screen() -> None:
    names = [f"intent number {i} with a name that is long enough to fill a line" for i in range(77)]
    parts: Parts = NONE | {"train": [placed_row(i, label=name) for i, name in enumerate(names)]}
    chosen = split_params(label_minimum={"train": 20, "validation": 2, "test": 3})
    missing = shortfall(parts, chosen, names)
    flow = label_flow([kept_row(i, label=name) for i, name in enumerate(names)], [], [])
    assert len(str(quota_error(missing, flow, "banking")).encode()) < 1500
    table = flow_table(missing, flow)
    assert len(table) == LISTED + 2
    assert table[-1] == f"and {77 - LISTED} more labels"
    assert max(map(len, table)) <= CHARACTERS + 70


def test_a_split_that_misses_a_quota_writes_its_metrics_and_the_quarantine(clone: Path, run: Run) -> None:
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("train: 1", "train: 1000"))
    metrics = clone / "data/split/colour/metrics.json"
    metrics.unlink()
    (clone / "data/split/colour/quarantine.jsonl").unlink()
    ended = run("stages.split", "colour", cwd=clone)
    assert ended.returncode == 1
    (error,) = ended.stderr.splitlines()
    assert "colour.split: quotas are not met: train holds fewer than 1000 rows of " in error
    labels = json.loads(metrics.read_text())["labels"]["train"]
    for label, count in labels.items():
        lines = [line.split() for line in ended.stdout.splitlines()]
        (line,) = [line for line in lines if line[2:3] == [label]]
        assert int(line[-1]) >= count
    read_lines(clone / "data/split/colour/quarantine.jsonl")


def test_labels_that_a_split_lacks_are_named(clone: Path, run: Run) -> None:
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("validation: 1\n", "validation: 0\n"))
    pins = clone / "data/pinned/colour.jsonl"
    splits: tuple[SplitName, ...] = ("train", "validation", "test")
    rows = {name: read_lines(clone / f"data/split/colour/{name}.jsonl") for name in splits}
    label = rows["train"][0]["label"]
    moved = [
        {"id": row["id"], "split": "train" if name == "validation" and row["label"] == label else name}
        for name in splits
        for row in rows[name]
    ]
    pins.write_text("".join(json.dumps(pin) + "\n" for pin in moved))
    ended = run("stages.split", "colour", cwd=clone)
    assert ended.returncode == 0, ended.stderr
    missing = json.loads((clone / "data/split/colour/metrics.json").read_text())["labels_missing"]
    assert label in missing["validation"]
    assert f"warning: validation has no row of {', '.join(missing['validation'])}: " in ended.stdout
