"""The result of a sweep as a notebook shows it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgd.engines.protocol.outcomes import Status
from fastgd.extras import present
from fastgd.plotting.labels import axis_label
from fastgd.text import printable

_BEST = 5  # runs that are listed
_MOST_DRAWN = 200_000  # runs; a picture of more takes seconds


def as_html(result: Any) -> str:
    """Counts, a table of the best runs, and a picture, if Matplotlib is there and it can be drawn."""
    counts = f"<pre>{html.escape(repr(result))}</pre>"
    return counts + _best_runs(result) + _picture(result)


def _best_runs(result: Any) -> str:
    """The runs with the lowest losses at their ends, those that diverged left out."""
    loss, status = np.ravel(result.loss), np.ravel(result.status)
    usable = np.isfinite(loss) & ~np.isin(status, (Status.DIVERGED, Status.NOT_RUN))
    first = np.argsort(np.where(usable, loss, np.inf), kind="stable")[: min(_BEST, usable.sum())]
    rows = []
    for k in first.tolist():
        index = tuple(int(i) for i in np.unravel_index(k, result.shape))
        at = [axis_label(value) for value in result.axes_at(index).values()]
        ended = [Status(status[k]).label, f"{result.iterations[index]:,}", f"{loss[k]:.6g}"]
        rows.append(at + ended)
    if not rows:
        return ""
    names = [*result.kept_axes, "status", "iterations", "loss"]
    caption = f"<caption>The {len(rows)} lowest losses</caption>" if len(rows) > 1 else ""
    return f"<table>{caption}{_row('th', names)}{''.join(_row('td', row) for row in rows)}</table>"


def _row(tag: str, cells: Sequence[str]) -> str:
    inside = "".join(f"<{tag}>{html.escape(printable(cell))}</{tag}>" for cell in cells)
    return f"<tr>{inside}</tr>"


def _picture(result: Any) -> str:
    if result.size > _MOST_DRAWN or not present("matplotlib"):
        return ""
    from matplotlib.figure import Figure  # noqa: PLC0415  (heavy)

    from fastgd.plotting.display import picture  # noqa: PLC0415

    figure = Figure(figsize=(8.0, 4.8), layout="constrained")
    try:
        result.plot(ax=figure.subplots())
    except ValueError:  # no numeric axis, or too many lines
        return ""
    return picture(figure)
