"""Rows in, token ids with decisions out: the input without a prompt, and the pieces of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import Script
from promptstill.console.errors import UserError
from promptstill.models.choices import choices_of
from promptstill.models.student import prompt_ids
from promptstill.models.tokens import around_input
from promptstill.rows.row import SplitRow
from stages.train.params import TrainParams


@dataclass(frozen=True)
class Target:
    """A token that is learnt: `ids[position]`, out of `among` (None for the whole vocabulary).

    `weight` is its share of the row's loss; `scored` says whether a metric compares the key that it is in.
    """

    position: int
    among: tuple[int, ...] | None
    weight: float
    scored: bool


@dataclass(frozen=True)
class Example:
    """One training sequence, up to the last token that is learnt. `text` are the positions of the input, from
    the first one to the one after the last."""

    ids: list[int]
    text: tuple[int, int]
    targets: list[Target]


def examples_of(
    rows: Sequence[SplitRow],
    form: AnswerForm,
    tokenizer: Any,  # noqa: ANN401
    params: TrainParams,
) -> list[Example]:
    """Tokenise rows. The loss of a row is the sum over its keys: minus the logarithm of the probability of a
    listed value among all listed ones, and the mean over the tokens of any other value.

    Raises UserError for an answer longer than `max_answer_tokens`.
    """
    script = Script(form)
    choices = choices_of(script, tokenizer)
    before, after = map(len, around_input(tokenizer))
    examples = []
    for row in rows:
        ids = prompt_ids(row["input"], tokenizer, params.max_input_tokens)
        first, targets = len(ids), list[Target]()
        pieces = script.pieces(row["answer"])
        for choice, piece, written in zip(choices, pieces, script.written(pieces), strict=True):
            if not written:
                continue
            tokens, decisions = choice.encode(piece)
            weight = 1.0 if choice.slot.closed else 1 / len(decisions)
            scored = choice.slot.key in script.scored
            targets += [Target(len(ids) + d.position, d.among, weight, scored) for d in decisions]
            ids += tokens
        if len(ids) - first > params.max_answer_tokens:
            raise UserError(
                f"row {row['id']}: the answer has {len(ids) - first} tokens, more than "
                f"train.max_answer_tokens = {params.max_answer_tokens}; raise it or shorten the answer"
            )
        examples.append(Example(ids[: targets[-1].position + 1], (before, first - after), targets))
    return examples
