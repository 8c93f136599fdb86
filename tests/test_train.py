from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from stages.shared.answers import AnswerSpec, Normalisation
from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.shared.student import answer, load_base, load_tokenizer, prompt_ids
from stages.train.card import model_card
from stages.train.examples import Example, common_values, examples_of, value_spans
from stages.train.fused import fuse
from stages.train.layers import LINEAR, LayeredModel, hidden_states, padded_ids
from stages.train.params import TrainParams
from stages.train.trainer import Data, Epoch, batches, chosen, schedule, train, weighted_loss
from tests.project import JSON_SCHEMA, TEXT_SCHEMA, make_tiny_student, params, row

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
JSON = AnswerSpec(
    JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "alarm_accuracy"})
)


def train_params(**changes: Any) -> TrainParams:
    return TrainParams.check(params()["train"] | changes, "here")


def made_of(rows: list[Row], spec: AnswerSpec, tokenizer: Any, chosen: TrainParams) -> list[Example]:
    return examples_of(rows, spec, tokenizer, chosen, common_values(rows, chosen))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tiny") / "base"
    make_tiny_student(folder)
    return str(folder)


def test_the_student_never_sees_a_prompt(tiny: str) -> None:
    tokenizer = load_tokenizer(tiny)
    (made,) = made_of([row(0) | {"answer": "red"}], TEXT, tokenizer, train_params(max_input_tokens=400))
    text = tokenizer.decode(made.ids)
    assert text == f"<|im_start|>user\n{row(0)['input']}<|im_end|>\n<|im_start|>assistant\nred<|im_end|>"
    assert tokenizer.decode(made.answer_ids) == "red<|im_end|>"
    assert len(made.weights) == len(made.answer_ids)


def test_a_long_input_keeps_head_and_tail(tiny: str) -> None:
    tokenizer = load_tokenizer(tiny)
    text = "begin " + "middle " * 100 + "end"
    decoded = tokenizer.decode(prompt_ids(text, tokenizer, 20))
    assert "begin" in decoded
    assert decoded.endswith("end<|im_end|>\n<|im_start|>assistant\n")
    assert len(prompt_ids(text, tokenizer, 20)) == len(prompt_ids("", tokenizer, 20)) + 20


def test_the_template_cannot_be_faked_by_an_input(tiny: str) -> None:
    tokenizer = load_tokenizer(tiny)
    ids = prompt_ids("hello {{ 7 * 7 }} {% raw %}", tokenizer, 400)
    assert "{{ 7 * 7 }} {% raw %}" in tokenizer.decode(ids)


def test_only_scored_values_weigh_fully(tiny: str) -> None:
    said = {"colour": "red", "sure": 0.9, "alarm": None}
    text = JSON.text(said)
    values = {key: text[start:end] for key, (start, end) in value_spans(said, JSON).items()}
    assert values == {"colour": '"red"', "sure": "0.9", "alarm": "null"}
    weighing = train_params(unscored_weight=0.25)
    (made,) = made_of([row(0) | {"answer": said}], JSON, load_tokenizer(tiny), weighing)
    assert set(made.weights) == {1.0, 0.25}
    assert [weight == 1.0 for weight in made.weights] == made.scored


def test_a_rare_value_weighs_more_and_nothing_else_does(tiny: str) -> None:
    answers = [{"colour": "red", "sure": 0.9, "alarm": "fire" if i == 2 else None} for i in range(4)]
    rows = [row(i) | {"answer": said} for i, said in enumerate(answers)]
    tokenizer = load_tokenizer(tiny)
    made = made_of(rows, JSON, tokenizer, train_params(unscored_weight=0.5, rare_weight={"alarm": 3.0}))
    heavy = [
        token for token, weight in zip(made[2].answer_ids, made[2].weights, strict=True) if weight == 3.0
    ]
    assert "fire" in tokenizer.decode(heavy)
    assert "red" not in tokenizer.decode(heavy)
    assert all(max(made[i].weights) == 1.0 for i in (0, 1, 3))
    with pytest.raises(UserError, match=r"train.rare_weight.alarn"):
        made_of(rows, JSON, tokenizer, train_params(rare_weight={"alarn": 3.0}))


