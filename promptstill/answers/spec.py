"""The one parser: teacher replies, human edits, student outputs and golden answers all become canonical
answers here.

In: text as a model wrote it. Out: a canonical answer (a text, or an object with its keys in the order of the
schema) with the repairs that it took, or the problem that prevents one. A reply that may mean two answers has
a problem: the parser never chooses between them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from promptstill.answers.objects import ObjectReader
from promptstill.answers.parsed import Parsed, ReplyError
from promptstill.answers.references import check_references
from promptstill.answers.refusal import RefusalReader
from promptstill.answers.schema.form import ANY_TEXT, AnswerForm
from promptstill.answers.schema.rules import DerivedLabel, Normalisation, ValueRules
from promptstill.answers.schema.shape import Shape, shape_of
from promptstill.answers.stable import check_labels, check_metrics, check_stable
from promptstill.answers.texts import TextReader
from promptstill.core.paths import expectation_file
from promptstill.rows.row import Answer

__all__ = ["AnswerSpec", "Normalisation", "Parsed", "ValueRules"]

# A value of these types cannot hold somebody's text.
CLOSED_TYPES = frozenset({"integer", "number", "boolean", "null"})
# A longer reply is no answer, and the time to search it would have no bound.
MAX_REPLY_CHARS = 20_000
# Valid answers that are remembered.
MOST_KNOWN = 10_000


@dataclass(frozen=True)
class AnswerSpec(AnswerForm):
    """What an answer of one task is, with the parser that brings replies into that form."""

    @classmethod
    def load(cls, task: str) -> Self:
        """Read the two files. Raises UserError for an invalid schema, for a reference in it that leads
        nowhere, for rules that do not fit it, and for a value of the schema that the rules would change."""
        spec = super().load(task)
        files = expectation_file(task, "normalise.yaml"), expectation_file(task, "answer.schema.json")
        check_references(spec.schema, files[1])
        check_stable(spec.reader, *files)
        check_labels(spec, spec.reader, spec.refine, files[0])
        check_metrics(spec, files[0])
        return spec

    @cached_property
    def label_shape(self) -> Shape:
        """What labels there are: those of a rule, or what the schema says about their key or text."""
        rule = self.rules.label
        if isinstance(rule, DerivedLabel):
            return Shape(frozenset({"string"}), (*rule.labels, rule.otherwise))
        if rule is not None:
            return shape_of(self.schema["properties"][rule], self.schema)
        shape = shape_of(self.schema, self.schema)
        return Shape(frozenset({"string"}), (ANY_TEXT,)) if shape.enum is None else shape

    @property
    def open_labels(self) -> bool:
        """Whether a label can hold any text: the schema has no list of values, and allows more than numbers,
        booleans and null."""
        types = self.label_shape.types
        return self.label_shape.enum is None and (types is None or not types <= CLOSED_TYPES)

    @cached_property
    def reader(self) -> TextReader | ObjectReader:
        """What finds the answer in a reply."""
        return TextReader(self) if self.rules.format == "text" else ObjectReader(self)

    @cached_property
    def _refusals(self) -> RefusalReader | None:
        return (
            None
            if self.rules.refusal is None
            else RefusalReader(self.rules.refusal, self.schema.get("properties", {}))
        )

    @cached_property
    def _valid(self) -> set[str]:
        """Texts of answers that obey the schema. Most answers of a task are repeats, and a check takes longer
        than the rest of the parser."""
        return set()

    def parse(self, reply: str) -> Parsed:
        """Find the one answer in a reply and bring it into canonical form."""
        if len(reply) > MAX_REPLY_CHARS:
            return Parsed(None, "no_answer", f"reply of {len(reply)} characters")
        if not reply.strip():
            return Parsed(None, "no_answer", "empty reply")
        try:
            answer, repairs = self._read(reply)
            self._check(answer)
        except ReplyError as error:
            # A detail may quote half of a surrogate pair, which no file in UTF-8 can hold.
            return Parsed(None, error.problem, error.detail[:200].encode("utf-8", "replace").decode())
        return Parsed(answer, repairs=tuple(sorted(repairs)))

    def _read(self, reply: str) -> tuple[Answer, set[str]]:
        refusal = None if self._refusals is None else self._refusals.whole(reply)
        # A refusal alone is no object, and a text answer that its own reader reads.
        answer, repairs = self.reader.read(reply) if refusal is None else (refusal, {"refusal_wording"})
        return self.refine(answer, repairs), repairs

    def refine(self, answer: Answer, repairs: set[str]) -> Answer:
        """What refusals make of an answer that was read. Raises ReplyError for half a refusal."""
        return answer if self._refusals is None else self._refusals.read(answer, repairs)

    def of_value(self, value: Any) -> Parsed:  # noqa: ANN401
        """Parse an answer that a person wrote as JSON in a golden or review file."""
        try:
            return self.parse(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        except RecursionError:
            return Parsed(None, "not_json", "nested too deeply")

    def canonical(self, answer: Answer) -> Answer | None:
        """A student's answer as the parser reads it, or None if it reads none."""
        return self.of_value(answer).answer

    def _check(self, answer: Any) -> None:  # noqa: ANN401
        """Raise ReplyError unless the answer obeys the schema and names a label."""
        text = self.text(answer)
        if text in self._valid:
            return
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ReplyError("not_json", "half of a surrogate pair, which is no character") from None
        errors = sorted(self.validator.iter_errors(answer), key=lambda e: (e.json_path, e.message))
        if errors:
            raise ReplyError("schema_mismatch", f"{errors[0].json_path}: {errors[0].message}")
        if self.label_key is not None and self.label_key not in answer:
            raise ReplyError("no_label", f"$.{self.label_key} is absent, and it names the label")
        if len(self._valid) < MOST_KNOWN:
            self._valid.add(text)
