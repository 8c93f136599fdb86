"""Answer specs of made-up tasks, from plain schema properties and rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptstill.answers.spec import AnswerSpec, Normalisation
from tests.project import write


def schema_of(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """An object with these properties, all required but the optional ones, and no others."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def spec_of(properties: dict[str, Any], *optional: str, **rules: Any) -> AnswerSpec:
    """A JSON task; its first property is the label if the rules name none."""
    rules = {"format": "json", "label": next(iter(properties))} | rules
    return AnswerSpec(schema_of(properties, *optional), Normalisation.check(rules, "here"))


def write_task(project: Path, schema: dict[str, Any], rules: dict[str, Any]) -> None:
    """Give the project's task `colour` another schema and other rules."""
    write(project / "expectations/colour/answer.schema.json", json.dumps(schema))
    write(project / "expectations/colour/normalise.yaml", json.dumps(rules))
