"""still review in a real browser: keys, undo, several rows at once, several people, a server that dies."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.still.review.browsing import name, opened, press, row_name
from tests.still.review.served import decisions, entry, served, started, write_queue

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_ten_rows_by_keyboard_alone(queue: Path, browser: Browser) -> None:
    with served() as address:
        page, problems = opened(browser, address)
        for number in range(4):
            press(page, "a", name(number + 1))
        press(page, "3", name(5))
        press(page, "r", name(6))
        press(page, "s", name(7))
        press(page, "ArrowLeft", name(6))
        page.keyboard.press("n")
        page.keyboard.type("are 3 apples red?")
        page.keyboard.press("Enter")
        press(page, "2", name(7))
        page.keyboard.press("e")
        page.keyboard.press("b")
        press(page, "Enter", name(8))
        press(page, "a", name(9))
        press(page, "a", name(10))
        page.keyboard.press("?")
        assert page.is_visible("#help")
        page.keyboard.press("a")
        page.keyboard.press("Escape")
        assert row_name(page) == name(10)
        assert problems == []
    made = decisions(queue)
    assert [of["decision"] for of in made] == [
        *["accept"] * 4,
        "edit",
        "reject",
        "edit",
        "edit",
        "accept",
        "accept",
    ]
    assert [of["answer"] for of in made if of["decision"] == "edit"] == ["blue", "green", "blue"]
    assert made[6]["note"] == "are 3 apples red?"


def test_undo_and_redo_by_keyboard_even_after_a_reload(queue: Path, browser: Browser) -> None:
    with served() as address:
        page, problems = opened(browser, address)
        press(page, "3", name(1))
        press(page, "a", name(2))
        page.reload()
        press(page, "u", name(1))
        press(page, "u", name(0))
        press(page, "y", name(0))
        page.wait_for_function("() => document.querySelector('.history')?.children.length === 3")
        assert problems == []
    made = decisions(queue)
    assert [(of["id"], of["decision"], of.get("answer")) for of in made] == [
        (name(0), "edit", "blue"),
        (name(1), "accept", "red"),
        (name(1), "withdraw", None),
        (name(0), "withdraw", None),
        (name(0), "edit", "blue"),
    ]


def test_an_invalid_answer_stays_in_the_form(project: Path, browser: Browser) -> None:
    schema = '{"type": "object", "properties": {"n": {"type": "integer", "maximum": 5}}, "required": ["n"]}'
    (project / "expectations/colour/answer.schema.json").write_text(schema)
    (project / "expectations/colour/normalise.yaml").write_text("format: json\nlabel: n\n")
    write_queue(project, [entry(0, answer={"n": 1}, label="1", replies=['{"n": 1}', '{"n": 2}'])])
    with served() as address:
        page, _ = opened(browser, address)
        page.keyboard.press("e")
        page.fill("#edit input", "9")
        page.press("#edit input", "Enter")
        page.wait_for_selector(".message")
        assert "maximum" in page.inner_text(".message")
        assert page.input_value("#edit input") == "9"
        assert decisions(project) == []
        page.fill("#edit input", "4")
        page.press("#edit input", "Enter")
        page.wait_for_selector("text=Nothing left here")
    assert decisions(project)[0]["answer"] == {"n": 4}


def test_labels_of_two_digits(project: Path, browser: Browser) -> None:
    labels = [f"label {number}" for number in range(1, 78)]
    schema = json.dumps({"type": "string", "enum": labels})
    (project / "expectations/colour/answer.schema.json").write_text(schema)
    of_label = {"answer": labels[0], "label": labels[0], "replies": labels[:2]}
    write_queue(project, [entry(i, **dict(of_label)) for i in range(3)])
    with served() as address:
        page, problems = opened(browser, address)
        # Both at once: on a busy machine, two presses may be further apart than the page waits.
        page.evaluate(
            "() => [7, 7].forEach(key => document.body.dispatchEvent("
            "new KeyboardEvent('keydown', { key: String(key), bubbles: true })))"
        )
        page.wait_for_selector(f"#row-title:text-is('{name(1)}')")
        press(page, "7", name(2))
        press(page, "ArrowLeft", name(1))
        assert problems == []
    assert [of["answer"] for of in decisions(project)] == ["label 77", "label 7"]


def test_a_bulk_decision_and_its_undo(queue: Path, browser: Browser) -> None:
    with served() as address:
        page, problems = opened(browser, address, path=f"/table?alike={entry(0)['input_hash']}")
        page.click("text=Approve the chosen")
        page.wait_for_selector("text=14 rows would be decided")
        assert decisions(queue) == []
        page.click("#confirm")
        page.wait_for_selector("text=14 rows decided")
        assert len(decisions(queue)) == 14
        page.keyboard.press("u")
        page.wait_for_selector("#row-title")
        assert problems == []
    assert [of["decision"] for of in decisions(queue)[14:]] == ["withdraw"] * 14


def test_two_browsers_decide_two_hundred_rows_once_each(project: Path, browser: Browser) -> None:
    write_queue(project, [entry(i, input=f"text {i}") for i in range(200)])
    with served() as address:
        pages = [opened(browser, address, who)[0] for who in ("Ada", "Bo")]
        left = list(pages)
        while left:
            for page in list(left):
                if page.locator("#row-title").count() == 0:
                    left.remove(page)
                    continue
                before = row_name(page)
                page.keyboard.press("a")
                page.wait_for_function(
                    "name => document.getElementById('row-title')?.innerText !== name", arg=before
                )
    made = decisions(project)
    assert len(made) == len({of["input_hash"] for of in made}) == 200
    assert {of["reviewer"] for of in made} == {"Ada", "Bo"}


def test_a_server_that_is_killed_loses_nothing(queue: Path, browser: Browser) -> None:
    running, address = started()
    page, _ = opened(browser, address)
    for number in range(3):
        press(page, "a", name(number + 1))
    running.send_signal(signal.SIGKILL)
    running.wait()
    page.keyboard.press("a")
    page.wait_for_selector("text=The server does not answer")
    assert len(decisions(queue)) == 3
    port = int(address.rpartition(":")[2])
    again, _ = started(port=port)
    try:
        press(page, "a", name(4))
        press(page, "u", name(3))
    finally:
        again.terminate()
        again.wait()
    assert [of["decision"] for of in decisions(queue)] == [*["accept"] * 4, "withdraw"]


def test_hostile_texts_do_nothing(project: Path, browser: Browser) -> None:
    texts = [
        "<script>alert(1)</script><img src=x onerror=alert(2)>",
        "[a](javascript:alert(3)) javascript:alert(4)",
        "\x1b[31mred\x1b[0m abc\u202edef",
        "=cmd|'/c calc'!A1",
        "x" * 100_000,
    ]
    write_queue(project, [entry(i, input=text, replies=[text[:1000], "red"]) for i, text in enumerate(texts)])
    with served() as address:
        page, problems = opened(browser, address)
        for number, text in enumerate(texts):
            seen = text[:20].replace("\x1b", "U+001B").replace("\u202e", "U+202E")
            assert seen in page.inner_text(".text >> nth=0")
            if number + 1 < len(texts):
                press(page, "s", name(number + 1))
        assert problems == []


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_can_be_read_aloud(queue: Path, browser: Browser, width: int) -> None:
    with served() as address:
        page, _ = opened(browser, address)
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        bare = page.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button')]"
            ".filter(of => !of.labels?.length && !of.innerText?.trim() && !of.ariaLabel).length"
        )
        assert bare == 0
        assert page.get_by_role("list", name="Why this row is here").is_visible()
        assert page.get_by_role("button", name="Approve").is_enabled()
        assert page.locator("html[lang=en]").count() == 1
