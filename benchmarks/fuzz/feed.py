"""Feeding one reader for some time, in a project and a process of its own."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from benchmarks.fuzz.readers import READERS, Reader
from promptstill.console.errors import UserError, one_line
from tests.project import make_project

# Examples after which Hypothesis begins anew, with another seed.
EXAMPLES = 200


def fuzz(reader: Reader, seconds: float, outcomes: Counter[str]) -> None:
    """Feed one reader until time is up, and count how many inputs were accepted and how many refused.

    Raises whatever else the reader raises, with the smallest input as a note.
    """
    end = time.monotonic() + seconds
    failed = False

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(reader.inputs)
    def feed(content: Any) -> None:  # noqa: ANN401
        nonlocal failed
        # The search for the smallest input takes the time that it needs.
        if time.monotonic() > end and not failed:
            return
        try:
            accepted = accepts(reader, content)
        except Exception:
            failed = True
            raise
        outcomes["accepted" if accepted else "refused"] += 1

    while time.monotonic() < end:
        feed()


def accepts(reader: Reader, content: Any) -> bool:  # noqa: ANN401
    """Whether a reader accepts an input; a refusal must be a message that can be printed."""
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            reader.read(content)
    except UserError as error:
        assert one_line(error).encode(), "the message can be printed"
        return False
    return True


def run(name: str, seconds: float) -> tuple[dict[str, Any], str]:
    """Feed a reader in a project of its own. Returns what it did, and the failure or an empty text."""
    outcomes = Counter(accepted=0, refused=0)
    failure, start = "", time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["PROMPTSTILL_HOME"] = str(Path(folder) / ".still")
        make_project(Path(folder), rows=6)
        try:
            fuzz(READERS[name], seconds, outcomes)
        except Exception:
            failure = traceback.format_exc()
    took = round(time.monotonic() - start, 1)
    return {"inputs": outcomes.total(), **outcomes, "seconds": took, "failed": bool(failure)}, failure


def in_own_process(name: str, seconds: float) -> tuple[dict[str, Any], str]:
    """`run` in a new process, because a reader that crashes the interpreter must not end the others."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        try:
            return process.submit(run, name, seconds).result()
        except BrokenProcessPool as error:
            return {"failed": True}, str(error)
