"""still review: hostile texts stay texts, and requests that no page sends are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests

from promptstill.core.files import canonical_hash
from tests.still.review.served import Reviewer, decisions, entry, served, write_queue

HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "javascript:alert(1)",
    "\x1b[31mred\x1b[0m",
    "abc\u202edef\u2066ghi",
    "=cmd|'/c calc'!A1",
    "x" * 100_000,
    "مرحبا بالعالم",
    "日本語のテキスト",
]
MARKED = "\u200fمرحبا"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_texts_stay_texts(project: Path, text: str) -> None:
    write_queue(project, [entry(0, input=text, source=text[:50], replies=[text[:2000], "red"])])
    with served() as address:
        page = Reviewer(address).get()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert not re.search("[\x1b\u202e\u2066]", page)
    assert "U+202E" in page or "\u202e" not in text
    assert "U+001B" in page or "\x1b" not in text
    assert not re.search(r'(?:href|src)="javascript:', page)


def test_a_code_does_not_turn_the_direction_of_a_text(project: Path) -> None:
    write_queue(project, [entry(0, input=MARKED)])
    with served() as address:
        page = Reviewer(address).get()
    code = '<span class="unseen" dir="ltr" title="right-to-left mark">U+200F</span>'
    assert f'<div class="text" dir="auto">{code}{MARKED[1:]}</div>' in page


def test_requests_of_other_pages_are_refused(queue: Path) -> None:
    with served() as address:
        ada = Reviewer(address)
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
            answer = requests.post(
                f"{address}/decide", data={"act": "accept"}, headers=headers, cookies=ada.session.cookies
            )
            assert answer.status_code == 403, headers
        assert requests.get(address, headers={"Host": "evil.example"}).status_code == 403
        policy = requests.get(address).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        cookie = requests.post(
            f"{address}/name", data={"name": "x"}, headers={"Origin": address}, allow_redirects=False
        ).headers["set-cookie"]
        assert "SameSite=lax" in cookie
    assert decisions(queue) == []


def test_others_need_the_token(queue: Path) -> None:
    with served(token="secret") as address:
        assert requests.get(address).status_code == 403
        assert requests.get(f"{address}/?token=wrong").status_code == 403
        session = requests.Session()
        assert session.get(f"{address}/?token=secret").status_code == 200
        assert session.get(address).status_code == 200


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/decide", {"hash": "0" * 64, "act": "accept"}, 400),
        ("/decide", {"act": "dance"}, 422),
        ("/decide", {"act": "label", "choice": "purple"}, 422),
        ("/decide", {"act": "accept", "seen": "many"}, 422),
        ("/again", {"actions": "not json"}, 400),
        ("/again", {"actions": '[{"hash": 1}]'}, 400),
        ("/bulk/preview", {"act": "accept"}, 400),
        ("/bulk", {"act": "accept", "row": "nothing"}, 400),
    ],
)
def test_forms_that_no_page_sends_change_nothing(
    queue: Path, path: str, form: dict[str, str], status: int
) -> None:
    with served() as address:
        shown = canonical_hash("red")
        base = {"hash": entry(0)["input_hash"], "seen": "0", "shown": shown}
        given = base | form if path == "/decide" else form
        answer = Reviewer(address).post(path, given)
        assert answer.status_code == status
        assert "Traceback" not in answer.text
    assert decisions(queue) == []


def test_bytes_that_are_no_text_are_refused(queue: Path) -> None:
    with served() as address:
        answer = Reviewer(address).post("/decide", b"act=\xff\xfe")
        assert answer.status_code == 400
