"""The contestants: student, base with and without the prompt, teacher and baselines, on the same cases."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from promptstill.answers.consensus import decide
from promptstill.answers.prediction import Outcome, Prediction
from promptstill.answers.schema.rules import DerivedLabel
from promptstill.answers.spec import AnswerSpec
from promptstill.console.progress import progress
from promptstill.models.answering import Answerer, StudentAnswer
from promptstill.models.scoring import BATCH, INPUT
from promptstill.models.student import Kind, Student, load_base, load_tokenizer, student_tokenizer
from promptstill.near.vectors import embed
from promptstill.rows.row import Answer, SampledCase, SplitRow
from stages.eval.baselines import embeddings_answers, fitted_ngrams, majority_answer, ngrams_answers
from stages.eval.params import EvalParams
from stages.eval.speed import REQUESTS, latencies, speed_of

SetName = Literal["golden", "test"]
Contestant = Literal["student", "base", "prompted", "teacher", "embeddings", "ngrams", "majority"]
CONTESTANTS: tuple[Contestant, ...] = get_args(Contestant)
BASELINES: tuple[Contestant, ...] = ("embeddings", "ngrams")
# What a base answers that writes text. The base of an encoder has no answers before it is trained.
OF_CAUSAL_BASE: tuple[Contestant, ...] = ("base", "prompted")


@dataclass(frozen=True)
class Answered:
    """A case with the answers of all contestants that there are.

    The teacher's answer is None if no sample of it parses. That of student, base and prompted is None if it
    was cut off or breaks a rule of the schema.
    """

    set: SetName
    case: SampledCase | SplitRow
    answers: dict[Contestant, Answer | None]
    student_answer: StudentAnswer

    @property
    def component(self) -> str:
        """The component of a test row. A golden case was written independently of all others."""
        return str(self.case.get("component", self.case["id"]))

    @property
    def truth_by_person(self) -> bool:
        """Whether a person wrote the truth, and not the teacher: that of golden cases and of edited rows."""
        return self.set == "golden" or bool(self.case.get("edited"))

    def prediction(self, outcome: Outcome) -> Prediction:
        """The row of `data/eval/<task>/rows.jsonl`."""
        texts = {who: json.dumps(self.answers.get(who), ensure_ascii=False) for who in CONTESTANTS}
        return {
            "set": self.set,
            "id": self.case["id"],
            "input": self.case["input"],
            "slices": self.case["slices"],
            "answer": json.dumps(self.case["answer"], ensure_ascii=False),
            "outcome": outcome,
            "student": texts["student"],
            "base": texts["base"],
            "prompted": texts["prompted"],
            "teacher": texts["teacher"],
            "embeddings": texts["embeddings"],
            "ngrams": texts["ngrams"],
            "majority": texts["majority"],
            "student_confidence": self.student_answer.confidence,
            "student_confidences": self.student_answer.confidences,
            "student_cut_off": self.student_answer.cut_off,
        }


def ask_contestants(
    sets: dict[SetName, list[SampledCase] | list[SplitRow]],
    further: Sequence[SplitRow],
    train_rows: Sequence[SplitRow],
    student: Student,
    adapter: Path,
    prompt: str,
    params: EvalParams,
    spec: AnswerSpec,
) -> tuple[list[Answered], list[StudentAnswer], dict[str, float]]:
    """Every case with all answers, in the order of the sets; the student's answers to the further rows; and
    the speed of the student here."""
    cases = [(name, case) for name, part in sets.items() for case in part]
    texts = [case["input"] for _, case in cases]

    of_base = OF_CAUSAL_BASE if student["kind"] == "causal" else ()

    with progress((1 + len(of_base)) * len(texts) + len(further), "answering") as bar:
        base_answers = _base_answers(texts, student, adapter, prompt, spec, bar.update) if of_base else []
        answerer = Answerer.load(adapter, student, spec)
        started = time.perf_counter()
        answers = answerer.answer(texts, bar.update)
        seconds = time.perf_counter() - started
        further_answers = answerer.answer([row["input"] for row in further], bar.update)
    single = latencies([case["input"] for case in sets["golden"]][:REQUESTS], 1, answerer.answer)
    batched = latencies(texts, BATCH, answerer.answer)

    embeddings = embeddings_answers(train_rows, texts, partial(embed, model=params.encoder), spec)
    ngrams = ngrams_answers(fitted_ngrams(train_rows, spec), train_rows, texts, spec)
    majority = majority_answer([row["answer"] for row in train_rows], spec)
    answered = [
        Answered(
            name,
            case,
            {
                "student": answers[i].answer,
                **{who: given[i].answer for who, given in zip(of_base, base_answers, strict=True)},
                "teacher": decide(case["samples"], spec)["answer"],
                "embeddings": embeddings[i],
                "ngrams": ngrams[i],
                "majority": majority,
            },
            answers[i],
        )
        for i, (name, case) in enumerate(cases)
    ]
    return answered, further_answers, speed_of(len(texts), seconds, batched, single)


def _base_answers(
    texts: Sequence[str],
    student: Student,
    adapter: Path,
    prompt: str,
    spec: AnswerSpec,
    done: Callable[[int], object],
) -> list[list[StudentAnswer]]:
    """What the whole base answers, in the order of OF_CAUSAL_BASE: without and with the teacher's prompt. The
    student loads a base of its own, so this one leaves memory first."""
    tokenizer, model = student_tokenizer(adapter), load_base(student["base"])
    limits = (student["max_input_tokens"], student["max_answer_tokens"])
    form = without_derived_label(spec)
    return [
        Answerer(model, tokenizer, form, limits, prompt=each).answer(texts, done) for each in (INPUT, prompt)
    ]


def without_derived_label(spec: AnswerSpec) -> AnswerSpec:
    """The task for a base: nothing taught it to write a derived label first, so it writes answers alone."""
    if not isinstance(spec.rules.label, DerivedLabel):
        return spec
    return replace(spec, rules=spec.rules.model_copy(update={"label": None}))


def among(cases: Sequence[Answered]) -> list[Contestant]:
    """The contestants that have answered the cases, of which there is at least one."""
    return [who for who in CONTESTANTS if who in cases[0].answers]


def token_counter(base: str, kind: Kind) -> Callable[[str], int]:
    """A function that gives the number of tokens of a text, counted with the student's tokenizer: the
    teacher's own tokenizer is not known."""
    tokenizer = load_tokenizer(base, kind)
    # Not verbose: a prompt may be longer than what an encoder reads.
    return lambda text: len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def prompt_tokens_saved(prompt: str, count: Callable[[str], int]) -> int:
    """Tokens of the teacher's prompt without its input."""
    return count(prompt.replace(INPUT, ""))