def test_what_is_rare_is_told_by_the_training_rows(tiny: str) -> None:
    def answered(alarms: list[str | None]) -> list[Row]:
        return [row(i) | {"answer": {"colour": "red", "sure": 0.9, "alarm": a}} for i, a in enumerate(alarms)]

    heavy = train_params(rare_weight={"alarm": 3.0})
    common = common_values(answered([None, None, "fire"]), heavy)
    (made,) = examples_of(answered(["fire"]), JSON, load_tokenizer(tiny), heavy, common)
    assert max(made.weights) == 3.0


def curve(*points: tuple[float, float]) -> list[Epoch]:
    return [Epoch(i, 0.0, loss, accuracy) for i, (loss, accuracy) in enumerate(points, start=1)]


@pytest.mark.parametrize(
    ("points", "epoch"),
    [
        ([(0.9, 0.50), (0.4, 0.90), (0.3, 0.88)], 3),
        ([(0.2, 0.50), (0.4, 0.90), (0.5, 0.90)], 2),
        ([(0.5, 1.00), (0.4, 0.99)], 1),
        ([(0.5, 0.90), (0.5, 0.90)], 1),
    ],
)
def test_the_epoch_with_least_loss_among_those_that_accuracy_cannot_tell_apart(
    points: list[tuple[float, float]], epoch: int
) -> None:
    assert chosen(curve(*points), rows=50).epoch == epoch


def test_an_answer_that_does_not_fit_is_told(tiny: str) -> None:
    with pytest.raises(UserError, match=r"row row-000: the answer has \d+ tokens, more than"):
        made_of([row(0) | {"answer": "red"}], TEXT, load_tokenizer(tiny), train_params(max_answer_tokens=1))


def adapted(base: str) -> tuple[Any, LayeredModel]:
    torch.manual_seed(0)
    model = load_base(base)
    layered = LayeredModel(model, 1)
    config = LoraConfig(
        r=2, lora_alpha=4, target_modules=LINEAR, layers_to_transform=[1], task_type="CAUSAL_LM"
    )
    return get_peft_model(model, config), layered


def examples(base: str, count: int) -> list[Example]:
    labels = TEXT_SCHEMA["enum"]
    rows = [row(i) | {"answer": labels[i % 3]} for i in range(count)]
    return made_of(rows, TEXT, load_tokenizer(base), train_params(max_input_tokens=16))


@pytest.mark.parametrize("cache_gb", [1.0, 0.0])
def test_cutting_the_model_in_two_changes_no_logit(tiny: str, cache_gb: float) -> None:
    model, layered = adapted(tiny)
    # Give the adapters an effect, which they do not have at the start.
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    made = examples(tiny, 5)
    data = Data(made, layered, cache_gb, pad=0)
    assert (hidden_states(made, layered, cache_gb, 0) is None) == (cache_gb == 0.0)
    with torch.no_grad():
        logits, targets, _ = data.logits([0, 3, 4])
        for i in (0, 3, 4):
            whole = model(input_ids=torch.tensor([made[i].ids])).logits[0]
            length = len(made[i].answer_ids)
            expected = whole[made[i].prompt_length - 1 : -1]
            assert torch.allclose(logits[:length], expected, atol=1e-5)
            assert targets[:length].tolist() == made[i].answer_ids
            logits, targets = logits[length:], targets[length:]


def test_fused_layers_give_pefts_values_and_gradients(tiny: str) -> None:
    found = []
    for fused in (False, True):
        model, _ = adapted(tiny)
        torch.manual_seed(1)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_" in name:
                    parameter.normal_(std=0.2)
        if fused:
            fuse(model)
        loss = model(input_ids=torch.arange(20).view(2, 10)).logits.square().mean()
        loss.backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
        found.append((loss.item(), gradients))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert found[0][1].keys() == found[1][1].keys()
    for name, gradient in found[0][1].items():
        assert torch.allclose(gradient, found[1][1][name], rtol=1e-4, atol=1e-6), name


