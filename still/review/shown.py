"""What the page shows of a row: its input, its samples side by side, why it is here, and what was decided."""

from __future__ import annotations

import difflib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import regex
from markupsafe import Markup, escape

from promptstill.answers.consensus import parse_reply
from promptstill.answers.schema.compare import compared_keys, same_value
from promptstill.answers.spec import AnswerSpec
from promptstill.core.paths import prompt_file
from promptstill.reviews.decisions import FLAGS
from promptstill.reviews.queue import Reply
from promptstill.rows.row import Answer
from promptstill.rows.slices import Slice
from still.rules import numbered_rules

# Characters that could hide or reorder text, or control a terminal: they are shown as their code.
_UNSEEN = regex.compile(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}--[\t\n\r\u200c\u200d]]", regex.V1)
# Of a longer text, this much is shown at first.
LONG = 4_000
# Words of two texts whose differences are marked. The time grows with the places that the same words have.
LONGEST_COMPARED = 1_000
REASONS = {
    "unreadable_reply": "no sample is an answer",
    "repaired_reply": "the reply was not a clean answer and was repaired",
    "rare_label": "few rows have this label",
    "unusual_length": "the answer is much longer or shorter than others",
    "low_grade": "the teacher gave its own answer a low grade",
    "low_confidence": "the teacher states a low confidence",
    "answer_conflict": "a similar row has another answer",
    "suspected_error": "a classifier that learnt from the other rows expects another value",
    "student_disagrees": "the student is sure of another answer",
    "review_contradicted": "the teacher now says something else than was decided",
    "review_text_changed": "the text has changed since the decision",
    "review_of_other_row": "the decision names another row",
    "second_look": "somebody else should look at it too",
    "chance": "chosen by chance, to measure how good the labels are",
}


def visible(text: str) -> Markup:
    """A text for HTML in which no character can hide: unseen ones are shown as their code, which does not
    count for the direction of the text."""
    parts, end = list[Markup](), 0
    for match in _UNSEEN.finditer(text):
        parts.append(escape(text[end : match.start()]))
        code = f"U+{ord(match.group()):04X}"
        name = unicodedata.name(match.group(), "control character").lower()
        parts.append(Markup('<span class="unseen" dir="ltr" title="{}">{}</span>').format(name, code))
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


@dataclass(frozen=True)
class Sample:
    """A reply: the raw text, its answer or problem, and for each key its value and whether it differs from
    that of the first sample."""

    raw: str
    answer: Answer | None
    problem: str | None
    values: Mapping[str, tuple[Markup, bool]]


def samples_of(replies: Sequence[Reply], spec: AnswerSpec) -> tuple[list[str], list[Sample]]:
    """The compared keys, and the replies by these keys. Words that the first reply does not have are marked
    in the others."""
    answers = [parse_reply(reply["response"], reply["finish_reason"], spec) for reply in replies]
    keys = list(compared_keys(spec))
    first = next((parsed.answer for parsed in answers if parsed.answer is not None), None)
    samples = []
    for reply, parsed in zip(replies, answers, strict=True):
        values: dict[str, tuple[Markup, bool]] = {}
        if parsed.answer is not None and first is not None:
            for key in keys:
                other = not same_value(parsed.answer, first, key, spec)
                values[key] = marked(_text(first, key), _text(parsed.answer, key)), other
        problem = None if parsed.problem is None else f"{parsed.problem}: {parsed.detail}"
        samples.append(Sample(reply["response"], parsed.answer, problem, values))
    return keys, samples


def _text(answer: Answer, key: str) -> str:
    value: Any = answer if key == "" else answer.get(key) if isinstance(answer, dict) else None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def marked(old: str, new: str) -> Markup:
    """The new text, with the words marked that are not those of the old one."""
    if old == new:
        return visible(new)
    left, right = (regex.findall(r"\s*(?:\w+|[^\w\s])|\s+$", text) for text in (old, new))
    parts = []
    if max(len(left), len(right)) > LONGEST_COMPARED:
        return visible(new)
    for kind, _, _, start, end in difflib.SequenceMatcher(a=left, b=right, autojunk=False).get_opcodes():
        piece = visible("".join(right[start:end]))
        if piece:
            parts.append(piece if kind == "equal" else Markup("<mark>{}</mark>").format(piece))
    return Markup("").join(parts)


def why(reasons: Sequence[str], blind: bool) -> list[tuple[str, str]]:
    """The reasons with their meanings. A reason that a suite names has none. A blind look does not see those
    that tell what was decided."""
    return [
        (reason, REASONS.get(reason, "a filter of the suite sent it to review"))
        for reason in reasons
        if not (blind and reason in FLAGS)
    ]


def rules_of(task: str, names: Sequence[str], slices: Sequence[Slice]) -> list[str]:
    """The numbered rules of the teacher's prompt that slices.yaml declares for these slices."""
    numbers = sorted({number for entry in slices if entry.name in names for number in entry.rules})
    if not numbers:
        return []
    rules = numbered_rules(prompt_file(task).read_text(encoding="utf-8"))
    return [f"{number}. {rules[number]}" for number in numbers if number in rules]
