"""Personal data in sentences of 16 scripts, as people write it, and numbers that only look like it.

The set is made from lists and a fixed seed, so that it is the same in every run. Tests and the benchmark
`redaction` read it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, cycle, pairwise

import phonenumbers
from stdnum import ean, isbn, luhn

# The words before and after a value, in scripts that write spaces and in scripts that do not.
AROUND = {
    "Latin": ("Bitte melden bei", "vielen Dank"),
    "Cyrillic": ("Пишите мне на", "спасибо большое"),
    "Greek": ("Στείλτε το στο", "ευχαριστώ πολύ"),
    "Arabic": ("راسلوني على", "شكرا جزيلا"),
    "Hebrew": ("אפשר לפנות אל", "תודה רבה"),
    "Devanagari": ("मुझे यहाँ लिखें", "बहुत धन्यवाद"),
    "Bengali": ("আমাকে লিখুন", "অনেক ধন্যবাদ"),
    "Tamil": ("எனக்கு எழுதுங்கள்", "மிக்க நன்றி"),
    "Thai": ("ติดต่อฉันได้ที่", "ขอบคุณมากครับ"),
    "Khmer": ("សូមទាក់ទងមក", "សូមអរគុណ"),
    "Han": ("请联系我", "谢谢你们"),
    "Kana": ("こちらまで", "よろしくおねがいします"),
    "Hangul": ("여기로 연락", "주세요 감사합니다"),
    "Georgian": ("მომწერეთ", "დიდი მადლობა"),
    "Armenian": ("Գրեք ինձ", "շատ շնորհակալ եմ"),
    "Ethiopic": ("ጻፉልኝ", "በጣም አመሰግናለሁ"),
}
# How a value touches what is around it; only the first four are for letters of the own alphabet.
SPACED = (
    (" ", " "),
    (": ", "."),
    (" (", ") "),
    (" <", ">, "),
    (":", ", "),
    ("-", "- "),
    (" “", "” "),
    ("\n", "\n"),
)
TOUCHING = (("", ""), ("", " "), (" ", ""))
DIGITS_OF = {
    "Arabic": 0x660,
    "Devanagari": 0x966,
    "Bengali": 0x9E6,
    "Tamil": 0xBE6,
    "Thai": 0xE50,
    "Khmer": 0x17E0,
}

EMAILS = (
    "bob@example.com", "mary.o'brien+shop@mail.example.co.uk", "Jörg.Müller@bücher.de",
    "x_1@a-b.example.org", "иван@пример.рф", "χρήστης@παράδειγμα.ελ", "info@xn--bcher-kva.de",
    "ops@xn--e1afmkfd.xn--p1ai", "J.Doe@EXAMPLE.COM", "sales@例え.jp", "a@b.museum",
    "first.last@sub.domain.example.travel",
)  # fmt: skip
IBANS = (
    "DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606", "NL91ABNA0417164300",
    "CH9300762011623852957", "PL61109010140000071219812874", "SE4550000000058398257466", "NO9386011117947",
    "AT611904300234573201", "SA0380000000608010167519", "AE070331234567890123456",
    "GR1601101250000000012300695", "TR330006100519786457841326", "IL620108000000099999999",
)  # fmt: skip
IPS = (
    "203.0.113.7", "198.51.100.23:443", "10.0.0.254", "http://203.0.113.99:8080/index",
    "[2001:db8::8a2e:370:7334]:22", "2001:db8:85a3:0:0:8a2e:370:7334", "fe80::1ff:fe23:4567:890a",
    "::ffff:192.0.2.128", "ip:192.0.2.1", "192.0.2.0/24", "IPv6:2001:db8::42", "https://[2001:db8::1:0:2]/",
)  # fmt: skip
ISSUERS = (
    ("4", 16),
    ("51", 16),
    ("2221", 16),
    ("34", 15),
    ("6011", 16),
    ("3528", 16),
    ("62", 19),
    ("5018", 16),
)
REGIONS = (
    "US", "GB", "DE", "FR", "IT", "ES", "RU", "GR", "SA", "AE", "EG", "IL", "IN", "BD", "LK", "TH", "KH",
    "CN", "TW", "JP", "KR", "GE", "AM", "ET", "BR", "MX", "TR", "UA", "PL", "VN",
)  # fmt: skip
NATIONAL = ("(212) 736-5000", "020 7946 0018", "030 901820", "0151 23456789", "212.736.5000", "415-555-2671")
LOOKALIKES = (
    "KD-000417", "INV-2026-0611", "#10-482-991", "order 4500012345", "2026-11-24T19:00:12Z", "24.11.2026",
    "11/24/2026 7:05", "v1.2.3", "version 10.4.2.1", "3.14.159", "1.299,00 €", "$12,345.67", "¥1,234,567",
    "ISBN 978-3-16-148410-0", "ISBN 0-306-40615-2", "12:45 - 14:00", "4:30:15", "48.85837, 2.294481",
    "@handle", "#tag2026", "0000 0000 0000 0000", "1234 5678 9012 3456", "DE00 0000 0000 0000 0000 00",
    "std::vector", "bad::face", "EAN 4006381333931", "1Z999AA10123456784", "RFC 2822", "00:1B:44:11:3A:B7",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "a@b", "10 000 000", "2,5 × 3,75", "100 %",
)  # fmt: skip


KINDS = ("email", "iban", "card", "ip", "phone")
# Values of each kind in each script.
EACH = 38
TOUCHED = ("Arabic", "Hebrew", "Thai", "Khmer", "Han", "Kana", "Hangul")

# What is written, and the part of it that must be replaced.
Value = tuple[str, str]


@dataclass(frozen=True)
class Placement:
    """A text, the script of what is around the value, and the value's place and kind; none in a lookalike."""

    text: str
    script: str
    kind: str
    start: int
    end: int


