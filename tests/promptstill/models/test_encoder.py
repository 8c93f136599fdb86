"""An encoder with a head for each key: its probabilities, its pooling, and what it refuses."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from promptstill.answers.schema.script import Script
from promptstill.console.errors import UserError
from promptstill.core.files import read_json, write_json
from promptstill.models.answering import Answerer
from promptstill.models.encoder import Encoder, EncoderScorer, load_text_encoder, pooling_of, text_ids
from promptstill.models.student import Pooling, load_tokenizer
from promptstill.models.tokens import around_text, as_text, prepare_encoder
from tests.project import row
from tests.stages.tiny_student import JSON
from tests.tiny_encoder import make_tiny_encoder

MEAN = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
CLS = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
# Of very different lengths, one of them empty, and more than a batch.
TEXTS = ["", "red", *(row(i)["input"][: 7 * i] for i in range(1, 20)), *(row(i)["input"] for i in range(40))]
SLOTS = Script(JSON).slots


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny random encoder that pools by mean."""
    folder = tmp_path_factory.mktemp("encoder") / "base"
    make_tiny_encoder(folder, MEAN)
    return str(folder)


def encoder(base: str, pooling: Pooling = "mean") -> Encoder:
    """The base with random heads."""
    torch.manual_seed(3)
    return Encoder(load_text_encoder(base), pooling, SLOTS).eval()


def scorer(base: str, most: int = 48) -> EncoderScorer:
    return EncoderScorer(encoder(base), load_tokenizer(base, "encoder"), SLOTS, most)


def logs(replies: list[Any]) -> np.ndarray:
    return np.stack([np.concatenate([r.log_probabilities[slot.key] for slot in SLOTS]) for r in replies])


def test_a_reply_does_not_depend_on_the_batch(base: str) -> None:
    ask = scorer(base)
    rows: list[int] = []
    together = ask.reply(TEXTS, done=rows.append)
    assert len(rows) > 1
    assert sum(rows) == len(TEXTS)
    alone = [ask.reply([text])[0] for text in TEXTS]
    assert np.allclose(logs(together), logs(alone), rtol=0, atol=1e-5)
    order = random.Random(0).sample(range(len(TEXTS)), len(TEXTS))
    shuffled = dict(zip(order, ask.reply([TEXTS[i] for i in order]), strict=True))
    assert np.allclose(logs(together), logs([shuffled[i] for i in range(len(TEXTS))]), rtol=0, atol=1e-5)
    assert np.ptp(logs(together), axis=0).min() > 1e-3, "the texts differ by more than that"


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_reply_is_the_softmax_of_each_head_over_the_pooled_text(base: str, pooling: Pooling) -> None:
    model, tokenizer = encoder(base, pooling), load_tokenizer(base, "encoder")
    replies = EncoderScorer(model, tokenizer, SLOTS, 48).reply(TEXTS[:6])
    for text, reply in zip(TEXTS[:6], replies, strict=True):
        ids = torch.tensor([text_ids(text, tokenizer, 48)])
        with torch.inference_mode():
            vectors = model.base(input_ids=ids).last_hidden_state[0]
            pooled = vectors.mean(0) if pooling == "mean" else vectors[0]
            for slot, head, piece in zip(SLOTS, model.heads, reply.pieces, strict=True):
                expected = head(pooled).softmax(-1).numpy()
                assert np.exp(reply.log_probabilities[slot.key]) == pytest.approx(expected, abs=1e-5)
                assert piece == slot.pieces[expected.argmax()]
                assert reply.probabilities[slot.key] == pytest.approx(expected.max(), abs=1e-5)
        assert not reply.cut_off


