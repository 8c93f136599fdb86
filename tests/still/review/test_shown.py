"""still review: which rows the page shows, and what of them."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

from promptstill.answers.schema.passages import passages
from promptstill.answers.spec import AnswerSpec
from promptstill.rows.slices import load_slices
from tests.project import REPOSITORY, read_lines
from tests.still.review.served import Reviewer, decisions, entry, served, shown_row, write_queue


def test_a_row_without_an_answer_is_corrected_or_rejected(project: Path) -> None:
    nothing = {"answer": None, "teacher_answer": None, "label": None, "shown": None}
    write_queue(
        project, [entry(0, **{**nothing, "replies": ["?", "!"]}), entry(1, **{**nothing, "replies": []})]
    )
    with served() as address:
        ada = Reviewer(address)
        assert "There is no answer yet." in ada.get()
        refused = ada.decide(0, shown=None)
        assert (refused.status_code, "there is no answer to approve" in refused.text) == (422, True)
        assert shown_row(ada.decide(0, "label", choice="blue", shown=None).text) == "row-001"
        assert ada.decide(1, "reject", shown=None).status_code == 200
    assert [of["decision"] for of in decisions(project)] == ["edit", "reject"]


def test_an_empty_queue_says_so(project: Path) -> None:
    write_queue(project, [])
    with served() as address:
        assert "Nothing left here" in Reviewer(address).get()
        assert "0 of 0 rows" in Reviewer(address).get("/table")


def test_a_row_shows_its_passages_and_the_rules_of_the_prompt(project: Path) -> None:
    shutil.copytree(
        REPOSITORY / "expectations/grounded-answers", project / "expectations/colour", dirs_exist_ok=True
    )
    shutil.copyfile(REPOSITORY / "prompts/grounded-answers/teacher.md", project / "prompts/colour/teacher.md")
    text = read_lines(REPOSITORY / "golden/grounded-answers.jsonl")[0]["input"]
    citations = AnswerSpec.load("colour").rules.citations
    assert citations is not None
    number = next(iter(passages(text, citations.passages)))
    answer = {"answer": "It is so.", "citations": [number]}
    replies = [json.dumps(answer)]
    name = next(of for of in load_slices("colour") if of.rules)
    write_queue(project, [entry(0, input=text, answer=answer, replies=replies, slices=[name.name])])
    with served() as address:
        page = html.unescape(Reviewer(address).get())
    assert "cited by the answer, sample 1" in page
    assert re.search(r"<details><summary>\d+ other passages?</summary>", page)
    assert page.count('<span class="note">rule of the prompt</span>') == len(name.rules)
    assert f"{name.rules[0]}. " in page


def test_filters_show_what_fits(project: Path) -> None:
    rows = [
        entry(0),
        entry(1, reasons=["rare_label"], label="blue"),
        entry(2, slices=["email_rows"]),
        entry(3, input="Вода 水 needle"),
    ]
    write_queue(project, rows)
    with served() as address:
        ada = Reviewer(address)
        for query, name in (
            ({"reason": "rare_label"}, "row-001"),
            ({"label": "blue"}, "row-001"),
            ({"slice": "email_rows"}, "row-002"),
            ({"text": "needle"}, "row-003"),
            ({"text": "水"}, "row-003"),
            ({"text": 'a "quoted" text*'}, None),
        ):
            page = ada.get("/", **query)
            assert (shown_row(page) if name else "Nothing left here" in page) == (name or True), query
        ada.decide(0)
        assert shown_row(ada.get("/", show="done", reviewer="Ada")) == "row-000"
