"""The engine on a Ray cluster: missing texts and blocks of pairs in, vectors and decided pairs out.

This is the only module that imports Ray. It is imported inside functions, so that work in one process never
loads Ray.

Ray Data schedules the work and retries what a lost process or node took with it: it repeats a task as often
as needed, starts an encoder again elsewhere, and recomputes a result that was not yet fetched. These are its
defaults; `_configure` sets the rest. Results do not depend on the node or on the order, because an encoder
and a block of pairs run the same functions as work in one process does.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError

import promptstill
from promptstill.console.errors import UserError, one_line
from promptstill.core.resolve import model_hash, resolve
from promptstill.near.pairs import block_pairs, blocks_of
from promptstill.near.sketch import fastest, sketches
from promptstill.near.vectors import Near, Vectors, load_encoder

Batch = dict[str, NDArray[Any]]

# Texts and blocks per task: enough to outweigh the cost of a task, few enough that a lost node loses little.
TEXTS_A_TASK = 64
BLOCKS_A_TASK = 32


@contextmanager
def connected(where: str) -> Iterator[RayEngine]:
    """Join the cluster that `RAY_ADDRESS` names, or start one on this machine; leave it after the block.

    The cluster gets this project's code with the connection. Its nodes need the dependencies. Raises
    UserError, led by `where`, if the cluster cannot be reached.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    address = os.environ.get("RAY_ADDRESS") or "local"
    try:
        _knock(address)
        ray.init(
            address,
            runtime_env={"py_modules": [str(Path(promptstill.__file__).parent)]},
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise UserError(
            f"{where}: cannot join the Ray cluster {address} ({one_line(error)}); correct RAY_ADDRESS, set "
            "RAY_AUTH_MODE=token if it asks for a token, unset both to work on this machine, or set `local`"
        ) from None
    try:
        _configure()
        yield RayEngine()
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at `host:port`: Ray itself would keep trying for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _configure() -> None:
    """Settings of Ray Data for the datasets that are made from here on."""
    # An error is raised here, so its trace through Ray need not be printed as well.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # A block that fails by an error in the code ends the stage: skipping it would lose pairs silently.
    context.max_errored_blocks = 0
    # An encoder that dies while it loads is replaced. A lost node takes down all that were loading on it;
    # more deaths than there are cores mean that none can load.
    context.max_consecutive_actor_init_deaths = int(ray.cluster_resources().get("CPU", 1))
    # Without this, a UserError arrives wrapped and as text.
    context.raise_original_map_exception = True


class RayEngine:
    """The engine on the cluster that this process has joined."""

    def encode(self, texts: Sequence[str], model: str) -> Iterator[dict[str, Vectors]]:
        """Unit vectors by text, in parts, in the order in which they become ready.

        Raises UserError if a node lacks the model, or has other files under its name.
        """
        tasks = ceil(len(texts) / TEXTS_A_TASK)
        # Nodes have their own working directories, so a relative path would point elsewhere.
        name = str(Path(model).resolve()) if model.startswith(".") else model
        vectors = ray.data.from_items(
            [{"at": at, "text": text} for at, text in enumerate(texts)], override_num_blocks=tasks
        ).map_batches(
            Encoder,
            fn_constructor_args=(name, model_hash(model)),
            batch_size=None,
            # As many encoders as there are cores and tasks, and fewer when nodes are lost.
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=tasks),
            num_cpus=1,
        )
        for batch in _arriving(vectors):
            yield {texts[at]: vector for at, vector in zip(batch["at"], batch["vector"], strict=True)}

    def pairs(self, left: Vectors, right: Vectors | None, min_cosine: float) -> Iterator[Near]:
        """The pairs of `near_blocks`, in parts, in the order in which they become ready.

        A node receives vectors and sketches once, and its tasks share them.
        """
        # Nodes need not have a GPU, and every node must propose the same pairs.
        short = sketches(left, right, min_cosine, fastest(gpu=False))
        blocks = blocks_of(short)
        if not blocks:
            return
        decided = ray.data.from_items(
            [{"block": list(block)} for block in blocks],
            override_num_blocks=ceil(len(blocks) / BLOCKS_A_TASK),
        ).map_batches(
            _compare,
            fn_args=(*map(ray.put, (left, right, short)), min_cosine),
            batch_size=None,
            num_cpus=1,
        )
        for batch in _arriving(decided):
            yield batch["left"], batch["right"], batch["cosine"]


class Encoder:
    """A model in a process of its own, loaded once, that encodes batches of texts, one text at a time."""

    def __init__(self, model: str, expected: str) -> None:
        """Load the model; `expected` is the hash of its files where the stage runs."""
        self._problem: UserError | None = None
        try:
            if model_hash(model) != expected:
                raise UserError(f"{model}: other files than where the stage runs; install the same model")
            self._vector = load_encoder(resolve(model))
        except (UserError, OSError, ImportError) as error:
            # An actor that fails to start reports only its traceback, so the first batch raises this instead.
            self._problem = UserError(
                f"a node of the Ray cluster cannot load the encoder ({ray.util.get_node_ip_address()}): "
                f"{one_line(error)}"
            )

    def __call__(self, batch: Batch) -> Batch:
        """Add `vector`, of shape (texts, dimension), float32."""
        import torch

        if self._problem:
            raise self._problem
        torch.set_num_threads(1)
        return {"at": batch["at"], "vector": np.stack([self._vector(text) for text in batch["text"]])}


def _compare(
    batch: Batch, left: ray.ObjectRef, right: ray.ObjectRef, short: ray.ObjectRef, min_cosine: float
) -> Batch:
    vectors, others, both = ray.get([left, right, short])
    near = block_pairs(vectors, others, both, min_cosine, batch["block"].tolist())
    return dict(zip(("left", "right", "cosine"), near, strict=True))


def _arriving(dataset: ray.data.Dataset) -> Iterator[Batch]:
    """The dataset's batches as they become ready. Raises UserError as work in one process does."""
    try:
        yield from dataset.iter_batches(batch_size=None, batch_format="numpy")
    except RayTaskError as error:
        if isinstance(error.cause, UserError):
            # Ray Data adds lines about its settings to the message.
            raise UserError(str(error.cause).splitlines()[0]) from None
        raise
