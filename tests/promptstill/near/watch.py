"""Losing a node of a Ray cluster in the middle of its work."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

# Seconds.
PATIENCE = 60
# Tasks that end while all nodes are there; the others wait until a node is lost.
EARLY = 4


class Watch:
    """What tasks note in a folder, and the node that is lost while it works at one of them."""

    def __init__(self, folder: Path, nodes: Cluster) -> None:
        self.folder, self.nodes = folder, nodes
        folder.mkdir()

    def over(self, work: Callable[..., Any], number_of: Callable[[Any], int]) -> Callable[..., Any]:
        """The same work on a batch, noted when it begins and ends; a late task waits for the loss."""
        folder = self.folder

        def watched(batch: Any, *arguments: Any) -> Any:
            number, node = number_of(batch), ray.get_runtime_context().get_node_id()
            (folder / f"begun.{number}.{node}").write_text(str(os.getpid()))
            while number >= EARLY and not (folder / "lost").exists():
                time.sleep(0.02)
            result = work(batch, *arguments)
            (folder / f"done.{number}.{node}").touch()
            return result

        return watched

    def noted(self, what: str) -> set[tuple[int, str]]:
        """Numbers of tasks with the node on which they begun or were done."""
        notes = (path.name.split(".") for path in self.folder.glob(f"{what}.*"))
        return {(int(number), node) for _, number, node in notes}

    def after_the_first(self, parts: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """The same parts, with the loss of a node when the first has been taken."""

        def interrupted(*arguments: Any) -> Iterator[Any]:
            arriving = parts(*arguments)
            yield next(arriving)
            self._lose_a_node()
            yield from arriving

        return interrupted

    def _lose_a_node(self) -> None:
        """Kill a node at work, without warning, when early tasks are done and late ones wait."""
        deadline = time.monotonic() + PATIENCE
        while len(self.noted("done")) < EARLY or not self.noted("begun") - self.noted("done"):
            assert time.monotonic() < deadline, (self.noted("begun"), self.noted("done"))
            time.sleep(0.02)
        self.cut_short, self.lost = min(self.noted("begun") - self.noted("done"))
        self.before = {number for number, _ in self.noted("done")}
        (node,) = [node for node in self.nodes.worker_nodes if node.node_id == self.lost]
        self.nodes.remove_node(node, allow_graceful=False)
        # The node's own processes are gone; a lost machine takes its workers down in the same moment.
        for note in self.folder.glob(f"begun.*.{self.lost}"):
            with suppress(ProcessLookupError):
                os.kill(int(note.read_text()), signal.SIGKILL)
        (self.folder / "lost").touch()

    def assert_the_work_went_on_elsewhere(self, tasks: int) -> None:
        """The loss was in the middle, and what it cut short was done on another node."""
        done = self.noted("done")
        assert self.before == set(range(EARLY)), "no more and no fewer were done before the loss"
        assert {number for number, _ in done} == set(range(tasks))
        assert (self.cut_short, self.lost) not in done
        assert all(node != self.lost for number, node in done if number >= EARLY)
