"""Citations that are looked up: what a student has written in, the passages of its input that say so out.

A small model often writes a right sentence and then the number of another passage. The words of the sentence
tell better where it is from. But they do not where an answer is in another language than the passages, so
training compares both ways on the validation rows; see `stages/train/mixing.py`.
"""

from __future__ import annotations

import json

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.passages import passages, supporting
from promptstill.answers.schema.script import Script
from promptstill.models.reply import Reply, implied
from promptstill.rows.row import Answer


def cites(form: AnswerForm, script: Script) -> bool:
    """Whether a student writes citations and a text that they can be looked up for."""
    free = {slot.key for slot in script.slots if not slot.closed}
    rules = form.rules.citations
    return rules is not None and rules.key in free and len(free) > 1


def cited(
    text: str, answer: Answer, form: AnswerForm, script: Script, least: float
) -> tuple[list[int], float]:
    """What `supporting` finds in an input for the texts of an answer that no list has."""
    rules = form.rules.citations
    assert rules is not None and isinstance(answer, dict)
    free = [answer.get(slot.key) for slot in script.slots if not slot.closed]
    said = "\n".join(value for value in free if isinstance(value, str))
    return supporting(said, passages(text, rules.passages), least)


def look_up(text: str, reply: Reply, form: AnswerForm, script: Script, least: float) -> None:
    """Put the citations that `supporting` finds in the place of those that were written.

    Their probability becomes the share of the answer's words that the passages have. A reply keeps its own if
    the label implies them, if it was cut off, or if those that were found break the schema.
    """
    rules = form.rules.citations
    assert rules is not None
    place = script.place(rules.key)
    if reply.cut_off or implied(script.slots[place], reply) is not None:
        return
    answer = script.answer(reply.pieces, 1.0)
    assert isinstance(answer, dict)
    numbers, share = cited(text, answer, form, script, least)
    if numbers and form.validator.is_valid({**answer, rules.key: numbers}):
        reply.pieces[place] = json.dumps(numbers)
        reply.probabilities[rules.key] = share
