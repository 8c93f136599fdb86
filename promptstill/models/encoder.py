"""A text encoder with a linear head for each slot: a text in, the probabilities of all listed values out.

Every head reads the same vector of the text and nothing else. So the probabilities of a key do not depend on
the values of the other keys, and one pass over the text answers them all. All is in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from promptstill.answers.schema.script import Slot
from promptstill.console.errors import UserError
from promptstill.core.files import read_json
from promptstill.core.resolve import ENCODER_WHEEL, resolve
from promptstill.models.batches import batches
from promptstill.models.reply import Judge, Reply, take, undecided
from promptstill.models.stored import damaged, read_arrays
from promptstill.models.student import Pooling, Student, input_ids, with_adapter
from promptstill.models.tokens import around_text

HEADS = "heads.safetensors"
# Rows and tokens of a batch, at most. A processor gains little from many tokens at once.
BATCH = 48
BATCH_TOKENS = 2048


class Encoder(nn.Module):
    """A text encoder, which may have an adapter, and the heads of `slots`."""

    def __init__(self, base: Any, pooling: Pooling, slots: Sequence[Slot]) -> None:  # noqa: ANN401
        super().__init__()
        self.base, self.pooling = base, pooling
        width = base.config.hidden_size
        self.heads = nn.ModuleList(nn.Linear(width, len(slot.pieces)) for slot in slots).to(base.device)

    @classmethod
    def load(cls, folder: Path, student: Student, slots: Sequence[Slot]) -> Self:
        """The encoder whose adapter and heads are in `folder`, which `student` describes.

        Raises UserError if the heads are missing, damaged or of other slots.
        """
        base = with_adapter(load_text_encoder(student["base"]), folder)
        made = cls(base, cast(Pooling, student["pooling"]), slots)
        stored = {name: torch.from_numpy(array) for name, array in read_arrays(folder / HEADS).items()}
        expected = {name: (value.shape, value.dtype) for name, value in made.heads.state_dict().items()}
        if {name: (value.shape, value.dtype) for name, value in stored.items()} != expected:
            damaged(folder / HEADS, "its arrays are not those of the answer schema")
        made.heads.load_state_dict(stored)
        return made.eval()

    @property
    def device(self) -> torch.device:
        """Where the inputs belong."""
        device: torch.device = self.base.device
        return device

    def forward(self, ids: Tensor, seen: Tensor) -> list[Tensor]:
        """Logits of each slot, shape (rows, pieces), from ids of shape (rows, length). `seen` has the same
        shape, and is 0 for padding and for tokens that are hidden, else 1."""
        vectors = self.base(input_ids=ids, attention_mask=seen).last_hidden_state
        if self.pooling == "cls":
            pooled = vectors[:, 0]
        else:
            pooled = (vectors * seen[..., None]).sum(1) / seen.sum(1, keepdim=True)
        return [head(pooled) for head in self.heads]

    def save_pretrained(self, folder: Path, **how: Any) -> None:  # noqa: ANN401
        """Write the adapter as peft does, and the heads, which have the numbers of their slots as names."""
        self.base.save_pretrained(folder, **how)
        heads = {name: value.cpu().contiguous() for name, value in self.heads.state_dict().items()}
        save_file(heads, folder / HEADS)


class EncoderScorer:
    """An encoder with the slots of its heads."""

    def __init__(self, model: Encoder, tokenizer: Any, slots: Sequence[Slot], max_input_tokens: int) -> None:  # noqa: ANN401
        self._model, self._tokenizer, self._slots = model, tokenizer, slots
        self._max_input_tokens = max_input_tokens

    def reply(
        self,
        texts: Sequence[str],
        done: Callable[[int], object] | None = None,
        judge: Judge = undecided,
        slots: int | None = None,
    ) -> list[Reply]:
        """Replies in the order of `texts`. `judge` may change the probabilities of a slot before the most
        probable piece is taken. `done` is called with the number of rows of each answered batch. Only the
        first `slots` are answered, or all."""
        ids = [text_ids(text, self._tokenizer, self._max_input_tokens) for text in texts]
        replies = [Reply() for _ in texts]
        for batch in batches([len(row) for row in ids], most_rows, passes=1):
            with torch.inference_mode():
                inputs = padded([ids[i] for i in batch], self._tokenizer.pad_token_id)
                logits = self._model(*(part.to(self._model.device) for part in inputs))
            for slot, of_slot in list(zip(self._slots, logits, strict=True))[:slots]:
                values = of_slot.double().log_softmax(-1).cpu().numpy()
                take(slot, judge(slot.key, batch, values), [replies[i] for i in batch])
            if done is not None:
                done(len(batch))
        return replies


def most_rows(tokens: int) -> int:
    """The most rows of a batch whose longest text has this number of tokens."""
    return max(1, min(BATCH, BATCH_TOKENS // tokens))


def text_ids(text: str, tokenizer: Any, max_input_tokens: int) -> list[int]:  # noqa: ANN401
    """Token ids of a text between the special tokens of the encoder."""
    before, after = around_text(tokenizer)
    return before + input_ids(text, tokenizer, max_input_tokens) + after


def padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Token ids padded to the right, and 1 where a token is and 0 where padding is; both of shape (rows,
    longest)."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows])
    seen = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, seen


def load_text_encoder(base: str) -> Any:  # noqa: ANN401
    """The text encoder by name, in float32 and in evaluation mode, on the GPU if there is one.

    Raises UserError for a model that writes text: its tokens do not see those after them, or it needs a
    second text.
    """
    folder = resolve(base)
    import transformers

    transformers.utils.logging.disable_progress_bar()
    config = transformers.AutoConfig.from_pretrained(folder)
    if not config.is_encoder_decoder:
        model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        if _looks_ahead(model):
            return model
    raise UserError(
        f"train.base: {base} is no text encoder ({', '.join(config.architectures or [])}); name one such as "
        f"{ENCODER_WHEEL}, or set train.student to causal"
    )


def _looks_ahead(model: Any) -> bool:  # noqa: ANN401
    """Whether a token's vector depends on the token after it."""
    ids = torch.tensor([[10, 11], [10, 12]], device=model.device)
    with torch.inference_mode():
        first = model(input_ids=ids).last_hidden_state[:, 0]
    return not torch.allclose(first[0], first[1], atol=1e-6)


def pooling_of(base: str) -> Pooling:
    """The pooling that the base declares in its files of sentence-transformers; if it declares none, the
    mean, which is the default there. Raises UserError for any other pooling."""
    folder = Path(resolve(base))
    modules = read_json(folder / "modules.json") if (folder / "modules.json").exists() else []
    places = [part["path"] for part in modules if part["type"].rpartition(".")[2] == "Pooling"]
    declared = read_json(folder / places[0] / "config.json") if places else {}
    # Older files have a switch for each pooling instead of its name.
    on = [key for key, value in declared.items() if key.startswith("pooling_mode_") and value]
    switched = [key.removeprefix("pooling_mode_").removesuffix("s").removesuffix("_token") for key in on]
    named = declared.get("pooling_mode", switched)
    names = [named] if isinstance(named, str) else list(named)
    if names in ([], ["mean"]):
        return "mean"
    if names == ["cls"]:
        return "cls"
    raise UserError(
        f"train.base: {base} pools by {' and '.join(names)}; an encoder student pools by mean or cls, so use "
        "another base"
    )
