"""Free values: whatever a model is, it writes what the schema allows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from promptstill.answers.schema.script import ABSENT, Script
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.models.answering import Answerer
from promptstill.models.choices import choices_of
from promptstill.models.grammar import FreeText, Grammar, writers_of
from promptstill.models.student import load_tokenizer
from promptstill.models.tokens import as_text, control_tokens, prepare
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
    (_, grammar) = writers_of(choices, spec, tokenizer)
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
    value = Grammar(choices[1], spec, tokenizer).begin()
    allowed = value.allow(torch.zeros(len(tokenizer))).isfinite()
    assert not allowed[choices[1].end]
    assert sorted({tokenizer.decode([i])[0] for i in allowed.nonzero().flatten().tolist()}) == ['"']


def test_the_tokens_of_every_valid_value_are_allowed(tokenizer: Any) -> None:
    spec = with_items({**LABEL, "items": FREE["references"], "count": {"type": "integer"}})
    choices = choices_of(Script(spec), tokenizer)
    answer = {"topic": "a", "items": [{"name": 'é"\n', "count": 3}, {"name": "", "count": -7}], "count": 1207}
    pieces = Script(spec).pieces(answer)
    for choice, grammar, piece in list(
        zip(choices, writers_of(choices, spec, tokenizer), pieces, strict=True)
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


def test_listed_values_are_not_written(tokenizer: Any) -> None:
    spec = spec_of(LABEL)
    assert writers_of(choices_of(Script(spec), tokenizer), spec, tokenizer) == [None]


def test_free_text_has_no_control_token_and_none_without_a_text(tokenizer: Any) -> None:
    spec = AnswerSpec({"type": "string"}, Normalisation(format="text"))
    choices = choices_of(Script(spec), tokenizer)
    (writer,) = writers_of(choices, spec, tokenizer)
    assert isinstance(writer, FreeText)
    allowed = writer.begin().allow(torch.zeros(len(tokenizer) + 5)).isfinite()
    barred = set((~allowed).nonzero().flatten().tolist())
    control = set(tokenizer.convert_tokens_to_ids(sorted(control_tokens(tokenizer))))
    assert choices[0].end in control
    assert barred == (control - {choices[0].end}) | set(range(len(tokenizer), len(tokenizer) + 5))


def test_a_tokenizer_may_have_no_control_token_but_the_end() -> None:
    made = Tokenizer(models.BPE({"a": 0, "b": 1, "\n": 2, "</s>": 3}, []))
    made.add_special_tokens([AddedToken("</s>", special=True)])
    plain = prepare(PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>"), "plain")
    spec = AnswerSpec({"type": "string"}, Normalisation(format="text"))
    (writer,) = writers_of(choices_of(Script(spec), plain), spec, plain)
    assert writer is not None
    assert writer.begin().allow(torch.zeros(4)).isfinite().all()


def test_free_values_of_a_tokenizer_that_puts_a_space_first(spaced: Any) -> None:
    spec = spec_of(LABEL | {"note": {"type": "string", "maxLength": 4}})
    choices = choices_of(Script(spec), spaced)
    (_, grammar) = writers_of(choices, spec, spaced)
    assert grammar is not None
    value = grammar.begin()
    ids, decisions = choices[1].encode('"ab"')
    assert spaced.convert_ids_to_tokens(ids) == ['"', "a", "b", '"', spaced.eos_token]
    assert len(decisions) == len(ids)
    for token in ids:
        assert value.allow(torch.zeros(len(spaced)))[token].isfinite()
        value.take(token)
    model = random_model("Llama", {})
    for given in Answerer(model, spaced, spec, (48, 24)).answer(["a b", "b"]):
        assert given.cut_off or spec.validator.is_valid(given.answer)


@pytest.fixture
def spaced() -> Any:
    """A tokenizer as SentencePiece makes them: a space before every text, and bytes for other signs."""
    letters = [chr(code) for code in range(33, 127)] + ["\u2581"]
    names = ["<pad>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    model = models.BPE({name: i for i, name in enumerate(names)}, [], byte_fallback=True, unk_token=None)
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens([AddedToken(name, special=True) for name in ("<pad>", "<s>", "</s>")])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    return prepare(fast, "spaced")
