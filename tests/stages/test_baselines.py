"""eval: the two baselines, from features to answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.near.vectors import Vectors
from promptstill.rows.row import Answer, SplitRow
from stages.eval import baselines
from stages.eval.baselines import (
    embeddings_answers,
    fitted_ngrams,
    majority_answer,
    nearest,
    ngrams_answers,
)
from tests.project import JSON_SCHEMA, TEXT_SCHEMA
from tests.rows import split_row

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
OPEN = AnswerSpec({"type": "string"}, Normalisation(format="text"))
JSON = AnswerSpec(
    JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "alarm_accuracy"})
)
REASONED = AnswerSpec(
    {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}, "reason": {"type": ["string", "null"]}},
    },
    Normalisation(format="json", label="colour", scored={"reason": "reason_accuracy"}),
)


def rows_of(answers: Sequence[Answer]) -> list[SplitRow]:
    return [split_row(i, answer=answer) for i, answer in enumerate(answers)]


def embedding_answers(
    train: Vectors, rows: Sequence[SplitRow], vectors: Vectors, spec: AnswerSpec
) -> list[Answer]:
    """The answers of the baseline whose encoder gives these vectors."""
    texts = [f"text {i}" for i in range(len(vectors))]
    known = dict(zip([*(row["input"] for row in rows), *texts], [*train, *vectors], strict=True))
    return embeddings_answers(rows, texts, lambda part: np.stack([known[text] for text in part]), spec)


def ngram_answers(
    train: list[str], answers: Sequence[Answer], texts: list[str], spec: AnswerSpec
) -> list[Answer]:
    rows = [
        split_row(i, input=text, answer=answer)
        for i, (text, answer) in enumerate(zip(train, answers, strict=True))
    ]
    return ngrams_answers(fitted_ngrams(rows, spec), rows, texts, spec)


def test_each_scored_key_is_learnt_from_either_kind_of_features() -> None:
    answers: list[Answer] = [
        {"colour": colour, "sure": 0.9, "alarm": alarm}
        for colour, alarm in (("red", None), ("blue", None), ("red", "fire"), ("blue", "fire"))
    ]
    expected = [{"colour": entry["colour"], "alarm": entry["alarm"]} for entry in answers]  # type: ignore[index]
    vectors = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 1, 0]], dtype=np.float32)
    rows = rows_of(answers * 6)
    assert embedding_answers(np.tile(vectors, (6, 1)), rows, vectors, JSON) == expected
    texts = ["a quiet rose", "a quiet sea", "a burning rose", "a burning sea"]
    assert ngram_answers(texts * 6, answers * 6, texts, JSON) == expected


def test_words_and_parts_of_words_both_count() -> None:
    train, texts = ["red car", "red bus", "blue car", "blue bus"], ["redder", "the blue one"]
    assert ngram_answers(train * 3, ["red", "red", "blue", "blue"] * 3, texts, TEXT) == ["red", "blue"]


def test_a_single_class_and_a_single_component_need_no_tuning() -> None:
    vectors = np.eye(4, dtype=np.float32)
    assert embedding_answers(vectors, rows_of(["red"] * 4), vectors[:2], TEXT) == ["red", "red"]
    together = [split_row(i, answer=a, component="c") for i, a in enumerate(["red", "blue", "red", "blue"])]
    assert embedding_answers(vectors, together, vectors, TEXT) == ["red", "blue", "red", "blue"]


def test_a_class_of_one_component_only_is_learnt_in_the_end() -> None:
    vectors = np.repeat(np.eye(2, dtype=np.float32), 4, axis=0)
    components = [*"aaaa", *"bbbb"]
    rows = [split_row(i, answer="red" if i < 4 else "blue", component=components[i]) for i in range(8)]
    assert embedding_answers(vectors, rows, vectors[[0, 7]], TEXT) == ["red", "blue"]


def test_free_text_is_that_of_the_most_similar_train_row() -> None:
    train = ["an invoice for May", "an invoice for June", "a parcel for May", "a parcel for June"]
    answers: list[Answer] = ["the bill of May", "the bill of June", "the post of May", "the post of June"]
    texts = ["where is my parcel of June", "May invoice, please"]
    assert ngram_answers(train, answers, texts, OPEN) == ["the post of June", "the bill of May"]


def test_each_key_is_free_text_or_a_class_on_its_own() -> None:
    train = ["red apple", "red brick", "blue sky", "blue sea"] * 3
    answers: list[Answer] = [
        {"colour": text.split()[0], "reason": f"{text}, row {i}"} for i, text in enumerate(train)
    ]
    (answer,) = ngram_answers(train, answers, ["brick"], REASONED)
    assert answer == {"colour": "red", "reason": "red brick, row 1"}, "the first of equally similar rows"


def test_values_that_repeat_are_classes_though_the_schema_does_not_list_them() -> None:
    # The nearest row of `x` is the one that is wrong; all others outvote it.
    vectors = np.array([[1.0, 0.1]] * 10 + [[1.1, 0.0]] + [[0.0, 1.0]] * 11, dtype=np.float32)
    answers = ["red"] * 10 + ["blue"] + ["blue"] * 11
    x = np.array([[1.0, 0.0]], dtype=np.float32)
    assert nearest(vectors, x) == [10]
    assert embedding_answers(vectors, rows_of(answers), x, OPEN) == ["red"]


def test_a_derived_label_follows_from_the_keys_that_are_answered() -> None:
    rule = {"labels": {"refused": {"reason": None}}, "otherwise": "answered"}
    rules = {"format": "json", "label": rule, "scored": {"reason": "reason"}}
    spec = AnswerSpec(REASONED.schema, Normalisation.check(rules, "here"))
    answers: list[Answer] = [{"colour": "red", "reason": None}, {"colour": "blue", "reason": "cold"}] * 20
    texts = ["a rose", "a sea"]
    expected = [{"reason": None}, {"reason": "cold"}]
    given = ngram_answers(texts * 20, answers, texts, spec)
    assert given == expected
    assert [spec.label(answer) for answer in given] == ["refused", "answered"]
    assert majority_answer(answers, spec) == {"reason": "cold"}, "a tie goes to the first in order"


def test_nearest_rows_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    whole = nearest(vectors, vectors[::-1])
    monkeypatch.setattr(baselines, "BLOCK", 7)
    assert nearest(vectors, vectors[::-1]) == whole
