"""`still import`: CSV, JSONL and chat logs become traffic."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from stages.ingest import __main__ as ingest
from still.import_rows import import_rows
from tests.project import read_lines, row, write, write_lines

NOW = "2026-05-01T00:00:00Z"


def import_csv(project: Path, content: str, **changes: Any) -> list[dict[str, Any]]:
    source = project / "new.csv"
    write(source, content)
    options = {"source_format": "", "columns": [], "timestamp": NOW, "origin": ""} | changes
    import_rows("colour", source, **options)
    return read_lines(project / "data/traffic/colour.jsonl")[48:]


def test_a_csv_is_appended_as_traffic(project: Path) -> None:
    added = import_csv(
        project,
        'text,user,when\n"Hello, ""you""\nthere",ann,2026-04-01T02:00:00+02:00\nSecond,,\n',
        columns=["input=text", "account=user", "timestamp=when"],
        origin="mail",
    )
    assert [line["input"] for line in added] == ['Hello, "you"\nthere', "Second"]
    (first, second) = (line["account"] for line in added)
    assert re.fullmatch(r"hash-[0-9a-f]{16}", first)
    assert second is None
    assert [line["timestamp"] for line in added] == ["2026-04-01T00:00:00Z", NOW]
    assert {line["source"] for line in added} == {"mail"}
    assert len({line["id"] for line in added}) == 2
    ingest.main("colour")


def test_importing_twice_adds_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_csv(project, "input,account\nHello,ann\nHello,ann\n")
    before = (project / "data/traffic/colour.jsonl").read_bytes()
    added = import_csv(project, "input,account\nHello,ann\nHello,ann\nMore,ann\n")
    assert "1 rows appended to data/traffic/colour.jsonl (2 were there already)" in capsys.readouterr().out
    assert [line["input"] for line in added] == ["Hello", "Hello", "More"]
    assert (project / "data/traffic/colour.jsonl").read_bytes().startswith(before)


def test_an_id_that_has_other_content_is_refused(project: Path) -> None:
    before = (project / "data/traffic/colour.jsonl").read_bytes()
    with pytest.raises(UserError, match=r"id 'row-001' is already in .*colour\.jsonl, with other content"):
        import_csv(project, "id,input\nrow-001,Hello\n")
    assert (project / "data/traffic/colour.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        ("text\nHello\n", {}, "no column 'input'; map one with --column input=NAME"),
        ("input\nHello\n", {"timestamp": ""}, "new.csv:2: `timestamp` is missing; add it"),
        ("input\nHello\n", {"timestamp": ""}, "give one for all rows with --timestamp"),
        ("input\nHello\n", {"timestamp": "today"}, "not ISO 8601"),
        ("input\nHello\n", {"source_format": "xls"}, "'xls' is none of csv, jsonl, chat"),
        ("input\nHello\n", {"columns": ["inptu=text"]}, "must be FIELD=NAME"),
        ("input\n", {}, "no rows"),
        ('input\n"Hello\n', {}, "not CSV"),
    ],
)
def test_an_import_with_a_mistake_is_refused_and_nothing_is_written(
    project: Path, content: str, changes: dict[str, Any], message: str
) -> None:
    before = (project / "data/traffic/colour.jsonl").read_bytes()
    with pytest.raises(UserError) as raised:
        import_csv(project, content, **changes)
    assert message in str(raised.value)
    assert (project / "data/traffic/colour.jsonl").read_bytes() == before


def test_chat_logs_lose_the_prompt_around_the_input(project: Path) -> None:
    prompt = (project / "prompts/colour/teacher.md").read_text()
    content = prompt.replace("{input}", "a red {thing}")
    logs: list[dict[str, Any]] = [
        {
            "custom_id": "c1",
            "created": 1_777_600_000,
            "body": {"messages": [{"role": "user", "content": content}], "user": "ann"},
        },
        {
            "created_at": NOW,
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "plain"}],
        },
    ]
    write_lines(project / "logs.jsonl", logs)
    import_rows("colour", project / "logs.jsonl", "", [], "", "")
    first, second = read_lines(project / "data/traffic/colour.jsonl")[48:]
    assert (first["id"], first["input"]) == ("c1", "a red {thing}")
    assert first["account"].startswith("hash-")
    assert first["timestamp"] == "2026-05-01T01:46:40Z"
    assert (second["input"], second["timestamp"]) == ("plain", NOW)


@pytest.mark.parametrize("created", [1_777_600_000, 1_777_600_000_000, 1_777_600_000_000_000, 1.7776e18])
def test_unix_times_may_be_in_finer_units(project: Path, created: float) -> None:
    log = {"messages": [{"role": "user", "content": "hi"}], "created": created}
    write_lines(project / "logs.jsonl", [log])
    import_rows("colour", project / "logs.jsonl", "", [], "", "")
    assert read_lines(project / "data/traffic/colour.jsonl")[-1]["timestamp"] == "2026-05-01T01:46:40Z"


@pytest.mark.parametrize("created", ["true", "1" + "0" * 400, "[]", "-1e300"])
def test_a_number_that_is_no_time_is_named(project: Path, created: str) -> None:
    log = '{"messages": [{"role": "user", "content": "hi"}], "created": ' + created + "}\n"
    write(project / "logs.jsonl", log)
    with pytest.raises(UserError, match=r"logs\.jsonl:1: `created` .* is no time"):
        import_rows("colour", project / "logs.jsonl", "", [], "", "")


def test_a_log_without_a_users_text_is_named(project: Path) -> None:
    write_lines(project / "logs.jsonl", [{"messages": [{"role": "system", "content": "s"}]}])
    with pytest.raises(UserError, match=r"logs.jsonl:1: no user message with text"):
        import_rows("colour", project / "logs.jsonl", "chat", [], NOW, "")


def test_jsonl_rows_keep_their_ids(project: Path) -> None:
    write_lines(project / "new.jsonl", [row(99) | {"unrelated": 1}])
    import_rows("colour", project / "new.jsonl", "", [], "", "")
    assert read_lines(project / "data/traffic/colour.jsonl")[-1]["id"] == "row-099"