@dataclass
class Score:
    """Counts of one kind: values in the texts, values that spans hide, spans, right spans, and characters
    beside a value that were taken with it."""

    values: int = 0
    hidden: int = 0
    spans: int = 0
    right: int = 0
    beside: int = 0


def placements() -> list[Placement]:
    """Texts with a value, and texts without one; the count is asserted in `test_redact_recall`."""
    chance = random.Random(7)
    values: dict[str, Iterator[Value]] = {
        "email": ((value, value) for value in cycle(EMAILS)),
        "iban": (_iban(value, number) for number, value in enumerate(cycle(IBANS))),
        "card": (_card(chance, number) for number in count()),
        "ip": ((written, _address(written)) for written in cycle(IPS)),
        "phone": ((value, value) for value in cycle([*_international(), *NATIONAL])),
    }
    placed: list[Placement] = []
    for script, (word, other) in AROUND.items():
        joints = cycle([*SPACED, *TOUCHING] if script in TOUCHED else SPACED)
        for kind, of_kind in values.items():
            for number, (before, after), (written, value) in zip(range(EACH), joints, of_kind, strict=False):
                if kind in ("card", "phone") and number % 3 == 0 and script in DIGITS_OF:
                    written, value = (_native(text, DIGITS_OF[script]) for text in (written, value))
                start = len(word + before) + written.index(value)
                text = f"{word}{before}{written}{after}{other}"
                placed.append(Placement(text, script, kind, start, start + len(value)))
        lookalikes = [*LOOKALIKES, *(form(chance) for form in FORMS * EACH_FORM)]
        placed += [Placement(f"{word} {text} {other}", script, "", 0, 0) for text in lookalikes]
    return placed


def _digits(chance: random.Random, length: int) -> str:
    return "".join(str(chance.randrange(10)) for _ in range(length))


