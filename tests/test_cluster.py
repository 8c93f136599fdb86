"""Engine `ray` on a real cluster of several nodes, which loses one in the middle of its work."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import ray
import yaml
from ray.cluster_utils import Cluster

from stages.shared import cluster, embeddings, similarity
from stages.shared.embeddings import Vectors, embed
from stages.shared.engine import running
from stages.shared.errors import UserError
from stages.shared.similarity import blocks_of, meaning_pairs
from stages.shared.sketch import sketches
from tests.project import LABELS, REPOSITORY, make_project, row, write, write_lines
from tests.test_dedupe import ENCODER, kept, unit

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")

WHERE = "params.yaml: colour.dedupe.engine"
PATIENCE = 60
# Tasks that end while all nodes are there; the others wait until one is lost.
EARLY = 4
# Ray notices within seconds what would take it half a minute: a node that is lost, a copy that went with it.
IMPATIENT = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 400,
    "health_check_failure_threshold": 2,
    "object_manager_pull_timeout_ms": 500,
}


ODD = ["a\0", "电饭煲", "e\u0301 "]
ROWS = [
    kept(i) | {"input": text, "status": "kept", "label": LABELS[i % 3]}
    for i, text in enumerate([*(row(i)["input"] for i in range(47)), *ODD])
]


class Built(NamedTuple):
    """What a stage left: the folder with its cache, the lines it printed and the content of its outs."""

    home: Path
    told: list[str]
    outs: dict[str, bytes]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A cluster that this process has joined: a head that takes no tasks, and nodes of one core."""
    with pytest.MonkeyPatch.context() as patch:
        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": IMPATIENT}
        made = Cluster(initialize_head=True, head_node_args=head)
        patch.setenv("RAY_ADDRESS", made.address)
        try:
            _replace_lost(made)
            with running("ray", WHERE):
                yield made
        finally:
            made.shutdown()


@pytest.fixture
def two_nodes(nodes: Cluster) -> Cluster:
    """The cluster with two nodes, also when the test before has lost one."""
    _replace_lost(nodes)
    return nodes


