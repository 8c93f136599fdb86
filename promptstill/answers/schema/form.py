"""What an answer of a task is and how it is written: the two files, without the parser.

`expectations/<task>/answer.schema.json` defines what an answer is, and `expectations/<task>/normalise.yaml`
which variations of its shape are accepted. Training needs no more than this room, so that a change to the
parser trains nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import jsonschema

from promptstill.answers.schema.fitting import check_rules
from promptstill.answers.schema.rules import DerivedLabel, Normalisation, ValueRules
from promptstill.answers.schema.shape import shape_of
from promptstill.console.errors import UserError
from promptstill.core.files import canonical_hash, canonical_json, read_json
from promptstill.core.paths import expectation_file
from promptstill.core.settings import read_yaml
from promptstill.rows.row import Answer

# The label of all texts that no list and no rule names.
ANY_TEXT = "(text)"


@dataclass(frozen=True)
class AnswerForm:
    """What an answer of one task is: a JSON Schema and the variations that are accepted."""

    schema: dict[str, Any]
    rules: Normalisation

    @classmethod
    def load(cls, task: str) -> Self:
        """Read the two files. Raises UserError for an invalid schema and for rules that do not fit it."""
        schema_path = expectation_file(task, "answer.schema.json")
        rules_path = expectation_file(task, "normalise.yaml")
        schema = read_json(schema_path)
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except (jsonschema.SchemaError, RecursionError) as error:
            where = f": {error.json_path}" if isinstance(error, jsonschema.SchemaError) else ""
            detail = error.message if isinstance(error, jsonschema.SchemaError) else "nested too deeply"
            raise UserError(f"{schema_path}{where}: not a JSON Schema ({detail})") from None
        if not isinstance(schema, dict):
            raise UserError(f"{schema_path}: must be an object; `true` and `false` define no answer")
        rules = Normalisation.check(read_yaml(rules_path), str(rules_path))
        check_rules(rules, schema, rules_path, schema_path)
        return cls(schema, rules)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over schema and rules, which is stored with the dataset and the model."""
        return canonical_hash({"schema": self.schema, "rules": self.rules.model_dump(mode="json")})

    @property
    def label_key(self) -> str | None:
        """The key that carries the label; None if a rule derives it, or if answers are texts."""
        return self.rules.label if isinstance(self.rules.label, str) else None

    @cached_property
    def scored(self) -> tuple[str, ...]:
        """The keys by which answers are compared, the label's key first; empty for text answers."""
        return (*(() if self.label_key is None else (self.label_key,)), *self.rules.scored)

    def rules_of(self, key: str) -> ValueRules:
        """The rules of a key, or of a text answer for the empty text."""
        return self.rules.keys.get(key, ValueRules()) if key else self.rules.value

    @cached_property
    def validator(self) -> jsonschema.Draft202012Validator:
        """The validator of the schema."""
        return jsonschema.Draft202012Validator(self.schema)

    def canonical(self, answer: Answer) -> Answer | None:
        """A student's answer in canonical form, or None if it does not obey the schema. Here no value is
        changed; that takes the parser."""
        return answer if self.validator.is_valid(answer) else None

    def text(self, answer: Answer) -> str:
        """The one way to write an answer, which is what the student learns to write."""
        return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)

    def label(self, answer: Answer) -> str:
        """The class of an answer; a label that is no text is written as JSON: `true`, `1`, `null`.

        A text that no list and no rule names is `(text)`. The parser gives no answer without a label.
        """
        rule = self.rules.label
        if isinstance(rule, DerivedLabel):
            return _derived(rule, answer)
        if isinstance(answer, str):
            return answer if self._lists_texts else ANY_TEXT
        label = answer[str(rule)]
        return label if isinstance(label, str) else json.dumps(label, ensure_ascii=False, sort_keys=True)

    @cached_property
    def _lists_texts(self) -> bool:
        return shape_of(self.schema, self.schema).enum is not None

    def confidence(self, answer: Answer) -> float | None:
        """The confidence that the teacher states in its answer; None if there is none, or no number."""
        key = self.rules.confidence
        stated = None if key is None or isinstance(answer, str) else answer.get(key)
        return float(stated) if isinstance(stated, int | float) and not isinstance(stated, bool) else None


def _derived(rule: DerivedLabel, answer: Answer) -> str:
    """The label that a rule gives to an answer."""
    return next((label for label, values in rule.labels.items() if _has(answer, values)), rule.otherwise)


def _has(answer: Answer, values: Any) -> bool:  # noqa: ANN401
    """Whether an answer is the text, or has the values of the keys; absent is null."""
    if isinstance(answer, str) or not isinstance(values, dict):
        return bool(answer == values)
    return all(canonical_json(answer.get(key)) == canonical_json(value) for key, value in values.items())
