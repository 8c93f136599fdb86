"""Free values: whatever a model is, it writes what the schema allows."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from promptstill.answers.schema.script import ABSENT, Script
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.models.choices import choices_of
from promptstill.models.grammar import Grammar, grammars_of
from promptstill.models.student import load_tokenizer
from promptstill.models.tokens import as_text
from tests.families import random_model
from tests.promptstill.answers.tasks import schema_of, spec_of
from tests.promptstill.models.scored import TEXTS, scorer

LABEL = {"topic": {"enum": ["a", "b"]}}
ITEM = schema_of({"name": {"type": "string", "maxLength": 3}, "count": {"type": "integer", "maximum": 9}})
FREE: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "maxLength": 5},
    "pattern": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{1,3}$"},
    "integer": {"type": "integer", "minimum": 5, "maximum": 120},
    "number": {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.5},
    "nullable": {"type": ["string", "null"], "maxLength": 3},
    "object": ITEM,
    "array": {"type": "array", "items": ITEM, "minItems": 1, "maxItems": 2},
    "reference": {"$ref": "#/$defs/item"},
    "references": {"type": "array", "items": {"$ref": "#/$defs/item"}, "maxItems": 2},
    "either": {
        "anyOf": [{"type": "integer", "maximum": 99, "minimum": 0}, {"type": "string", "maxLength": 2}]
    },
}


@pytest.fixture
def tokenizer(tiny: str) -> Any:
    return load_tokenizer(tiny)


def with_items(properties: dict[str, Any], *optional: str, **rules: Any) -> AnswerSpec:
    spec = spec_of(properties, *optional, **rules)
    return AnswerSpec({**spec.schema, "$defs": {"item": ITEM}}, spec.rules)


@pytest.mark.parametrize("vocabulary", [400, 437])
@pytest.mark.parametrize("kind", FREE)
def test_an_untrained_model_gives_valid_answers(tokenizer: Any, kind: str, vocabulary: int) -> None:
    model = random_model("Llama", {"vocab_size": vocabulary})
    spec = with_items({"value": FREE[kind], **LABEL}, label="topic")
    made, _ = scorer(model, tokenizer, spec, most=400)
    whole = [reply for reply in made.reply(TEXTS) if not reply.cut_off]
    assert whole or kind == "number", "some values end"
    for reply in whole:
        answer = Script(spec).answer(reply.pieces, 0.5)
        parsed = spec.of_value(answer)
        assert parsed.answer == answer, (parsed.detail, answer)


def test_an_optional_free_key_may_be_absent(tokenizer: Any) -> None:
    spec = spec_of(LABEL | {"note": {"type": "string", "maxLength": 4}}, "note")
    choices = choices_of(Script(spec), tokenizer)
    (_, grammar) = grammars_of(choices, spec, tokenizer)
    assert grammar is not None
    value = grammar.begin()
    logits = torch.zeros(len(tokenizer))
    allowed = value.allow(logits).isfinite()
    quote = as_text('"', tokenizer).ids[0]
    assert allowed[choices[1].end], "the empty piece"
    assert allowed[quote]
    value.take(quote)
    assert not value.allow(logits).isfinite()[choices[1].end], "a text that is begun is ended first"
    # A model that wants to end at once leaves the key out.
    model = random_model("Llama", {})
    made, _ = scorer(model, tokenizer, spec)
    forward = model.forward

    def ending(*arguments: Any, **named: Any) -> Any:
        out = forward(*arguments, **named)
        out.logits[..., choices[1].end] = 1e4
        return out

    model.forward = ending
    for reply in made.reply(TEXTS):
        assert reply.pieces[1] == ABSENT
        assert Script(spec).answer(reply.pieces, 0.5) == {"topic": reply.pieces[0]}


def test_a_value_that_must_be_there_does_not_end_at_once(tokenizer: Any) -> None:
    spec = spec_of(LABEL | {"note": {"type": "string"}})
    choices = choices_of(Script(spec), tokenizer)
    value = Grammar(choices[1], spec.schema, tokenizer).begin()
    allowed = value.allow(torch.zeros(len(tokenizer))).isfinite()
    assert not allowed[choices[1].end]
    assert sorted({tokenizer.decode([i])[0] for i in allowed.nonzero().flatten().tolist()}) == ['"']


def test_the_tokens_of_every_valid_value_are_allowed(tokenizer: Any) -> None:
    spec = with_items({**LABEL, "items": FREE["references"], "count": {"type": "integer"}})
    choices = choices_of(Script(spec), tokenizer)
    answer = {"topic": "a", "items": [{"name": 'é"\n', "count": 3}, {"name": "", "count": -7}], "count": 1207}
    pieces = Script(spec).pieces(answer)
    for choice, grammar, piece in list(
        zip(choices, grammars_of(choices, spec, tokenizer), pieces, strict=True)
    )[1:]:
        assert grammar is not None
        value = grammar.begin()
        for token in choice.encode(piece)[0]:
            assert value.allow(torch.zeros(len(tokenizer)))[token].isfinite(), (
                piece,
                tokenizer.decode([token]),
            )
            value.take(token)


def test_a_value_that_reaches_the_limit_is_cut_off(tokenizer: Any) -> None:
    spec = spec_of(LABEL | {"note": {"type": "string", "minLength": 40}, "open": {"type": "boolean"}})
    made, _ = scorer(random_model("Llama", {}), tokenizer, spec, most=6)
    for reply in made.reply(TEXTS):
        assert reply.cut_off
        assert len(reply.pieces) == 3


def test_listed_values_and_free_text_need_no_grammar(tokenizer: Any) -> None:
    spec = spec_of(LABEL)
    assert grammars_of(choices_of(Script(spec), tokenizer), spec, tokenizer) == [None]


def test_a_schema_that_cannot_be_compiled_is_an_error(tokenizer: Any) -> None:
    spec = spec_of(LABEL | {"note": {"type": "string", "pattern": "^(?=a)b$"}})
    choices = choices_of(Script(spec), tokenizer)
    with pytest.raises(UserError, match=r"^answer.schema.json: .*; simplify it$"):
        grammars_of(choices, spec, tokenizer)
