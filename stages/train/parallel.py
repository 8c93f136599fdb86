"""Training in several processes that share every batch, one GPU each.

`train` starts them itself (`train.processes`). Another launcher that sets RANK and WORLD_SIZE, such as
`accelerate launch` or `torchrun`, works too. Each process has the whole student and reads all rows. It
computes the gradients of its part of a batch, and the sums over all processes are the gradients of the batch.
So all processes take the same steps, and only the first one writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, distributed

from promptstill.console.errors import UserError
from stages.train.launch import LEFT_ALONE

Item = TypeVar("Item")


def size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this process among them; the first one is 0."""
    return int(os.environ.get("RANK", "0"))


def join(processes: int) -> None:
    """Meet the other processes, if there are any, and take a GPU of this machine, if it has any.

    Raises UserError unless there are as many processes as the params say, and as many GPUs as processes of
    this machine.
    """
    if size() != processes:
        raise UserError(
            f"train.processes: is {processes}, but {size()} were started; make both numbers the same"
        )
    if size() == 1:
        return
    here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if 0 < gpus < here:
        raise UserError(f"train.processes: {here} on this machine, but it has {gpus} GPU; lower it")
    if gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo")


def leave() -> None:
    """The end of the shared work. Only the first process goes on."""
    if size() > 1:
        distributed.destroy_process_group()
        if rank():
            raise SystemExit(0)


def own(items: Sequence[Item]) -> Sequence[Item]:
    """The part of a sequence that this process has: every one of `size()`, so that parts differ by at most
    one item."""
    return items[rank() :: size()]


def first_alone(act: Callable[[], Item]) -> Item:
    """What `act` returns. The other processes call it after the first one has, so that what it writes is
    there and complete."""
    if rank():
        add_up(torch.zeros(1))
        return act()
    made = act()
    add_up(torch.zeros(1))
    return made


def from_first(text: str) -> str:
    """The text that the first process has, in all of them."""
    if size() == 1:
        return text
    texts = [text]
    distributed.broadcast_object_list(texts, device=torch.device("cpu"))
    return texts[0]


def require_same(step: int, checkpoint: Path) -> None:
    """Raise UserError unless all processes go on after the same step."""
    # n times the sum of the squares is the square of the sum only if all numbers are equal.
    sums = torch.tensor([step, step**2], dtype=torch.float64)
    add_up(sums)
    if sums[0] ** 2 != size() * sums[1]:
        raise UserError(
            f"{checkpoint}: not all processes have this checkpoint; remove it, or put it where all of them "
            "read it (PROMPTSTILL_HOME)"
        )


def add_up(tensor: Tensor) -> None:
    """Replace a tensor by its sum over all processes. If another process has failed, this one ends."""
    if size() == 1:
        return
    try:
        distributed.all_reduce(tensor)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:
        raise SystemExit(LEFT_ALONE) from None


def add_up_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace the gradients of a step by their sums over all processes, one of which may have had no row."""
    if size() == 1:
        return
    adapter = list(parameters)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in adapter]
    # One message for all of them.
    whole = torch.cat([gradient.flatten() for gradient in gradients])
    add_up(whole)
    parts = torch.split(whole, [gradient.numel() for gradient in gradients])
    for parameter, part in zip(adapter, parts, strict=True):
        parameter.grad = part.view_as(parameter)
