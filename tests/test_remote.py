"""Versions in remote storage: an S3 server on loopback, whole and with one flipped byte."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.pipeline import dvc, lock

BUCKET = "versions"


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of an S3 server."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket on it, with keys in the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "planted")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    made = boto3.resource("s3", endpoint_url=server).Bucket(BUCKET)
    made.create()
    return made


def do(project: Path, *arguments: str) -> str:
    ended = dvc(project, *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_versions_are_pushed_verified_and_pulled(clone: Path, server: str, bucket: Any) -> None:
    do(clone, "remote", "add", "-d", "store", f"s3://{BUCKET}/promptstill")
    do(clone, "remote", "modify", "store", "endpointurl", server)
    do(clone, "remote", "modify", "store", "verify", "true")
    do(clone, "push")
    train = clone / "data/split/colour/train.jsonl"
    content = train.read_bytes()

    def forget() -> None:
        shutil.rmtree(clone / ".dvc/cache/files")
        train.unlink()

    forget()
    do(clone, "pull")
    assert train.read_bytes() == content

    md5 = lock(clone)["split@colour"]["data/split/colour/train.jsonl"]
    stored = bucket.Object(f"promptstill/files/md5/{md5[:2]}/{md5[2:]}")
    stored.put(Body=bytes([content[0] ^ 1]) + content[1:])
    forget()
    ended = dvc(clone, "pull")
    assert ended.returncode != 0, "a flipped byte in the store is noticed"
    assert not train.exists()
