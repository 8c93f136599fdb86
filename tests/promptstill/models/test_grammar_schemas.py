"""What of a JSON Schema is compiled, and what is refused before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from promptstill.answers.schema.script import Script
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.models.answering import Answerer
from promptstill.models.choices import choices_of
from promptstill.models.grammar import refuse_unwritable, writers_of
from promptstill.models.student import load_tokenizer
from tests.families import random_model
from tests.promptstill.answers.tasks import spec_of
from tests.promptstill.models.scored import TEXTS, scorer

LABEL = {"topic": {"enum": ["a", "b"]}}
LENIENT: dict[str, dict[str, Any]] = {
    "uniqueItems": {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True, "maxItems": 2},
    "not": {"type": "string", "maxLength": 2, "not": {"const": "x"}},
    "if": {"type": "string", "maxLength": 4, "if": {"minLength": 2}, "then": {"maxLength": 3}},
    "oneOf": {"oneOf": [{"type": "integer", "maximum": 5}, {"type": "integer", "minimum": 3}], "minimum": 0},
    "format": {"type": "string", "maxLength": 3, "format": "of-our-own"},
    "dependentRequired": {
        "type": "object", "properties": {"x": {"enum": [1, 2]}, "y": {"enum": [3, 4]}},
        "additionalProperties": False, "dependentRequired": {"x": ["y"]},
    },
}  # fmt: skip


@pytest.fixture
def tokenizer(tiny: str) -> Any:
    return load_tokenizer(tiny)


@pytest.mark.parametrize("keyword", LENIENT)
def test_an_answer_that_breaks_a_rule_which_decoding_does_not_know_is_none(
    tokenizer: Any, keyword: str
) -> None:
    spec = spec_of({"value": LENIENT[keyword], **LABEL}, label="topic")
    refuse_unwritable(spec)
    made = Answerer(random_model("Llama", {}), tokenizer, spec, (48, 60))
    for given in made.answer(TEXTS):
        assert given.answer is None or spec.validator.is_valid(given.answer)


@pytest.mark.parametrize("place", ["#/properties/first", "#/$defs/a~1b~0c", "#/properties/first/items"])
def test_references_lead_anywhere_in_the_schema_and_keep_their_siblings(tokenizer: Any, place: str) -> None:
    text = {"type": "array", "items": {"enum": [1, 2]}, "maxItems": 1}
    spec = spec_of(LABEL | {"first": text, "value": {"$ref": place, "description": "as the first"}})
    schema = {**spec.schema, "$id": "https://example.org/answer", "$defs": {"a/b~c": text}}
    spec = AnswerSpec(schema, spec.rules)
    made = Answerer(random_model("Llama", {}), tokenizer, spec, (48, 60))
    for given in made.answer(TEXTS):
        assert given.answer is not None or given.cut_off
        assert given.answer is None or spec.validator.is_valid(given.answer)


@pytest.mark.parametrize("key", ["a/b~c", "with space", "größe", "日本", "a#b", 'a"b', "a%20b", "a\\b"])
def test_any_name_can_be_a_key(key: str) -> None:
    refuse_unwritable(spec_of(LABEL | {key: {"type": "integer"}}))


@pytest.mark.parametrize("key", ["examples", "default", "enum", "const", "properties"])
def test_a_key_that_is_named_like_a_keyword_may_have_a_reference(key: str) -> None:
    spec = spec_of(LABEL | {key: {"type": "array", "items": {"$ref": "#/$defs/text"}}})
    refuse_unwritable(AnswerSpec({**spec.schema, "$defs": {"text": {"type": "string"}}}, spec.rules))


def test_a_value_obeys_the_rules_beside_its_reference(tokenizer: Any) -> None:
    spec = spec_of(LABEL | {"value": {"$ref": "#/$defs/text", "maxLength": 1}})
    spec = AnswerSpec({**spec.schema, "$defs": {"text": {"type": "string", "minLength": 1}}}, spec.rules)
    made, _ = scorer(random_model("Llama", {}), tokenizer, spec, most=60)
    assert {len(Script(spec).answer(reply.pieces, 0.5)["value"]) for reply in made.reply(TEXTS)} == {1}  # type: ignore[index]


def test_a_schema_that_cannot_be_compiled_is_an_error(tokenizer: Any) -> None:
    spec = spec_of(LABEL | {"note": {"type": "string", "pattern": "^(?=a)b$"}})
    choices = choices_of(Script(spec), tokenizer)
    for refuse in (lambda: writers_of(choices, spec, tokenizer), lambda: refuse_unwritable(spec)):
        with pytest.raises(UserError, match=r"^answer.schema.json: note: .*look-around.*; simplify it$"):
            refuse()
