"""train: the loss of a row is minus the log-probability that the student gives to its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from promptstill.answers.schema.script import Script
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.models.choices import Choices
from promptstill.models.scoring import Scorer
from promptstill.models.student import load_base
from stages.train.data import Data
from stages.train.frozen_layers import LayeredModel, Runner, WholeModel
from tests.rows import split_row
from tests.stages.tiny_student import TEXT, Task, adapted, stir, task_of

pytestmark = pytest.mark.usefixtures("in_float32")
# Values that begin alike; some are the beginning of another.
TOPICS = ["billing", "bill", "billing refund", "account", "accountant"]


def with_label(**properties: Any) -> AnswerSpec:
    schema = {
        "type": "object",
        "properties": {"topic": {"enum": TOPICS}, **properties},
        "required": ["topic"],
        "additionalProperties": False,
    }
    return AnswerSpec(schema, Normalisation(format="json", label="topic"))


ALIKE = AnswerSpec({"type": "string", "enum": TOPICS}, Normalisation(format="text"))
TWO = with_label(why={"enum": ["fire", "fraud", None]})
NOTED = with_label(note={"type": "string"})


def losses_of(task: Task, run: Runner, batch: Sequence[int], cache_gb: float = 1.0) -> list[float]:
    """The loss of each row of a batch."""
    data = task.data(run, cache_gb)
    with torch.no_grad():
        losses, _ = data.losses(batch)
    remaining = iter(losses.tolist())
    return [sum(next(remaining) for _ in targets) for targets in data.targets(batch)]


def scored(model: Any, task: Task, slots: list[Choices]) -> np.ndarray:
    """Minus the log-probability that scoring gives to the true pieces of `slots`, by row."""
    pieces = [Script(task.spec).pieces(row["answer"]) for row in task.rows]
    truth = {
        choices.slot.key: [choices.slot.pieces.index(of_row[i]) for of_row in pieces]
        for i, choices in enumerate(slots)
    }
    total = np.zeros(len(task.rows))

    def judge(key: str, rows: Sequence[int], values: np.ndarray) -> np.ndarray:
        right = [truth[key][row] for row in rows]
        places = np.arange(len(rows))
        total[list(rows)] -= values[places, right]
        # The true value is taken, so that the next key is scored behind it.
        certain = np.full_like(values, -np.inf)
        certain[places, right] = 0.0
        return certain

    scorer = Scorer(model.eval(), task.tokenizer, slots, [None] * len(slots), 16, 48)
    scorer.reply([row["input"] for row in task.rows], judge=judge)
    return total


@pytest.mark.parametrize(
    ("spec", "answers"),
    [
        (TEXT, ["red", "green", "blue"]),
        (ALIKE, TOPICS),
        (TWO, [{"topic": topic, "why": "fire"} for topic in TOPICS]),
        (TWO, [{"topic": TOPICS[0], "why": None}, {"topic": TOPICS[2]}]),
    ],
    ids=["words", "alike", "two_keys", "absent_key"],
)
def test_the_loss_of_listed_values_is_what_scoring_gives_them(
    tiny: str, spec: AnswerSpec, answers: list[Any]
) -> None:
    model, layered = adapted(tiny)
    stir(model)
    task = task_of(tiny, spec, [split_row(i, answer=answer) for i, answer in enumerate(answers)])
    expected = scored(model, task, task.choices)
    assert (expected > 0.01).all()
    assert losses_of(task, layered, range(len(answers))) == pytest.approx(expected.tolist(), abs=1e-4)


def test_the_loss_of_a_free_value_is_the_mean_over_its_tokens(tiny: str) -> None:
    model, layered = adapted(tiny)
    stir(model)
    answers = [{"topic": topic, "note": f"note {i} is größe"} for i, topic in enumerate(TOPICS)]
    task = task_of(tiny, NOTED, [split_row(i, answer=answer) for i, answer in enumerate(answers)])
    expected = scored(model, task, task.choices[:1])
    for i, made in enumerate(task.examples):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([made.ids])).logits[0]
        positions = [target.position for target in made.targets if target.among is None]
        right = torch.tensor([made.ids[position] for position in positions])
        of_tokens = logits[[position - 1 for position in positions]].log_softmax(-1)
        expected[i] -= float(of_tokens.gather(1, right[:, None]).mean())
        assert made.ids[positions[-1]] == task.tokenizer.eos_token_id
        assert task.tokenizer.decode(made.ids[positions[0] : -1]) == f'"{answers[i]["note"]}"'
    assert losses_of(task, layered, range(len(answers))) == pytest.approx(expected.tolist(), abs=1e-4)


def test_forced_tokens_have_no_loss(tiny: str) -> None:
    _, layered = adapted(tiny)
    task = task_of(tiny, ALIKE, [split_row(0, answer="account"), split_row(1, answer="billing refund")])
    losses, _ = task.data(layered).losses([0, 1])
    decisions = [len(made.targets) for made in task.examples]
    answers = [len(made.ids) - task.first(made) for made in task.examples]
    assert len(losses) == sum(decisions)
    assert all(few < many for few, many in zip(decisions, answers, strict=True))


@pytest.mark.parametrize("cache_gb", [1.0, 0.0], ids=["kept", "computed"])
def test_padding_changes_no_loss(tiny: str, cache_gb: float) -> None:
    model, layered = adapted(tiny)
    stir(model)
    rows = [split_row(i, answer=topic, input="a word " * (i + 1)) for i, topic in enumerate(TOPICS)]
    task = task_of(tiny, ALIKE, rows)
    lengths = [len(made.ids) for made in task.examples]
    assert len(set(lengths)) > 2
    every = range(len(rows))
    alone = [losses_of(task, layered, [i], cache_gb)[0] for i in every]
    assert losses_of(task, layered, every, cache_gb) == pytest.approx(alone, abs=1e-4)


def losses_of_seen(data: Data, dropped: float) -> torch.Tensor:
    """The losses of two rows of which a share is hidden."""
    return data.losses([0, 1], data.seen([0, 1], dropped))[0].view(2, -1)


@pytest.mark.parametrize("whole", [False, True], ids=["cut", "whole"])
def test_a_hidden_input_cannot_be_told_from_another(tiny: str, whole: bool) -> None:
    model = load_base(tiny)
    # Lower layers would see the input.
    run = WholeModel(model) if whole else LayeredModel(model, len(model.model.layers))
    rows = [split_row(i, answer="account") for i in range(2)]
    data = task_of(tiny, ALIKE, rows).data(run)
    with torch.no_grad():
        seen, hidden = (losses_of_seen(data, dropped) for dropped in (0.0, 1.0))
        torch.manual_seed(0)
        some = losses_of_seen(data, 0.5)
        torch.manual_seed(0)
        assert torch.equal(losses_of_seen(data, 0.5), some)
    assert torch.allclose(hidden[0], hidden[1], atol=1e-5)
    assert not torch.allclose(seen[0], seen[1], atol=1e-3)
    assert not torch.allclose(some, seen, atol=1e-3)
    assert not torch.allclose(some, hidden, atol=1e-3)
