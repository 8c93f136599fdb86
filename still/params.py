"""`still params`: every setting of a task with its effective value, as YAML that params.yaml accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from promptstill.core.settings import StageParams
from stages.dedupe.params import DedupeParams
from stages.eval.params import EvalParams
from stages.generate.params import GenerateParams
from stages.ingest.params import IngestParams
from stages.review.params import ReviewParams
from stages.split.params import SplitParams
from stages.train.params import TrainParams

BLOCKS: tuple[type[StageParams], ...] = (
    IngestParams,
    GenerateParams,
    DedupeParams,
    ReviewParams,
    SplitParams,
    TrainParams,
    EvalParams,
)


def print_params(task: str) -> None:
    """Print the task's section with all defaults. Raises UserError for an unknown task or a bad block."""
    loaded = [block.load(task) for block in BLOCKS]
    print(f"{task}:")
    for block in loaded:
        print(f"  {block.stage}:")
        for line in described(block, "    "):
            print(line)


def described(block: BaseModel, indent: str, is_default: bool = False) -> Iterator[str]:
    """One line per setting: key, value, and a comment with its meaning and whether it is a default."""
    for name, field in type(block).model_fields.items():
        key, value = field.alias or name, getattr(block, name)
        default = is_default or name not in block.model_fields_set
        comment = f"  # {'default; ' if default else ''}{field.description or ''}".removesuffix("; ")
        if isinstance(value, BaseModel):
            yield f"{indent}{key}:{comment}"
            yield from described(value, f"{indent}  ", default)
        else:
            yield f"{indent}{key}: {_inline(value)}{comment}"


def _inline(value: Any) -> str:  # noqa: ANN401
    """A value as YAML on one line."""
    if isinstance(value, dict):
        value = {k: v.model_dump(mode="json") if isinstance(v, BaseModel) else v for k, v in value.items()}
    if isinstance(value, tuple):
        value = list(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6)
    return text.removesuffix("...\n").strip()
