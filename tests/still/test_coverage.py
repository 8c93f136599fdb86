"""`still coverage`: texts and labels that look like markup, and a map that names its regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from still import coverage
from tests.project import write_lines
from tests.rows import ingested_case, ingested_row, split_row

ODD = "[/b] [red]"


def printed(table: object) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.fixture
def placed(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that was split, with texts, labels and sources that look like markup; embeddings are fake."""
    changes = [
        {"input": f"{ODD} text {i}", "source": ODD, "label": ODD if i % 2 else "$x_1"} for i in range(12)
    ]
    write_lines(
        project / "data/ingest/colour/rows.jsonl",
        [dict(ingested_row(i, input=c["input"], source=ODD)) for i, c in enumerate(changes)],
    )
    write_lines(project / "data/ingest/colour/golden.jsonl", [dict(ingested_case(i)) for i in range(3)])
    for number, name in enumerate(("train", "validation", "test")):
        rows = [dict(split_row(i, **c)) for i, c in enumerate(changes) if i % 3 == number]
        write_lines(project / f"data/split/colour/{name}.jsonl", rows)
    vectors = np.random.default_rng(0).normal(size=(15, 8)).astype(np.float32)
    monkeypatch.setattr(coverage, "embed", lambda texts, encoder: vectors)
    monkeypatch.setenv("COLUMNS", "160")
    return project


def test_texts_that_look_like_markup_are_shown_as_they_are(
    placed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coverage.show_coverage("colour")
    shown = capsys.readouterr().out
    assert shown.count(ODD) > 3
    assert (placed / ".still/coverage/colour.png").read_bytes().startswith(b"\x89PNG")


def test_regions_have_a_number_and_the_label_of_their_kept_rows() -> None:
    rows = [ingested_row(i) for i in range(6)]
    cluster = np.array([0, 0, 1, 1, 1, 1], dtype=np.int32)
    labels = ["a", "b", "c", "c", "d"]
    split = {"train": [split_row(i, label=label) for i, label in enumerate(labels)], "test": []}
    regions = coverage.regions_of(rows, cluster, 6, split)
    assert [(r.number, r.label, r.share) for r in regions] == [(1, "c", "67%"), (2, "a", "50%")]
    vectors = np.eye(6, dtype=np.float32)
    table = printed(coverage.cluster_table(rows, [ODD] * 6, vectors, regions, 6, split["train"]))
    assert "c 67%" in table
    assert table.count(ODD) == 2
    plot = Figure().subplots()
    coverage.mark(plot, np.zeros((6, 2)), regions)
    assert [text.get_text() for text in plot.texts] == ["1 c", "2 a"]
