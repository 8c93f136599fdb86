"""The learning curve as the geometry of line charts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.report.build import Table

# About this many labels fit on an axis of a narrow page.
TICKS = 5


@dataclass(frozen=True)
class Frame:
    """Where the plot begins and ends inside the drawing, in percent of its width and height. The rest is for
    the labels of the axes."""

    left: float
    right: float
    top: float
    bottom: float


FRAME = Frame(left=11.0, right=96.0, top=6.0, bottom=86.0)


@dataclass(frozen=True)
class Series:
    """One line of a chart: its points as `(x, y)` in percent of the drawing."""

    name: str
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Lines over epochs. Ticks are `(position in percent, text)`; `values` are what the lines show."""

    title: str
    series: list[Series]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    best: float
    values: Mapping[str, list[float]]
    epochs: list[int]
    frame: Frame = FRAME


def charts(table: Table, best_epoch: int) -> list[Chart]:
    """Loss and accuracy over epochs, from the content of `train_curve.csv`."""
    epochs = [int(line["epoch"]) for line in table]
    columns = {
        name: [float(line[name.replace(" ", "_")]) for line in table]
        for name in ("train loss", "validation loss", "validation accuracy")
    }
    losses = {name: values for name, values in columns.items() if name.endswith("loss")}
    accuracy = {"validation accuracy": columns["validation accuracy"]}
    top = max(value for values in losses.values() for value in values)
    return [
        _chart("Loss by epoch", losses, epochs, top, best_epoch),
        _chart("Accuracy by epoch", accuracy, epochs, 1.0, best_epoch),
    ]


def _chart(title: str, columns: Mapping[str, list[float]], epochs: list[int], top: float, best: int) -> Chart:
    y_values = ticks(top)
    highest = y_values[-1]

    def x(epoch: int) -> float:
        if epochs[-1] == epochs[0]:
            return (FRAME.left + FRAME.right) / 2
        return FRAME.left + (FRAME.right - FRAME.left) * (epoch - epochs[0]) / (epochs[-1] - epochs[0])

    def y(value: float) -> float:
        return FRAME.bottom - (FRAME.bottom - FRAME.top) * value / highest

    step = max(1, math.ceil(len(epochs) / TICKS))
    return Chart(
        title,
        [Series(name, _points(map(x, epochs), map(y, values))) for name, values in columns.items()],
        [(round(x(epoch), 2), str(epoch)) for epoch in epochs[::step]],
        [(round(y(value), 2), f"{value:g}") for value in y_values],
        round(x(best), 2),
        columns,
        epochs,
    )


def _points(xs: map[float], ys: map[float]) -> list[tuple[float, float]]:
    return [(round(x, 2), round(y, 2)) for x, y in zip(xs, ys, strict=True)]


def ticks(top: float) -> Sequence[float]:
    """Even values from 0 to the first that reaches `top`, in steps of 1, 2 or 5 times a power of ten."""
    top = max(top, 1e-6)
    rough = top / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [round(i * step, 10) for i in range(math.ceil(top / step - 1e-9) + 1)]
