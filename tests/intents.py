"""Short texts of a single domain for tests: banking questions with 77 or 10 labels, planted near-duplicates,
and a teacher who is sometimes wrong."""

from __future__ import annotations

import random

from promptstill.rows.row import KeptRow
from tests.rows import kept_row

THINGS = (
    ("card", "bank card"),
    ("virtual_card", "virtual card"),
    ("transfer", "transfer to a friend"),
    ("top_up", "top-up by cheque"),
    ("direct_debit", "direct debit"),
    ("cash", "cash withdrawal"),
    ("refund", "refund from a shop"),
    ("exchange", "currency exchange"),
    ("pin", "PIN code"),
    ("statement", "account statement"),
    ("standing_order", "standing order"),
)
# By intent: different questions, each a template of its own.
QUESTIONS = {
    "duration": [
        "How many days does a {} take?",
        "When will my {} be ready?",
        "I have been waiting for the {} since Monday, is that normal?",
        "What is the usual processing time of a {}?",
        "Will the {} still go through before the weekend?",
        "Is there a way to speed up a {}?",
    ],
    "fee": [
        "What do you charge for a {}?",
        "Why did I pay extra for my {}?",
        "Are there hidden costs with a {}?",
        "You took 3 euros for the {}, what was that?",
        "Is the {} free of charge for students?",
        "Where is the price list for a {} abroad?",
    ],
    "failed": [
        "My {} was declined.",
        "Something went wrong with the {}, the app shows a red cross.",
        "Error 51 appears whenever I try a {}",
        "Why does the {} not work any more?",
        "It says that my {} could not be completed",
        "Twice now your system has rejected the {}",
    ],
    "cancel": [
        "How do I cancel a {}?",
        "Stop my {} right away",
        "I changed my mind about the {} from this morning",
        "Is it too late to call back the {}?",
        "Please remove the {}, my wife did it by mistake",
        "I no longer need a {}",
    ],
    "limit": [
        "Is there a maximum for a {}?",
        "Raise the daily limit of my {} to 900",
        "How often a week can I use the {}?",
        "What is the smallest amount allowed for a {}?",
        "I hit the ceiling of the {} while on holiday",
        "Can teenagers have a higher {} allowance?",
    ],
    "unknown": [
        "I do not recognise a {} in my list",
        "Somebody made a {} that was not me",
        "Who is behind this strange {} of 47.20?",
        "There is a {} on Sunday that I never made, was I hacked?",
        "Please investigate a suspicious {}",
        "My husband swears the {} is not his either",
    ],
    "where": [
        "Where in the app is the {}?",
        "I cannot find the {} anywhere",
        "Which menu leads to the {}?",
        "Show me my last {}",
        "Do I need the website to look at a {}?",
        "The button for the {} has disappeared since the update",
    ],
}
# Questions about each thing.
SIZE = sum(map(len, QUESTIONS.values()))
COPIES = 90
GREETINGS = ("Hi, {}", "{} Thanks", "hello. {}", "{} please", "{}!!")


def banking_rows(labels: int, noise: float = 0.0) -> tuple[list[KeptRow], dict[str, str]]:
    """The rows, and the id of each planted near-duplicate with that of the row that it copies.

    With 77 labels, a label is a thing with an intent; with 10, it is a thing. All texts of the 10 labels are
    among those of the 77. A share `noise` of the labels is wrong.
    """
    rng = random.Random(7)
    asked = [
        (f"{thing}_{intent}" if labels == 77 else thing, template.format(name))
        for thing, name in THINGS[: 11 if labels == 77 else labels]
        for intent, templates in QUESTIONS.items()
        for template in templates
    ]
    originals = rng.sample(range(len(THINGS[:10]) * SIZE), COPIES)
    planted = {f"row-{len(asked) + n:03}": f"row-{i:03}" for n, i in enumerate(originals)}
    asked += [(asked[i][0], rng.choice(GREETINGS).format(asked[i][1])) for i in originals]
    names = sorted({label for label, _ in asked})
    given = [rng.choice(names) if rng.random() < noise else label for label, _ in asked]
    rows = [
        kept_row(n, input=text, label=label, answer=label)
        for n, (label, (_, text)) in enumerate(zip(given, asked, strict=True))
    ]
    return rows, planted
