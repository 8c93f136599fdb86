"""What the teacher is asked: from a row and the answers known so far to the requests that it still needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from stages.generate.params import GenerateParams
from stages.shared.answers import AnswerSpec
from stages.shared.consensus import parse_sample
from stages.shared.errors import UserError
from stages.shared.files import Row, canonical_hash, read_text
from stages.shared.paths import prompt_file, rubric_file

INPUT = "{input}"
ANSWER = "{answer}"
# A grade is the first number of a reply.
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

# What is known about a request that was answered: see journal.py.
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the teacher about row `row_id`, identified by `key`.

    `kind` is `answer`, then `sample` counts the independent answers; or `grade`, then `sample` is the one
    that is graded.
    """

    row_id: str
    sample: int
    key: str
    body: dict[str, Any]
    kind: str = "answer"


@dataclass(frozen=True)
class Questions:
    """The prompt, the rubric and all settings that a request is made from."""

    prompt: str
    rubric: str | None
    spec: AnswerSpec
    params: GenerateParams

    @classmethod
    def load(cls, task: str, params: GenerateParams, prompt: Path | None = None) -> Questions:
        """Read prompt (another one where given), rubric and schema. Raises UserError for one that is missing
        or lacks its placeholders."""
        path = prompt or prompt_file(task)
        rubric = None
        if params.grade:
            rubric = check_placeholders(read_text(rubric_file(task)), rubric_file(task), (INPUT, ANSWER))
        return cls(check_placeholders(read_text(path), path, (INPUT,)), rubric, AnswerSpec.load(task), params)

    @cached_property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt."""
        return canonical_hash(self.prompt)

    @cached_property
    def version(self) -> str:
        """SHA-256 of all that is asked apart from the rows: the scope of a budget."""
        asked = self.params.model_dump(include={"endpoint", "model", "sampling", "structured", "logprobs"})
        return canonical_hash([self.prompt, self.rubric, self.spec.schema, asked])

    def wanted(self, row: Row, known: Mapping[str, Record]) -> list[Request]:
        """The requests of a row that `known` does not answer and that can be asked now.

        First `samples` answers; then, while they disagree, one more at a time up to `max_samples`; then a
        grade for every different reply.
        """
        samples, complete = self._samples(row, known)
        if not complete:
            return [one for one in samples if one.key not in known]
        return [grade for grade in self.grades(row, known) if grade.key not in known]

    def samples(self, row: Row, known: Mapping[str, Record]) -> list[Request]:
        """The requests whose answers are the row's samples, all of them known."""
        return self._samples(row, known)[0]

    def grades(self, row: Row, known: Mapping[str, Record]) -> list[Request]:
        """The requests that grade the row's samples, all of which are known; the same reply is graded
        once."""
        if self.rubric is None:
            return []
        grades = [self._grade(row, sample, known) for sample in self.samples(row, known)]
        return list({grade.key: grade for grade in grades}.values())

    def score(self, row: Row, sample: Request, known: Mapping[str, Record]) -> float | None:
        """The grade of a sample; None where the reply of the grader holds no number."""
        found = NUMBER.search(known[self._grade(row, sample, known).key]["response"])
        return float(found.group()) if found else None

    def _samples(self, row: Row, known: Mapping[str, Record]) -> tuple[list[Request], bool]:
        """The samples to have, and whether they are all known and no further one is needed."""
        body = self._body(render(self.prompt, {INPUT: row["input"]}))
        asked = [self._request(row, index, body) for index in range(self.params.samples)]
        while all(one.key in known for one in asked):
            if len(asked) >= self.params.max_samples or self._agree(asked, known):
                return asked, True
            asked.append(self._request(row, len(asked), body))
        return asked, False

    def _agree(self, asked: list[Request], known: Mapping[str, Record]) -> bool:
        parsed = [parse_sample(known[one.key], self.spec).answer for one in asked]
        return len({None if answer is None else self.spec.essence(answer) for answer in parsed}) == 1

    def _grade(self, row: Row, sample: Request, known: Mapping[str, Record]) -> Request:
        assert self.rubric is not None
        reply = known[sample.key]["response"]
        body = self._body(render(self.rubric, {INPUT: row["input"], ANSWER: reply}), grading=True)
        # The same reply is graded once: the index is no part of this key.
        return Request(row["id"], sample.sample, self._key(body, 0), body, "grade")

    def _request(self, row: Row, index: int, body: dict[str, Any]) -> Request:
        return Request(row["id"], index, self._key(body, index), body)

    def _key(self, body: dict[str, Any], sample: int) -> str:
        """SHA-256 of everything that can change the answer: endpoint, the body that is sent, sample index.

        So a new row costs its own requests only, and another concurrency, price or filter costs none.
        """
        return canonical_hash({"endpoint": self.params.endpoint, "body": body, "sample": sample})

    def _body(self, content: str, grading: bool = False) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.params.model,
            "messages": [{"role": "user", "content": content}],
            **self.params.sampling.model_dump(exclude_none=True),
        }
        if self.params.structured and not grading:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": self.spec.schema, "strict": True},
            }
        if self.params.logprobs and not grading:
            body["logprobs"] = True
        return body


def check_placeholders(text: str, path: Path, names: tuple[str, ...]) -> str:
    """Return the text. Raises UserError unless each placeholder stands in it exactly once."""
    for name in names:
        count = text.count(name)
        if count != 1:
            raise UserError(f"{path}: {name} stands there {count} times; write it once, where it belongs")
    return text


def render(template: str, values: Mapping[str, str]) -> str:
    r"""Put values into a prompt. Other braces are text, and braces in a value stay as they are.

    A value cannot end the section that it stands in: where the line after its placeholder is a closing tag
    such as `</text>`, the same tag in the value is written `<\/text>`.
    """
    parts = re.split("(" + "|".join(re.escape(name) for name in values) + ")", template)
    for i, part in enumerate(parts):
        if part in values:
            closing = re.match(r"\s*(</[\w-]+>)", parts[i + 1])
            value = values[part]
            if closing:
                tag = re.compile(r"<\s*/\s*" + re.escape(closing.group(1)[2:-1]) + r"\s*>", re.IGNORECASE)
                value = tag.sub(lambda found: found.group().replace("/", "\\/"), value)
            parts[i] = value
    return "".join(parts)
