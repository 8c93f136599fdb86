"""Rows in, token ids with loss weights out: the input without a prompt, the answer, the end of the turn."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from promptstill.answers.form import AnswerForm
from promptstill.console.errors import UserError
from promptstill.models.student import prompt_ids
from promptstill.models.tokens import as_text
from promptstill.rows.row import Answer, SplitRow
from stages.train.params import TrainParams


@dataclass(frozen=True)
class Example:
    """One training sequence. `weights` and `scored` have one entry per answer token, including the end of
    the turn."""

    ids: list[int]
    prompt_length: int
    weights: list[float]
    scored: list[bool]

    @property
    def answer_ids(self) -> list[int]:
        """The tokens that the loss is computed on."""
        return self.ids[self.prompt_length :]


def common_values(rows: Sequence[SplitRow], params: TrainParams) -> dict[str, str]:
    """The most common value in `rows`, as JSON, of each key in `rare_weight`. An answer without an optional
    key has the empty text there."""
    return {
        key: Counter(_value(row["answer"], key) for row in rows).most_common(1)[0][0]
        for key in params.rare_weight
    }


def _value(answer: Answer, key: str) -> str:
    """The value of a key as JSON; empty if the answer does not have the key."""
    return json.dumps(answer[key]) if isinstance(answer, dict) and key in answer else ""


def examples_of(
    rows: Sequence[SplitRow],
    spec: AnswerForm,
    tokenizer: Any,  # noqa: ANN401
    params: TrainParams,
    common: dict[str, str],
) -> list[Example]:
    """Tokenise rows. Of a key in `rare_weight`, a value other than the `common` one of the training rows gets
    a larger weight, so that a student does not learn to give only the common answer.

    Raises UserError for an answer longer than `max_answer_tokens`.
    """
    return [_example(row, spec, tokenizer, params, common) for row in rows]


def _example(
    row: SplitRow,
    spec: AnswerForm,
    tokenizer: Any,  # noqa: ANN401
    params: TrainParams,
    common: dict[str, str],
) -> Example:
    prompt = prompt_ids(row["input"], tokenizer, params.max_input_tokens)
    text = spec.text(row["answer"])
    encoded = as_text(text, tokenizer)
    ids = [*encoded.ids, tokenizer.eos_token_id]
    if len(ids) > params.max_answer_tokens:
        raise UserError(
            f"row {row['id']}: the answer has {len(ids)} tokens, more than "
            f"train.max_answer_tokens = {params.max_answer_tokens}; raise it or shorten the answer"
        )
    spans = value_spans(row["answer"], spec)
    weights, scored = [], []
    for start, end in [*encoded.offsets, (len(text), len(text) + 1)]:
        key = next((key for key, (since, until) in spans.items() if start < until and end > since), None)
        counts = key is not None and (key == "" or key in spec.scored)
        weight = 1.0 if counts else params.unscored_weight
        if key in common and _value(row["answer"], key) != common[key]:
            weight = params.rare_weight[key]
        weights.append(weight)
        scored.append(counts)
    return Example(prompt + ids, len(prompt), weights, scored)


def value_spans(answer: Answer, spec: AnswerForm) -> dict[str, tuple[int, int]]:
    """The character range of each key's value in the answer's text. A text answer is the value of the empty
    key."""
    if isinstance(answer, str):
        return {"": (0, len(spec.text(answer)))}
    spans, position = {}, len("{")
    for key, value in answer.items():
        start = position + len(json.dumps(key, ensure_ascii=False)) + len(": ")
        position = start + len(json.dumps(value, ensure_ascii=False))
        spans[key] = (start, position)
        position += len(", ")
    return spans
