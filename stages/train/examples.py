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


def example(row: Row, spec: AnswerSpec, tokenizer: Any, params: TrainParams) -> Example:  # noqa: ANN401
    """Tokenise one row. Raises UserError for an answer longer than `max_answer_tokens`."""
    prompt = prompt_ids(row["input"], tokenizer, params.max_input_tokens)
    text = spec.text(row["answer"]) + tokenizer.eos_token
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    if len(encoded["input_ids"]) > params.max_answer_tokens:
        raise UserError(
            f"row {row['id']}: the answer has {len(encoded['input_ids'])} tokens, more than "
            f"train.max_answer_tokens = {params.max_answer_tokens}; raise it or shorten the answer"
        )
    spans = scored_spans(row["answer"], spec)
    scored = [
        any(start < until and end > since for since, until in spans)
        for start, end in encoded["offset_mapping"]
    ]
    weights = [1.0 if one else params.unscored_weight for one in scored]
    return Example(prompt + encoded["input_ids"], len(prompt), weights, scored)


def scored_spans(answer: Answer, spec: AnswerSpec) -> list[tuple[int, int]]:
    """Character ranges of the answer's text that a metric scores: the values of the scored keys, or the whole
    text."""
    if isinstance(answer, str):
        return [(0, len(answer))]
    spans, position = [], 0
    text = spec.text(answer)
    for key, value in answer.items():
        position = text.index(f"{json.dumps(key)}: ", position) + len(json.dumps(key)) + 2
        written = json.dumps(value, ensure_ascii=False)
        if key in spec.scored:
            spans.append((position, position + len(written)))
        position += len(written)
    return spans


def repeats(rows: list[Row], repeat: dict[str, int]) -> list[int]:
    """Positions of the rows in one epoch: rows with a rare value of a named key stand there several times.

    Raises UserError for a key that the answers do not have.
    """
    times = [1] * len(rows)
    for key, count in repeat.items():
        if not all(isinstance(row["answer"], dict) and key in row["answer"] for row in rows):
            raise UserError(
                f"params.yaml: train.repeat.{key}: the answers have no such key; name one of the schema"
            )
        values = [json.dumps(row["answer"][key]) for row in rows]
        common = Counter(values).most_common(1)[0][0]
        times = [max(n, count) if value != common else n for n, value in zip(times, values, strict=True)]
    return [i for i, n in enumerate(times) for _ in range(n)]
