"""Redaction: personal data and secrets leave the text, and nothing else does."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.rows.redact import redact

ALL = ("secret", "email", "iban", "card", "ip", "phone")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail me at jo.doe+x@mail.example.org.", "mail me at [EMAIL_1]."),
        ("a@x.org, b@x.org, a@x.org", "[EMAIL_1], [EMAIL_2], [EMAIL_1]"),
        ("post an χρήστης@example.gr bitte", "post an [EMAIL_1] bitte"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [IBAN_1] please"),
        ("IBAN GB82WEST12345698765432.", "IBAN [IBAN_1]."),
        ("card 4111 1111 1111 1111 exp 12/27", "card [CARD_1] exp 12/27"),
        ("card 4111-1111-1111-1111", "card [CARD_1]"),
        ("call +44 20 7946 0018 now", "call [PHONE_1] now"),
        ("call (212) 736-5000 now", "call [PHONE_1] now"),
        ("from 192.168.2.17 and 2001:db8::8a2e:370:7334", "from [IP_1] and [IP_2]"),
        ("key AKIAIOSFODNN7EXAMPLE", "key [SECRET_1]"),
        ("Authorization: Bearer abcdefghijklmnopqrstuvwx", "Authorization: Bearer [SECRET_1]"),
        ("use sk-proj-abcdefghijklmnopqrst1234", "use [SECRET_1]"),
        ("ghp_abcdefghijklmnopqrstuvwxyzABCDEF0123", "[SECRET_1]"),
        ("clone https://joe:hunter2pass@git.example.org/x", "clone https[SECRET_1]git.example.org/x"),
        ("请联系bob@example.com谢谢", "请联系[EMAIL_1]谢谢"),
        ("ติดต่อที่bob@example.comครับ", "ติดต่อที่[EMAIL_1]ครับ"),
        ("bob@example.com-", "[EMAIL_1]-"),
        ("bob@example.com.Thanks", "[EMAIL_1].Thanks"),
        ("x@a.bb-c@d.ee", "[EMAIL_1]-[EMAIL_2]"),
        ("ops@xn--bcher-kva.xn--p1ai!", "[EMAIL_1]!"),
        ("bob＠example．com", "[EMAIL_1]"),
        ("bob@exam\u00adple.com", "[EMAIL_1]"),
        ("ip:203.0.113.7", "ip:[IP_1]"),
        ("203.0.113.7:443", "[IP_1]:443"),
        ("http://203.0.113.7:80/x", "http://[IP_1]:80/x"),
        ("[2001:db8::1]:443 and 2001:db8::2: down", "[[IP_1]]:443 and [IP_2]: down"),
        ("Visa-4111111111111111", "Visa-[CARD_1]"),
        ("4111.1111.1111.1111", "[CARD_1]"),
        ("4111\u00a01111\u202f1111\u00a01111 12/27", "[CARD_1] 12/27"),
        ("4111 1111 1111 1111 123", "[CARD_1] 123"),
        ("٤١١١ ١١١١ ١١١١ ١١١١", "[CARD_1]"),
        ("41\u200b11 1111 1111 1111", "[CARD_1]"),
        ("AB12 DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "AB12 [IBAN_1]"),
        (
            "//registry.npmjs.org/:_authToken=abcdefghij0123456789x",
            "//registry.npmjs.org/:_authToken=[SECRET_1]",
        ),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.dozjgNryP4", "[SECRET_1]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[SECRET_1]"),
    ],
)
def test_personal_data_and_secrets_become_placeholders(text: str, expected: str) -> None:
    assert redact(text, ALL, ("US",))[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+49 30 555 0142 / 17:45", "[PHONE_1] / 17:45"),
        ("+49 30 555 0142/9:30 Uhr", "[PHONE_1]/9:30 Uhr"),
        ("+49 30 555 0142 17:45", "[PHONE_1] 17:45"),
        ("030 901820 \u2013 17:45", "[PHONE_1] \u2013 17:45"),
        ("+49 30 555 0142/24.12.", "[PHONE_1]/24.12."),
        ("+49 30 555 0142 / 12/24/2026", "[PHONE_1] / 12/24/2026"),
        ("+49 30 555 0142 24.12.2026", "[PHONE_1] 24.12.2026"),
        ("(212) 736-5000 2026-12-24 17:45", "[PHONE_1] 2026-12-24 17:45"),
        ("+49 30 555 0142 / 0151 23456789 / 17:45", "[PHONE_1] / [PHONE_2] / 17:45"),
    ],
)
def test_a_time_or_a_date_behind_a_phone_number_stays(text: str, expected: str) -> None:
    assert redact(text, ALL, ("US", "DE")) == (expected, {"phone": expected.count("[")})


@pytest.mark.parametrize("text", ["030/901820", "030 901820/821", "030 12-11-2026", "030/12.11.2026"])
def test_the_end_of_a_phone_number_may_look_like_a_date(text: str) -> None:
    assert redact(text, ALL, ("DE",))[0] == "[PHONE_1]"


@pytest.mark.parametrize(
    "text",
    [
        "Order KD-000417 of 14 November 2026, invoice INV-2026-0611",
        "1234 5678 9012 3456 is no card: the check digit is wrong",
        "0000 0000 0000 0000",
        "version 1.2.3 and ratio 4:30:15",
        "@handle and #tag, 12:45 - 14:00",
        "DE00 0000 0000 0000 0000 00",
        "電話してください",
        "ISBN 0-306-40615-2 and version 10.4.2.1",
        "bad::face of C++",
        "4.111111111111111 and 51.0443198",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert redact(text, ALL, ("US", "DE")) == (text, {})


# Each piece, repeated, made some pattern begin or backtrack at every character.
@pytest.mark.parametrize(
    "piece",
    ["2 ", "a.b@", "1:", "AA11 ", "eyJ", "sk-", "//", "(212) ", "::\n", "a@b.c ", "030 901820 / 1:00 "],
)
def test_work_grows_in_proportion_to_the_text(piece: str) -> None:
    def work(length: int) -> float:
        started = time.process_time()
        redact(piece * (length // len(piece)), ALL, ("US",))
        return time.process_time() - started

    redact("warm up", ALL, ("US",))
    short = min(work(5_000) for _ in range(3))
    # Linear work takes 8 times as long, quadratic work 64 times.
    assert work(40_000) < 24 * short + 0.05


@given(st.text(alphabet="ab1 @.x-+[]EMAIL_", max_size=40))
def test_redaction_is_idempotent(text: str) -> None:
    once, _ = redact(text, ALL, ("US",))
    assert redact(once, ALL, ("US",))[0] == once
