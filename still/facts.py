"""`still journal facts` and `forget`: which parts of requests servers refuse, as the stage has learnt."""

from __future__ import annotations

from promptstill.console.errors import UserError
from promptstill.core.paths import journal_file
from promptstill.teacher.capabilities import Fact, facts, remove_facts
from still.journal import open_journal


def print_facts() -> None:
    """A line for each part of the request that a server refuses for a model, with the time of the refusal."""
    with open_journal() as journal:
        learnt = facts(journal)
    # No table, because addresses are long and are copied into `forget`.
    for fact in learnt:
        since = f", learnt at {fact.learnt_at}" if fact.learnt_at else ""
        print(f"{fact.server} refuses {_shown(fact)} for {fact.model}{since}")
    if not learnt:
        print(f"{journal_file()}: no server has refused a part of a request")


def forget(server: str, part: str) -> None:
    """Forget the parts that a server refuses and whose names begin with `part`, for every model.

    Raises UserError if nothing of the kind was learnt.
    """
    with open_journal() as journal:
        learnt = facts(journal)
        chosen = [fact for fact in learnt if fact.server == server and fact.part.startswith(part)]
        if not chosen:
            known = ", ".join(dict.fromkeys(f"{fact.server} {_shown(fact)}" for fact in learnt))
            raise UserError(
                f"{journal_file()}: {server} has not refused {part or 'anything'}; name one of: "
                f"{known or 'none, because no server has refused a part of a request'}"
            )
        remove_facts(journal, chosen)
    names = ", ".join(f"{_shown(fact)} for {fact.model}" for fact in chosen)
    print(f"{server}: forgotten that it refuses {names}; the next run sends it again")


def _shown(fact: Fact) -> str:
    """The part with the beginning of a schema's hash."""
    name, _, schema = fact.part.partition(" ")
    return f"{name} {schema[:12]}".rstrip()
