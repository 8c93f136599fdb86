"""Quotas that are not met: which, and where the rows of their labels went on the way through the pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from promptstill.console.errors import UserError
from promptstill.console.say import counted
from promptstill.rows.row import QuarantinedRow, RemovedRow, ValidatedRow
from stages.split.assign import Parts
from stages.split.params import SplitParams
from stages.split.quota import SPLITS

# An error and its table fit on a screen: labels that are named for each split, labels of the table, and
# characters of a label, which is a whole answer where answers are free text.
NAMED, LISTED, CHARACTERS = 5, 15, 24
# Where rows go before they reach a split, with what brings them back.
LOSSES = {
    "in review": "decide rows with `still review {task}`",
    "rejected": "look at the reasons in data/validate/{task}/metrics.json",
    "removed by dedupe": "raise {task}.dedupe.meaning or {task}.dedupe.text",
    "quarantined": "raise the thresholds of {task}.split.quarantine",
}
STEPS = ("came in", *LOSSES, "left")


@dataclass(frozen=True)
class Shortfall:
    """What is missing: rows held by label of those labels of which a split holds fewer than `least`, and
    other quotas as text."""

    labels: dict[str, dict[str, int]] = field(default_factory=dict)
    least: dict[str, int] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.labels or self.others)


def shortfall(parts: Parts, params: SplitParams, labels: Sequence[str]) -> Shortfall:
    """Every one of `labels` and every hard slice of which a split holds too few rows, and empty splits."""
    least = params.label_minimum.model_dump()
    short: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        held = Counter(row["label"] for row in parts[split])
        few = {label: held[label] for label in labels if held[label] < least[split]}
        if few:
            short[split] = dict(sorted(few.items(), key=lambda entry: (entry[1], entry[0])))
    others = []
    for name, hard in params.hard_slices.items():
        count = sum(name in row["hard"] for row in parts["test"])
        if count < hard.minimum:
            others.append(f"test holds {count} of {hard.minimum} rows of slice {name}")
    others += [f"{split} is empty" for split in SPLITS if not parts[split]]
    return Shortfall(short, least, others)


def label_flow(
    validated: Iterable[ValidatedRow],
    removed: Iterable[RemovedRow],
    quarantined: Sequence[QuarantinedRow],
) -> dict[str | None, Counter[str]]:
    """For each label, how many rows came in from validate, and how many went each way of STEPS. The label
    None is that of rows without an answer."""
    flow: dict[str | None, Counter[str]] = {}
    names = {"review": "in review", "rejected": "rejected"}
    for row in validated:
        counts = flow.setdefault(row["label"], Counter())
        counts["came in"] += 1
        counts[names.get(row["status"], "left")] += 1
    leaving = [("removed by dedupe", row["label"]) for row in removed]
    leaving += [("quarantined", row["label"]) for row in quarantined]
    for name, label in leaving:
        flow.setdefault(label, Counter()).update({name: 1, "left": -1})
    return flow


def quota_error(missing: Shortfall, flow: Mapping[str | None, Counter[str]], task: str) -> UserError:
    """One line that groups what is missing, and says where most rows of the missing labels went."""
    problems = [_grouped(split, few, missing.least[split]) for split, few in missing.labels.items()]
    total = _of_missing(missing, flow)
    went = f"; these labels: {counted({name: total[name] for name in STEPS})}" if total else ""
    worst = max(LOSSES, key=lambda name: total[name])
    remedy = f"{LOSSES[worst].format(task=task)}, " if total[worst] else ""
    return UserError(
        f"params.yaml: {task}.split: quotas are not met: {'; '.join([*problems, *missing.others])}{went}; "
        f"{remedy}bring more such traffic, raise the fraction, or lower the minimum"
    )


def _grouped(split: str, few: Mapping[str, int], least: int) -> str:
    named = counted({_short(label): few[label] for label in list(few)[:NAMED]})
    more = f" and {len(few) - NAMED} more" if len(few) > NAMED else ""
    return f"{split} holds fewer than {least} rows of {len(few)} labels: {named}{more}"


def _of_missing(missing: Shortfall, flow: Mapping[str | None, Counter[str]]) -> Counter[str]:
    labels = {label for few in missing.labels.values() for label in few}
    total: Counter[str] = Counter()
    for label in sorted(labels):
        total.update(flow.get(label, Counter()))
    return total


def flow_table(missing: Shortfall, flow: Mapping[str | None, Counter[str]]) -> list[str]:
    """Lines of a table: where the rows of the missing labels went, the label with the fewest rows left first.
    Rows without an answer, which have no label, are the last line."""
    labels = {label for few in missing.labels.values() for label in few}
    if not labels:
        return []
    worst = sorted(labels, key=lambda label: (flow.get(label, Counter())["left"], label))[:LISTED]
    shown = [(_short(label), flow.get(label, Counter())) for label in worst]
    if None in flow:
        shown.append(("(no answer)", flow[None]))
    width = max(len("label"), *(len(name) for name, _ in shown))
    lines = [
        f"{name:{width}}  {'  '.join(f'{counts[step]:>{len(step)}}' for step in STEPS)}"
        for name, counts in shown
    ]
    rest = [f"and {len(labels) - LISTED} more labels"] if len(labels) > LISTED else []
    return [f"{'label':{width}}  {'  '.join(STEPS)}", *lines, *rest]


def _short(label: str) -> str:
    line = " ".join(label.split())
    return line if len(line) <= CHARACTERS else f"{line[: CHARACTERS - 3]}..."
