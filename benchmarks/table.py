"""The tables that benchmarks print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def print_table(columns: Iterable[str], lines: Iterable[Iterable[object]]) -> None:
    """Print lines of cells under the names of their columns."""
    table = Table(*columns, box=SIMPLE_HEAD)
    for cells in lines:
        table.add_row(*map(str, cells))
    Console().print(table)


def print_figures(figures: Mapping[str, float], digits: int) -> None:
    """Print each figure with its name, rounded to this number of digits."""
    print_table(("figure", "value"), ((name, f"{value:,.{digits}f}") for name, value in figures.items()))
