"""The house: modules stay small, and the tree in the README is the tree."""

from __future__ import annotations

import re
import subprocess

from tests.project import REPOSITORY

MOST_LINES = 250


def tracked(*patterns: str) -> list[str]:
    """Files that Git tracks, or would track, below the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (REPOSITORY / name).exists()]


def test_no_module_is_longer_than_a_few_screens() -> None:
    modules = tracked("*.py")
    assert len(modules) > 100
    lines = {name: (REPOSITORY / name).read_text(encoding="utf-8").count("\n") for name in modules}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_lines_of_markdown_are_at_most_120_characters() -> None:
    pages = [name for name in tracked("*.md") if not name.startswith(("prompts/", "stages/"))]
    assert "README.md" in pages
    for name in pages:
        lines = (REPOSITORY / name).read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if len(line) > 120] == [], name


def test_the_tree_in_the_readme_is_the_tree() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    tree = readme.split("## The tree")[1].split("\n## ")[0]
    named = {name.rstrip("/").split("/")[0] for name in re.findall(r"(?m)^    (\S+?),? ", tree)}
    named |= {name.rstrip("/") for name in re.findall(r"(?m)^    (?:\S+, )+(\S+)", tree)}
    top = {name.split("/")[0] for name in tracked()}
    assert top - named == {"README.md"}
    assert named - top <= {"models", "reports"}, "made by the pipeline"
    rooms = set(re.findall(r"(?m)^      (\w+)/", tree))
    assert rooms == {name.split("/")[1] for name in tracked("promptstill/*/*.py")}
