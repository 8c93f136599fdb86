"""What the teacher is asked: a row and the replies known so far in, the requests that it still needs out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from promptstill.answers.consensus import agreeing, parse_reply
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.files import canonical_hash, read_text
from promptstill.core.paths import prompt_file, rubric_file
from promptstill.rows.row import Input
from promptstill.teacher.record import Record
from promptstill.teacher.settings import TeacherSettings

INPUT = "{input}"
ANSWER = "{answer}"
# A grade is the first number of a reply.
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

R = TypeVar("R", bound=Input)
Row = TypeVar("Row", bound=Input, covariant=True)


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
    settings: TeacherSettings

    @classmethod
    def load(cls, task: str, settings: TeacherSettings, prompt: Path | None = None) -> Questions:
        """Read the prompt (or another one), the rubric and the schema. Raises UserError if one is missing or
        lacks its placeholders."""
        path = prompt or prompt_file(task)
        rubric = None
        if settings.grade:
            rubric = check_placeholders(read_text(rubric_file(task)), rubric_file(task), (INPUT, ANSWER))
        return cls(
            check_placeholders(read_text(path), path, (INPUT,)), rubric, AnswerSpec.load(task), settings
        )

    @cached_property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt."""
        return canonical_hash(self.prompt)

    @cached_property
    def version(self) -> str:
        """SHA-256 of all that is asked apart from the rows, which is the scope of a budget."""
        asked = self.settings.model_dump(include={"endpoint", "model", "sampling", "structured", "logprobs"})
        return canonical_hash([self.prompt, self.rubric, self.spec.schema, asked])

    def about(self, row: R, known: dict[str, Record] | None = None) -> Inquiry[R]:
        """What is asked about one row, given the replies known so far."""
        return Inquiry(self, row, {} if known is None else known)

    def request(self, row: Input, index: int, body: dict[str, Any], kind: str = "answer") -> Request:
        """One request. Its key is the SHA-256 of everything that can change the reply: the endpoint, the body
        that is sent, and the index of the sample.

        A new row therefore costs only its own requests, a change of concurrency, price or filters costs none,
        and the same reply is graded only once.
        """
        sample = index if kind == "answer" else 0
        key = canonical_hash({"endpoint": self.settings.endpoint, "body": body, "sample": sample})
        return Request(row["id"], index, key, body, kind)

    def body(self, content: str, grading: bool = False) -> dict[str, Any]:
        """A chat completion's request with one message."""
        body: dict[str, Any] = {
            "model": self.settings.model,
            "messages": [{"role": "user", "content": content}],
            **self.settings.sampling.model_dump(exclude_none=True),
        }
        if self.settings.structured and not grading:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": self.spec.schema, "strict": True},
            }
        if self.settings.logprobs and not grading:
            body["logprobs"] = True
        return body


@dataclass
class Inquiry(Generic[Row]):
    """All that is asked about one row; `known` has the replies that exist, by key, and grows."""

    questions: Questions
    row: Row
    known: dict[str, Record]
    _asked: list[Request] = field(default_factory=list)

    def wanted(self) -> list[Request]:
        """The requests that `known` does not answer and that can be asked now.

        First, `samples` answers; then, while no answer has more than half of the valid ones or fewer than
        `samples` are valid, one more at a time up to `max_samples`; then a grade for every distinct reply.
        """
        missing = [sample for sample in self.samples() if sample.key not in self.known]
        return missing or [grade for grade in self.grades() if grade.key not in self.known]

    def samples(self) -> list[Request]:
        """The requests for the row's samples, as far as the known replies determine them."""
        while len(self._asked) < self.questions.settings.samples or self._goes_on():
            body = self._asked[0].body if self._asked else self._first_body()
            self._asked.append(self.questions.request(self.row, len(self._asked), body))
        return self._asked

    def grades(self) -> list[Request]:
        """The requests that grade the row's samples, all of which must be known."""
        if self.questions.rubric is None:
            return []
        grades = [self._grade(sample) for sample in self.samples()]
        return list({grade.key: grade for grade in grades}.values())

    def score(self, sample: Request) -> float | None:
        """The grade of a sample; None if the grader's reply has no number."""
        number = NUMBER.search(self.known[self._grade(sample).key]["response"])
        return float(number.group()) if number else None

    def _first_body(self) -> dict[str, Any]:
        return self.questions.body(render(self.questions.prompt, {INPUT: self.row["input"]}))

    def _goes_on(self) -> bool:
        """Whether another sample is allowed and needed: all so far are known, and either no answer has more
        than half of the valid ones or fewer than `samples` are valid."""
        if len(self._asked) >= self.questions.settings.most_samples:
            return False
        if not all(request.key in self.known for request in self._asked):
            return False
        spec = self.questions.spec
        replies = [self.known[request.key] for request in self._asked]
        parsed = [parse_reply(r["response"], r.get("finish_reason"), spec).answer for r in replies]
        valid = [answer for answer in parsed if answer is not None]
        return 2 * len(agreeing(valid, spec)) <= len(valid) or len(valid) < self.questions.settings.samples

    def _grade(self, sample: Request) -> Request:
        assert self.questions.rubric is not None
        values = {INPUT: self.row["input"], ANSWER: self.known[sample.key]["response"]}
        body = self.questions.body(render(self.questions.rubric, values), grading=True)
        return self.questions.request(self.row, sample.sample, body, "grade")


def check_placeholders(text: str, path: Path, names: tuple[str, ...]) -> str:
    """Return the text. Raises UserError unless it has each placeholder exactly once."""
    for name in names:
        count = text.count(name)
        if count != 1:
            raise UserError(f"{path}: {name} occurs {count} times; write it once, where its value belongs")
    return text


def render(template: str, values: Mapping[str, str]) -> str:
    r"""Put values into a prompt. Other braces are text, and braces in a value stay as they are.

    A value cannot close the section that contains it: if its placeholder is followed by a closing tag such as
    `</text>`, the same tag in the value is written `<\/text>`.
    """
    parts = re.split("(" + "|".join(re.escape(name) for name in values) + ")", template)
    for i, part in enumerate(parts):
        if part in values:
            closing = re.match(r"\s*(</[\w-]+>)", parts[i + 1])
            value = values[part]
            if closing:
                tag = re.compile(r"<\s*/\s*" + re.escape(closing.group(1)[2:-1]) + r"\s*>", re.IGNORECASE)
                value = tag.sub(lambda match: match.group().replace("/", "\\/"), value)
            parts[i] = value
    return "".join(parts)
