"""The one parser: teacher replies, human edits, student outputs and golden answers all become canonical
answers here.

In: text as a model wrote it. Out: a canonical answer (a text, or an object with its keys in the order of the
schema), or the problem that prevents one. `expectations/<task>/answer.schema.json` defines what an answer is,
and `expectations/<task>/normalise.yaml` which variations of its shape are accepted.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jsonschema
import regex
from pydantic import Field, field_validator

from promptstill.console.errors import UserError
from promptstill.core.files import canonical_hash, read_json
from promptstill.core.paths import expectation_file
from promptstill.core.settings import Settings, read_yaml
from promptstill.rows.row import Answer, Problem

# A longer reply is no answer, and the time to search it would have no bound.
MAX_REPLY_CHARS = 20_000


class ValueRules(Settings):
    """Variations of one value that have the same meaning."""

    case: Literal["lower", "upper", "keep"] = "keep"
    aliases: dict[str, str] = Field(default_factory=dict)
    null_words: tuple[str, ...] = ()
    number: bool = False


class Normalisation(Settings):
    """`normalise.yaml`: how a reply becomes an answer."""

    format: Literal["text", "json"]
    label: str | None = None
    scored: dict[str, str] = Field(default_factory=dict)
    confidence: str | None = None
    pattern: str | None = None
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
class Parsed:
    """Either `answer`, with the names of the `repairs` that reading it needed, or a `problem` with its
    `detail`."""

    answer: Answer | None
    problem: Problem | None = None
    detail: str | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnswerSpec:
    """What an answer of one task is: a JSON Schema and the variations that are accepted."""

    schema: dict[str, Any]
    rules: Normalisation

    @classmethod
    def load(cls, task: str) -> AnswerSpec:
        """Read the two files. Raises UserError for an invalid schema or an unknown key."""
        schema_path = expectation_file(task, "answer.schema.json")
        rules_path = expectation_file(task, "normalise.yaml")
        schema = read_json(schema_path)
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise UserError(
                f"{schema_path}: {error.json_path}: not a JSON Schema ({error.message})"
            ) from None
        rules = Normalisation.check(read_yaml(rules_path), str(rules_path))
        if rules.format == "json":
            properties = schema.get("properties", {})
            named = {"label": rules.label, "confidence": rules.confidence}
            for place, key in [
                *named.items(),
                *(("scored", key) for key in rules.scored),
                *(("keys", k) for k in rules.keys),
            ]:
                if key is not None and key not in properties:
                    raise UserError(
                        f"{rules_path}: {place}: {schema_path} has no property {key!r}; name one of its own"
                    )
            if rules.label is None:
                raise UserError(f"{rules_path}: label: missing; name the property that carries the label")
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
    def _validator(self) -> jsonschema.Draft202012Validator:
        return jsonschema.Draft202012Validator(self.schema)

    def parse(self, reply: str) -> Parsed:
        """Find the one answer in a reply and bring it into canonical form."""
        if len(reply) > MAX_REPLY_CHARS:
            return Parsed(None, "no_answer", f"reply of {len(reply)} characters")
        if not reply.strip():
            return Parsed(None, "no_answer", "empty reply")
        candidates = self._texts(reply) if self.rules.format == "text" else self._objects(reply)
        if isinstance(candidates, Parsed):
            return candidates
        distinct = {json.dumps(candidate, sort_keys=True): candidate for candidate in candidates}
        if len(distinct) > 1:
            return Parsed(None, "several_answers", f"{len(distinct)} different answers in one reply")
        return self.check(next(iter(distinct.values())))

    def check(self, candidate: Any) -> Parsed:  # noqa: ANN401
        """Validate a normalised candidate against the schema."""
        error = next(
            iter(sorted(self._validator.iter_errors(candidate), key=lambda e: (e.json_path, e.message))), None
        )
        if error is not None:
            return Parsed(None, "schema_mismatch", f"{error.json_path}: {error.message}"[:200])
        return Parsed(candidate)

    def of_value(self, value: Any) -> Parsed:  # noqa: ANN401
        """Parse an answer that a person wrote as JSON in a golden or review file."""
        return self.parse(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    def text(self, answer: Answer) -> str:
        """The one way to write an answer, which is what the student learns to write."""
        return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)

    def label(self, answer: Answer) -> str:
        """The class that an answer names."""
        return answer if isinstance(answer, str) else str(answer[str(self.rules.label)])

    def confidence(self, answer: Answer) -> float | None:
        """The confidence that the teacher states in its answer, if the task asks for one."""
        key = self.rules.confidence
        return None if key is None or isinstance(answer, str) else float(answer[key])

    def _texts(self, reply: str) -> list[str]:
        bare = _without_fence(reply).replace("*", "").replace("`", "")
        if self.rules.pattern is not None:
            matches = regex.findall(self.rules.pattern, bare)
            if matches:
                return [self._text_value(match) for match in matches]
        return [self._text_value(bare)]

    def _text_value(self, candidate: str) -> str:
        return str(_normalise(candidate.strip().strip("\"'.,;:!").strip(), self.rules.value))

    def _objects(self, reply: str) -> list[dict[str, Any]] | Parsed:
        objects: list[dict[str, Any]] = []
        position = reply.find("{")
        while position >= 0:
            try:
                value, end = _DECODER.raw_decode(reply, position)
            except _RepeatedKeyError as error:
                return Parsed(None, "several_answers", f"key {error} is repeated with different values")
            except (ValueError, RecursionError):
                end = position + 1
            else:
                objects.append(self._object_value(value))
            position = reply.find("{", end)
        return objects or Parsed(None, "not_json", "no JSON object in the reply")

    def _object_value(self, value: dict[str, Any]) -> dict[str, Any]:
        known = {_plain(name): name for name in self.schema.get("properties", {})}
        renamed = {known.get(_plain(name), name): content for name, content in value.items()}
        order = [
            *(name for name in known.values() if name in renamed),
            *(name for name in renamed if name not in known.values()),
        ]
        return {name: _normalise(renamed[name], self.rules.keys.get(name, ValueRules())) for name in order}


class _RepeatedKeyError(ValueError):
    pass


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, content in pairs:
        if key in value and value[key] != content:
            raise _RepeatedKeyError(key)
        value[key] = content
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)
_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\n(.*?)\n?```\s*\Z", re.DOTALL)


def _without_fence(reply: str) -> str:
    fenced = _FENCE.match(reply)
    return fenced.group(1) if fenced else reply


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _normalise(value: Any, rules: ValueRules) -> Any:  # noqa: ANN401
    if not isinstance(value, str):
        return value
    value = value.strip()
    if value.lower() in rules.null_words:
        return None
    if rules.number:
        try:
            return float(value)
        except ValueError:
            return value
    value = {"lower": value.lower(), "upper": value.upper(), "keep": value}[rules.case]
    return rules.aliases.get(value, value)
