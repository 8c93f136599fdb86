"""Which tokens may come next in a value that is written freely: those that keep it valid under the schema.

The grammar is that of llguidance, which compiles a JSON Schema and masks the vocabulary at every token. It
leaves out the keywords that it does not know, such as `not` and `uniqueItems`; an answer that breaks one of
them is no answer. A text answer may have any token but the control tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import quote

import llguidance
import llguidance.hf
import numpy as np
import torch
from torch import Tensor

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import Script, Slot
from promptstill.console.errors import UserError, one_line
from promptstill.models.choices import Choices
from promptstill.models.tokens import control_tokens

# JSON as Python writes it, on one line, which is what the student learns.
STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
# Leave out what cannot be compiled, and read `oneOf` as `anyOf`.
LENIENT = {"lenient": True, "coerce_one_of": True}
# Keywords whose content is no schema, those whose content is schemas by name, and those that would move the
# schema's references.
DATA = ("const", "enum", "default", "examples")
BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
PLACE = ("$id", "$schema")


def refuse_unwritable(form: AnswerForm) -> None:
    """Raise UserError for a value that is written freely and whose schema cannot be compiled."""
    for slot in Script(form).slots:
        if not slot.closed and slot.key:
            _compiled(slot, form)


def _compiled(slot: Slot, form: AnswerForm) -> str:
    """The grammar of a slot's values. Raises UserError if there is none."""
    grammar: str = llguidance.LLMatcher.grammar_from_json_schema(_schema_of(slot.key, form.schema))
    if error := llguidance.LLMatcher.validate_grammar(grammar):
        raise UserError(f"answer.schema.json: {slot.key}: {one_line(error)}; simplify it")
    return grammar


def _schema_of(key: str, root: dict[str, Any]) -> dict[str, Any]:
    """The schema of one key's values. It holds the whole schema, into which references point."""
    whole = {name: part for name, part in _moved(root).items() if name not in PLACE}
    name = quote(key.replace("~", "~0").replace("/", "~1"))
    return {
        "$defs": {"answer": whole},
        "$ref": f"#/$defs/answer/properties/{name}",
        "x-guidance": {**STYLE, **LENIENT},
    }


def _moved(node: Any) -> Any:  # noqa: ANN401
    """A schema whose references lead into `#/$defs/answer`."""
    if isinstance(node, list):
        return [_moved(part) for part in node]
    if not isinstance(node, dict):
        return node
    moved: dict[str, Any] = {}
    for name, part in node.items():
        if name in BY_NAME and isinstance(part, dict):
            moved[name] = {key: _moved(schema) for key, schema in part.items()}
        else:
            moved[name] = part if name in DATA else _moved(part)
    if isinstance(reference := node.get("$ref"), str) and reference.startswith("#"):
        moved["$ref"] = f"#/$defs/answer{reference[1:]}"
    return moved


class FreeText:
    """What a text answer may be: any tokens but the control tokens."""

    def __init__(self, choices: Choices, tokenizer: Any) -> None:  # noqa: ANN401
        control = set(tokenizer.convert_tokens_to_ids(sorted(control_tokens(tokenizer))))
        self._barred = torch.tensor(sorted(control - {choices.end}), dtype=torch.long)
        self._size = len(tokenizer)

    def begin(self) -> FreeText:
        """A new text, of which nothing needs to be known."""
        return self

    def allow(self, logits: Tensor) -> Tensor:
        """The logits of one position, shape (vocabulary), with minus infinity where a token may not come."""
        allowed = logits.index_fill(0, self._barred.to(logits.device), float("-inf"))
        # The head of a model may have more rows than its tokenizer has tokens.
        allowed[self._size :] = float("-inf")
        return allowed

    def take(self, token: int) -> None:
        """Go on with a token."""


class Grammar:
    """What a free value of one key may be, token by token."""

    def __init__(self, choices: Choices, form: AnswerForm, tokenizer: Any) -> None:  # noqa: ANN401
        """The values of a slot. Raises UserError if their schema cannot be compiled, or if the tokenizer
        cannot be read."""
        self._tokens, self._choices = _tokens_of(tokenizer), choices
        self._stop = tokenizer.eos_token_id
        self._matcher = llguidance.LLMatcher(self._tokens, _compiled(choices.slot, form))
        if self._matcher.is_error():
            raise UserError(
                f"answer.schema.json: {choices.slot.key}: {one_line(self._matcher.get_error())}; simplify it"
            )

    def begin(self) -> Value:
        """A new value."""
        return Value(self._matcher.deep_copy(), self._stop, self._choices)


class Value:
    """A value while it is written."""

    def __init__(self, matcher: Any, stop: int, choices: Choices) -> None:  # noqa: ANN401
        self._matcher, self._stop, self._end = matcher, stop, choices.end
        # The piece of a key that an answer does not have is empty.
        self._may_end = choices.slot.optional

    def allow(self, logits: Tensor) -> Tensor:
        """The logits of one position, shape (vocabulary), with minus infinity where a token may not come."""
        # A byte for each token. The head of a model may have more rows than its tokenizer has tokens.
        allowed = np.frombuffer(self._matcher.compute_logit_bias(), dtype=np.uint8)[: len(logits)] > 0
        barred = torch.ones(len(logits), dtype=torch.bool)
        barred[: len(allowed)] = torch.from_numpy(~allowed)
        # A value of the grammar ends with the end token, and that of a slot with its own.
        barred[self._stop] = True
        barred[self._end] = not (self._may_end or self._matcher.is_accepting())
        return logits.masked_fill(barred.to(logits.device), float("-inf"))

    def take(self, token: int) -> None:
        """Go on with a token that `allow` has left."""
        self._may_end = False
        if token != self._end:
            self._matcher.consume_token(token)


Writer: TypeAlias = FreeText | Grammar


def writers_of(choices: Sequence[Choices], form: AnswerForm, tokenizer: Any) -> list[Writer | None]:  # noqa: ANN401
    """What says how the values of each slot are written; None for a slot whose values are listed."""
    return [_writer(choice, form, tokenizer) for choice in choices]


def _writer(choices: Choices, form: AnswerForm, tokenizer: Any) -> Writer | None:  # noqa: ANN401
    if choices.slot.closed:
        return None
    return Grammar(choices, form, tokenizer) if choices.slot.key else FreeText(choices, tokenizer)


@lru_cache(maxsize=4)
def _tokens_of(tokenizer: Any) -> Any:  # noqa: ANN401
    try:
        return llguidance.hf.from_tokenizer(tokenizer)
    except ValueError as error:
        raise UserError(
            f"train.base: llguidance cannot read its tokenizer ({one_line(str(error))}), so values that the "
            "answer schema does not list cannot be written; use another base"
        ) from None
