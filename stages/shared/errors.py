"""Errors that a user can fix, and the edge that prints them as one line."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Iterable


class UserError(Exception):
    """Something the user can fix: the message says what is wrong, where, and what to do about it."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` for the closest known word, or the empty string when nothing is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def one_line(error: Exception) -> str:
    """An error as one line: operating-system errors lead with the path they are about."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}"
    return " ".join(str(error).split())


def exit_with(error: Exception) -> None:
    """Print `error: ...` to standard error and exit with status 1."""
    print(f"error: {one_line(error)}", file=sys.stderr)
    raise SystemExit(1)


def run_stage(main: Callable[[str], None], description: str) -> None:
    """Parse `TASK` from the command line and run a stage's `main(task)`.

    A UserError, or an operating-system error that names a path or a full disk, becomes one line and exit
    status 1; anything else is a defect of the code and keeps its traceback.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("task", help="a task named in params.yaml under `tasks`")
    arguments = parser.parse_args()
    try:
        main(arguments.task)
    except (UserError, OSError) as error:
        exit_with(error)
    except KeyboardInterrupt:
        print("interrupted; run `dvc repro` to go on", file=sys.stderr)
        raise SystemExit(130) from None
