"""review: which rows a person should look at, and how good the kept labels are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import write_rows
from promptstill.reviews.decisions import Review
from promptstill.rows.identity import input_hash
from promptstill.rows.row import ValidatedRow
from stages.review import __main__ as stage
from stages.review.ranking import Candidate, ranked
from stages.review.reasons import GUESSED, Risks, Usual
from stages.review.similar import similar_rows
from stages.review.suspected import suspicions
from tests.cited import SPEC as CITING
from tests.cited import cited
from tests.project import LABELS, label_of, read_lines, row, write_lines
from tests.rows import deduped_row, kept_row
from tests.stages.validated import review


@pytest.fixture
def spec(project: Path) -> AnswerSpec:
    return AnswerSpec.load("colour")


def names(places: list[tuple[Candidate, bool]]) -> list[str]:
    return [candidate.id for candidate, _ in places]


def test_the_first_rows_show_different_problems() -> None:
    many = [Candidate(f"many-{i}", 0.9, ("disagree", "red")) for i in range(50)]
    other = [Candidate(f"other-{i}", 0.3, (f"rare-{i}",)) for i in range(4)]
    queue = names(ranked([*other, *many], 8, 0.0))
    assert queue == ["many-0", *(f"other-{i}" for i in range(4)), "many-1", "many-10", "many-11"]


def test_a_share_of_the_places_is_by_chance_in_the_random_order() -> None:
    risky = [Candidate(f"risky-{i}", 0.5, (str(i),), turn=100 + i) for i in range(20)]
    others = [Candidate(f"other-{i}", 0.0, (), turn=i) for i in range(20)]
    places = ranked([*risky, *others], 20, 0.25)
    assert [
        name for name, by_chance in zip(names(places), (b for _, b in places), strict=True) if by_chance
    ] == [f"other-{i}" for i in range(5)]
    assert [by_chance for _, by_chance in places] == [False, False, False, True] * 5
    assert len(set(names(ranked([*risky, *others], 100, 0.25)))) == 40, "no row is there twice"
    assert names(ranked(others, 3, 0.0)) == ["other-0", "other-1", "other-2"], "what is left goes by chance"


def test_decisions_move_the_risk_of_a_reason(spec: AnswerSpec) -> None:
    def decided(decision: str, answer: Any, reasons: tuple[str, ...]) -> Review:
        line = review(1, decision, answer, "red", reasons=list(reasons))
        return Review.check(line, "here")

    fresh = Risks([], spec)
    assert fresh.of_reason("rare_label") == 0.05
    assert fresh.of(["rare_label", "low_grade"]) == pytest.approx(1 - 0.95 * 0.7)
    always = Risks([decided("edit", "blue", ("rare_label",))] * GUESSED, spec)
    assert always.of_reason("rare_label") == pytest.approx((0.05 + 1) / 2)
    never = Risks([decided("accept", "red", ("samples_disagree",))] * GUESSED, spec)
    assert never.of_reason("samples_disagree") == 0.25
    assert Risks([decided("reject", None, ("low_grade",))], spec).of_reason("low_grade") > 0.3


def validated_row(number: int, **changes: Any) -> ValidatedRow:
    return kept_row(number, **changes)


def test_the_reasons_of_a_row(spec: AnswerSpec) -> None:
    rows = [validated_row(i, label="red") for i in range(60)]
    rows += [validated_row(60 + i, label="blue") for i in range(60)]
    rows += [validated_row(120, label="green")]
    usual = Usual(rows, spec)
    assert usual.reasons(rows[0]) == []
    assert usual.reasons(rows[-1]) == ["rare_label"]
    assert usual.reasons(validated_row(1, repairs=["case"])) == ["repaired_reply"]
    bad = validated_row(1, status="rejected", problem="no_answer", reasons=["invalid_answer"])
    assert usual.reasons(bad) == ["unreadable_reply"]
    assert usual.reasons({**bad, "problem": None}) == [], "a filter that rejects is final"
    waiting = validated_row(1, status="review", reasons=["samples_disagree"])
    assert usual.reasons(waiting) == ["samples_disagree"]
    flagged = validated_row(1, review="edit", reasons=["review_contradicted", "input_length"])
    assert usual.reasons(flagged) == ["review_contradicted"]
    assert usual.reasons(validated_row(1, review="accept", label="green")) == [], "a decision is final"


def test_low_grades_and_low_confidence_are_the_lowest_alone() -> None:
    graded = [validated_row(i, score=5.0, confidence=0.9) for i in range(95)]
    lows = [validated_row(i, score=2.0, confidence=0.3) for i in range(95, 100)]
    low = lows[0]
    usual = Usual([*graded, *lows], CITING)
    assert usual.reasons(low) == ["low_grade", "low_confidence"]
    assert usual.reasons(graded[0]) == []
    assert Usual(graded, CITING).reasons(graded[0]) == [], "where all are equal, none is low"
    most = [validated_row(i, confidence=0.3 if i < 90 else 0.9) for i in range(100)]
    assert Usual(most, CITING).reasons(most[0]) == [], "nor where most are"


def test_free_texts_of_unusual_length() -> None:
    texts = [
        "Two euros for a towel.",
        "It costs three euros.",
        "Open from nine to six.",
        "Dogs stay outside now.",
    ]
    rows = [validated_row(i, answer=cited(texts[i % 4], 1), label="answered") for i in range(40)]
    usual = Usual(rows, CITING)
    assert usual.reasons(rows[0]) == []
    for text in ("word " * 60, "No."):
        assert usual.reasons(validated_row(50, answer=cited(text, 1), label="answered")) == ["unusual_length"]


def labelled(count: int, wrong: set[int]) -> list[Any]:
    """Rows about colours, some with the label of another one."""
    rows = []
    for i in range(count):
        right = label_of(row(i)["input"])
        label = LABELS[(LABELS.index(right) + 1) % 3] if i in wrong else right
        samples = [{"sample": n, "response": label, "finish_reason": "stop"} for n in range(2)]
        rows.append(deduped_row(i, answer=label, label=label, samples=samples))
    return rows


def test_wrong_labels_are_suspected(spec: AnswerSpec) -> None:
    wrong = {10, 45, 77}
    found = suspicions(labelled(120, wrong), spec)
    assert {f"row-{i:03}" for i in wrong} <= found.keys()
    assert len(found) < 12
    one = found["row-045"]
    assert one["likely"] == label_of(row(45)["input"])
    assert one["given_probability"] < one["likely_probability"]
    assert suspicions(labelled(120, wrong), spec) == found
    assert suspicions(labelled(3, set()), spec) == {}, "too few groups for folds"


def test_a_classifier_that_knows_little_suspects_nothing(spec: AnswerSpec) -> None:
    rows = [deduped_row(i, label=LABELS[i * i % 7 % 3], answer=LABELS[i * i % 7 % 3]) for i in range(60)]
    assert suspicions(rows, spec) == {}


def test_similar_rows_are_named_with_their_answers(spec: AnswerSpec) -> None:
    others = [validated_row(i) for i in range(20)]
    asked = validated_row(30, input=others[4]["input"] + " again")
    found = similar_rows([asked, others[4]], others, spec)
    assert found["row-030"][0]["id"] == "row-004"
    assert found["row-030"][0]["similarity"] > 0.8
    assert found["row-030"][0]["answer"] == "red"
    assert all(of["id"] != "row-004" for of in found["row-004"]), "no row is similar to itself"
    assert similar_rows([asked], [], spec) == {}


def write_stage_inputs(project: Path, rows: list[Any], conflicts: list[dict[str, Any]]) -> None:
    write_rows(project / "data/validate/colour/rows.jsonl", rows)
    grouped = [
        {"group": of["id"], "nearest": {"id": None, "meaning": None, "text": None}} | of for of in rows
    ]
    kept = [of for of in grouped if of["status"] == "kept"]
    write_rows(project / "data/dedupe/colour/rows.jsonl", kept)
    write_rows(project / "data/dedupe/colour/removed.jsonl", [])
    write_rows(project / "data/dedupe/colour/conflicts.jsonl", conflicts)


def test_the_stage_ranks_rows_and_measures_the_kept_labels(project: Path) -> None:
    rows = labelled(60, {7})
    rows[3] = kept_row(3, status="review", reasons=["samples_disagree"], agreement=0.5, dissent=1)
    rows[3]["samples"][1]["response"] = "blue"
    conflict = {"id": "row-005", "meaning": 0.9, "text": 0.9}
    write_stage_inputs(project, rows, [{"id": "row-004", "group": "row-004", "conflict": conflict}])
    stage.main("colour")
    queue = read_lines(project / "data/review/colour/queue.jsonl")
    by_id = {entry["id"]: entry for entry in queue}
    assert queue[0]["id"] == "row-003"
    assert by_id["row-003"]["reasons"][0] == "samples_disagree"
    assert [reply["response"] for reply in by_id["row-003"]["samples"]] == ["red", "blue"]
    assert by_id["row-004"]["similar"][0]["id"] == "row-005"
    assert by_id["row-004"]["similar"][0]["conflict"] is True
    assert "suspected_error" in by_id["row-007"]["reasons"]
    assert all(entry["input_hash"] == input_hash(entry["input"]) for entry in queue)
    metrics = json.loads((project / "data/review/colour/metrics.json").read_text())
    assert metrics["boundaries"][0]["labels"] == ["blue", "red"]
    scores = json.loads((project / "metrics/colour/review.json").read_text())
    assert scores["kept_labels"]["decided"] == 0

    # A person decides the first rows of the random order, and rejects one.
    by_chance = [entry for entry in queue if "chance" in entry["reasons"]][:3]
    lines = []
    for entry in by_chance:
        number = int(entry["id"].removeprefix("row-"))
        decision = "reject" if entry is by_chance[1] else "accept"
        line = review(number, decision, entry["answer"], entry["answer"], status="kept")
        lines.append(line)
        rows[number] |= {"review": decision, "status": "rejected" if decision == "reject" else "kept"}
    write_lines(project / "data/reviews/colour.jsonl", lines)
    write_stage_inputs(project, rows, [])
    stage.main("colour")
    scores = json.loads((project / "metrics/colour/review.json").read_text())
    assert json.loads((project / "data/review/colour/metrics.json").read_text())["reviewed"] == 3
    assert (scores["kept_labels"]["decided"], scores["kept_labels"]["precision"]) == (3, 0.6667)
    left = read_lines(project / "data/review/colour/queue.jsonl")
    names_left = {entry["id"] for entry in left if "second_look" not in entry["reasons"]}
    assert not names_left & {entry["id"] for entry in by_chance}
    # The order of the rows changes nothing.
    before = (project / "data/review/colour/queue.jsonl").read_bytes()
    write_stage_inputs(project, rows[::-1], [])
    stage.main("colour")
    assert (project / "data/review/colour/queue.jsonl").read_bytes() == before
