"""A teacher on this machine: llama.cpp's OpenAI-compatible server inside this process, for as long as it is
needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai

from stages.generate.params import GenerateParams
from stages.shared.errors import UserError
from stages.shared.models import wheel_gguf

# llama.cpp's log level: errors only.
LOG_ERRORS = 1


@contextmanager
def serving(params: GenerateParams) -> Iterator[str]:
    """Serve the GGUF of `params.local` on loopback and give the base_url; stop when the block ends.

    Prompts are cached: requests that share their beginning, as all of a task do, compute it once a slot.
    Raises UserError where the optional package or the file is missing, or llama.cpp cannot load it.
    """
    assert params.local is not None
    try:
        from xllamacpp import CommonParams, Server
    except ImportError:
        raise UserError("base_url: local needs llama.cpp; run `pip install -e '.[local]'`") from None
    path = gguf_file(params.local.gguf)
    options = CommonParams()
    options.model.path = str(path)
    options.model_alias = {params.model}
    options.hostnames, options.port = ["127.0.0.1"], 0
    options.n_parallel = params.local.slots
    options.n_ctx = params.local.slots * params.local.context_tokens
    options.cache_prompt = True
    options.verbosity = LOG_ERRORS
    try:
        server = Server(options)
    except RuntimeError as error:
        raise UserError(f"{path}: llama.cpp cannot load it ({error}); check local.gguf") from None
    url = f"{server.listening_address}/v1"
    try:
        # One token first: a server that is stopped before it has worked waits for itself for ever.
        with openai.OpenAI(base_url=url, api_key="none") as client:
            client.chat.completions.create(
                model=params.model, messages=[{"role": "user", "content": "."}], max_tokens=1
            )
        yield url
    finally:
        del server


def gguf_file(name: str) -> Path:
    """A file by path, or the GGUF in an installed wheel. Raises UserError where neither exists."""
    path = Path(name)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UserError(f"{path}: no such file; correct local.gguf")
        return path
    return wheel_gguf(name)
