"""What training refuses before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from promptstill.answers.form import AnswerForm
from promptstill.console.errors import SeveralErrors, UserError, did_you_mean
from promptstill.core.paths import PARAMS
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


def refuse_unknown_keys(task: str, params: TrainParams, spec: AnswerForm) -> None:
    """Raise UserError for keys in `rare_weight` that the task's answers do not have, a line for each."""
    known = spec.schema.get("properties", {}) if spec.rules.format == "json" else {}
    remedy = f"name one of {', '.join(known)}" if known else "leave rare_weight empty for text answers"
    problems = [
        f"{PARAMS}: {task}.train.rare_weight.{key}: the answers have no such key"
        f"{did_you_mean(key, known)}; {remedy}"
        for key in params.rare_weight
        if key not in known
    ]
    if problems:
        raise SeveralErrors(problems)
