"""`still import`: no address reaches the traffic, Git is not given texts, and two at once lose no row."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from promptstill.core.append import append_rows, appending
from stages.ingest import __main__ as ingest
from still.import_key import import_key
from still.import_rows import git_warning, import_rows
from tests.conftest import Run
from tests.project import REPOSITORY, read_lines, row, with_pipeline, write, write_lines

NOW = "2026-05-01T00:00:00Z"
TRAFFIC = "data/traffic/colour.jsonl"
LINKS = ("account", "thread", "document", "translation_group")


def imported(project: Path, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows in the traffic after they were imported."""
    before = len(read_lines(project / TRAFFIC))
    write_lines(project / "new.jsonl", [{"timestamp": NOW, **line} for line in rows])
    import_rows("colour", project / "new.jsonl", "jsonl", [], "", "")
    return read_lines(project / TRAFFIC)[before:]


def test_no_address_reaches_the_rows(project: Path) -> None:
    address = "bob@example.com"
    personal = dict.fromkeys(LINKS, address) | {"id": f"mail-{address}-1", "input": f"I am {address}"}
    imported(
        project, personal, {"input": "no id", "account": address}, {"input": "x", "id": "+49 151 23456789"}
    )
    ingest.main("colour")
    for path in (project / "data/ingest/colour/rows.jsonl", project / TRAFFIC):
        rows = [line for line in read_lines(path) if line["timestamp"] == NOW]
        assert len(rows) == 3
        for line in rows:
            assert address not in json.dumps({**line, "input": ""})
            assert "23456789" not in line["id"]


