r"""Slices: named groups of inputs, computed from `expectations/<task>/slices.yaml`.

A slice holds for a row if all of its conditions hold:

    - name: code_comment
      pattern: '(?m)^\s*(//|#)'     # found in the input; the package `regex` knows \p{Script=Greek}
      min_chars: 20                  # length of the input in characters
      max_chars: 400
      script: Cyrillic               # Unicode script of most letters (`none` when there are no letters)
      min_scripts: 2                 # letters from at least this many scripts
      tag: injection                 # one of the row's tags
      source: [chat, email]          # where the row came from

`rules: [2, 5]` names the numbered rules of the teacher's prompt that decide such rows. Reviewers see them.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import Any, Self

import regex
from pydantic import Field, field_validator, model_validator

from promptstill.console.errors import UserError
from promptstill.core.paths import expectation_file
from promptstill.core.settings import Settings, read_yaml

# Scripts that a slice may name; a letter of another script counts as "Other".
SCRIPTS = (
    "Latin", "Greek", "Cyrillic", "Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Telugu", "Gujarati",
    "Thai", "Han", "Hiragana", "Katakana", "Hangul", "Georgian", "Armenian", "Ethiopic", "Khmer", "Myanmar",
    "Sinhala", "Lao",
)  # fmt: skip
_SCRIPT = {name: regex.compile(rf"\p{{Script={name}}}") for name in SCRIPTS}
PATTERN_SECONDS = 1.0


class Slice(Settings):
    """One named predicate over rows."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    pattern: str | None = None
    min_chars: int | None = None
    max_chars: int | None = None
    script: str | None = None
    min_scripts: int | None = None
    tag: str | None = None
    source: tuple[str, ...] | None = None
    rules: tuple[int, ...] = ()

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ValueError(f"not a regular expression ({error})") from None
        return pattern

    @field_validator("script")
    @classmethod
    def _known_script(cls, script: str | None) -> str | None:
        if script is not None and script not in (*SCRIPTS, "none"):
            raise ValueError(f"must be one of {', '.join(SCRIPTS)} or none")
        return script

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        if len(self.model_fields_set - {"rules"}) < 2:
            raise ValueError("names no condition")
        return self

    def holds(self, text: str, tags: list[str], source: str | None, scripts: Counter[str]) -> bool:
        """Whether a row is in this slice; `scripts` counts the letters of its text by script."""
        return all(
            (
                self.min_chars is None or len(text) >= self.min_chars,
                self.max_chars is None or len(text) <= self.max_chars,
                self.tag is None or self.tag in tags,
                self.source is None or source in self.source,
                self.script is None or _main_script(scripts) == self.script,
                self.min_scripts is None or len(scripts) >= self.min_scripts,
                self.pattern is None or _matches(self.pattern, text, self.name),
            )
        )


def _matches(pattern: str, text: str, name: str) -> bool:
    try:
        return regex.search(pattern, text, timeout=PATTERN_SECONDS) is not None
    except TimeoutError:
        raise UserError(
            f"slices.yaml: {name}: pattern: took over {PATTERN_SECONDS:.0f} s on one text; simplify it"
        ) from None


def letters_by_script(text: str) -> Counter[str]:
    """How many letters of `text` belong to each Unicode script."""
    counts: Counter[str] = Counter()
    for character in text:
        if unicodedata.category(character)[0] == "L":
            counts[_script_of(character)] += 1
    return counts


def _script_of(character: str) -> str:
    if character.isascii():
        return "Latin"
    return next((name for name, script in _SCRIPT.items() if script.match(character)), "Other")


def _main_script(scripts: Counter[str]) -> str:
    return min(scripts, key=lambda name: (-scripts[name], name)) if scripts else "none"


def load_slices(task: str) -> tuple[Slice, ...]:
    """Read `slices.yaml`. Raises UserError naming the entry at fault."""
    path = expectation_file(task, "slices.yaml")
    document: Any = read_yaml(path)
    if (
        not isinstance(document, dict)
        or list(document) != ["slices"]
        or not isinstance(document["slices"], list)
    ):
        raise UserError(f"{path}: must hold one key, `slices`, with a list")
    slices = tuple(Slice.check(entry, f"{path}: slices.{i}") for i, entry in enumerate(document["slices"]))
    twice = [name for name, count in Counter(s.name for s in slices).items() if count > 1]
    if twice:
        raise UserError(f"{path}: slices: {twice[0]} is defined twice; rename one of the two")
    return slices


def slices_of(text: str, tags: list[str], source: str | None, slices: tuple[Slice, ...]) -> list[str]:
    """Names of the slices that hold for a row; a golden case has no source."""
    scripts = letters_by_script(text)
    return [entry.name for entry in slices if entry.holds(text, tags, source, scripts)]
