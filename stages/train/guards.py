"""What training refuses before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import Script
from promptstill.console.errors import UserError
from stages.train.params import TrainParams


def refuse_uncertified(
    hashes: Mapping[str, str], certified: Mapping[str, str], files: Mapping[str, Path]
) -> None:
    """Train only on the files that split made the leak certificate for: raise UserError for one whose SHA-256
    differs."""
    for name, digest in hashes.items():
        if digest != certified[name]:
            raise UserError(
                f"{files[name]}: not the file that the leak certificate was made for; run "
                f"`dvc repro split@{files[name].parent.name}`"
            )


def refuse_free_values(script: Script, place: str) -> None:
    """An encoder only chooses: raise UserError for a key whose values the schema does not list. `place` is
    where the task's train params are."""
    for slot in script.slots:
        if not slot.closed:
            key = f"`{slot.key}`" if slot.key else "the answer"
            raise UserError(
                f"{place}.student: an encoder chooses among listed values, but answer.schema.json lists none "
                f"for {key}; list them there, or use a causal student"
            )


def missing_for_passages(form: AnswerForm, params: TrainParams, place: str) -> str | None:
    """What varying passages needs and `normalise.yaml` does not declare, in one line; None for nothing.
    `place` is where the task's train params are."""
    refusal = form.rules.refusal
    if params.vary_passages and form.rules.citations is None:
        return f"{place}.vary_passages: normalise.yaml declares no citations; declare them, or remove it"
    if params.unanswerable and (refusal is None or refusal.key is None):
        return (
            f"{place}.unanswerable: normalise.yaml declares no refusal with a key; declare it, or remove it"
        )
    return None
