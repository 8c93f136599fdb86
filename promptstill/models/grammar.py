"""Which tokens may come next in a value that is written freely: those that keep it valid under the schema.

The grammar is that of llguidance, which compiles a JSON Schema and masks the vocabulary at every token.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import llguidance
import llguidance.hf
import numpy as np
import torch
from torch import Tensor

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.shape import node_of
from promptstill.console.errors import UserError, one_line
from promptstill.models.choices import Choices

# JSON as Python writes it, on one line, which is what the student learns.
STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class Grammar:
    """What a free value of one key may be, token by token."""

    def __init__(self, choices: Choices, root: dict[str, Any], tokenizer: Any) -> None:  # noqa: ANN401
        """The values of a slot under the schema `root`. Raises UserError for one that cannot be compiled."""
        node = root["properties"][choices.slot.key]
        definitions: dict[str, Any] = {name: root[name] for name in ("$defs", "definitions") if name in root}
        schema: dict[str, Any] = {**definitions, **node_of(node, root), "x-guidance": STYLE}
        grammar = llguidance.LLMatcher.grammar_from_json_schema(schema)
        self._tokens, self._choices = _tokens_of(tokenizer), choices
        self._stop = tokenizer.eos_token_id
        self._matcher = llguidance.LLMatcher(self._tokens, grammar)
        if self._matcher.is_error():
            raise UserError(f"answer.schema.json: {one_line(self._matcher.get_error())}; simplify it")

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


def grammars_of(choices: Sequence[Choices], form: AnswerForm, tokenizer: Any) -> list[Grammar | None]:  # noqa: ANN401
    """The grammar of each slot; None for one whose values are listed, and for free text, which needs none."""
    return [
        None if choice.slot.closed or not choice.slot.key else Grammar(choice, form.schema, tokenizer)
        for choice in choices
    ]


@lru_cache(maxsize=4)
def _tokens_of(tokenizer: Any) -> Any:  # noqa: ANN401
    return llguidance.hf.from_tokenizer(tokenizer)
