"""Rows in, token ids with loss weights out: the input without prompt, the answer, the end of the turn."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from stages.shared.answers import Answer, AnswerSpec
from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.shared.student import prompt_ids
from stages.train.params import TrainParams


@dataclass(frozen=True)
class Example:
    """One training sequence. `weights` holds one number for each answer token, the end of the turn
    included."""

    ids: list[int]
    prompt_length: int
    weights: list[float]
    scored: list[bool]

    @property
    def answer_ids(self) -> list[int]:
        """The tokens that the loss sees."""
        return self.ids[self.prompt_length :]


def common_values(rows: list[Row], params: TrainParams) -> dict[str, str]:
    """The most common value in `rows`, as JSON, of each key in `rare_weight`.

    Raises UserError for a key that the answers do not have.
    """
    common = {}
    for key in params.rare_weight:
        if not all(isinstance(row["answer"], dict) and key in row["answer"] for row in rows):
            raise UserError(
                f"params.yaml: train.rare_weight.{key}: the answers have no such key; name one of the schema"
            )
        common[key] = Counter(json.dumps(row["answer"][key]) for row in rows).most_common(1)[0][0]
    return common


def examples_of(
    rows: list[Row],
    spec: AnswerSpec,
    tokenizer: Any,  # noqa: ANN401
    params: TrainParams,
    common: dict[str, str],
) -> list[Example]:
    """Tokenise rows. A value of a key in `rare_weight` counts more where it is not the `common` one of the
    training rows, so that a student does not learn to give the common answer only.

    Raises UserError for an answer longer than `max_answer_tokens`.
    """
    return [_example(row, spec, tokenizer, params, common) for row in rows]


def _example(
    row: Row,
    spec: AnswerSpec,
    tokenizer: Any,  # noqa: ANN401
    params: TrainParams,
    common: dict[str, str],
) -> Example:
    prompt = prompt_ids(row["input"], tokenizer, params.max_input_tokens)
    text = spec.text(row["answer"]) + tokenizer.eos_token
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    if len(encoded["input_ids"]) > params.max_answer_tokens:
        raise UserError(
            f"row {row['id']}: the answer has {len(encoded['input_ids'])} tokens, more than "
            f"train.max_answer_tokens = {params.max_answer_tokens}; raise it or shorten the answer"
        )
    spans = value_spans(row["answer"], spec)
    weights, scored = [], []
    for start, end in encoded["offset_mapping"]:
        key = next((key for key, (since, until) in spans.items() if start < until and end > since), None)
        counts = key is not None and (key == "" or key in spec.scored)
        weight = 1.0 if counts else params.unscored_weight
        if key in common and json.dumps(row["answer"][key]) != common[key]:
            weight = params.rare_weight[str(key)]
        weights.append(weight)
        scored.append(counts)
    return Example(prompt + encoded["input_ids"], len(prompt), weights, scored)


def value_spans(answer: Answer, spec: AnswerSpec) -> dict[str, tuple[int, int]]:
    """Character range of each key's value in the answer's text; a text answer is the value of the empty
    key."""
    text = spec.text(answer)
    if isinstance(answer, str):
        return {"": (0, len(text))}
    spans, position = {}, 0
    for key, value in answer.items():
        position = text.index(f"{json.dumps(key)}: ", position) + len(json.dumps(key)) + 2
        written = json.dumps(value, ensure_ascii=False)
        spans[key] = (position, position + len(written))
        position += len(written)
    return spans
