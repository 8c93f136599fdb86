"""What the teacher is asked: from a row and the answers known so far to the requests that it still needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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

    def about(self, row: Row, known: dict[str, Record] | None = None) -> Inquiry:
        """What is asked about one row, given the answers known so far."""
        return Inquiry(self, row, {} if known is None else known)

    def request(self, row: Row, index: int, body: dict[str, Any], kind: str = "answer") -> Request:
        """One request. Its key is the SHA-256 of everything that can change the answer: endpoint, the body
        that is sent, and of an answer its index.

        So a new row costs its own requests only, another concurrency, price or filter costs none, and the
        same reply is graded once.
        """
        sample = index if kind == "answer" else 0
        key = canonical_hash({"endpoint": self.params.endpoint, "body": body, "sample": sample})
        return Request(row["id"], index, key, body, kind)

    def body(self, content: str, grading: bool = False) -> dict[str, Any]:
        """A chat completion's request with one message."""
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


@dataclass
class Inquiry:
    """All that is asked about one row; `known` holds the answers that exist, by key, and grows."""

    questions: Questions
    row: Row
    known: dict[str, Record]
    _asked: list[Request] = field(default_factory=list)

    def wanted(self) -> list[Request]:
        """The requests that `known` does not answer and that can be asked now.

        First `samples` answers; then, while they disagree, one more at a time up to `max_samples`; then a
        grade for every different reply.
        """
        missing = [one for one in self.samples() if one.key not in self.known]
        return missing or [grade for grade in self.grades() if grade.key not in self.known]

    def samples(self) -> list[Request]:
        """The requests whose answers are the row's samples, as far as the known answers tell."""
        params = self.questions.params
        while len(self._asked) < params.samples or self._goes_on():
            body = self._asked[0].body if self._asked else self._first_body()
            self._asked.append(self.questions.request(self.row, len(self._asked), body))
        return self._asked

    def grades(self) -> list[Request]:
        """The requests that grade the row's samples, all of which are known."""
        if self.questions.rubric is None:
            return []
        grades = [self._grade(sample) for sample in self.samples()]
        return list({grade.key: grade for grade in grades}.values())

    def score(self, sample: Request) -> float | None:
        """The grade of a sample; None where the reply of the grader holds no number."""
        found = NUMBER.search(self.known[self._grade(sample).key]["response"])
        return float(found.group()) if found else None

    def _first_body(self) -> dict[str, Any]:
        return self.questions.body(render(self.questions.prompt, {INPUT: self.row["input"]}))

    def _goes_on(self) -> bool:
        """Whether all samples so far are known, disagree, and may be followed by another."""
        if len(self._asked) >= self.questions.params.max_samples:
            return False
        if not all(one.key in self.known for one in self._asked):
            return False
        spec = self.questions.spec
        parsed = [parse_sample(self.known[one.key], spec).answer for one in self._asked]
        return len({None if answer is None else spec.essence(answer) for answer in parsed}) > 1

    def _grade(self, sample: Request) -> Request:
        assert self.questions.rubric is not None
        values = {INPUT: self.row["input"], ANSWER: self.known[sample.key]["response"]}
        body = self.questions.body(render(self.questions.rubric, values), grading=True)
        return self.questions.request(self.row, sample.sample, body, "grade")


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
