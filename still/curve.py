"""`still curve`: how much more rows bring. Students and n-grams of nested shares of the train rows, on test.

Nothing is chosen by these scores. A share that a student has answered for is kept, so that an interrupted
curve goes on. The student of all rows is the one in `models/<task>/`, if it is up to date.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from statistics import fmean

from promptstill.answers.measures import measured, measures
from promptstill.answers.schema.script import Script
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.console.stage_main import ignore_deprecated_calls
from promptstill.core.files import canonical_hash, file_hash, read_json, read_rows, read_text, write_json
from promptstill.core.paths import cache_dir, certified_file, details_file, model_dir, out, prompt_file
from promptstill.rows.row import Answer, SplitRow
from stages.eval.params import EvalParams
from stages.split.params import SplitParams
from stages.train.guards import refuse_free_values, refuse_uncertified
from stages.train.params import TrainParams
from still.curve_page import Point, Price, Who, show
from still.experiment import dvc_command
from still.shares import shares_of


def curve(task: str, baseline_only: bool) -> None:
    """Print the scores of every share, draw them, and say what the last doubling of the rows brought.

    Raises UserError if split has not run, if its files are not those that it certified, if test has no rows,
    or if an encoder would have to write a value.
    """
    params, spec = TrainParams.load(task), AnswerSpec.load(task)
    level = EvalParams.load(task).confidence_level
    files = {name: out("split", task, name) for name in ("train", "validation", "test")}
    rows = {name: read_rows(path, SplitRow, "split") for name, path in files.items()}
    learnt = {name: file_hash(files[name]) for name in ("train", "validation")}
    refuse_uncertified(learnt, read_json(certified_file(task)), files)

    if not rows["test"]:
        raise UserError(f"{files['test']}: no rows to answer; raise {SplitParams.place(task)}.test")
    if params.student == "encoder" and not baseline_only:
        refuse_free_values(Script(spec), TrainParams.place(task))

    # Imported here, because they load torch and scikit-learn.
    from stages.eval.baselines import fitted_ngrams, ngrams_answers

    texts, named = [row["input"] for row in rows["test"]], measures(spec)
    points = []
    for share in shares_of(rows["train"]):
        print(f"{task}: a share of {len(share)} rows", file=sys.stderr, flush=True)
        answers: dict[Who, Sequence[Answer | None]] = {}
        if not baseline_only:
            is_whole = len(share) == len(rows["train"])
            answers["student"] = student_answers(
                task, share, rows["validation"], texts, params, spec, is_whole
            )
        answers["ngrams"] = ngrams_answers(fitted_ngrams(share, spec), share, texts, spec)
        values: dict[str, dict[Who, list[float]]] = {
            name: {
                who: [
                    measured(answer, row["answer"], measure)
                    for answer, row in zip(given, rows["test"], strict=True)
                ]
                for who, given in answers.items()
            }
            for name, measure in named.items()
        }
        points.append(Point(len(share), len({row["component"] for row in share}), values))
    price = price_of(task, rows["train"], params)
    show(task, points, [row["component"] for row in rows["test"]], price, level)


def student_answers(
    task: str,
    rows: Sequence[SplitRow],
    validation: Sequence[SplitRow],
    texts: Sequence[str],
    params: TrainParams,
    spec: AnswerSpec,
    is_whole: bool,
) -> list[Answer | None]:
    """What a student that learnt `rows` answers; kept from an earlier curve, that of the pipeline if `rows`
    are all train rows, or trained now."""
    import scipy
    import sklearn

    from promptstill.core.resolve import model_hash
    from promptstill.models.answering import Answerer
    from promptstill.models.student import student_of
    from stages.train.checkpoint import Checkpoint, training_key
    from stages.train.fit import fit

    parts = [canonical_hash(part) for part in (rows, validation, texts)]
    # Training itself uses neither; the n-grams and the weights of both experts do.
    libraries = [scipy.__version__, sklearn.__version__]
    key = training_key(
        [model_hash(params.base), spec.hash, *parts, params.model_dump(mode="json"), libraries]
    )
    folder = cache_dir() / "curve" / task
    kept = folder / f"{key}.json"
    if not kept.exists():
        ignore_deprecated_calls()
        checkpoint = Checkpoint(folder / "checkpoint.safetensors", key)
        if is_whole and is_trained(task):
            student = Answerer.load(model_dir(task), student_of(task, spec), spec)
        else:
            student = fit({"train": rows, "validation": validation}, spec, params, checkpoint).student
        given = [answer.answer for answer in student.answer(texts)]
        write_json(kept, {"rows": len(rows), "answers": given})
        checkpoint.remove()
    answers: list[Answer | None] = read_json(kept)["answers"]
    return answers


def is_trained(task: str) -> bool:
    """Whether DVC knows that the student of the task is that of its rows, params and code."""
    command = dvc_command("status", "--quiet", f"train@{task}")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def price_of(task: str, rows: Sequence[SplitRow], params: TrainParams) -> Price:
    """What generate spent, divided by the rows that split kept: filtered rows and golden inputs cost too.

    Where the teacher's tokens are not known, as of recorded answers, they are counted with the tokenizer of
    the base.
    """
    spent, kept = read_json(details_file("generate", task)), read_json(details_file("split", task))["kept"]
    if spent["prompt_tokens"] is not None:
        tokens = spent["prompt_tokens"] + spent["completion_tokens"]
        return Price(tokens / kept, None if spent["cost_usd"] is None else spent["cost_usd"] / kept, True)
    from stages.eval.contestants import prompt_tokens_saved, token_counter

    count = token_counter(params.base, params.student)
    asked = fmean(count(row["input"]) for row in rows) + prompt_tokens_saved(
        read_text(prompt_file(task)), count
    )
    replied = fmean(count(sample["response"]) for row in rows for sample in row["samples"])
    return Price((asked + replied) * spent["requests"] / kept, None, False)
