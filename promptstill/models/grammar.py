"""Which tokens may come next in a value that is written freely: those that keep it valid under the schema.

The grammar is that of llguidance, which compiles a JSON Schema and masks the vocabulary at every token.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import llguidance
import llguidance.hf
from llguidance.torch import allocate_token_bitmask, apply_token_bitmask_inplace, fill_next_token_bitmask
from torch import Tensor

from promptstill.answers.form import AnswerForm
from promptstill.answers.shape import node_of
from promptstill.console.errors import UserError
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
            raise UserError(f"answer.schema.json: {self._matcher.get_error()}; simplify it")

    def begin(self) -> Value:
        """A new value."""
        return Value(self._matcher.deep_copy(), self._tokens.vocab_size, self._stop, self._choices)


class Value:
    """A value while it is written."""

    def __init__(self, matcher: Any, vocabulary: int, stop: int, choices: Choices) -> None:  # noqa: ANN401
        self._matcher, self._stop, self._end = matcher, stop, choices.end
        # The piece of a key that an answer does not have is empty.
        self._may_end = choices.slot.optional
        self._bits = allocate_token_bitmask(1, vocabulary)

    def allow(self, logits: Tensor) -> Tensor:
        """The logits of one position, shape (vocabulary), with minus infinity where a token may not come."""
        fill_next_token_bitmask(self._matcher, self._bits)
        masked = logits[None, :].clone()
        apply_token_bitmask_inplace(masked, self._bits.to(logits.device))
        # A value of the grammar ends with the end token, and that of a slot with its own.
        masked[0, self._stop] = float("-inf")
        may_end = self._may_end or self._matcher.is_accepting()
        masked[0, self._end] = logits[self._end] if may_end else float("-inf")
        return masked[0]

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
