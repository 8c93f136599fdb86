"""An experiment of DVC: the params that it changes in, how it ended and how long training took out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from promptstill.core.files import canonical_hash
from promptstill.core.paths import PARAMS
from stages.train.params import TrainParams

# How a stage and DVC begin a line with an error; what the system leaves of a process that it killed.
OF_STAGE, OF_DVC, KILLED = "error: ", "ERROR: ", re.compile(r"exited with (-9|137)$")
# What the stage prints when it goes on from a checkpoint; its time is then only that of the rest.
RESUMED = "training goes on after step"


@dataclass
class Run:
    """How an experiment ended: its `error`, or an empty text.

    `seconds` is the time of the stage train from its start to its outs in DVC's cache; None if it did not run
    or went on from a checkpoint, which is `resumed`. `evaluated` says whether eval ran.
    """

    error: str = ""
    seconds: float | None = None
    resumed: bool = False
    evaluated: bool = False


def name_of(task: str, changes: Mapping[str, object]) -> str:
    """A name that Git accepts as a reference. Characters that it refuses become hyphens.

    Other params may have the same name then, or where a value has the `+` that separates params. A hash of
    the params makes these names different.
    """
    values = {name: shown(value) for name, value in changes.items()}
    text = "+".join([task, *(f"{name}={value}" for name, value in values.items())])
    accepted = re.sub(r"[^\w.+=-]+|\.(?=\.)|\.(lock)?$", "-", text)
    if accepted == text and not any("+" in value for value in values.values()):
        return text
    return f"{accepted}-{canonical_hash(changes)[:8]}"


def shown(value: object) -> str:
    """A value as params.yaml has it."""
    return value if isinstance(value, str) else json.dumps(value)


def run_experiment(task: str, name: str, changes: Mapping[str, object]) -> Run:
    """Train and evaluate with other params in a copy of the repository. DVC's lines go to standard error."""
    if revision_of(name):
        # DVC overwrites an experiment only together with a new run of all its stages.
        subprocess.run(dvc_command("exp", "remove", name), check=True, capture_output=True)
    command = dvc_command("exp", "run", "--temp", "--name", name)
    for param, value in changes.items():
        # `++`, because params.yaml may leave a param to its default.
        text = json.dumps(value, ensure_ascii=False)
        command += ["-S", f"{PARAMS}:++{task}.{TrainParams.stage}.{param}={text}"]
    command += [f"train@{task}", f"eval@{task}"]
    run, errors, started = Run(), dict[str, str](), 0.0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", file=sys.stderr, flush=True)
            if line.startswith(f"Running stage 'train@{task}'"):
                started = time.monotonic()
            elif started and re.match("(Generating|Updating) lock file", line):
                run.seconds, started = time.monotonic() - started, 0.0
            run.resumed |= line.startswith(RESUMED)
            run.evaluated |= line.startswith(f"Running stage 'eval@{task}'")
            errors |= {prefix: line.strip() for prefix in (OF_STAGE, OF_DVC) if line.startswith(prefix)}
    if process.returncode:
        run.error = _error(errors) or f"`dvc exp run` ended with exit status {process.returncode}"
    if run.resumed:
        run.seconds = None
    return run


def _error(errors: dict[str, str]) -> str:
    """The one line that explains a failure: that of the stage, or else that of DVC."""
    if OF_STAGE in errors:
        return errors[OF_STAGE].removeprefix(OF_STAGE)
    error = errors.get(OF_DVC, "").removeprefix(OF_DVC)
    if KILLED.search(error):
        error += " (killed, as a system does when memory runs out; lower train.batch_size or train.cache_gb)"
    return error


def dvc_command(*arguments: str) -> list[str]:
    """A command line of the DVC beside this Python, whatever the path has."""
    return [sys.executable, "-m", "dvc", *arguments]


def revision_of(name: str) -> str:
    """The commit of the experiment of today's HEAD by this name, or an empty text."""
    head = _rev_parse("HEAD")
    return _rev_parse(f"refs/exps/{head[:2]}/{head[2:]}/{name}") if head else ""


def _rev_parse(reference: str) -> str:
    command = ["git", "rev-parse", "--verify", "--quiet", reference]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
