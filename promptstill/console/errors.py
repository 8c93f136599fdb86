"""Errors that a user can fix, reported in one line."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar

T = TypeVar("T")
# A file has seldom more mistakes than this, unless all of its lines have the same.
MOST_LINES = 20


class UserError(Exception):
    """Something the user can fix: the message says what is wrong, where, and what to do about it."""


class SeveralErrors(UserError):
    """Several things that the user can fix, each reported in a line of its own."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def check_each(numbered: Iterable[tuple[int, T]], check: Callable[[int, T], None]) -> None:
    """Check all numbered lines or entries, then raise the problems of up to MOST_LINES of them as one error.

    A reader that cannot go on after a line, such as one that is not JSON, ends the list.
    """
    problems: list[str] = []
    try:
        for number, line in numbered:
            try:
                check(number, line)
            except UserError as error:
                problems.append(str(error))
                if len(problems) == MOST_LINES:
                    break
    except UserError as error:
        problems.append(str(error))
    if problems:
        raise SeveralErrors(problems)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` for the closest known word, or an empty string if none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def one_line(error: Exception | str) -> str:
    """An error as one line; an error of the operating system begins with its path."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}"
    return " ".join(str(error).split())


def exit_with(error: Exception) -> NoReturn:
    """Print `error: ...` to standard error, a line for each problem, and exit with status 1."""
    problems = error.problems if isinstance(error, SeveralErrors) else (error,)
    for problem in problems:
        print(f"error: {one_line(problem)}", file=sys.stderr)
    raise SystemExit(1)
