"""train: rows that cite passages, varied anew in every epoch."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from promptstill.answers.schema.passages import passages, rearranged
from promptstill.answers.spec import AnswerSpec, ValueRules
from promptstill.console.errors import UserError
from promptstill.rows.row import Answer, SplitRow
from stages.train import fit as fit_module
from stages.train.checkpoint import Checkpoint
from stages.train.guards import missing_for_passages
from stages.train.params import TrainParams
from stages.train.variation import by_epoch, varied
from tests.cited import REFUSED, SPEC, asked, cited
from tests.params import train_params
from tests.promptstill.answers.tasks import spec_of
from tests.rows import split_row

PATTERN = r"(?m)^\[(\d+)\] (.*)$"
PASSAGES = ("Open from nine to six.", "Dogs stay outside.", "Towels cost two euros.", "Lockers take coins.")
QUESTION = asked("What does a towel cost?", *PASSAGES)


def row_of(answer: Answer, text: str = QUESTION) -> SplitRow:
    return {**split_row(1), "input": text, "answer": answer}


def drawn(row: SplitRow, unanswerable: float = 0.0, spec: AnswerSpec = SPEC) -> list[SplitRow]:
    """Sixty variations of a row."""
    return [varied(row, spec, unanswerable, random.Random(i)) for i in range(60)]


def said_by(row: SplitRow) -> set[str]:
    """The texts of the passages that the answer cites."""
    answer = row["answer"]
    assert isinstance(answer, dict)
    numbered = passages(row["input"], PATTERN)
    return {numbered[int(number)] for number in answer["cites"]}


def test_citations_follow_their_passages() -> None:
    rows = drawn(row_of(cited("Two euros, in coins.", 3, 4)))
    orders = {tuple(passages(row["input"], PATTERN).values()) for row in rows}
    assert len(orders) > 20
    for row in rows:
        answer, numbered = row["answer"], passages(row["input"], PATTERN)
        assert isinstance(answer, dict)
        assert said_by(row) == {PASSAGES[2], PASSAGES[3]}
        assert answer["cites"] == sorted(answer["cites"])
        assert list(numbered) == list(range(1, len(numbered) + 1))
        assert row["input"].startswith("Page: the pool\n[1] ")
        assert row["input"].endswith("\nQuestion: What does a towel cost?")
    left = [len(passages(row["input"], PATTERN)) for row in rows]
    assert 20 < left.count(3) < 40
    assert left.count(3) + left.count(4) == 60


def test_without_what_it_cites_an_answer_is_the_refusal() -> None:
    rows = drawn(row_of(cited("Two euros.", 3)), unanswerable=0.5)
    refused = [row for row in rows if row["answer"] == REFUSED]
    assert 20 < len(refused) < 40
    for row in refused:
        assert set(passages(row["input"], PATTERN).values()) == {*PASSAGES} - {PASSAGES[2]}
    assert all(said_by(row) == {PASSAGES[2]} for row in rows if row not in refused)


def test_a_passage_about_the_same_fact_leaves_with_the_cited_one() -> None:
    text = asked("What does a towel cost?", "Towels cost one euro until 2024.", *PASSAGES)
    made = drawn(row_of(cited("Two euros.", 4), text), unanswerable=0.99)
    refused = [row for row in made if row["answer"] == REFUSED]
    assert len(refused) > 50
    assert all("Towels" not in row["input"] for row in refused)
    only = asked("What does a towel cost?", "Towels cost one euro until 2024.", "Towels cost two euros.")
    rows = drawn(row_of(cited("Two euros.", 2), only), unanswerable=0.99)
    assert all(row["answer"] != REFUSED for row in rows), "nothing would be left"


def test_a_refusal_stays_one() -> None:
    rows = drawn(row_of(REFUSED), unanswerable=0.5)
    assert all(row["answer"] == REFUSED for row in rows)
    assert {len(passages(row["input"], PATTERN)) for row in rows} == {3, 4}


def test_numbers_are_written_as_they_were() -> None:
    spec = spec_of(
        {"answer": {"type": "string"}, "cites": {"type": "array", "items": {"type": "string"}}},
        label={"labels": {}, "otherwise": "answered"},
        citations={"key": "cites", "passages": r"(?m)^(\d+)\. (.*)$"},
    )
    text = "7. Open from nine.\n9. Dogs stay outside.\nWhen?"
    for row in drawn(row_of({"answer": "At nine.", "cites": ["7"]}, text), spec=spec):
        answer = row["answer"]
        assert isinstance(answer, dict)
        assert f"{answer['cites'][0]}. Open from nine." in row["input"].splitlines()


def test_the_number_may_follow_the_text_but_not_be_in_it() -> None:
    properties = {"answer": {"type": "string"}, "cites": {"type": "array", "items": {"type": "integer"}}}
    row = row_of(cited("At nine.", 1), "Open from nine. (1)\nDogs stay outside. (2)\nWhen?")
    for text, moves in ((r"(.*?) \(\d+\)$", True), (r"(.*)$", False)):
        spec = spec_of(
            properties,
            label={"labels": {}, "otherwise": "answered"},
            citations={"key": "cites", "passages": rf"(?m)^(?=.*\((\d+)\)$){text}"},
        )
        made = {of["input"] for of in drawn(row, spec=spec)}
        assert ("Dogs stay outside. (1)\nOpen from nine. (2)\nWhen?" in made) is moves
        assert (made == {row["input"]}) is not moves


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (asked("When?", "Open from nine."), cited("At nine.", 1)),
        ("[1] Open from nine.\n[1] Dogs stay outside.\nWhen?", cited("At nine.", 1)),
        (f"[1] Open from nine.\n[{'9' * 12}] Dogs stay outside.\nWhen?", cited("At nine.", 1)),
        (QUESTION, cited("Two euros.", 5)),
        (QUESTION, {"answer": "Two euros.", "cites": "3"}),
        ("[1] Open from nine.\n[2] \nWhen?", cited("At nine.", 1)),
        ("When?", cited("At nine.", 1)),
    ],
    ids=["one_passage", "same_number", "no_number", "unknown", "no_list", "empty", "none"],
)
def test_a_row_that_cannot_be_varied_stays_as_it_is(text: str, answer: Answer) -> None:
    row = row_of(answer, text)
    assert all(made is row for made in drawn(row, unanswerable=0.5))


def test_every_epoch_is_another_variation_and_the_same_again_in_the_next_run() -> None:
    rows = [row_of(cited("Two euros.", 3))] * 3
    params = train_params(epochs=3, vary_passages=True, unanswerable=0.2)
    epochs = by_epoch(rows, SPEC, params)
    assert [len(part) for part in epochs] == [3, 3, 3]
    assert len({part[0]["input"] for part in epochs}) == 3
    assert epochs == by_epoch(rows, SPEC, params)
    assert by_epoch(rows, SPEC, train_params(epochs=3)) == [rows]


def test_what_varying_needs_is_said() -> None:
    params = train_params(vary_passages=True, unanswerable=0.2)
    bare = spec_of({"answer": {"type": "string"}})
    line = missing_for_passages(bare, params, "params.yaml: pool.train")
    assert line is not None
    assert line.startswith("params.yaml: pool.train.vary_passages: normalise.yaml declares no citations")
    without = SPEC.rules.model_copy(update={"refusal": None})
    line = missing_for_passages(AnswerSpec(SPEC.schema, without), params, "params.yaml: pool.train")
    assert line is not None
    assert line.startswith("params.yaml: pool.train.unanswerable: normalise.yaml declares no refusal")
    assert missing_for_passages(SPEC, params, "params.yaml: pool.train") is None
    with pytest.raises(UserError, match="`unanswerable` needs `vary_passages: true`"):
        TrainParams.check(train_params().model_dump() | {"unanswerable": 0.2}, "pool.train")


def test_what_is_between_passages_stays() -> None:
    text = "[1] Open from nine.\nQuestion: when?\n[2] Dogs stay outside."
    for made in drawn(row_of(cited("At nine.", 1), text)):
        assert "\nQuestion: when?" in made["input"]
    assert rearranged(text, PATTERN, [0]) == "[1] Open from nine.\nQuestion: when?\n"
    assert rearranged(QUESTION, PATTERN, [2, 0]) == asked("What does a towel cost?", PASSAGES[2], PASSAGES[0])


def test_a_refusal_cites_nothing_even_if_the_rule_does_not_say_so() -> None:
    assert SPEC.rules.refusal is not None
    bare = SPEC.rules.refusal.model_copy(update={"others": {}})
    spec = AnswerSpec(SPEC.schema, SPEC.rules.model_copy(update={"refusal": bare}))
    answers = [made["answer"] for made in drawn(row_of(cited("Two euros.", 3)), 0.9, spec)]
    assert REFUSED in answers
    assert all(answer["cites"] for answer in answers if answer != REFUSED)  # type: ignore[index]


def test_a_list_that_is_no_set_keeps_its_order() -> None:
    keys = {**SPEC.rules.keys, "cites": ValueRules()}
    spec = AnswerSpec(SPEC.schema, SPEC.rules.model_copy(update={"keys": keys}))
    for made in drawn(row_of(cited("Two euros, in coins.", 4, 3)), spec=spec):
        answer, numbered = made["answer"], passages(made["input"], PATTERN)
        assert isinstance(answer, dict)
        assert [numbered[number] for number in answer["cites"]] == [PASSAGES[3], PASSAGES[2]]


def test_a_student_learns_from_another_variation_in_each_epoch(tiny: str, tmp_path: Path) -> None:
    rows = [row_of(cited(f"Answer {i}.", i % 4 + 1)) | {"id": f"row-{i}"} for i in range(6)]
    params = train_params(
        base=tiny, epochs=3, batch_size=4, vary_passages=True, unanswerable=0.2, max_input_tokens=400
    )
    made = fit_module.untrained({"train": rows, "validation": rows[:2]}, SPEC, params)
    learnt = made.data["train"]
    epochs = [[tuple(learnt.examples[i].ids) for i in learnt.of_epoch(epoch)] for epoch in (1, 2, 3)]
    assert len({*map(tuple, epochs)}) == 3
    assert [len(made.data["validation"].of_epoch(epoch)) for epoch in (1, 2, 3)] == [2, 2, 2]

    def trained(name: str) -> list[str]:
        checkpoint = Checkpoint(tmp_path / name, "key")
        fitted = fit_module.fit({"train": rows, "validation": rows[:2]}, SPEC, params, checkpoint)
        return [str(value.sum().item()) for value in fitted.trained.state.values()]

    assert trained("a") == trained("b")
