"""YAML that people write, checked by pydantic models. A typo is an error with the path of the key and a
suggestion."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from promptstill.console.errors import UserError, did_you_mean
from promptstill.core.files import read_text
from promptstill.core.paths import PARAMS

# The tag of `<<`, which may be in a mapping several times.
MERGE = "tag:yaml.org,2002:merge"


class Settings(BaseModel):
    """A frozen block of settings that forbids unknown keys and numbers that are not finite."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=False, serialize_by_alias=True, allow_inf_nan=False
    )

    @classmethod
    def check(cls, block: object, where: str) -> Self:
        """Build from plain data; `where` leads the error, for example `params.yaml: language-id.split`.

        Raises UserError for the first key that is unknown, missing or of the wrong type.
        """
        problems = cls.problems(block, where)
        if problems:
            raise UserError(problems[0])
        return cls.model_validate(block)

    @classmethod
    def problems(cls, block: object, where: str) -> list[str]:
        """What is wrong with plain data, one line for each key; nothing if it is valid."""
        try:
            cls.model_validate(block)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            # An unknown key often explains a missing one beside it, so it is reported first.
            details.sort(key=lambda detail: detail["type"] != "extra_forbidden")
            return [_problem(cls, detail, where) for detail in details]
        return []


def _problem(model: type[BaseModel], detail: ErrorDetails, where: str) -> str:
    place = detail["loc"]
    path = ".".join([where, *(str(part) for part in place)]) if place else where
    if detail["type"] == "extra_forbidden":
        return f"{path}: unknown key{did_you_mean(str(place[-1]), _known_keys(model, place[:-1]))}"
    if detail["type"] == "missing":
        return f"{path}: missing; add it"
    message = detail["msg"][0].lower() + detail["msg"][1:]
    return f"{path}: {message.removeprefix('value error, ')}, got {detail['input']!r}"


def _known_keys(model: type[BaseModel], parents: tuple[int | str, ...]) -> list[str]:
    """Keys of the model at `parents`, as they are written in YAML."""
    for part in parents:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        field = fields.get(str(part))
        nested = [] if field is None else _nested_models(field.annotation)
        if nested:
            model = nested[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _nested_models(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _nested_models(part)]


def read_yaml(path: Path) -> Any:  # noqa: ANN401
    """A YAML document as plain data.

    Raises UserError with the line of a syntax error, and for a value that cannot be read, such as 2026-02-30.
    """
    try:
        return _Loader(read_text(path)).get_single_data()
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        raise UserError(f"{path}{line}: not YAML ({error.problem}); fix the line") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({error}); fix the file") from None
    # What the constructors of the values raise.
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UserError(f"{path}: not YAML ({error}); fix the value") from None


class _Loader(yaml.SafeLoader):
    """Refuses what PyYAML accepts and no other program can use: a key that is in a mapping twice, of which it
    keeps the last one, text that UTF-8 cannot store, and integers that Python cannot print."""

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:  # noqa: ANN401
        if isinstance(node, yaml.ScalarNode):
            node.value.encode("utf-8")
        return super().construct_scalar(node)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value: int = super().construct_yaml_int(node)
        str(value)
        return value

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401
        # Before the mappings that `<<` names are copied into the node, because their keys may be repeated.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(
                        None, None, f"the key {key.value} is there twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return node


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def task_names() -> list[str]:
    """The tasks that params.yaml lists."""
    document = read_yaml(PARAMS)
    names = document.get("tasks") if isinstance(document, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{PARAMS}: tasks: must be a list of names")
    return names


def require_task(task: str) -> None:
    """Raise UserError unless params.yaml lists the task."""
    names = task_names()
    if task not in names:
        raise UserError(f"{PARAMS}: tasks: no task {task!r}{did_you_mean(task, names)}; add it to `tasks`")


class StageParams(Settings):
    """The params block of one stage; a subclass names its stage."""

    stage: ClassVar[str]

    @classmethod
    def load(cls, task: str) -> Self:
        """Read `<task>.<stage>` from params.yaml. Raises UserError for an unknown task, block or key."""
        return cls.check(cls.read_block(task), cls.place(task))

    @classmethod
    def place(cls, task: str) -> str:
        """Where the block is, as errors name it."""
        return f"{PARAMS}: {task}.{cls.stage}"

    @classmethod
    def read_block(cls, task: str) -> object:
        """The block as plain data. Raises UserError for an unknown task or block."""
        require_task(task)
        document = read_yaml(PARAMS)
        section = document.get(task)
        if not isinstance(section, dict):
            raise UserError(f"{PARAMS}: {task}: no section; add one with a block for each stage")
        if cls.stage not in section:
            raise UserError(
                f"{PARAMS}: {task}.{cls.stage}: no block{did_you_mean(cls.stage, section)}; add it"
            )
        return section[cls.stage] or {}
