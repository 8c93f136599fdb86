"""split: rows and golden cases in, certified splits out, with an encoder that sees no two texts as near."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptstill.near.vectors import Vectors
from promptstill.rows.row import DedupedRow
from stages.split import build
from stages.split.__main__ import main
from stages.split.build import Placed, certified, compare, place
from tests.params import split_params
from tests.project import write_lines
from tests.rows import deduped_row, ingested_case
from tests.stages.split_rows import home_of

CARD = ("Why haven't I gotten my new card?", "I haven't gotten my new card.")


def apart(texts: list[str], model: str, engine: object = None) -> Vectors:
    """Vectors of different directions."""
    return np.eye(max(len(texts), 400), dtype=np.float32)[: len(texts)]


def text_of(number: int) -> str:
    """A text that shares little with those of other numbers."""
    return " ".join(f"{number * 7919 + k * 104729:x}" for k in range(4))


def placed(rows: list[DedupedRow], golden: str, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Placed:
    monkeypatch.setattr("promptstill.near.corpus.embed", apart)
    cases = [ingested_case(0, id="g", input=golden)]
    params = split_params(hard_slices={}, **changes)
    return place(compare(rows, cases, params, None), [], {}, params, "colour")


def test_a_text_that_contains_another_is_in_its_split(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [deduped_row(i, input=text_of(i)) for i in range(60)]
    free = home_of(placed(rows, "none", monkeypatch).parts)
    first = next(i for i in range(60) if free[f"row-{i:03}"] == "train")
    other = next(i for i in range(60) if free[f"row-{i:03}"] == "test")
    rows[first]["input"], rows[other]["input"] = CARD
    built = placed(rows, "none", monkeypatch)
    home = home_of(built.parts)
    assert home[f"row-{first:03}"] == home[f"row-{other:03}"]
    assert built.links["text"] == [tuple(sorted((first, other)))]
    near = {"meaning": 0.99, "text": 0.9}
    unlinked = placed(rows, "none", monkeypatch, link=near | {"text_alone": None, "contained": None})
    assert unlinked.links["text"] == []
    certificates = certified(built, seed=1)
    assert all(pair["near_pairs"] == 0 for pair in certificates.of_splits.values())
    assert sum(pair["near_pairs"] for pair in certificates.of_random.values()) <= 1
    ids = {row["id"] for row in rows} | {"g"}
    for name in ("nearest_meaning", "nearest_text", "nearest_contained"):
        nearest = certificates.of_splits["train/test"][name]
        assert set(nearest) == {"similarity", "train", "test"}
        assert {nearest["train"], nearest["test"]} <= ids


@pytest.mark.parametrize(("golden", "row"), [CARD, CARD[::-1]])
def test_a_row_that_contains_a_golden_case_or_is_contained_in_it_is_quarantined(
    golden: str, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [deduped_row(i, input=text_of(i)) for i in range(30)]
    rows[4]["input"] = row
    (left,) = placed(rows, golden, monkeypatch).quarantined
    assert left["id"] == "row-004"
    assert left["quarantined_for"]["id"] == "g"
    assert left["quarantined_for"]["because"] == "contained"


def test_the_cluster_is_left_before_texts_are_compared_and_rows_placed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def note(name: str) -> None:
        function = getattr(build, name)

        def noted(*given: object) -> object:
            done.append(name)
            return function(*given)

        monkeypatch.setattr(build, name, noted)

    @contextmanager
    def opened(*_: object) -> Iterator[None]:
        done.append("joined")
        yield
        done.append("left")

    monkeypatch.chdir(project)
    monkeypatch.setattr("promptstill.near.corpus.embed", apart)
    monkeypatch.setattr("stages.split.__main__.open_engine", opened)
    for name in ("near_pairs", "similar_texts_between", "alike_texts", "assign"):
        note(name)
    rows = [deduped_row(i, input=text_of(i), slices=["email_rows"][: i % 2]) for i in range(60)]
    write_lines(project / "data/dedupe/colour/rows.jsonl", [dict(row) for row in rows])
    write_lines(project / "data/validate/colour/rows.jsonl", [dict(row) for row in rows])
    write_lines(project / "data/ingest/colour/golden.jsonl", [dict(ingested_case(0))])
    main("colour")
    assert done[:3] == ["joined", "near_pairs", "left"]
    assert set(done[3:]) == {"similar_texts_between", "alike_texts", "assign"}