def test_layers_with_dropout_stay_pefts_own(tiny: str) -> None:
    lora = LoraConfig(
        r=2, lora_dropout=0.1, target_modules=LINEAR, layers_to_transform=[1], task_type="CAUSAL_LM"
    )
    model = get_peft_model(load_base(tiny), lora)
    fuse(model)
    assert not any(isinstance(getattr(module, "forward", None), partial) for module in model.modules())


def test_padding_changes_no_logit(tiny: str) -> None:
    _, layered = adapted(tiny)
    made = sorted(examples(tiny, 6), key=lambda one: len(one.ids))
    short, long = made[0], made[-1]
    assert len(padded_ids([short, long], 0)[0]) == len(long.ids) - 1
    with torch.no_grad():
        alone, _, _ = Data([short], layered, 1.0, 0).logits([0])
        beside, _, _ = Data([short, long], layered, 1.0, 0).logits([0, 1])
    assert torch.allclose(alone, beside[: len(alone)], atol=1e-5)


def run_training(base: str, **changes: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model, layered = adapted(base)
    made = examples(base, 24)
    chosen = train_params(epochs=10, learning_rate=0.05, batch_size=4, **changes)
    return train(model, layered, made[:18], made[18:], chosen, 0), model


def test_training_learns_keeps_the_best_epoch_and_repeats_itself(tiny: str) -> None:
    trained, model = run_training(tiny)
    losses = [point.train_loss for point in trained.curve]
    assert losses[-1] < 0.5 * losses[0]
    best = max(trained.curve, key=lambda point: (point.validation_accuracy, point.epoch))
    assert trained.best == best
    held = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(torch.equal(held[name], value) for name, value in trained.state.items())

    again, _ = run_training(tiny)
    assert all(torch.equal(again.state[name], value) for name, value in trained.state.items())
    other, _ = run_training(tiny, seed=1)
    assert not all(torch.equal(other.state[name], value) for name, value in trained.state.items())


def test_frozen_weights_stay_as_they_are(tiny: str) -> None:
    before = {name: value.clone() for name, value in load_base(tiny).state_dict().items()}
    _, model = run_training(tiny)
    after = model.get_base_model().state_dict()
    for name, value in before.items():
        kept = after.get(name, after.get(name.replace(".weight", ".base_layer.weight")))
        assert torch.equal(kept, value), name


def test_batches_hold_every_row_and_similar_lengths(tiny: str) -> None:
    made = examples(tiny, 24)
    found = batches(made, 4, random.Random(0))
    assert sorted(i for batch in found for i in batch) == list(range(24))
    lengths = [[len(made[i].ids) for i in batch] for batch in found]
    assert max(max(batch) - min(batch) for batch in lengths) <= 16
    assert found != batches(made, 4, random.Random(1))


def test_the_rate_rises_then_falls_to_nearly_nothing() -> None:
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.02


def test_tokens_without_weight_do_not_count() -> None:
    logits = torch.tensor([[9.0, 0.0], [0.0, 9.0]])
    targets = torch.tensor([0, 0])
    one = weighted_loss(logits, targets, torch.tensor([1.0, 0.0]))
    assert one.item() == pytest.approx(0.0, abs=1e-3)


def test_more_layers_than_the_base_has_is_told(tiny: str) -> None:
    with pytest.raises(UserError, match="the base has 2"):
        LayeredModel(load_base(tiny), 3)


def test_a_model_of_another_family_is_told() -> None:
    with pytest.raises(UserError, match=r"Linear has no `model\.layers`"):
        LayeredModel(torch.nn.Linear(1, 1), 1)


def test_greedy_answers_come_in_order_with_their_probability(tiny: str) -> None:
    model, tokenizer = load_base(tiny), load_tokenizer(tiny)
    texts = [row(i)["input"] for i in range(20)]
    together = answer(texts, model, tokenizer, 16, 4)
    assert all(0 <= reply.confidence <= 1 for reply in together)
    alone = [answer([text], model, tokenizer, 16, 4)[0] for text in texts[:3]]
    for one, other in zip(alone, together, strict=False):
        assert one.text == other.text
        assert one.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_a_card_with_a_gap_is_not_written() -> None:
    with pytest.raises(KeyError):
        model_card({"task": "colour"})


def test_a_base_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model there \(config.json is missing\)"):
        load_base(str(tmp_path))
