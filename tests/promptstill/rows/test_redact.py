"""Redaction: personal data and secrets leave the text, and nothing else does."""

from __future__ import annotations

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
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "[SECRET_1]"),
    ],
)
def test_personal_data_and_secrets_become_placeholders(text: str, expected: str) -> None:
    assert redact(text, ALL, ("US",))[0] == expected


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
    ],
)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert redact(text, ALL, ("US",)) == (text, {})


@given(st.text(alphabet="ab1 @.x-+[]EMAIL_", max_size=40))
def test_redaction_is_idempotent(text: str) -> None:
    once, _ = redact(text, ALL, ("US",))
    assert redact(once, ALL, ("US",))[0] == once
