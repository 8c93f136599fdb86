"""The entry point of every stage: a command line in, an exit status and at most one line of error out."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Callable

from promptstill.console.errors import UserError, exit_with

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def stage_main(main: Callable[[str], None], description: str) -> None:
    """Parse `TASK` from the command line and run a stage's `main(task)`.

    A UserError, or an error of the operating system such as a missing permission or a full disk, becomes one
    line and exit status 1. Any other error is a defect of the code and keeps its traceback.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("task", help="a task named in params.yaml under `tasks`")
    arguments = parser.parse_args()
    _end_with_parent()
    ignore_deprecated_calls()
    try:
        main(arguments.task)
    except (UserError, OSError) as error:
        exit_with(error)
    except KeyboardInterrupt:
        print("interrupted; run `dvc repro` to continue", file=sys.stderr)
        raise SystemExit(130) from None


def ignore_deprecated_calls() -> None:
    """Keep quiet about peft, which calls transformers in a deprecated way: a user cannot change it."""
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)


def _end_with_parent() -> None:
    """End this process when the DVC, or the launcher of several processes, that started it is killed, so that
    the next run does not overlap with it.

    This works on Linux only. Elsewhere, a stage that has lost its DVC runs to its end and writes the same
    bytes.
    """
    if {"DVC_STAGE", "RANK"} & os.environ.keys() and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