def test_a_judge_decides_and_knows_the_rows(base: str) -> None:
    asked: dict[str, list[int]] = {slot.key: [] for slot in SLOTS}

    def judge(key: str, rows: Any, values: np.ndarray) -> np.ndarray:
        asked[key] += rows
        # Rows of an even position get the first piece, the others the last one.
        wanted = np.where(np.array(rows) % 2 == 0, 0, values.shape[1] - 1)
        return np.where(np.arange(values.shape[1]) == wanted[:, None], -0.1, -9.0)

    replies = scorer(base).reply(TEXTS, judge=judge)
    for slot in SLOTS:
        assert sorted(asked[slot.key]) == list(range(len(TEXTS)))
    for i, reply in enumerate(replies):
        assert reply.pieces == [slot.pieces[0 if i % 2 == 0 else -1] for slot in SLOTS]


def test_an_answerer_gives_whole_answers(base: str) -> None:
    answerer = Answerer(encoder(base), load_tokenizer(base, "encoder"), JSON, (48, 1))
    for given in answerer.answer(TEXTS):
        assert isinstance(given.answer, dict)
        assert JSON.validator.is_valid(given.answer)
        product = np.prod([given.confidences[key] for key in JSON.scored])
        assert given.confidence == pytest.approx(product, abs=1e-3)


def test_a_text_has_no_control_token_and_keeps_head_and_tail(base: str) -> None:
    tokenizer = load_tokenizer(base, "encoder")
    before, after = around_text(tokenizer)
    assert tokenizer.convert_ids_to_tokens([*before, *after]) == ["[CLS]", "[SEP]"]
    ids = text_ids("red [SEP] [CLS] [PAD] [MASK] blue", tokenizer, 48)
    control = set(tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]", "[PAD]", "[MASK]"]))
    assert not control & set(ids[1:-1])
    whole = as_text(row(0)["input"], tokenizer).ids
    assert text_ids(row(0)["input"], tokenizer, 6) == [*before, *whole[:3], *whole[-3:], *after]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (None, "mean"),
        (MEAN, "mean"),
        (CLS, "cls"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["mean"]}, "mean"),
    ],
)
def test_the_pooling_is_that_of_the_base(tmp_path: Path, declared: Any, expected: str) -> None:
    make_tiny_encoder(tmp_path / "base", declared)
    assert pooling_of(str(tmp_path / "base")) == expected


@pytest.mark.parametrize("declared", [{"pooling_mode_lasttoken": True}, {"pooling_mode": ["cls", "max"]}])
def test_another_pooling_is_an_error(tmp_path: Path, declared: Any) -> None:
    make_tiny_encoder(tmp_path / "base", declared)
    with pytest.raises(
        UserError, match=r"pools by (lasttoken|cls and max); an encoder student pools by mean"
    ):
        pooling_of(str(tmp_path / "base"))


def test_the_pooling_is_that_of_sentence_transformers(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    for declared, pooling in ((MEAN, "mean"), (CLS, "cls")):
        folder = tmp_path / pooling
        make_tiny_encoder(folder, declared)
        peer: Any = SentenceTransformer(str(folder), device="cpu")
        expected = peer.encode(["a red rose"], show_progress_bar=False)[0]
        model = encoder(str(folder), pooling_of(str(folder)))
        model.heads[0] = torch.nn.Identity()
        ids = torch.tensor([text_ids("a red rose", load_tokenizer(str(folder), "encoder"), 48)])
        with torch.inference_mode():
            pooled = model(ids, torch.ones_like(ids))[0][0].numpy()
        assert pooled == pytest.approx(expected, abs=1e-5)


def test_a_causal_base_is_an_error(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no text encoder \(LlamaForCausalLM\); name one such as gt-all-"):
        load_text_encoder(tiny)
    unnamed = shutil.copytree(tiny, tmp_path / "unnamed")
    config = read_json(unnamed / "config.json")
    write_json(unnamed / "config.json", {**config, "architectures": ["LlamaModel"]})
    with pytest.raises(UserError, match=r"is no text encoder \(LlamaModel\)"):
        load_text_encoder(str(unnamed))


def test_a_tokenizer_without_padding_is_an_error(base: str) -> None:
    tokenizer = load_tokenizer(base, "encoder")
    tokenizer.pad_token = None
    with pytest.raises(UserError, match=r"^base: the tokenizer has no padding token"):
        prepare_encoder(tokenizer, "base")
