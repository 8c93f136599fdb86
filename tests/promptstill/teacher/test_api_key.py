"""Where the teacher's key comes from, and where it never goes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from promptstill.teacher.api_key import read_api_key
from stages.generate import __main__ as generate
from tests.conftest import TEACHER_KEY, Run
from tests.project import configure, read_lines, row, write
from tests.teacher_server import Fault, TeacherServer, last_line


def test_keys_come_from_the_environment_or_an_ignored_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EXAMPLE_KEY", raising=False)
    assert read_api_key("EXAMPLE_KEY") is None
    write(tmp_path / ".env", "EXAMPLE_KEY=from-file\n")
    assert read_api_key("EXAMPLE_KEY") == "from-file"
    monkeypatch.setenv("EXAMPLE_KEY", "from-environment")
    assert read_api_key("EXAMPLE_KEY") == "from-environment"
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "add", ".env"], check=True)
    with pytest.raises(UserError, match=r"\.env: is tracked by Git") as raised:
        read_api_key("EXAMPLE_KEY")
    assert "from-file" not in str(raised.value)


def test_a_refused_key_stops_the_run_at_once_and_is_never_shown(
    ingested: Path, teacher: TeacherServer
) -> None:
    teacher.fault = lambda number, body: 401
    with pytest.raises(UserError, match="the API key in TEST_TEACHER_KEY is refused") as raised:
        generate.main("colour")
    assert TEACHER_KEY not in str(raised.value)
    assert len(teacher.requests) <= 8, "no more than were in flight"


def test_the_key_reaches_the_teacher_and_nothing_else(
    ingested: Path, teacher: TeacherServer, capfd: pytest.CaptureFixture[str], run: Run
) -> None:
    """This holds even if the server repeats the key in its error message about a row."""
    echo = json.dumps({"error": {"message": f"unknown key {TEACHER_KEY}"}}).encode()
    teacher.fault = lambda number, body: (
        Fault(400, body=echo)
        if last_line(body) == row(3)["input"]
        else Fault(500, body=echo)
        if number == 9
        else None
    )
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.1)
    generate.main("colour")
    assert set(teacher.keys) == {f"Bearer {TEACHER_KEY}"}
    (dead,) = read_lines(ingested / "data/generate/colour/dead.jsonl")
    assert dead["reason"] == "status 400 (unknown key [KEY])"
    write(ingested / "edited.md", "Which colour?\n{input}\n")
    preview = run("still.cli", "preview", "colour", "--prompt", "edited.md", cwd=ingested)
    stats = run("still.cli", "journal", "stats", cwd=ingested)
    assert (preview.returncode, stats.returncode) == (0, 0)
    printed = "".join([*capfd.readouterr(), preview.stdout, preview.stderr, stats.stdout, stats.stderr])
    assert TEACHER_KEY not in printed
    for path in ingested.rglob("*"):
        assert path.is_dir() or TEACHER_KEY.encode() not in path.read_bytes(), path
