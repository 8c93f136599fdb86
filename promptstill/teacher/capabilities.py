"""Parts of a request that a server refuses: learnt once, remembered in the journal, left out or renamed.

A model that reasons refuses `max_tokens` and wants `max_completion_tokens`, and it refuses a temperature of
its own. The key of a request stays what it was, because it says what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from promptstill.core.files import canonical_hash
from promptstill.teacher.journal import Journal
from promptstill.teacher.questions import Request
from promptstill.teacher.record import Record, now
from promptstill.teacher.replies import Verdict
from promptstill.teacher.settings import TeacherSettings

SCHEMA = "response_format"
SAMPLING = ("temperature", "top_p", "seed")
OLD_LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"
# Statuses by which a server refuses a part of the request.
REFUSALS = (400, 422, 501)
# Words that say that something is not supported: after its name, before its name, and on either side.
NOT = r"(?:\bnot|n['\u2019]t|\bcannot|\bno longer) (?:\w+ ){0,2}?"
AFTER = NOT + r"(?:supported|permitted|allowed|accepted|available|enabled|recogni[sz]ed|implemented)"
BEFORE = NOT + r"(?:supports?|accepts?|allow|permit|recogni[sz]e|allowed to \w+)\b|\bno support for"
EITHER = r"unsupported|unrecogni[sz]ed|(?:unknown|unexpected)(?! error)|unavailable|deprecated|forbidden"
# Words that say that a value is wrong.
WRONG_VALUE = re.compile(
    r"\brange|between|at most|at least|too (?:large|small|high|low|big|long|many)|exceed|[<>]=|\u2264|\u2265"
    r"|(?:greater|less|larger|smaller|more|higher|lower) than"
)
# Words that name another setting as the one to use.
INSTEAD = re.compile(
    r"(?:use|favou?r of|did you mean|replaced (?:by|with))(?: the)? \W*max_completion_tokens"
)
# The name of a fact: server, model, and the part of the request.
NAMED = re.compile(r"^(\S+) (.*?) (\w+(?: [0-9a-f]{64})?)$")
SENTENCES = re.compile(r"(?<=[.!?;]) ")
# Quoted texts of several words, unless they are values of JSON, such as the message of another server.
QUOTED = re.compile(r"""(?<!\w)(?<!["']:)(?<!["']: )(["'`])(?=\S)[^"'`]*\s[^"'`]*\1(?!\w)""")


class Capabilities:
    """What each server is known to refuse."""

    def __init__(self, journal: Journal, model: str) -> None:
        self._journal, self._model = journal, model
        self._known: dict[str, bool] = {}

    def body(self, request: Request, url: str) -> dict[str, Any]:
        """What is sent to a server: the request without what the server refuses."""
        body = {name: value for name, value in request.body.items() if not self._refuses(name, value, url)}
        if OLD_LIMIT in request.body and OLD_LIMIT not in body:
            body[NEW_LIMIT] = request.body[OLD_LIMIT]
        return body

    def learn(self, status: int, message: str, sent: dict[str, Any], url: str) -> list[str]:
        """The parts of `sent`, the body that the server really got, that its refusal names.

        They are not sent to that server again. The list is the same for requests that were in flight when
        the refusal was learnt.
        """
        if status not in REFUSALS:
            return []
        names = [name for name in sent if _refused(name, message.lower())]
        for name in names:
            fact = self._fact(name, sent[name], url)
            if not self._known.get(fact):
                self._known[fact] = True
                self._journal.note_fact(fact, f"refused {now()}")
        return names

    def _refuses(self, name: str, value: object, url: str) -> bool:
        if name not in (SCHEMA, "logprobs", OLD_LIMIT, *SAMPLING):
            return False
        fact = self._fact(name, value, url)
        if fact not in self._known:
            self._known[fact] = self._journal.fact(fact) is not None
        return self._known[fact]

    def _fact(self, name: str, value: object, url: str) -> str:
        """The name of what is learnt. A server may refuse one schema and accept another."""
        about = f"{name} {canonical_hash(value)}" if name == SCHEMA else name
        return f"{url} {self._model} {about}"


@dataclass(frozen=True)
class Fact:
    """A part of the request that a server refuses for a model: `response_format` with the hash of the schema,
    or the name of a setting. `learnt_at` is empty in journals that did not keep it."""

    name: str
    server: str
    model: str
    part: str
    learnt_at: str


def facts(journal: Journal) -> list[Fact]:
    """Everything that was learnt about servers, in order of servers."""
    lines = journal.read("SELECT name, value FROM facts ORDER BY name")
    return [
        Fact(name, server, model, part, value.removeprefix("refused").strip())
        for name, value in lines
        for server, model, part in NAMED.findall(name)
    ]


def remove_facts(journal: Journal, learnt: Iterable[Fact]) -> None:
    """Let the servers be asked again with the parts that they refused."""
    with journal.transaction() as database:
        database.executemany("DELETE FROM facts WHERE name = ?", [(fact.name,) for fact in learnt])


def _refused(name: str, message: str) -> bool:
    """Whether a message in lower case says that a part of the request is refused."""
    if name == SCHEMA:
        return SCHEMA in message or "json_schema" in message
    if name not in ("logprobs", OLD_LIMIT, *SAMPLING):
        return False
    # `logprobs` has no value that could be wrong.
    if name != "logprobs" and WRONG_VALUE.search(message):
        return False
    if name == OLD_LIMIT and NEW_LIMIT not in message:
        return False
    if name == OLD_LIMIT and INSTEAD.search(message):
        return True
    return any(_unsupported(name, sentence) for sentence in SENTENCES.split(QUOTED.sub(" ", message)))


def _unsupported(name: str, sentence: str) -> bool:
    """Whether a sentence says near a name that it is not supported. A message may name it for another reason:
    it quotes the input, or the value is wrong."""
    near = (
        rf"\b{name}\b.{{0,60}}?(?:{AFTER}|{BEFORE}|{EITHER})",
        rf"(?:{AFTER}\W*:|{BEFORE}|{EITHER}).{{0,80}}?\b{name}\b",
    )
    return any(re.search(pattern, sentence) for pattern in near)


def again(names: list[str], message: str) -> Verdict:
    """The verdict on a request of which the server refuses some parts."""
    return Verdict("again", f"refuses {', '.join(names)} ({message})", remedy=_instead(names))


def _instead(names: list[str]) -> str:
    others = [name for name in names if name != OLD_LIMIT]
    parts = [f"sends {NEW_LIMIT} instead"] if OLD_LIMIT in names else []
    if others:
        parts.append("asks without " + ("it" if len(names) == 1 else ", ".join(others)))
    return " and ".join(parts)


def marks(sent: dict[str, Any], kind: str, settings: TeacherSettings, sampling: bool = True) -> Record:
    """What a record says about a request that was sent otherwise than it was asked for. Without `sampling`,
    `settings` are not those that it was asked with."""
    record: Record = {}
    if settings.structured and kind == "answer":
        record["structured"] = SCHEMA in sent
    asked = settings.sampling.model_dump(include=set(SAMPLING), exclude_none=True)
    left_out = sorted(set(asked) - set(sent))
    if sampling and left_out:
        record["left_out"] = left_out
    return record