def test_links_stay_over_deliveries_and_depend_on_the_key(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = imported(project, {"input": "a", "account": "bob@example.com", "thread": "bob@example.com"})
    (second,) = imported(project, {"input": "b", "account": " bob@example.com "})
    assert first["account"] == second["account"] != first["thread"]
    (again,) = imported(project, {"input": "c", "account": first["account"]})
    assert again["account"] == first["account"], "a pseudonym stays as it is"
    monkeypatch.setenv("PROMPTSTILL_IMPORT_KEY", "another key, given by hand")
    (other,) = imported(project, {"input": "d", "account": "bob@example.com"})
    assert other["account"] != first["account"]


def test_plain_ids_stay(project: Path) -> None:
    ids = ["tix-0001", "4155552671", "4111111111111111", "2026-11-24/17", "Ж-5"]
    assert [line["id"] for line in imported(project, *({"id": i, "input": i} for i in ids))] == ids


def test_the_key_is_made_once_and_is_the_owners(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = import_key()
    assert import_key() == key
    file = project / ".still/import.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(project / ".still") == ["import.key"]
    write(file, "short")
    with pytest.raises(UserError, match="at least 16 characters"):
        import_key()
    monkeypatch.setenv("PROMPTSTILL_IMPORT_KEY", "given by environment")
    assert import_key() == b"given by environment"


def test_ingest_names_addresses_of_traffic_that_was_not_imported(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(project / TRAFFIC, [row(0), row(1, account="bob@example.com"), row(2, id="a@b.org")])
    ingest.main("colour")
    assert (
        "2 rows have an e-mail address as id or link; `still import` replaces it" in capsys.readouterr().out
    )


def test_traffic_that_git_would_store_is_told(project: Path, run: Run) -> None:
    def warning() -> str:
        return run(
            *("still.cli", "import", "colour", "new.csv", "--timestamp", NOW), cwd=project
        ).stderr  # fmt: skip

    write(project / "new.csv", "input\nHello\n")
    assert warning() == "", "no Git"
    git = ["git", "-C", str(project)]
    subprocess.run([*git, "init", "-q"], check=True)
    assert warning() == (
        f"warning: Git would store the texts in {TRAFFIC}; run `dvc add {TRAFFIC}` (docs/traffic.md)\n"
    )
    subprocess.run([*git, "add", TRAFFIC], check=True)
    assert f"run `git rm --cached {TRAFFIC}`, then `dvc add {TRAFFIC}`" in warning()
    subprocess.run([*git, "rm", "-q", "--cached", TRAFFIC], check=True)
    write(project / ".gitignore", "/data/traffic/\n")
    assert warning() == ""
    write(project / ".gitignore", "")
    write(project / f"{TRAFFIC}.dvc", "")
    assert warning() == ""


def test_two_imports_at_once_lose_no_row(project: Path) -> None:
    commands = []
    for number in range(4):
        write_lines(
            project / f"{number}.jsonl", [row(i, id=f"{number}-{i}", timestamp=NOW) for i in range(300)]
        )
        commands.append([sys.executable, "-m", "still.cli", "import", "colour", f"{number}.jsonl"])
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    running = [subprocess.Popen(command, cwd=project, env=environment) for command in commands]
    assert [process.wait() for process in running] == [0] * 4
    rows = read_lines(project / TRAFFIC)
    assert len({line["id"] for line in rows}) == len(rows) == 48 + 4 * 300
    assert len({line["account"] for line in rows if "-" in line["id"][:2]}) == 150, "one key"


def test_an_import_that_waits_names_the_process_that_it_waits_for(project: Path) -> None:
    write_lines(project / "new.jsonl", [row(0, id="new", timestamp=NOW)])
    with appending(project / TRAFFIC):
        importing = subprocess.Popen(
            [sys.executable, "-m", "still.cli", "import", "colour", "new.jsonl"],
            cwd=project, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert importing.stderr is not None
        assert importing.stderr.readline() == (
            f"{TRAFFIC}: process {os.getpid()} appends to this file; waiting for its end\n"
        )
        assert "new" not in {line["id"] for line in read_lines(project / TRAFFIC)}
    importing.communicate()
    assert "new" in {line["id"] for line in read_lines(project / TRAFFIC)}


def test_half_a_line_of_a_killed_import_is_cut_and_imported_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(project, *({"id": f"new-{i}", "input": f"text {i}"} for i in range(5)))
    whole = (project / TRAFFIC).read_bytes()
    (project / TRAFFIC).write_bytes(whole[:-20])
    import_rows("colour", project / "new.jsonl", "jsonl", [], "", "")
    assert "removed half a line" in capsys.readouterr().out
    assert (project / TRAFFIC).read_bytes() == whole


def test_a_last_line_without_a_line_break_is_kept(project: Path) -> None:
    whole = (project / TRAFFIC).read_bytes()
    (project / TRAFFIC).write_bytes(whole.rstrip(b"\n"))
    imported(project, {"input": "new"})
    assert (project / TRAFFIC).read_bytes().startswith(whole)


def test_a_write_that_fails_leaves_the_file_as_it_was(project: Path) -> None:
    before = (project / TRAFFIC).read_bytes()
    code = (
        "import resource, sys; from pathlib import Path; from promptstill.core.append import append_rows\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 100},) * 2)\n"
        f"append_rows(Path({TRAFFIC!r}), [{{'a': 'x' * 50}}] * 9)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        check=False,
    )
    assert ended.returncode == 1
    assert (project / TRAFFIC).read_bytes() == before


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_file_that_dvc_linked_to_its_cache_is_not_appended_to_there(project: Path, link: object) -> None:
    cached = project / "cached"
    (project / TRAFFIC).rename(cached)
    before = cached.read_bytes()
    assert callable(link)
    link(cached, project / TRAFFIC)
    with appending(project / TRAFFIC) as cut:
        append_rows(project / TRAFFIC, [{"a": 1}])
    assert (cut, cached.read_bytes()) == (0, before)
    assert (project / TRAFFIC).read_bytes() == before + b'{"a": 1}\n'


def test_messages_name_the_file_as_it_was_typed(project: Path, run: Run) -> None:
    write(project / "deliveries/new.csv", "text\nHello\n")
    for typed, message in (("new.csv", "new.csv:1: no column 'input'"), ("no.csv", "no.csv: no such file")):
        ended = run("still.cli", "import", "colour", typed, cwd=project / "deliveries")
        assert ended.stderr.startswith(f"error: {message}")


def test_traffic_that_dvc_tracks_is_a_dependency_of_the_pipeline(project: Path, run: Run) -> None:
    with_pipeline(project)
    subprocess.run(["git", "-C", str(project), "init", "-q"], check=True)
    assert run("dvc", "add", TRAFFIC, cwd=project).returncode == 0
    tracked = (project / f"{TRAFFIC}.dvc").read_text()
    imported(project, {"id": "late", "input": "a late row"})
    assert git_warning(Path(TRAFFIC)) == ""
    ended = run("dvc", "repro", "ingest@colour", cwd=project)
    assert ended.returncode == 0, ended.stderr
    assert "late" in {line["id"] for line in read_lines(project / "data/ingest/colour/rows.jsonl")}
    assert (project / f"{TRAFFIC}.dvc").read_text() != tracked, "the new hash is ready to commit"
    status = ["git", "-C", str(project), "status", "--porcelain", "--untracked-files=all", "data/traffic"]
    untracked = subprocess.run(status, capture_output=True, text=True, check=True).stdout.split()[1::2]
    assert untracked == ["data/traffic/.gitignore", "data/traffic/colour-json.jsonl", f"{TRAFFIC}.dvc"]
