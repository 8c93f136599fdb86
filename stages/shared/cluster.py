"""Missing texts and blocks of pairs in, vectors and decided pairs out, computed on a Ray cluster.

The only module that imports Ray; import it inside functions, so that the local engine never loads Ray.

Ray Data schedules, and retries what a lost process or node took with it: a task as often as it takes, an
encoder by starting it again elsewhere, a result that was computed but not yet fetched by computing it anew.
These are its defaults; `connected` sets those that are not. What comes back depends on neither node nor
order: an encoder and a block of pairs are the same functions that the local engine calls.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data
from numpy.typing import NDArray
from ray.exceptions import RayError, RayTaskError

import stages
from stages.shared.embeddings import Vectors, load_encoder
from stages.shared.errors import UserError, one_line
from stages.shared.models import model_hash, resolve

Batch = dict[str, NDArray[Any]]
Near = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
Block = tuple[int, int, int, int]

# Many to a task, because a task has a cost; not too many, because a lost node loses what it was at.
TEXTS_A_TASK = 64
BLOCKS_A_TASK = 32


@contextmanager
def connected(where: str) -> Iterator[None]:
    """Join the cluster that `RAY_ADDRESS` names, else start one on this machine; leave it after the block.

    The cluster gets this project's code with the connection; its nodes need the dependencies. Raises
    UserError, led by `where`, for a cluster that cannot be reached.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    address = os.environ.get("RAY_ADDRESS") or "local"
    try:
        _knock(address)
        ray.init(
            address,
            runtime_env={"py_modules": [str(Path(stages.__file__).parent)]},
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
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at `host:port`: Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _configure() -> None:
    """Settings of Ray Data for the datasets made from here on."""
    # An error is raised here, so that its trace through Ray need not be printed as well.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # A block that fails by an error of the code ends the stage: leaving it out would lose pairs silently.
    context.max_errored_blocks = 0
    # An encoder that dies while it loads is replaced. A lost node takes all that loaded on it; more than
    # there are cores means that none can load.
    context.max_consecutive_actor_init_deaths = int(ray.cluster_resources().get("CPU", 1))
    # Without this a UserError arrives wrapped, as text.
    context.raise_original_map_exception = True


def encode(texts: Sequence[str], model: str) -> Iterator[dict[str, Vectors]]:
    """Unit vectors by text, in parts, in the order in which they are ready.

    Raises UserError where a node has not the model, or has other weights under its name.
    """
    tasks = ceil(len(texts) / TEXTS_A_TASK)
    # Nodes have working directories of their own, so that a relative path would lead astray.
    name = str(Path(model).resolve()) if model.startswith(".") else model
    vectors = ray.data.from_items(
        [{"at": at, "text": text} for at, text in enumerate(texts)], override_num_blocks=tasks
    ).map_batches(
        Encoder,
        fn_constructor_args=(name, model_hash(resolve(model))),
        batch_size=None,
        # As many as there are cores and tasks for, and fewer again where nodes are lost.
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=tasks),
        num_cpus=1,
    )
    for batch in _arriving(vectors):
        yield {texts[at]: vector for at, vector in zip(batch["at"], batch["vector"], strict=True)}


class Encoder:
    """A model in a process of its own, loaded once, that encodes batches of texts one text at a time."""

    def __init__(self, model: str, expected: str) -> None:
        """Load the model; `expected` is the hash of its weights where the stage runs."""
        self._problem: UserError | None = None
        try:
            folder = resolve(model)
            if model_hash(folder) != expected:
                raise UserError(f"{model}: other weights than where the stage runs; install the same model")
            self._vector = load_encoder(folder)
        except (UserError, OSError, ImportError) as error:
            # An actor that fails to start only tells its traceback: the first batch tells this instead.
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


def pairs(
    block_pairs: Callable[..., Near],
    left: Vectors,
    right: Vectors | None,
    short: object,
    threshold: float,
    blocks: Sequence[Block],
) -> Iterator[Near]:
    """What `block_pairs(left, right, short, threshold, blocks)` finds, in parts, in the order in which they
    are ready. A node gets vectors and sketches once, and its tasks share them.
    """
    if not blocks:
        return
    found = ray.data.from_items(
        [{"block": list(block)} for block in blocks], override_num_blocks=ceil(len(blocks) / BLOCKS_A_TASK)
    ).map_batches(
        _compare,
        fn_args=(block_pairs, *map(ray.put, (left, right, short)), threshold),
        batch_size=None,
        num_cpus=1,
    )
    for batch in _arriving(found):
        yield batch["left"], batch["right"], batch["cosine"]


def _compare(
    batch: Batch,
    block_pairs: Callable[..., Near],
    left: ray.ObjectRef,
    right: ray.ObjectRef,
    short: ray.ObjectRef,
    threshold: float,
) -> Batch:
    found = block_pairs(*ray.get([left, right, short]), threshold, batch["block"].tolist())
    return dict(zip(("left", "right", "cosine"), found, strict=True))


def _arriving(dataset: ray.data.Dataset) -> Iterator[Batch]:
    """The dataset's batches as they are ready; an error that a user can fix comes as on one machine."""
    try:
        yield from dataset.iter_batches(batch_size=None, batch_format="numpy")
    except RayTaskError as error:
        if isinstance(error.cause, UserError):
            # Ray Data adds lines about its settings to the message.
            raise UserError(str(error.cause).splitlines()[0]) from None
        raise
