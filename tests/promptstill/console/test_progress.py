"""The progress bar on a terminal and in a log."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time

import pytest

from promptstill.console.progress import note, progress
from tests.project import REPOSITORY

IMPORTS = "from time import sleep\nfrom promptstill.console.progress import progress\n"
WORK = """
with progress(40, "asking") as bar:
    for _ in range(30):
        sleep(0.02)
        bar.set_postfix_str("0.25 USD", refresh=False)
        bar.update(1)
"""


def drawn(columns: int, work: str = WORK) -> list[str]:
    """Every state that a terminal of some width shows of the bar, the last one included."""
    control, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    working = subprocess.Popen([sys.executable, "-c", IMPORTS + work], stderr=terminal, env=environment)
    os.close(terminal)
    content = b""
    # Linux reports the end of a terminal as an error.
    try:
        while part := os.read(control, 4096):
            content += part
    except OSError:
        pass
    os.close(control)
    assert working.wait() == 0
    *states, rest = re.split(r"\r\n|\r", content.decode())
    assert rest == "", "the next line begins on the left"
    return [state for state in states if state]


def test_a_terminal_shows_rows_rate_time_left_and_cost() -> None:
    first, *states, last = drawn(100)
    assert first.startswith("asking: 0/40 in 00:00, ? row/s, ? left |")
    pattern = r"asking: \d+/40 in \d\d:\d\d, +[\d.]+ row/s, \d\d:\d\d left, 0\.25 USD \|[^|]*\|"
    assert states
    assert all(re.fullmatch(pattern, state) for state in states), states
    assert re.fullmatch(r"asking: 30/40 in \d\d:\d\d, +[\d.]+ row/s, 0\.25 USD *", last)


def test_a_narrow_terminal_loses_the_bar_first() -> None:
    states = drawn(66)
    assert all(len(state) <= 66 for state in states)
    assert all("0.25 USD" in state for state in states[1:])


def test_a_log_gets_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("promptstill.console.progress.SECONDS_A_LINE", 0.0)
    with progress(3, "asking", "step") as bar:
        bar.update(1)
    *lines, last, rest = capsys.readouterr().err.split("\n")
    assert lines[0] == "asking: 0/3 in 00:00, ? step/s, ? left"
    assert re.fullmatch(r"asking: 1/3 in \d\d:\d\d, +[\d.]+ step/s", last)
    assert rest == ""
    assert "\r" not in "".join(lines)


def test_short_work_says_nothing_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(3, "asking") as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""


def test_a_log_gets_a_line_while_nothing_is_completed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("promptstill.console.progress.SILENT_SECONDS", 0.05)
    with progress(3, "asking", state=lambda: "2 failed calls") as bar:
        note(bar, "http://here/v1: status 500")
        time.sleep(0.3)
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == "http://here/v1: status 500"
    assert len(lines) >= 2
    assert set(lines) == {"asking: 0/3 in 00:00, ? row/s, ? left, 2 failed calls"}


def test_a_terminal_moves_while_nothing_is_completed() -> None:
    states = drawn(100, "with progress(3, 'asking'):\n    sleep(2.5)")
    assert any("in 00:02" in state for state in states[:-1])
