"""Where a plain text (see `redact.plain_form`) holds e-mail addresses, account and card numbers, network
addresses and phone numbers.

Every finder yields `(start, end)` without overlaps. A value may touch the letters of a script that writes no
spaces. Each pattern is bounded, or starts at most once in a run of characters, so that the work grows in
proportion to the text.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence

import phonenumbers
import regex
from stdnum import iban, luhn
from stdnum.exceptions import ValidationError

Span = tuple[int, int]

# No finder has this character (object replacement) in a value, beside a value or between its groups.
TAKEN = "\ufffc"
# Between the groups of a number: spaces, a full stop or a dash of any width.
SEPARATOR = r"(?: {1,2}| ?[.\-\u2010-\u2013\u2212] ?)"

# An address is in Latin letters or in others: in "给bob@example.com谢谢" it ends where the script changes.
_LATIN, _OTHER = r"\p{Latin}\p{Inherited}0-9", r"[\p{L}\p{M}\p{Nd}]--\p{Latin}"
# The part before the @ begins at most once in a run of its characters, or where the last address ended.
_LOCAL = "|".join(
    rf"(?:\G|(?<![{letters}]))[{letters}]++" for letters in (rf"{_LATIN}_.+'\-", rf"[{_OTHER}]||[0-9_.+'\-]")
)
_LABELS = (
    "(?:(?:"
    + "|".join(rf"[{letters}](?:[[{letters}]||\-]{{0,61}}[{letters}])?" for letters in (_LATIN, _OTHER))
    + r")\.)+"
)
_TOP = r"(?:xn--[A-Za-z0-9\-]{0,58}[A-Za-z0-9]|\p{Latin}{2,24}|[[\p{L}\p{M}]--\p{Latin}]{2,24})"
# A capital as in "a@x.org.Thanks" begins a sentence, unless no other reading is an address.
EMAIL = regex.compile(rf"(?V1)(?:{_LOCAL})@(?:{_LABELS}(?!\p{{Lu}}\p{{Ll}}){_TOP}|{_LABELS}{_TOP})")
IBAN = regex.compile(
    rf"(?<![A-Za-z0-9])[A-Za-z]{{2}}{SEPARATOR}?\d{SEPARATOR}?\d(?:{SEPARATOR}?[A-Za-z0-9]){{11,30}}+"
)
SHORTEST_IBAN = 15
DIGITS = regex.compile(rf"(?<![\p{{Latin}}\d_])\d++(?:{SEPARATOR}\d++)*(?![\p{{Latin}}\d_])")
GROUP = regex.compile(r"\d+")
# Numbers of the issuers by first digits and length: Visa, Mastercard and Mir, American Express, Diners, JCB,
# Maestro, Discover, UnionPay and RuPay.
ISSUED = regex.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3[0689]\d{12,17}|35\d{14,17}|(?:5[0678]|6\d)\d{11,17}"
)
# Lengths of the groups in which cards are printed; the third is for numbers of 17 to 19 digits.
PRINTED = {
    (4, 4, 4, 4),
    (4, 6, 5),
    (4, 6, 4),
    *((4, 4, 4, 4, n) for n in (1, 2, 3)),
    *((n,) for n in range(13, 20)),
}
IPV4 = regex.compile(
    r"(?<![\p{Latin}\d])(?<!\d\.)(?<!(?i:\b(?:v|ver|version)[. ]{1,2}))"
    r"\d{1,3}(?:\.\d{1,3}){3}(?![\p{Latin}\d]|\.\d)"
)
# A label such as "ip:" may come before the address.
IPV6 = regex.compile(
    r"(?=[0-9A-Fa-f]|::(?!:))(?:(?<![\p{Latin}\d:.])|(?<=(?<!\w)[\p{L}\p{M}]\w{0,15}:))"
    r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}+(?:\.\d{1,3}){0,3}(?![\p{Latin}\d:]|\.\d)"
)
# Shorter ones are nobody's address, such as `::1`.
SHORTEST_IPV6 = 7
# Before the number of a book, before the fraction of a decimal, and behind a price without its cents.
ISBN, FRACTION = regex.compile(r"(?i)ISBN(?:-1[03])?[: ]{0,2}$"), regex.compile(r"\d\.$")
CENTS = regex.compile(r",\d\d(?!\d)")
# Between a phone number and a time or a date, whose first digits can look like the last ones of the number. A
# date has its year, or is a day and a month behind a slash.
_TIME, _YEAR = r"(?:[01]?\d|2[0-3]):[0-5]\d", r"(?:19|20)\d\d"
_DATE = rf"\d{{1,2}}([./\-])\d{{1,2}}\1{_YEAR}|{_YEAR}([./\-])\d{{1,2}}\2\d{{1,2}}"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\."
BEFORE_TIME = regex.compile(rf"[ /\-\u2010-\u2013\u2212](?=(?:{_TIME}|{_DATE})(?!\d))|/(?= ?{_DAY}(?!\d))")


def without(text: str, spans: Iterable[Span]) -> str:
    """The text with every character of the spans taken."""
    pieces, position = [], 0
    for start, end in sorted(spans):
        # Two shapes of the same kind may overlap; each character is taken once.
        start = max(start, position)
        pieces += [text[position:start], TAKEN * (end - start)]
        position = max(position, end)
    return "".join([*pieces, text[position:]])


def find_emails(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    """E-mail addresses, also internationalised ones."""
    if "@" not in text:
        return
    for match in EMAIL.finditer(text):
        start, end = match.span()
        # Punctuation before an address is no part of it, and neither is an opening quotation mark.
        yield end - len(text[start:end].lstrip(".+'-_")), end


def find_ibans(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    """Account numbers whose length and check digits fit their country."""
    position = 0
    for match in IBAN.finditer(text, overlapped=True):
        start, value = match.start(), match.group()
        # The next word can look like more of it: drop characters from the end until the check digits fit.
        while start >= position and len(value) >= SHORTEST_IBAN:
            if value[-1].isalnum() and _remainder(value) == 1 and _valid(iban.validate, _alphanumeric(value)):
                position = start + len(value)
                yield start, position
            value = value[:-1]


def find_cards(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    """Card numbers that an issuer gives out and whose check digit fits."""
    for run in DIGITS.finditer(text):
        groups = [group.span() for group in GROUP.finditer(text, *run.span())]
        # A number may be grouped in any way if nothing else is beside it; full stops are in decimals too.
        if "." not in run.group() and _is_card([text[start:end] for start, end in groups]):
            yield run.span()
            continue
        first = 0
        while first < len(groups):
            last = _printed_card(text, groups, first)
            if last is not None:
                yield groups[first][0], groups[last][1]
            first = first + 1 if last is None else last + 1


def _printed_card(text: str, groups: Sequence[Span], first: int) -> int | None:
    """The last group of the longest card that begins with group `first` and is grouped as on a card."""
    for last in range(min(first + 4, len(groups) - 1), first - 1, -1):
        parts = [text[start:end] for start, end in groups[first : last + 1]]
        if tuple(map(len, parts)) in PRINTED and _is_card(parts):
            return last
    return None


def _is_card(groups: Sequence[str]) -> bool:
    if len(groups) > 19:
        return False
    number = "".join(groups)
    # A run of one digit is a filler, which can pass the check digit by accident.
    return len(set(number)) > 1 and ISSUED.fullmatch(number) is not None and _valid(luhn.validate, number)


def find_ips(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    """IPv4 and IPv6 addresses, without a port and without the length of a prefix."""
    position = 0
    matches = sorted((m.start(), m.group()) for shape in (IPV4, IPV6) for m in shape.finditer(text))
    for start, value in matches:
        # A colon behind an address is punctuation.
        value = value[:-1] if value.endswith(":") and not value.endswith("::") else value
        if start >= position and _is_ip(value):
            position = start + len(value)
            yield start, position


def _is_ip(value: str) -> bool:
    # `a::b` of a programming language is no address: IPv6 needs a digit.
    if ":" in value and (len(value) < SHORTEST_IPV6 or not any(c.isdigit() for c in value)):
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def find_phones(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    """International phone numbers, and national ones of the regions, without a time or a date behind them."""
    apart = BEFORE_TIME.sub(TAKEN, text)
    spans = list(_phones(apart, regions))
    yield from spans
    if apart != text:
        # What looks like a date can be the end of a number that is valid only as a whole.
        yield from _phones(without(text, spans), regions)


def _phones(text: str, regions: tuple[str, ...]) -> Iterator[Span]:
    spans: list[Span] = []
    for region in (None, *regions):
        matcher = phonenumbers.PhoneNumberMatcher(
            text, region, leniency=phonenumbers.Leniency.VALID, max_tries=len(text) + 1
        )
        spans += [(match.start, match.end) for match in matcher]
    position = 0
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= position and not _is_other_number(text, start, end):
            yield start, end
            position = end


def _is_other_number(text: str, start: int, end: int) -> bool:
    """Whether digits with nothing but full stops between them belong to another kind of number."""
    if ISBN.search(text, max(0, start - 10), start):
        return True
    solid = text[start:end].replace(".", "").isdigit()
    return solid and bool(FRACTION.search(text, max(0, start - 2), start) or CENTS.match(text, end))


def _alphanumeric(value: str) -> str:
    return "".join(character for character in value if character.isalnum())


def _remainder(value: str) -> int:
    """The check of ISO 13616: first four characters moved to the end, letters as 10 to 35, modulo 97."""
    number = _alphanumeric(value)
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97


def _valid(validate: Callable[[str], str], value: str) -> bool:
    try:
        validate(value)
    except ValidationError:
        return False
    return True
