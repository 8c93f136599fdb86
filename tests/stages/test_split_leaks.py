"""split: the quarantine, the leak certificate and the guards."""

from __future__ import annotations

import numpy as np
import pytest

from promptstill.near.corpus import Corpus
from promptstill.near.pairs import Pair
from promptstill.rows.row import PlacedRow
from stages.split.assign import Parts, random_split
from stages.split.certificate import Part, leak_certificate, require_no_leaks, split_part
from stages.split.guards import LeakError, require_unseen
from stages.split.quarantine import quarantine
from tests.conftest import Run
from tests.rows import deduped_row, ingested_case, placed_row


def test_rows_near_a_golden_case_leave_for_the_strongest_reason() -> None:
    rows = [deduped_row(0, input="exactly  this"), *(deduped_row(i) for i in range(1, 5))]
    golden = [ingested_case(0, id="g0", input="exactly this"), ingested_case(1, id="g1", input="y")]
    near = [Pair(2, 1, 0.9, 0.5), Pair(2, 0, 0.8, 0.5)]
    stay, left = quarantine(rows, golden, near, [(2, 0, 0.99), (4, 1, 0.8)], [(4, 0, 1.0), (3, 0, 0.9)])
    assert stay == [1]
    assert [(row["id"], row["quarantined_for"]["id"]) for row in left] == [
        ("row-000", "g0"),
        ("row-002", "g1"),
        ("row-003", "g0"),
        ("row-004", "g1"),
    ]
    assert [row["quarantined_for"]["because"] for row in left] == ["exact", "near", "contained", "text"]


def part(name: str, rows: list[PlacedRow]) -> Part:
    """A part whose rows have vectors of different directions."""
    return split_part(name, Corpus(rows, np.eye(8, dtype=np.float32)[: len(rows)]))


def test_the_certificate_finds_what_two_splits_share() -> None:
    sound = [part("train", [placed_row(0, account="a")]), part("test", [placed_row(1, account="b")])]
    require_no_leaks(leak_certificate(sound, set()))
    near = leak_certificate(sound, {("row-001", "row-000")})
    with pytest.raises(LeakError, match="train/test share 0 keys and 1 near pairs"):
        require_no_leaks(near)
    leaking = [
        part("train", [placed_row(0, account="a")]),
        part("test", [placed_row(1, account="a", group="row-000")]),
    ]
    certificate = leak_certificate(leaking, {("row-000", "row-000")})
    with pytest.raises(LeakError, match="train/test share 2 keys and 0 near pairs"):
        require_no_leaks(certificate)
    nearest = certificate["train/test"]["nearest_meaning"]
    assert nearest == {"similarity": 1.0, "train": "row-000", "test": "row-001"}, "ids and no texts"


def test_a_random_split_of_the_same_rows_leaks_and_the_certificate_shows_it() -> None:
    rows = [placed_row(i, account=f"a{i // 3}", component=f"row-{i // 3 * 3:03}") for i in range(60)]
    parts: Parts = {"train": rows[:42], "validation": rows[42:48], "test": rows[48:]}
    drawn = random_split(parts, seed=1)
    assert {name: len(rows) for name, rows in drawn.items()} == {
        name: len(rows) for name, rows in parts.items()
    }
    assert sorted(row["id"] for rows in drawn.values() for row in rows) == [row["id"] for row in rows]
    assert random_split(parts, seed=1) == drawn

    def shared(split: Parts) -> int:
        vector = np.eye(2, dtype=np.float32)[[0]]
        measured = [
            split_part(name, Corpus(rows, np.repeat(vector, len(rows), axis=0)))
            for name, rows in split.items()
        ]
        return sum(pair["shared_keys"] for pair in leak_certificate(measured, set()).values())

    assert shared(parts) == 0
    assert shared(drawn) > 10


def test_of_many_texts_an_even_sample_is_compared_and_the_certificate_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = [
        part("train", [placed_row(i) for i in range(7)]),
        part("test", [placed_row(i) for i in range(10, 12)]),
    ]
    whole = leak_certificate(parts, set())["train/test"]
    assert "texts_compared" not in whole
    monkeypatch.setattr("stages.split.certificate.TEXTS", 3)
    sampled = leak_certificate(parts, set())["train/test"]
    assert sampled["texts_compared"] == {"train": 3, "test": 2}
    assert sampled["nearest_meaning"] == whole["nearest_meaning"]
    assert sampled["nearest_text"]["train"] in {"row-000", "row-003", "row-006"}
    assert sampled["nearest_text"]["similarity"] <= whole["nearest_text"]["similarity"]


def test_a_row_that_must_stay_unseen_is_recognised_by_id_and_by_text() -> None:
    unseen = [ingested_case(0, id="g", input="a  b"), ingested_case(1, id="q", input="c")]
    require_unseen([placed_row(0), placed_row(1)], unseen)
    for row_id, text in (("new", "a b"), ("q", "something else"), ("new", "c")):
        with pytest.raises(LeakError, match=r"row .* of the golden set or the quarantine"):
            require_unseen([placed_row(0), placed_row(1, id=row_id, input=text)], unseen)


GUARDS = """
from promptstill.core.metrics import RowsLostError, row_metrics
from stages.split.guards import LeakError, require_unseen
for guard in (
    lambda: row_metrics(3, 1, ["reason"]),
    lambda: require_unseen([{"id": "a", "input": "x"}], [{"id": "g", "input": "x"}]),
):
    try:
        guard()
    except (RowsLostError, LeakError) as error:
        print(type(error).__name__)
"""


def test_optimised_bytecode_keeps_the_guards(run: Run) -> None:
    ended = run("timeit", "-n", "1", "-r", "1", GUARDS, PYTHONOPTIMIZE="1")
    assert ended.stdout.splitlines()[:2] == ["RowsLostError", "LeakError"], ended.stderr
