"""Rows whose answers cite passages, varied anew in every epoch, so that a student learns what the passages
say and not where they usually are.

An epoch may also take away what an answer rests on, so that the refusal is right. The questions of SQuAD 2.0
that have no answer (Rajpurkar et al., 2018, arXiv:1806.03822) were written by people; here the question is
kept and its passages are removed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.likeness import tokens
from promptstill.answers.schema.passages import listed, number_of, outside, rearranged
from promptstill.answers.schema.rules import Citations
from promptstill.rows.row import Answer, SplitRow
from stages.train.params import TrainParams

# Share of the other rows that lose a passage which the answer does not cite. A missing passage is then no
# sign of a refusal.
LOSING = 0.5
# A passage is about the same fact as a cited one, such as the rule that held before, if they share this part
# of the words of the shorter one.
SAME_FACT = 0.35


def by_epoch(rows: Sequence[SplitRow], form: AnswerForm, params: TrainParams) -> list[Sequence[SplitRow]]:
    """The rows as each epoch sees them; a single list if all epochs see the same."""
    if form.rules.citations is None or not params.vary_passages:
        return [rows]
    return [
        [
            varied(row, form, params.unanswerable, random.Random(f"{params.seed} {epoch} {row['id']}"))
            for row in rows
        ]
        for epoch in range(1, params.epochs + 1)
    ]


def varied(row: SplitRow, form: AnswerForm, unanswerable: float, chance: random.Random) -> SplitRow:
    """The row with its passages in another order, and the answer's citations with them.

    For a share `unanswerable` of the answers, the passages lack all that is cited, and the answer is the
    refusal. Half of the other rows lack a passage that is not cited. A row stays as it is if its passages
    have no distinct numbers or cannot be moved, or if its citations are not a list of these numbers.
    """
    rules, answer = form.rules.citations, row["answer"]
    assert rules is not None and isinstance(answer, dict), "citations are the value of a key"
    passages = listed(row["input"], rules.passages)
    numbers = [number for number, _ in passages]
    citations = answer.get(rules.key) or []
    if not isinstance(citations, list) or len(numbers) < 2 or len({*numbers} - {-1}) < len(numbers):
        return row
    cited = [numbers.index(n) if n in numbers else -1 for n in map(number_of, citations)]
    if -1 in cited or not all(text for _, text in passages):
        return row
    spare = [i for i in range(len(numbers)) if i not in cited]
    unlike = [i for i in spare if not any(_same_fact(passages[i][1], passages[j][1]) for j in cited)]
    refusal = _refusal(answer, form, rules)
    if cited and unlike and refusal is not None and chance.random() < unanswerable:
        order, changed = unlike, refusal
        chance.shuffle(order)
    else:
        lost = chance.choice(spare) if spare and chance.random() < LOSING else None
        order = [i for i in range(len(numbers)) if i != lost]
        chance.shuffle(order)
        moved = [_as(item, numbers[order.index(i)]) for item, i in zip(citations, cited, strict=True)]
        if form.rules_of(rules.key).compare == "set":
            # As the parser orders a set.
            moved.sort()
        changed = {**answer, rules.key: moved} if moved else answer
    text = rearranged(row["input"], rules.passages, order)
    if not _is_moved(row["input"], text, rules, order) or form.canonical(changed) is None:
        return row
    return {**row, "input": text, "answer": changed}


def _is_moved(old: str, new: str, rules: Citations, order: Sequence[int]) -> bool:
    """Whether an input has these passages of the old one, in this order, and all that it had beside them."""
    before, after = listed(old, rules.passages), listed(new, rules.passages)
    if [text for _, text in after] != [before[i][1] for i in order]:
        return False
    return outside(old, rules.passages).split() == outside(new, rules.passages).split()


def _same_fact(left: str, right: str) -> bool:
    """Whether two passages share many of the words of the shorter one."""
    words, others = Counter(tokens(left)), Counter(tokens(right))
    shorter = min(words.total(), others.total())
    return shorter == 0 or (words & others).total() >= SAME_FACT * shorter


def _as(item: Any, number: int) -> Any:  # noqa: ANN401
    """A number of a passage as a citation is written, as a number or as a text."""
    return str(number) if isinstance(item, str) else number


def _refusal(answer: Answer, form: AnswerForm, citations: Citations) -> Answer | None:
    """The refusal in place of an answer, without citations; None where none is defined that the schema
    allows."""
    rules = form.rules.refusal
    if rules is None or rules.key is None or not isinstance(answer, dict):
        return None
    return form.canonical({**answer, citations.key: [], rules.key: rules.text, **rules.others})
