"""What the parser makes of a reply."""

from __future__ import annotations

from dataclasses import dataclass

from promptstill.rows.row import Answer, Problem


@dataclass(frozen=True)
class Parsed:
    """Either `answer`, with the names of the repairs that it took, or a `problem` with its `detail`.

    The repairs are `markup` (a code fence, emphasis or quotes around the answer), `prose` (other text around
    an object), `python_notation`, `key_alias`, `key_spelling`, `null_word`, `refusal_wording`,
    `value_alias`, `value_order`, `value_spelling` and `value_type`; in alphabetical order.
    """

    answer: Answer | None
    problem: Problem | None = None
    detail: str | None = None
    repairs: tuple[str, ...] = ()


class ReplyError(Exception):
    """A reply that has no answer, or more than one."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(problem, detail)
        self.problem: Problem = problem
        self.detail = detail
