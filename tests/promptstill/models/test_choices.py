"""The tokens of a slot's values as a trie, and where in it a student decides."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import normalizers

from promptstill.answers.schema.script import Script, Slot
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.console.errors import UserError
from promptstill.models.choices import Choices, Decision, choices_of, tokens_decided
from promptstill.models.student import load_tokenizer
from promptstill.models.tokens import as_text
from tests.project import TEXT_SCHEMA
from tests.promptstill.answers.tasks import spec_of

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
VALUES = ("red", "reddish", "real", "blue", None)


@pytest.fixture
def tokenizer(tiny: str) -> Any:
    return load_tokenizer(tiny)


def choices(tokenizer: Any, *values: Any, optional: bool = False) -> Choices:
    return Choices(Slot("colour", values, optional), tokenizer, tokenizer.eos_token_id)


def test_every_value_is_a_path_to_a_leaf(tokenizer: Any) -> None:
    made = choices(tokenizer, *VALUES, optional=True)
    end = tokenizer.eos_token_id
    assert made.sequences[-1] == (end,), "the absence of a key is its end at once"
    for sequence, piece in zip(made.sequences, made.slot.pieces, strict=True):
        assert sequence == (*as_text(piece, tokenizer).ids, end)
        assert sequence not in made.children, "nothing follows the end of a value"
        for i, token in enumerate(sequence):
            assert token in made.children[sequence[:i]]


def test_a_student_decides_where_values_part(tokenizer: Any) -> None:
    made = choices(tokenizer, "red", "reddish")
    ids = as_text("red", tokenizer).ids
    longer = as_text("reddish", tokenizer).ids
    shared = next(i for i, (a, b) in enumerate(zip([*ids, None], longer, strict=False)) if a != b)
    after = ids[shared] if shared < len(ids) else tokenizer.eos_token_id
    assert made.branches == {tuple(longer[:shared]): tuple(sorted((after, longer[shared])))}
    assert made.nodes == tuple(tuple(longer[:i]) for i in range(1, shared + 1)), "and it reads up to there"
    for piece in ("red", "reddish"):
        encoded, decisions = made.encode(piece)
        assert decisions == [Decision(shared, made.branches[tuple(encoded[:shared])])]


def test_values_that_part_at_once_need_no_node(tokenizer: Any) -> None:
    made = choices(tokenizer, "x", "y", "z")
    assert list(made.branches) == [()]
    assert made.nodes == ()


def test_every_decision_is_at_a_branch_on_the_way_of_the_value(tokenizer: Any) -> None:
    made = choices(tokenizer, *VALUES)
    for piece, sequence in zip(made.slot.pieces, made.sequences, strict=True):
        ids, decisions = made.encode(piece)
        assert tuple(ids) == sequence
        positions = [i for i in range(len(ids)) if sequence[:i] in made.branches]
        assert [decision.position for decision in decisions] == positions
        for decision in decisions:
            assert decision.among is not None
            assert ids[decision.position] in decision.among


def test_the_probabilities_of_the_values_are_products_along_the_trie(tokenizer: Any) -> None:
    made = choices(tokenizer, *VALUES, optional=True)
    logits = torch.randn(3, 1 + len(made.nodes), len(tokenizer), generator=torch.Generator().manual_seed(0))
    given = made.log_probabilities(logits)
    assert given.shape == (3, len(made.slot.pieces))
    assert np.exp(given).sum(axis=1) == pytest.approx(1.0)
    for row, sequence in enumerate(made.sequences):
        total = 0.0
        for i, token in enumerate(sequence):
            allowed = list(made.children[sequence[:i]])
            place = 0 if i == 0 else 1 + made.nodes.index(sequence[:i]) if sequence[:i] in made.nodes else -1
            if len(allowed) > 1:
                total += float(logits[2, place, allowed].double().log_softmax(-1)[allowed.index(token)])
        assert given[2, row] == pytest.approx(total, abs=1e-9)


def test_any_token_may_come_in_a_free_value(tokenizer: Any) -> None:
    made = Choices(Slot("note", None, False), tokenizer, tokenizer.eos_token_id)
    ids, decisions = made.encode('"rose"')
    assert ids == [*as_text('"rose"', tokenizer).ids, tokenizer.eos_token_id]
    assert decisions == [Decision(i, None) for i in range(len(ids))]


def test_a_line_ends_every_piece_but_the_last(tokenizer: Any) -> None:
    spec = spec_of({"topic": {"enum": ["a", "b"]}, "note": {"type": "string"}, "open": {"type": "boolean"}})
    newline, end = as_text("\n", tokenizer).ids[-1], tokenizer.eos_token_id
    assert [choices.end for choices in choices_of(Script(spec), tokenizer)] == [newline, newline, end]


def test_the_tokens_that_are_decided_between(tokenizer: Any) -> None:
    closed = choices_of(Script(TEXT), tokenizer)
    decided = tokens_decided(closed)
    assert decided == sorted({token for tokens in closed[0].branches.values() for token in tokens})
    free = spec_of({"topic": {"enum": ["a", "b"]}, "note": {"type": "string"}})
    assert tokens_decided(choices_of(Script(free), tokenizer)) is None, "a free value may take any"


def test_a_control_token_in_a_value_is_spelt_out(tokenizer: Any) -> None:
    made = choices(tokenizer, "<|im_end|>", "b")
    assert tokenizer.eos_token_id not in made.sequences[0][:-1]


def test_two_values_that_the_tokenizer_writes_alike_are_an_error(tokenizer: Any) -> None:
    lower = deepcopy(tokenizer)
    lower.backend_tokenizer.normalizer = normalizers.Lowercase()
    assert choices(lower, "us", "them").sequences
    with pytest.raises(
        UserError, match=r"train\.base: its tokenizer writes 'US' and 'us' alike; use another"
    ):
        choices(lower, "US", "us")
