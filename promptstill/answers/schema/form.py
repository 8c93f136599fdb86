"""What an answer of a task is and how it is written: the two files, without the parser.

`expectations/<task>/answer.schema.json` defines what an answer is, and `expectations/<task>/normalise.yaml`
which variations of its shape are accepted. Training needs no more than this module, so that a change to the
parser trains nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import jsonschema
import regex
from pydantic import Field, field_validator

from promptstill.console.errors import UserError
from promptstill.core.files import canonical_hash, read_json
from promptstill.core.paths import expectation_file
from promptstill.core.settings import Settings, read_yaml
from promptstill.rows.row import Answer


class ValueRules(Settings):
    """Variations of one key and of its value that have the same meaning.

    `names` are other names of the key. `enum_spelling` maps case, spaces, hyphens and underscores to the
    spelling of the schema's enum. `number` reads a number where the schema would allow a text too.
    """

    names: tuple[str, ...] = ()
    case: Literal["lower", "upper", "keep"] = "keep"
    aliases: dict[str, str] = Field(default_factory=dict)
    enum_spelling: bool = False
    null_words: tuple[str, ...] = ()
    number: bool = False


class Normalisation(Settings):
    """`normalise.yaml`: how a reply becomes an answer. `python` reads objects in Python's notation too."""

    format: Literal["text", "json"]
    label: str | None = None
    scored: dict[str, str] = Field(default_factory=dict)
    confidence: str | None = None
    pattern: str | None = None
    python: bool = False
    value: ValueRules = ValueRules()
    keys: dict[str, ValueRules] = Field(default_factory=dict)

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = regex.compile(pattern).groups
            except regex.error as error:
                raise ValueError(f"not a regular expression ({error})") from None
            if groups != 1:
                raise ValueError("must have exactly one group, the answer")
        return pattern


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
        if rules.format == "json":
            _check_keys(rules, schema.get("properties", {}), rules_path, schema_path)
        return cls(schema, rules)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over schema and rules, which is stored with the dataset and the model."""
        return canonical_hash({"schema": self.schema, "rules": self.rules.model_dump(mode="json")})

    @cached_property
    def scored(self) -> tuple[str, ...]:
        """The keys by which answers are compared, the label's key first; empty for text answers."""
        return () if self.rules.label is None else (self.rules.label, *self.rules.scored)

    @cached_property
    def validator(self) -> jsonschema.Draft202012Validator:
        """What tells whether an answer obeys the schema."""
        return jsonschema.Draft202012Validator(self.schema)

    def canonical(self, answer: Answer) -> Answer | None:
        """A student's answer in canonical form, or None if it does not obey the schema. Here no value is
        changed; that takes the parser."""
        return answer if self.validator.is_valid(answer) else None

    def text(self, answer: Answer) -> str:
        """The one way to write an answer, which is what the student learns to write."""
        return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)

    def label(self, answer: Answer) -> str:
        """The class that an answer names; a label that is no text is written as JSON: `true`, `1`, `null`.

        The parser gives no answer without a label.
        """
        label = answer if isinstance(answer, str) else answer[str(self.rules.label)]
        return label if isinstance(label, str) else json.dumps(label, ensure_ascii=False, sort_keys=True)

    def confidence(self, answer: Answer) -> float | None:
        """The confidence that the teacher states in its answer; None if there is none, or no number."""
        key = self.rules.confidence
        stated = None if key is None or isinstance(answer, str) else answer.get(key)
        return float(stated) if isinstance(stated, int | float) and not isinstance(stated, bool) else None


def _check_keys(
    rules: Normalisation, properties: dict[str, Any], rules_path: Path, schema_path: Path
) -> None:
    for place, key in _named(rules):
        if key not in properties:
            raise UserError(
                f"{rules_path}: {place}: {schema_path} has no property {key!r}; name one of its own"
            )
    if rules.label is None:
        raise UserError(f"{rules_path}: label: missing; name the property that carries the label")
    owner = {name: name for name in properties}
    for key, value in rules.keys.items():
        for name in value.names:
            if owner.setdefault(name, key) != key:
                raise UserError(
                    f"{rules_path}: keys.{key}.names: {name!r} already names {owner[name]!r}; remove one"
                )


def _named(rules: Normalisation) -> Iterator[tuple[str, str]]:
    """The places of the rules that name a property, and the names."""
    if rules.label is not None:
        yield "label", rules.label
    if rules.confidence is not None:
        yield "confidence", rules.confidence
    yield from (("scored", key) for key in rules.scored)
    yield from (("keys", key) for key in rules.keys)
