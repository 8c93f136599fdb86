"""The identity of a text: when two inputs count as the same."""

from __future__ import annotations

import hashlib
import unicodedata


def same_text(text: str) -> str:
    """The form in which inputs are compared: NFC, each run of white space as one space, no outer space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def input_hash(text: str) -> str:
    """SHA-256 of `same_text(text)`, in hexadecimal: the key of reviews, exact repeats and quarantine."""
    return hashlib.sha256(same_text(text).encode("utf-8")).hexdigest()