def _replace_lost(nodes: Cluster) -> None:
    for _ in range(2 - len(nodes.worker_nodes)):
        nodes.add_node(num_cpus=1, wait=False)
    nodes.wait_for_nodes()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """Stage dedupe over the same rows with either engine; `ray` starts a cluster of its own."""

    def build(engine: str) -> Built:
        project = tmp_path_factory.mktemp(engine)
        make_project(project)
        document = yaml.safe_load((project / "params.yaml").read_text())
        document["colour"]["dedupe"] |= {"engine": engine, "meaning": 0.7, "text": 0.3}
        write(project / "params.yaml", yaml.safe_dump(document))
        write_lines(project / "data/validate/colour/rows.jsonl", ROWS)
        stage = "import sys; from stages.dedupe.__main__ import main; main('colour')"
        home = {"PYTHONPATH": str(REPOSITORY), "PROMPTSTILL_HOME": str(project / ".still"), "RAY_ADDRESS": ""}
        ended = subprocess.run(
            [sys.executable, "-c", f"{stage}; print('ray' in sys.modules)"],
            cwd=project,
            env=os.environ | home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        files = [
            path for name in ("data/dedupe", "metrics") for path in sorted((project / name).rglob("*.*"))
        ]
        outs = {str(path.relative_to(project)): path.read_bytes() for path in files}
        return Built(project / ".still", ended.stdout.splitlines(), outs)

    with ThreadPoolExecutor() as pool:
        return dict(zip(("local", "ray"), pool.map(build, ("local", "ray")), strict=True))


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
            found = work(batch, *arguments)
            (folder / f"done.{number}.{node}").touch()
            return found

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


def test_pairs_are_the_same_when_a_node_is_lost(
    two_nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, others = unit(200, 16, 3), unit(70, 16, 4)
    monkeypatch.setattr(similarity, "BLOCK", 50)
    local = meaning_pairs(vectors, None, 0.2), meaning_pairs(vectors, others, 0.2)
    number = {block: number for number, block in enumerate(blocks_of(sketches(vectors, None, 0.2)))}
    watch = Watch(tmp_path / "watch", two_nodes)
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "BLOCKS_A_TASK", 1)
        patch.setattr(
            cluster, "_compare", watch.over(cluster._compare, lambda batch: number[tuple(batch["block"][0])])
        )
        patch.setattr(cluster, "pairs", watch.after_the_first(cluster.pairs))
        found = meaning_pairs(vectors, None, 0.2, "ray")
    watch.assert_the_work_went_on_elsewhere(tasks=len(number))
    for got, expected in ((found, local[0]), (meaning_pairs(vectors, others, 0.2, "ray"), local[1])):
        assert len(expected[0]) > 1000
        assert [part.dtype for part in got] == [part.dtype for part in expected]
        assert [part.tobytes() for part in got] == [part.tobytes() for part in expected]
    assert [len(part) for part in meaning_pairs(vectors, others[:0], 0.2, "ray")] == [0, 0, 0]


def test_vectors_are_the_same_when_a_node_is_lost(
    two_nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the model is a fake, which loads at once; `built` has the real one."""

    def vector(text: str) -> Vectors:
        return np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint8).astype(np.float32)

    watch = Watch(tmp_path / "watch", two_nodes)
    encode = watch.over(
        lambda batch, encoder: cluster.Encoder.__call__(encoder, batch),
        lambda batch: int(batch["at"][0]) // 5,
    )

    class Watched(cluster.Encoder):
        def __init__(self, *_: str) -> None:
            self._problem, self._vector = None, vector

        def __call__(self, batch: cluster.Batch) -> Any:
            return encode(batch, self)

    texts = [one["input"] for one in ROWS]
    monkeypatch.setenv("PROMPTSTILL_HOME", str(tmp_path))
    monkeypatch.setattr(cluster, "TEXTS_A_TASK", 5)
    monkeypatch.setattr(cluster, "Encoder", Watched)
    monkeypatch.setattr(cluster, "encode", watch.after_the_first(cluster.encode))
    found = embed(texts, ENCODER, "ray")
    watch.assert_the_work_went_on_elsewhere(tasks=len(texts) // 5)
    expected = np.stack([vector(text) for text in texts])
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()

    monkeypatch.setattr(embeddings, "_encode", None)
    assert embed(texts, ENCODER, "ray").tobytes() == expected.tobytes(), "all are in the cache"


def test_vectors_that_arrived_outlive_the_stage(
    nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts(texts: list[str], *_: Any) -> Iterator[Any]:
        yield {texts[0]: unit(1, 4, 0)[0]}
        raise KeyboardInterrupt

    monkeypatch.setenv("PROMPTSTILL_HOME", str(tmp_path))
    monkeypatch.setattr(cluster, "encode", parts)
    with pytest.raises(KeyboardInterrupt):
        embed(["a", "b"], ENCODER, "ray")
    monkeypatch.setattr(embeddings, "_encode", None)
    assert embed(["a"], ENCODER).tobytes() == unit(1, 4, 0).tobytes()


def test_a_node_without_the_model_is_told_in_one_line(
    nodes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "resolve", str)
    with pytest.raises(UserError) as told:
        list(cluster.encode(["a"], "/nowhere"))
    assert re.fullmatch(
        r"a node of the Ray cluster cannot load the encoder \([\d.]+\): /nowhere: no model there "
        r"\(config.json is missing\); correct the path in params.yaml",
        str(told.value),
    )


def test_a_node_with_another_model_of_that_name_is_told(nodes: Cluster) -> None:
    encoder = cluster.Encoder(ENCODER, expected="hash of the weights where the stage runs")
    with pytest.raises(UserError, match=f"{ENCODER}: other weights than where the stage runs"):
        encoder({})


def test_a_stage_writes_the_same_bytes_with_either_engine(
    built: dict[str, Built], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(built["local"].outs) == 5
    assert built["local"].outs["data/dedupe/colour/removed.jsonl"]
    assert built["local"].outs == built["ray"].outs
    assert built["local"].told[:-1] == built["ray"].told[:-1], "Ray prints nothing"
    monkeypatch.setattr(embeddings, "_encode", None)
    vectors = []
    for engine in ("local", "ray"):
        monkeypatch.setenv("PROMPTSTILL_HOME", str(built[engine].home))
        vectors.append(embed([one["input"] for one in ROWS], ENCODER).tobytes())
    assert vectors[0] == vectors[1]


def test_the_local_engine_never_loads_ray(built: dict[str, Built]) -> None:
    assert {engine: one.told[-1] for engine, one in built.items()} == {"local": "False", "ray": "True"}


def test_ray_that_is_not_installed_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError) as told, running("ray", WHERE):
        pass
    assert str(told.value) == (
        f"{WHERE}: Ray is not installed; run `pip install 'promptstill[ray]'`, or set `local`"
    )


@pytest.mark.parametrize("address", ["127.0.0.1:1", "somewhere"])
def test_a_cluster_that_is_not_there_is_told_in_one_line(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UserError) as told, running("ray", WHERE):
        pass
    assert str(told.value).startswith(f"{WHERE}: cannot join the Ray cluster {address} (")
    assert "; correct RAY_ADDRESS, " in str(told.value)