# Numbers that are nobody's: orders, dates, versions, prices, books, parcels, measurements.
FORMS: list[Callable[[random.Random], str]] = [
    lambda chance: f"KD-{_digits(chance, 6)}",
    lambda chance: f"{chance.randrange(1990, 2030)}-{_digits(chance, 6)}",
    lambda chance: f"#{_digits(chance, 2)}-{_digits(chance, 3)}-{_digits(chance, 3)}",
    lambda chance: f"no. {_digits(chance, 12)}",
    lambda chance: f"no. {_digits(chance, 16)}",
    lambda chance: f"{chance.randrange(1, 29)}.{chance.randrange(1, 13)}.{chance.randrange(1990, 2030)}",
    lambda chance: (
        f"{chance.randrange(1990, 2030)}/{chance.randrange(10, 13)}/{chance.randrange(10, 29)} 19:04:33"
    ),
    lambda chance: f"v{chance.randrange(20)}.{chance.randrange(20)}.{chance.randrange(9999)}",
    lambda chance: f"version {chance.randrange(20)}.{chance.randrange(20)}.0.{chance.randrange(250)}",
    lambda chance: f"{chance.randrange(1, 999)}.{_digits(chance, 3)},{_digits(chance, 2)} €",
    lambda chance: (
        f"${chance.randrange(1, 999)},{_digits(chance, 3)},{_digits(chance, 3)}.{_digits(chance, 2)}"
    ),
    lambda chance: f"ISBN {isbn.format('978' + (d := _digits(chance, 9)) + ean.calc_check_digit('978' + d))}",
    lambda chance: f"ISBN {(d := _digits(chance, 9))}{isbn._calc_isbn10_check_digit(d)}",
    lambda chance: (
        f"{chance.randrange(1, 90)}.{_digits(chance, 7)}, {chance.randrange(1, 90)}.{_digits(chance, 7)}"
    ),
    lambda chance: f"1Z{_digits(chance, 6)}{_digits(chance, 10)}",
    lambda chance: f"{_digits(chance, 4)} kWh, {_digits(chance, 5)} km",
]
EACH_FORM = 3


def measure(placed: Iterator[tuple[Placement, list[tuple[int, int, str]]]]) -> dict[str, Score]:
    """Counts of the values and of the spans that a finder gave, by kind.

    A value is hidden if no letter or digit of it stays outside spans of its kind. A span is right if it
    overlaps a value of its kind.
    """
    scores = {kind: Score() for kind in KINDS}
    for placement, spans in placed:
        hidden = {i for start, end, kind in spans if kind == placement.kind for i in range(start, end)}
        if placement.kind:
            score = scores[placement.kind]
            inside = range(placement.start, placement.end)
            score.values += 1
            score.hidden += all(i in hidden for i in inside if placement.text[i].isalnum())
            score.beside += sum(i not in inside for i in hidden)
        for start, end, kind in spans:
            scores[kind].spans += 1
            scores[kind].right += kind == placement.kind and start < placement.end and end > placement.start
    return scores


def _international() -> list[str]:
    mobile = phonenumbers.PhoneNumberType.MOBILE
    numbers = [
        number
        for region in REGIONS
        if (number := phonenumbers.example_number_for_type(region, mobile)) is not None
    ]
    formats = (phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164)
    return [phonenumbers.format_number(number, form) for form in formats for number in numbers]


def _iban(value: str, number: int) -> Value:
    written = (value, _grouped(value, [4] * 9, " \u00a0\u202f-"[number % 4]), value.lower())[number % 3]
    return written, written


def _card(chance: random.Random, number: int) -> Value:
    start, length = ISSUERS[number % len(ISSUERS)]
    digits = start + "".join(str(chance.randrange(10)) for _ in range(length - len(start) - 1))
    digits += luhn.calc_check_digit(digits)
    separator = ("", " ", "-", "\u00a0", "\u202f", ".", "\u2011")[number % 7]
    value = _grouped(digits, [4, 6, 5] if length == 15 else [4, 4, 4, 4, 3], separator)
    return (value, f"Visa-{value}", f"{value} 12/27", f"{value} 123")[number % 4], value


def _grouped(value: str, lengths: list[int], separator: str) -> str:
    starts = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    parts = [value[a:b] for a, b in pairwise(starts)]
    return separator.join(part for part in parts if part)


def _address(written: str) -> str:
    """The address in a URL, a pair of brackets, or beside a port, a label or the length of a prefix."""
    inside = written.split("//")[-1].split("/")[0].removeprefix("ip:").removeprefix("IPv6:")
    if inside.startswith("["):
        return inside[1 : inside.index("]")]
    return inside.split(":")[0] if "." in inside and inside.count(":") == 1 else inside


def _native(text: str, zero: int) -> str:
    return "".join(chr(zero + int(c)) if c in "0123456789" else c for c in text)
