"""The scores of the contestants, of slices and of labels, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass

from promptstill.answers.measures import measures
from promptstill.answers.rates import rates
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import JsonObject
from stages.report.build import SETS, Table

CONTESTANTS = {
    "student": "the base model with the adapter, weighed with the n-grams where validation gave them a "
    "weight, without the teacher's prompt",
    "embeddings": "a logistic regression over sentence embeddings of the train rows; for free text, the "
    "value of the most similar row, or where answers cite the input, the sentence in it that is most similar "
    "to the question",
    "ngrams": "the same over TF-IDF weights of characters and words",
    "prompted": "the base model without the adapter, with the teacher's whole prompt",
    "base": "the base model without the adapter and without the prompt",
    "majority": "the most frequent answer of the train rows, whatever the input",
    "teacher": "the prompted model that the student learnt from",
}


@dataclass(frozen=True)
class Score:
    """A score from 0 to 1, or None if it is about no case; `low` and `high` are its interval, and None if it
    has none."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Contestant:
    """A contestant with its scores on one set, accuracy first."""

    name: str
    about: str
    scores: list[Score]


@dataclass(frozen=True)
class Lead:
    """By how much the student's value of a score exceeds an opponent's, from -1 to 1, with its interval. The
    student is better, worse or not distinguishable."""

    name: str
    value: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Opponent:
    """A contestant with the student's leads over it on one set, that of accuracy first."""

    name: str
    better_baseline: bool
    leads: list[Lead]


@dataclass(frozen=True)
class Label:
    """How well the student recognises one label of the truth."""

    label: str
    cases: int
    precision: Score
    recall: Score
    f1: float


@dataclass(frozen=True)
class Slice:
    """The student's accuracy on one slice."""

    name: str
    cases: int
    accuracy: Score


def contestants(metrics: JsonObject, spec: AnswerSpec) -> dict[str, list[Contestant]]:
    """All contestants that there are on each set, from the content of `eval.json`."""
    return {
        name: [
            Contestant(who, about, scores(metrics[name][who], spec))
            for who, about in CONTESTANTS.items()
            if who in metrics[name]
        ]
        for name in SETS
    }


def scores(entry: JsonObject, spec: AnswerSpec) -> list[Score]:
    """The scores of one contestant: accuracy, macro F1, valid answers, and every other measure and rate."""
    further = [*measures(spec), *rates(spec)][1:]
    return [
        _with_interval("accuracy", "accuracy", entry),
        Score("macro F1", entry["macro_f1"]),
        Score("valid answers", entry["valid"]),
        *(_with_interval(name.replace("_", " "), name, entry) for name in further),
    ]


def opponents(metrics: JsonObject, spec: AnswerSpec) -> dict[str, list[Opponent]]:
    """The student's leads over all other contestants on each set, from the content of `eval.json`."""
    return {
        name: [
            Opponent(
                who,
                who == metrics[name]["better_baseline"],
                [_lead(key, metrics[name]["student_minus"][who][key]) for key in measures(spec)],
            )
            for who in CONTESTANTS
            if who in metrics[name]["student_minus"]
        ]
        for name in SETS
    }


def _lead(key: str, entry: JsonObject) -> Lead:
    return Lead(key.replace("_", " "), entry["difference"], entry["low"], entry["high"], entry["verdict"])


def _with_interval(name: str, key: str, entry: JsonObject) -> Score:
    return Score(name, entry[key], entry[f"{key}_low"], entry[f"{key}_high"])


def labels(table: Table) -> list[Label]:
    """The student's precision and recall by label, from the content of `labels_<set>.csv`."""

    def score(line: dict[str, str], name: str) -> Score:
        return Score(name, *(float(line[f"{name}{bound}"]) for bound in ("", "_low", "_high")))

    return [
        Label(
            line["label"],
            int(line["cases"]),
            score(line, "precision"),
            score(line, "recall"),
            float(line["f1"]),
        )
        for line in table
    ]


def slices(table: Table) -> list[Slice]:
    """The student's accuracy by slice, from the content of `slices_<set>.csv`."""
    return [
        Slice(
            line["slice"],
            int(line["cases"]),
            Score("accuracy", float(line["accuracy"]), float(line["low"]), float(line["high"])),
        )
        for line in table
        if line["who"] == "student"
    ]
