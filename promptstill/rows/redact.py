"""Personal data and secrets in a text become typed placeholders: `[EMAIL_1]`, `[PHONE_1]`, ...

The same value always gets the same placeholder within a text, which keeps its meaning: "not a@x.org but
b@x.org" becomes "not [EMAIL_1] but [EMAIL_2]". Numbers start again in every text, so a placeholder never
links two rows.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import phonenumbers
import regex
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from stdnum import iban, luhn
from stdnum.exceptions import ValidationError

Span = tuple[int, int]

# Detectors of detect-secrets that know the shape of a token. Detectors that guess from entropy or from a
# nearby keyword are left out: they flag ordinary words of languages without spaces.
SECRET_PLUGINS = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector",
    "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector",
    "MailchimpDetector", "NpmDetector", "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector",
    "SendGridDetector", "SlackDetector", "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector",
    "TwilioKeyDetector",
)  # fmt: skip
# Shapes that the installed detectors do not cover: newer OpenAI and Anthropic keys, Hugging Face and Google
# keys, bearer headers, whole blocks of private keys.
SECRET_SHAPES = regex.compile(
    r"\bsk-[A-Za-z0-9_-]{20,}|\bhf_[A-Za-z0-9]{30,}|\bAIza[A-Za-z0-9_-]{35}|\bgithub_pat_[A-Za-z0-9_]{22,}"
    r"|(?i:\bbearer\s+)\K[A-Za-z0-9._~+/-]{20,}=*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
EMAIL = regex.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+\p{L}{2,24}(?![\w-])"
)
IBAN = regex.compile(r"\b[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{1,4}){3,8}\b")
# Card numbers begin with 2 to 6. A run of one digit is a filler that passes the check digit by accident.
CARD = regex.compile(r"(?<![\w-])(?!(\d)(?:[ -]?\1)+(?![ -]?\d))[2-6](?:[ -]?\d){12,18}(?![\w-])")
IP = regex.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:]|\.\d)"
)


def redact(text: str, kinds: Iterable[str], phone_regions: tuple[str, ...]) -> tuple[str, Counter[str]]:
    """Replace the given kinds of data; return the new text and how many values of each kind were replaced."""
    spans: list[tuple[int, int, str]] = []
    for kind in kinds:
        for start, end in FINDERS[kind](text, phone_regions):
            # Finders run in the order of params; a later finder skips what an earlier one has taken.
            if all(end <= taken or start >= until for taken, until, _ in spans):
                spans.append((start, end, kind))
    numbers: dict[tuple[str, str], int] = {}
    counts: Counter[str] = Counter()
    pieces, position = [], 0
    for start, end, kind in sorted(spans):
        value = text[start:end]
        if (kind, value) not in numbers:
            counts[kind] += 1
            numbers[kind, value] = counts[kind]
        pieces += [text[position:start], f"[{kind.upper()}_{numbers[kind, value]}]"]
        position = end
    return "".join([*pieces, text[position:]]), counts


def _secrets(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    yield from (match.span() for match in SECRET_SHAPES.finditer(text))
    for shape in _detector_shapes():
        yield from (match.span() for match in shape.finditer(text))


@cache
def _detector_shapes() -> tuple[re.Pattern[str], ...]:
    """The shapes of the detectors. Whole matches are used, because some capture only a token's prefix."""
    detectors = get_mapping_from_secret_type_to_class().values()
    by_name = {detector.__name__: detector for detector in detectors}
    return tuple(shape for name in sorted(SECRET_PLUGINS) for shape in by_name[name]().denylist)


def _emails(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    yield from (match.span() for match in EMAIL.finditer(text))


def _ibans(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    for match in IBAN.finditer(text):
        # The next word can look like one more group: drop characters from the end until the check digits fit.
        value, start = match.group(), match.start()
        while len(value) >= 15:
            if _valid(iban.validate, value):
                yield start, start + len(value)
                break
            value = value[:-1].rstrip(" -")


def _cards(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    yield from (
        m.span() for m in CARD.finditer(text) if _valid(luhn.validate, regex.sub(r"\D", "", m.group()))
    )


def _ips(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    yield from (
        m.span() for m in IP.finditer(text) if ":" not in m.group() or len(m.group()) > 6 if _is_ip(m.group())
    )


def _phones(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    for region in (None, *regions):
        for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID):
            yield match.start, match.end


def _valid(validate: Callable[[str], str], value: str) -> bool:
    try:
        validate(value)
    except ValidationError:
        return False
    return True


@cache
def _is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


FINDERS: dict[str, Callable[[str, tuple[str, ...]], Iterator[Span]]] = {
    "secret": _secrets,
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "ip": _ips,
    "phone": _phones,
}
