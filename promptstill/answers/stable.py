"""Rules against the schema: every value that the schema lists must come out of the rules as it is.

A value that does not is found when the files are read. Otherwise the rules would refuse every answer with it,
and the first to be blamed would be a golden case.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from promptstill.answers.measures import ACCURACY, LABEL
from promptstill.answers.objects import ObjectReader
from promptstill.answers.parsed import ReplyError
from promptstill.answers.rates import rates
from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.rules import GRADED, DerivedLabel
from promptstill.answers.schema.shape import node_of, shape_of
from promptstill.answers.texts import TextReader
from promptstill.answers.values import ValueReader
from promptstill.console.errors import UserError
from promptstill.core.files import canonical_json
from promptstill.rows.row import Answer

# Names of metrics that every task has.
GENERAL = (ACCURACY, "macro_f1", "valid")


def check_stable(reader: TextReader | ObjectReader, rules_path: Path, schema_path: Path) -> None:
    """Raise UserError naming the rules and the value that they change, or an alias for no value."""
    if isinstance(reader, ObjectReader):
        for key, value in reader.values.items():
            _check_values(value, f"{rules_path}: keys.{key}", schema_path)
        return
    where = f"{rules_path}: value"
    if not reader.value.shape.allows_text():
        raise UserError(
            f"{schema_path}: allows no text; use `type: string`, or `format: json` in {rules_path}"
        )
    if reader.value.rules.number or reader.value.rules.names:
        raise UserError(f"{where}: `number` and `names` are for keys of an object; remove them")
    _check_values(reader.value, where, schema_path)
    for text in reader.value.shape.texts:
        try:
            answer = reader.read(text)[0]
        except ReplyError as error:
            answer = error.detail
        if answer != text:
            raise _unstable(where, text, answer, schema_path)


def check_labels(
    form: AnswerForm,
    reader: TextReader | ObjectReader,
    refine: Callable[[Answer, set[str]], Answer],
    rules_path: Path,
) -> None:
    """Raise UserError naming a derived label that no answer can have, because the parser changes values."""
    rule = form.rules.label
    for label, values in rule.labels.items() if isinstance(rule, DerivedLabel) else ():
        try:
            answer = refine(_read(values, reader), set())
        except ReplyError as error:
            answer = error.detail
        if form.label(answer) != label:
            raise UserError(
                f"{rules_path}: label.labels.{label}: no answer can have it, because the parser makes "
                f"{_shown(answer)} of it; write the values as the parser does"
            )


def check_metrics(form: AnswerForm, rules_path: Path) -> None:
    """Raise UserError for two metrics of one name, and for citations that cannot be judged."""
    names = {*GENERAL, *rates(form), *((LABEL,) if isinstance(form.rules.label, DerivedLabel) else ())}
    for key, name in form.rules.scored.items():
        graded = form.rules_of(key).compare in GRADED
        for metric in (name, f"{name}_f1") if graded else (name,):
            if metric in names:
                raise UserError(
                    f"{rules_path}: scored.{key}: {metric!r} already names another metric; use another name"
                )
            names.add(metric)
    if form.rules.citations is None:
        return
    key = form.rules.citations.key
    items = shape_of(node_of(form.schema["properties"][key], form.schema).get("items"), form.schema).types
    if key not in form.rules.scored or items is None or not items <= {"integer"}:
        raise UserError(
            f"{rules_path}: citations.key: {key!r} must be in `scored`, and the schema must make it a list "
            "of integers"
        )


def _read(values: Any, reader: TextReader | ObjectReader) -> Answer:  # noqa: ANN401
    """The values of a derived label as the parser brings them into canonical form."""
    if isinstance(reader, TextReader):
        return reader.read(values)[0]
    return {key: reader.values[key].read(value, set()) for key, value in values.items()}


def _check_values(value: ValueReader, where: str, schema_path: Path) -> None:
    if value.rules.enum_spelling and not value.listed.texts:
        raise UserError(f"{where}.enum_spelling: {schema_path} lists no texts here; add an enum or remove it")
    for member in value.listed.enum or ():
        outcome = value.read_item(member)
        if canonical_json(outcome) != canonical_json(member):
            raise _unstable(where, member, outcome, schema_path)
    for alias in value.rules.aliases:
        if not value.listed.has(outcome := value.read_item(alias)):
            raise UserError(
                f"{where}.aliases: {alias!r} becomes {_shown(outcome)}, which is no value in {schema_path}; "
                "name one of its own"
            )


def _unstable(where: str, value: object, outcome: object, schema_path: Path) -> UserError:
    return UserError(
        f"{where}: {_shown(value)} in {schema_path} becomes {_shown(outcome)}, so no answer can be "
        "valid with it; change the rule, or the spelling in the schema"
    )


def _shown(value: Any) -> str:  # noqa: ANN401
    return canonical_json(value)[:80]
