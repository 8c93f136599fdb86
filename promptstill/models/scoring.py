"""What a model gives to texts, slot by slot: exact probabilities of listed values, and free values decoded.

One forward pass for each closed slot computes the probabilities of all its values: the tokens of its trie
are beside each other behind the text, and a mask lets each see only those that it continues. Only free values
are decoded, token by token and under the grammar of the schema.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache

from promptstill.models.batches import batches
from promptstill.models.choices import Choices
from promptstill.models.grammar import Writer
from promptstill.models.reply import Judge, Reply, implied, take, undecided
from promptstill.models.student import input_ids
from promptstill.models.tokens import around_input, as_text

# Where a prompt has the text.
INPUT = "{input}"
# Rows and tokens of a batch, at most.
BATCH = 48
BATCH_TOKENS = 16_384
# Logits of a batch, at most, which bounds memory.
BATCH_LOGITS = 2**26


class Scorer:
    """A model with the slots of a task's answers. A `prompt` has the text around `{input}`."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401
        tokenizer: Any,  # noqa: ANN401
        choices: Sequence[Choices],
        writers: Sequence[Writer | None],
        max_input_tokens: int,
        max_answer_tokens: int,
        prompt: str = INPUT,
    ) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._slots = list(zip(choices, writers, strict=True))
        self._limits = max_input_tokens, max_answer_tokens
        head, _, tail = prompt.partition(INPUT)
        before, after = around_input(tokenizer)
        self._shared = before + as_text(head, tokenizer).ids
        self._after = as_text(tail, tokenizer).ids + after
        self._prefix = DynamicCache()
        if self._shared:
            with torch.inference_mode():
                ids = torch.tensor([self._shared], device=model.device)
                model(input_ids=ids, past_key_values=self._prefix, logits_to_keep=1)

    def reply(
        self,
        texts: Sequence[str],
        done: Callable[[int], object] | None = None,
        judge: Judge = undecided,
        slots: int | None = None,
    ) -> list[Reply]:
        """Replies in the order of `texts`. `judge` may change the probabilities of a closed slot before the
        most probable piece is taken. `done` is called with the number of rows of each answered batch. Only
        the first `slots` are answered, or all."""
        own = [input_ids(text, self._tokenizer, self._limits[0]) + self._after for text in texts]
        replies = [Reply() for _ in texts]
        # A closed slot takes one pass, and a free one a pass for each token that it may have.
        passes = sum(1 if writer is None else self._limits[1] for _, writer in self._slots[:slots])
        for batch in batches([len(ids) for ids in own], self._rows, passes):
            with torch.inference_mode():
                self._answer([own[i] for i in batch], batch, [replies[i] for i in batch], judge, slots)
            if done is not None:
                done(len(batch))
        return replies

    def _rows(self, tokens: int) -> int:
        """The most rows of a batch whose longest input has this length."""
        nodes = 1 + max(len(choices.nodes) for choices, _ in self._slots)
        width = self._model.get_output_embeddings().weight.shape[0]
        most = min(BATCH_TOKENS // (len(self._shared) + tokens + nodes), BATCH_LOGITS // (nodes * width))
        return int(max(1, min(BATCH, most)))

    def _answer(
        self,
        own: list[list[int]],
        rows: Sequence[int],
        replies: list[Reply],
        judge: Judge,
        slots: int | None,
    ) -> None:
        state = _State(self._model, self._prefix, len(self._shared), len(own))
        pending = own
        for choices, writer in self._slots[:slots]:
            if writer is None:
                pending = self._choose(state, pending, choices, rows, replies, judge)
            else:
                pending = self._write(state, pending, choices, writer, replies)

    def _choose(
        self,
        state: _State,
        pending: list[list[int]],
        choices: Choices,
        rows: Sequence[int],
        replies: list[Reply],
        judge: Judge,
    ) -> list[list[int]]:
        """Answer a closed slot; return the tokens that the choices add."""
        if all(implied(choices.slot, reply) is not None for reply in replies):
            take(choices.slot, np.zeros((len(replies), len(choices.slot.pieces))), replies)
            return pending
        free = [implied(choices.slot, reply) is None for reply in replies]
        # A row is read only where its next value is decided: what precedes that value must be read with it.
        logits = state.read(
            [chain if is_free else [] for chain, is_free in zip(pending, free, strict=True)], choices
        )
        values = judge(choices.slot.key, rows, choices.log_probabilities(logits))
        taken = take(choices.slot, values, replies)
        return [
            list(choices.sequences[best]) if is_free else chain
            for best, is_free, chain in zip(taken, free, pending, strict=True)
        ]

    def _write(
        self,
        state: _State,
        pending: list[list[int]],
        choices: Choices,
        writer: Writer,
        replies: list[Reply],
    ) -> list[list[int]]:
        """Decode a free slot; return the tokens that are not read yet."""
        known = [implied(choices.slot, reply) for reply in replies]
        open_rows = {i for i, piece in enumerate(known) if piece is None}
        values = [writer.begin() for _ in replies]
        written: list[list[int]] = [[] for _ in replies]
        sums = [0.0] * len(replies)
        # What precedes a value that is not decoded here is read with the next value that is.
        last = [[] if piece is None else chain for chain, piece in zip(pending, known, strict=True)]
        pending = [chain if piece is None else [] for chain, piece in zip(pending, known, strict=True)]
        while open_rows:
            logits = state.read(pending)[:, 0].float()
            pending = [[] for _ in replies]
            for i in sorted(open_rows):
                allowed = values[i].allow(logits[i])
                token = int(allowed.argmax())
                sums[i] += float(allowed[token] - allowed.logsumexp(-1))
                if token != choices.end:
                    written[i].append(token)
                    values[i].take(token)
                    replies[i].cut_off |= len(written[i]) >= self._limits[1]
                if token == choices.end or replies[i].cut_off:
                    # Read with the next slot: the logits after it are those of that slot's first token.
                    last[i] = [token]
                    open_rows.remove(i)
                else:
                    pending[i] = [token]
        for reply, piece, tokens, total in zip(replies, known, written, sums, strict=True):
            text = self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
            reply.pieces.append(text if piece is None else piece)
            reply.probabilities[choices.slot.key] = math.exp(total)
        return last


class _State:
    """What a model's attention keeps of the tokens of a batch, and which of them each row sees."""

    def __init__(self, model: Any, prefix: DynamicCache, shared: int, rows: int) -> None:  # noqa: ANN401
        self._model = model
        self._cache = deepcopy(prefix)
        if shared:
            self._cache.batch_repeat_interleave(rows)
        self._seen = torch.ones(rows, shared, dtype=torch.bool)
        self._places = torch.arange(shared).expand(rows, -1)

    def read(self, chains: list[list[int]], choices: Choices | None = None) -> Tensor:
        """Logits of shape (rows, 1 + nodes, vocabulary) after each row's further tokens, and after each of
        the nodes of `choices`, which continue them. The position of a node is after that of the node that it
        continues.

        The chains stay read, the nodes do not.
        """
        nodes = () if choices is None else choices.nodes
        continues = torch.ones(0, 0, dtype=torch.bool) if choices is None else choices.continues
        width, count = max(len(chain) for chain in chains), len(nodes)
        # Chains end at the same place, so padding is on their left.
        ids = torch.tensor([[0] * (width - len(chain)) + chain for chain in chains])
        real = torch.tensor([[False] * (width - len(c)) + [True] * len(c) for c in chains])
        places = (self._seen.sum(1, keepdim=True) + real.cumsum(1) - 1).clamp(min=0)
        tails = torch.tensor([node[-1] for node in nodes], dtype=torch.long).expand(len(chains), -1)
        depths = torch.tensor([len(node) for node in nodes], dtype=torch.long)
        of_nodes = places[:, -1:] + depths
        mask = self._mask(real, continues, torch.cat([places, of_nodes], dim=1))
        device = self._model.device
        logits: Tensor = self._model(
            input_ids=torch.cat([ids, tails], dim=1).to(device),
            position_ids=torch.cat([places, of_nodes], dim=1).to(device),
            attention_mask=mask,
            past_key_values=self._cache,
            logits_to_keep=count + 1,
        ).logits
        if count:
            self._cache.crop(-count)
        self._seen = torch.cat([self._seen, real], dim=1)
        self._places = torch.cat([self._places, places], dim=1)
        return logits

    def _mask(self, real: Tensor, continues: Tensor, places: Tensor) -> Any:  # noqa: ANN401
        """Which keys each query sees, added to the scores; by kind of layer, where a model has several."""
        rows, width = real.shape
        count = len(continues)
        # Queries are the chain and the nodes, keys what was read before and these.
        among_chain = real[:, None, :] & torch.ones(width, width, dtype=torch.bool).tril()
        of_chain = functional.pad(among_chain, (0, count))
        of_nodes = torch.cat(
            [
                real[:, None, :].expand(-1, count, -1),
                continues.view(1, count, count).expand(rows, -1, -1),
            ],
            dim=2,
        )
        before = self._seen[:, None, :].expand(-1, width + count, -1)
        full = torch.cat([before, torch.cat([of_chain, of_nodes], dim=1)], dim=2)
        config = self._model.config.get_text_config(decoder=True)
        window = getattr(config, "sliding_window", None)
        keys = torch.cat([self._places, places], dim=1)
        near = full if window is None else full & (places[:, :, None] - keys[:, None, :] < window)
        kinds = set(getattr(config, "layer_types", None) or ())
        if not kinds:
            return self._additive(near)
        return {kind: self._additive(near if kind == "sliding_attention" else full) for kind in kinds}

    def _additive(self, visible: Tensor) -> Tensor:
        lowest = torch.finfo(self._model.dtype).min
        mask = torch.zeros(visible.shape, dtype=self._model.dtype).masked_fill(~visible, lowest)
        return mask[:, None].to(self._model.device)
