"""A teacher on this machine: llama.cpp's OpenAI-compatible server, inside this process and only while it is
needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai

from promptstill.console.errors import UserError
from promptstill.core.resolve import wheel_gguf
from promptstill.teacher.local_template import guarded_template
from promptstill.teacher.settings import TeacherSettings

# llama.cpp's log level: errors only.
LOG_ERRORS = 1


@contextmanager
def serving(settings: TeacherSettings) -> Iterator[str]:
    """Serve the GGUF of `settings.local` on loopback and yield the base_url; stop when the block ends.

    Prompts are cached: the beginning that all requests of a task share is computed once per slot. Control
    tokens in a message stay text, see `local_template`. Raises
    UserError if the optional package or the file is missing, or if llama.cpp cannot load the file.
    """
    if settings.local is None:
        raise UserError("base_url: local needs the block local")
    try:
        from xllamacpp import CommonParams, Server
    except ImportError:
        raise UserError("base_url: local needs llama.cpp; run `pip install -e '.[local]'`") from None
    path = gguf_file(settings.local.gguf)
    options = CommonParams()
    options.model.path = str(path)
    options.model_alias = {settings.model}
    options.hostnames, options.port = ["127.0.0.1"], 0
    options.n_parallel = settings.local.slots
    options.n_ctx = settings.local.slots * settings.local.context_tokens
    options.cache_prompt = True
    options.chat_template = guarded_template(path)
    options.verbosity = LOG_ERRORS
    try:
        server = Server(options)
    except RuntimeError as error:
        raise UserError(f"{path}: llama.cpp cannot load it ({error}); check local.gguf") from None
    url = f"{server.listening_address}/v1"
    try:
        # Ask for one token first: a server that is stopped before its first request never returns.
        with openai.OpenAI(base_url=url, api_key="none") as client:
            client.chat.completions.create(
                model=settings.model, messages=[{"role": "user", "content": "."}], max_tokens=1
            )
        yield url
    finally:
        del server


def gguf_file(name: str) -> Path:
    """A file by path, or the GGUF in an installed wheel. Raises UserError if there is no such file."""
    path = Path(name)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UserError(f"{path}: no such file; correct local.gguf")
        return path
    return wheel_gguf(name)
