"""still review: several people, several servers, and second looks."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path

from promptstill.core.files import write_rows
from stages.review.second import gets_second_look
from tests.still.review.served import (
    Reviewer,
    decisions,
    entry,
    line,
    served,
    shown_row,
    started,
    write_queue,
)


def test_a_decision_that_nobody_saw_is_not_overruled(queue: Path) -> None:
    with served() as address:
        ada, bo = Reviewer(address), Reviewer(address, "Bo")
        assert bo.decide(0, "reject").status_code == 200
        late = ada.decide(0)
        assert late.status_code == 409
        assert "Bo has decided this row in the meantime" in late.text
        assert len(decisions(queue)) == 1
        assert ada.decide(0, seen=1).status_code == 200
        assert ada.decide(1, shown="blue").status_code == 409, "another answer was shown"
    assert len(decisions(queue)) == 2


def test_two_reviewers_never_get_the_same_row(queue: Path) -> None:
    with served() as address:
        ada, bo = Reviewer(address), Reviewer(address, "Bo")
        assert shown_row(ada.get()) == "row-000"
        assert shown_row(bo.get()) == "row-001"
        assert shown_row(ada.get("/row", after="0")) == "row-002"
        assert shown_row(bo.get("/row", after="13")) == "row-000", "Ada has gone on"
        assert shown_row(bo.get("/row", after="1", back="1")) == "row-000"


def approve_all(addresses: Sequence[str]) -> None:
    """Let a reviewer for each address approve rows until none is left, all at once."""

    def work(address: str, name: str) -> None:
        someone = Reviewer(address, name)
        page = someone.get()
        while "row-title" in page:
            fields = dict(re.findall(r'name="(hash|seen|after|shown)" value="(.*?)"', page))
            page = someone.post("/decide", {**fields, "act": "accept"}).text

    threads = [
        threading.Thread(target=work, args=[address, f"person {i}"]) for i, address in enumerate(addresses)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_many_reviewers_at_once_lose_nothing(project: Path) -> None:
    write_queue(project, [entry(i, input=f"text {i}") for i in range(120)])
    with served() as address:
        approve_all([address] * 6)
    made = decisions(project)
    assert len(made) == len({of["input_hash"] for of in made}) == 120


def test_two_servers_of_one_queue_lose_nothing(project: Path) -> None:
    write_queue(project, [entry(i, input=f"text {i}") for i in range(60)])
    servers = [started(), started()]
    try:
        approve_all([address for _, address in servers] * 2)
    finally:
        for running, _ in servers:
            running.kill()
            running.wait()
    made = decisions(project)
    assert len(made) == len({of["input_hash"] for of in made}) == 60


def test_what_was_decided_elsewhere_is_taken_in(queue: Path) -> None:
    path = queue / "data/reviews/colour.jsonl"
    with served() as address:
        ada = Reviewer(address)
        assert shown_row(ada.get()) == "row-000"
        write_rows(path, [line(0), line(1)])
        assert shown_row(ada.get()) == "row-002"
        write_rows(path, [line(1), line(0, "withdraw"), line(2)])
        assert shown_row(ada.get("/row")) == "row-000", "a merge has rewritten the file"


def test_a_second_look_is_blind_and_decides_nothing(project: Path) -> None:
    hashes = {i: entry(i)["input_hash"] for i in range(200)}
    (number, *_) = [i for i, digest in hashes.items() if gets_second_look(digest)]
    write_queue(project, [entry(number)])
    with served() as address:
        ada, bo = Reviewer(address), Reviewer(address, "Bo")
        ada.decide(number, "label", choice="blue")
        assert "Nothing left here" in ada.get("/", mode="second"), "not of one's own rows"
        page = bo.get("/", mode="second")
        assert shown_row(page) == f"row-{number:03}"
        assert "corrected to blue" not in page
        seen = re.findall(r'name="seen" value="(\d+)"', page)[0]
        bo.decide(number, "accept", seen=int(seen), mode="second")
        assert "Nothing left here" in bo.get("/", mode="second")
        late = Reviewer(address, "Cy").decide(number, "accept", seen=0, mode="second")
        assert late.status_code == 409, "one second look is enough"
        page = ada.get("/settle")
        assert "Both said the same in 0.0 %" in page
        assert "corrected to blue" in page
        assert f'<a href="/?row={hashes[number]}">' in page, "the rows behind it are open ones"
        ada.decide(number, "label", seen=1, choice="blue", shown="blue")
        page = ada.get("/settle")
        assert "Nothing to settle" in page
        again = Reviewer(address, "Bo").decide(number, "accept", seen=2, mode="second")
        assert again.status_code == 409, "whatever was seen"
        assert "Both said the same in 0.0 %" in page, "what was settled still counts"
    assert [of.get("blind", False) for of in decisions(project)] == [False, True, False]


def test_a_queue_that_knows_the_decision_does_not_tell_it_to_the_second_person(project: Path) -> None:
    (number, *_) = [i for i in range(200) if gets_second_look(entry(i)["input_hash"])]
    decided = {"answer": "blue", "teacher_answer": "red", "label": "blue", "replies": ["red", "red"]}
    reasons = ["review_contradicted", "second_look"]
    write_queue(project, [entry(number, **decided, reasons=reasons)])
    write_rows(project / "data/reviews/colour.jsonl", [line(number, "edit", answer="blue", status="review")])
    with served() as address:
        ada = Reviewer(address)
        page = ada.get("/", mode="second")
        assert '<code dir="auto">red</code>' in page
        assert re.findall(r'data-label="(\w+)" aria-current', page) == ["red"]
        assert "review_contradicted" not in page
        ada.decide(number, "accept", mode="second")
    made = decisions(project)[-1]
    assert (made["answer"], made["blind"]) == ("red", True)
    assert made["status"] == "review", "of the row as it was before the first decision"


def test_after_a_conflict_the_form_shows_the_new_answer(queue: Path) -> None:
    with served() as address:
        ada, bo = Reviewer(address), Reviewer(address, "Bo")
        bo.decide(1, "label", choice="blue")
        late = ada.decide(1, "edit", note="mine", **{"field:": "green"})
        assert late.status_code == 409
        assert 'value="blue" selected' in late.text
        assert 'value="mine"' in late.text
