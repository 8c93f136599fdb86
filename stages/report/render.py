"""Templates become HTML or Markdown. Values are escaped, and a missing value is an error."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
# Characters that begin markup inside a line of Markdown, or end a cell of a table.
MARKUP = re.compile(r"([\\`*\[\]|~])")


def render_html(template: str, *folders: Path, **values: Any) -> str:  # noqa: ANN401
    """The page of a template, with every value escaped for HTML. Templates are looked for in `folders` first,
    and then among those of the report."""
    return _environment((*folders, TEMPLATES), autoescape=True).get_template(template).render(**values)


def render_markdown(template: str, **values: Any) -> str:  # noqa: ANN401
    """The text of a template, with every value escaped for Markdown."""
    environment = _environment((TEMPLATES,), autoescape=False, finalize=escape_markdown)
    return environment.get_template(template).render(**values)


def escape_markdown(value: object) -> object:
    """A text on one line that Markdown shows as it is; other values, and Markup such as code, stay."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    # Not str.split, which would also take a space that does not break.
    line = re.sub(r"[ \t\r\n\f\v]+", " ", value).strip(" ")
    return MARKUP.sub(r"\\\1", html.escape(line, quote=False))


def percent(share: float) -> str:
    """`92.5 %` for 0.925, with a space that does not break."""
    return f"{100 * share:.1f}\u00a0%"


def usd(amount: float | None) -> str:
    """`1,250.0000`, or that the amount is not known. Costs of cheap models need four decimals."""
    return "not known" if amount is None else f"{amount:,.4f}"


@cache
def _environment(
    folders: tuple[Path, ...], autoescape: bool, finalize: Callable[[object], object] | None = None
) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=autoescape,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "usd": usd}
    return environment
