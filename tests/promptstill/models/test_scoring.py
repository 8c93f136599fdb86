"""What a model gives to texts: exact probabilities of listed values, however texts are put into batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from promptstill.answers.schema.script import LABEL
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.models import batches, scoring
from promptstill.models.reply import Reply
from promptstill.models.scoring import INPUT, Scorer
from promptstill.models.student import load_tokenizer
from promptstill.models.tokens import as_text
from tests.families import FAMILIES, random_model
from tests.project import TEXT_SCHEMA
from tests.promptstill.answers.tasks import spec_of
from tests.promptstill.models.scored import TEXTS, plain_answer, scorer, whole_prompt

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
# Values with long common beginnings, of which some are beginnings of others.
LONG = ["order status of a parcel", "order status of a parcel abroad", "order status", "order", "other", None]
SEVERAL = spec_of(
    {"topic": {"enum": LONG}, "urgent": {"type": ["boolean", "null"]}, "tag": {"enum": ["x", "xy"]}}, "tag"
)
PROMPT = "Name the colour of the thing in this text.\nText: {input}\nColour:"


@pytest.fixture
def tokenizer(tiny: str) -> Any:
    return load_tokenizer(tiny)


def same(left: Sequence[Reply], right: Sequence[Reply]) -> bool:
    """Whether two lists of replies have the same pieces, and probabilities that differ by 1e-5 at most."""
    for reply, other in zip(left, right, strict=True):
        assert (reply.pieces, reply.cut_off) == (other.pieces, other.cut_off)
        assert reply.probabilities == pytest.approx(other.probabilities, abs=1e-5)
        for key, values in reply.log_probabilities.items():
            assert np.allclose(np.exp(values), np.exp(other.log_probabilities[key]), atol=1e-5)
    return True


@pytest.mark.parametrize("spec", [TEXT, SEVERAL], ids=["text", "several"])
@pytest.mark.parametrize("prompt", [INPUT, PROMPT, "{input} is"])
@pytest.mark.parametrize(("family", "settings"), [(name, settings) for name, settings, _ in FAMILIES])
def test_probabilities_are_those_of_a_whole_pass_for_every_value(
    tokenizer: Any, family: str, settings: dict[str, Any], prompt: str, spec: AnswerSpec
) -> None:
    model = random_model(family, settings)
    made, choices = scorer(model, tokenizer, spec, prompt)
    for text, reply in zip(TEXTS, made.reply(TEXTS), strict=True):
        plain = plain_answer(model, whole_prompt(text, tokenizer, prompt), choices)
        assert reply.pieces == [piece for piece, _ in plain]
        for slot, (piece, probabilities) in zip(choices, plain, strict=True):
            given = np.exp(reply.log_probabilities[slot.slot.key])
            assert given == pytest.approx(probabilities, abs=1e-4)
            assert given.sum() == pytest.approx(1.0)
            chosen = slot.slot.pieces.index(piece)
            assert reply.probabilities[slot.slot.key] == pytest.approx(given[chosen])


@pytest.mark.parametrize("prompt", [INPUT, PROMPT])
@pytest.mark.parametrize(("family", "settings"), [(name, settings) for name, settings, _ in FAMILIES])
def test_neither_the_batch_nor_the_order_changes_a_reply(
    tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    settings: dict[str, Any],
    prompt: str,
) -> None:
    free = spec_of(
        {"topic": {"enum": LONG}, "note": {"type": "string", "maxLength": 4}, "urgent": {"type": "boolean"}}
    )
    made, _ = scorer(random_model(family, settings), tokenizer, free, prompt)
    together = made.reply(TEXTS)
    assert same([made.reply([text])[0] for text in TEXTS], together)
    assert same(made.reply(TEXTS[::-1])[::-1], together)
    monkeypatch.setattr(scoring, "BATCH", 4)
    assert same(made.reply(TEXTS), together)


def test_batches_stay_below_the_limits(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("Llama", {})
    made, choices = scorer(model, tokenizer, SEVERAL)
    together = made.reply(TEXTS)
    sizes: list[int] = []
    monkeypatch.setattr(scoring, "BATCH_TOKENS", 100)
    assert same(made.reply(TEXTS, sizes.append), together)
    assert sum(sizes) == len(TEXTS)
    assert len(sizes) > 2
    sizes.clear()
    monkeypatch.setattr(scoring, "BATCH_TOKENS", 10**6)
    nodes = 1 + max(len(slot.nodes) for slot in choices)
    monkeypatch.setattr(scoring, "BATCH_LOGITS", 2 * nodes * 400)
    assert same(made.reply(TEXTS, sizes.append), together)
    assert sizes == [2, 2, 2]


def test_inputs_of_different_lengths_are_read_apart_and_get_the_same_replies(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = scorer(random_model("Llama", {}), tokenizer, SEVERAL)
    sizes: list[int] = []
    together = made.reply(TEXTS, sizes.append)
    assert sizes == [len(TEXTS)], "padding of a few tokens is quicker than further passes"
    sizes.clear()
    monkeypatch.setattr(batches, "TOKENS_OF_A_PASS", 0)
    assert same(made.reply(TEXTS, sizes.append), together)
    assert len(sizes) > 1
    assert sum(sizes) == len(TEXTS)


def test_no_text_has_no_reply(tokenizer: Any) -> None:
    made, _ = scorer(random_model("Llama", {}), tokenizer, TEXT)
    assert made.reply([]) == []


def test_a_long_text_is_read_at_its_ends(tokenizer: Any) -> None:
    made, _ = scorer(random_model("Llama", {}), tokenizer, TEXT, most_input=8)
    text = "begin with red " + "and green " * 20 + "end with blue"
    ids = as_text(text, tokenizer).ids
    shortened = tokenizer.decode(ids[:4] + ids[-4:])
    assert as_text(shortened, tokenizer).ids == ids[:4] + ids[-4:]
    assert same(made.reply([text]), made.reply([shortened]))


def test_a_judge_decides_with_the_rows_of_its_batch(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "BATCH", 2)
    model = random_model("Llama", {})
    made, choices = scorer(model, tokenizer, SEVERAL)
    wanted = [i % len(LONG) for i in range(len(TEXTS))]

    def judge(key: str, rows: Sequence[int], values: np.ndarray) -> np.ndarray:
        if key != "topic":
            return values
        other = np.full_like(values, -9.0)
        other[range(len(rows)), [wanted[row] for row in rows]] = -0.5
        return other

    for i, reply in enumerate(made.reply(TEXTS, judge=judge)):
        assert reply.pieces[0] == choices[0].slot.pieces[wanted[i]]
        assert reply.probabilities["topic"] == pytest.approx(math.exp(-0.5))
        # The next key is answered after the value that was taken.
        ids = [*whole_prompt(TEXTS[i], tokenizer), *choices[0].sequences[wanted[i]]]
        plain = plain_answer(model, ids, choices[1:])
        assert reply.pieces[1:] == [piece for piece, _ in plain]


def test_a_free_slot_between_closed_ones_is_what_the_next_one_reads(tokenizer: Any) -> None:
    model = random_model("Llama", {})
    spec = spec_of({"topic": {"enum": LONG}, "note": {"type": "integer"}, "urgent": {"type": "boolean"}})
    made, choices = scorer(model, tokenizer, spec)
    topic, note, urgent = choices
    for text, reply in zip(TEXTS, made.reply(TEXTS), strict=True):
        ids = whole_prompt(text, tokenizer)
        ((first, _),) = plain_answer(model, ids, [topic])
        assert reply.pieces[0] == first
        ids += topic.encode(first)[0]
        if reply.cut_off:
            continue
        ids += note.encode(reply.pieces[1])[0]
        ((last, probabilities),) = plain_answer(model, ids, [urgent])
        assert reply.pieces[2] == last
        assert np.exp(reply.log_probabilities["urgent"]) == pytest.approx(probabilities, abs=1e-4)


def test_free_text_is_decoded_greedily_and_has_the_probability_of_its_tokens(tokenizer: Any) -> None:
    model = random_model("Llama", {})
    spec = AnswerSpec({"type": "string"}, Normalisation(format="text"))
    made, _ = scorer(model, tokenizer, spec, most=5)
    for text, reply in zip(TEXTS, made.reply(TEXTS), strict=True):
        ids, written, total = whole_prompt(text, tokenizer), list[int](), 0.0
        while len(written) < 5 and tokenizer.eos_token_id not in written:
            with torch.inference_mode():
                logs = model(torch.tensor([ids + written])).logits[0, -1].log_softmax(-1)
            total += float(logs.max())
            written.append(int(logs.argmax()))
        assert reply.cut_off == (tokenizer.eos_token_id not in written)
        assert reply.probabilities[""] == pytest.approx(math.exp(total), abs=1e-5)
        assert reply.pieces == [tokenizer.decode([t for t in written if t != tokenizer.eos_token_id])]


def test_a_model_with_a_prompt_computes_its_beginning_once(tokenizer: Any) -> None:
    model = random_model("Llama", {})
    read: list[int] = []
    forward = model.forward

    def counted(*arguments: Any, **named: Any) -> Any:
        read.append(named["input_ids"].shape[1])
        return forward(*arguments, **named)

    model.forward = counted
    made: Scorer = scorer(model, tokenizer, TEXT, "many words " * 50 + INPUT)[0]
    read.clear()
    made.reply(["red"])
    assert sum(read) < 40


REFUSING = spec_of(
    {"note": {"type": "string", "maxLength": 4}, "urgent": {"type": "boolean"}, "topic": {"enum": LONG}},
    label={"labels": {"refused": {"note": "", "urgent": False}}, "otherwise": "answered"},
    scored={"urgent": "urgent", "note": "note", "topic": "topic"},
)


@pytest.mark.parametrize("refused", [(), (1, 4), tuple(range(len(TEXTS)))])
@pytest.mark.parametrize(("family", "settings"), [(name, settings) for name, settings, _ in FAMILIES])
def test_what_a_derived_label_implies_is_not_decoded(
    tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    settings: dict[str, Any],
    refused: tuple[int, ...],
) -> None:
    model = random_model(family, settings)
    made, choices = scorer(model, tokenizer, REFUSING)

    def judge(key: str, rows: Sequence[int], values: np.ndarray) -> np.ndarray:
        if key != LABEL:
            return values
        return np.array([[0.0, -np.inf] if row in refused else [-np.inf, 0.0] for row in rows])

    together = made.reply(TEXTS, judge=judge)
    monkeypatch.setattr(scoring, "BATCH", 2)
    assert same(made.reply(TEXTS, judge=judge), together)
    label, topic = choices[0], choices[-1]
    for i, reply in enumerate(together):
        if i not in refused:
            assert reply.pieces[0] == "answered"
            continue
        assert reply.pieces[:3] == ["refused", "false", '""']
        assert reply.probabilities["note"] == reply.probabilities["urgent"] == 1.0
        # The next value is read directly behind the label.
        ids = [*whole_prompt(TEXTS[i], tokenizer), *label.encode("refused")[0]]
        ((piece, probabilities),) = plain_answer(model, ids, [topic])
        assert reply.pieces[3] == piece
        assert np.exp(reply.log_probabilities["topic"]) == pytest.approx(probabilities, abs=1e-4)
