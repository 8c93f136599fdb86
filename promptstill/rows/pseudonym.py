"""Keyed hashes in the place of what names a person beside the text: accounts, threads, documents, ids."""

from __future__ import annotations

import hashlib
import hmac
import re

from promptstill.rows.identity import same_text
from promptstill.rows.origin import KINDS
from promptstill.rows.redact import find
from promptstill.rows.row import TrafficRow

HEX_DIGITS = 16
PSEUDONYM = re.compile(rf"hash-[0-9a-f]{{{HEX_DIGITS}}}")
# What may not be in an id. Cards and national phone numbers are left out: plain counters look like them.
PERSONAL = ("secret", "email", "iban", "ip", "phone")


def keyed_hash(value: str, kind: str, key: bytes) -> str:
    """The first 16 hexadecimal digits of the HMAC-SHA-256 of a value of one kind.

    Without the key nobody can test guesses. The probability that any two of a million values collide is 3 in
    100 million.
    """
    return hmac.new(key, f"{kind}\0{value}".encode(), hashlib.sha256).hexdigest()[:HEX_DIGITS]


def pseudonym(value: str, kind: str, key: bytes) -> str:
    """What a row keeps of an account, thread or document: `hash-` and its keyed hash.

    The same value always gets the same pseudonym, so links between rows stay. A pseudonym and a blank value
    stay as they are.
    """
    if PSEUDONYM.fullmatch(value) or not value.strip():
        return value
    return f"hash-{keyed_hash(same_text(value), kind, key)}"


def is_personal(row_id: str) -> bool:
    """Whether an id holds an address, an international phone number, an account number or a secret."""
    return bool(find(row_id, PERSONAL, ()))


def has_address(row: TrafficRow) -> bool:
    """Whether the id of a row or one of its links holds an e-mail address."""
    values = [row["id"], *(row[kind] for kind in KINDS)]
    return any("@" in value and find(value, ("email",), ()) for value in values if value is not None)
