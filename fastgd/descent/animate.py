"""`animate`: descents as a moving picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_count
from fastgd.descent.drawn import (
    Runs,
    as_problem,
    last_of,
    named,
    points_of,
    spread,
    updates_of,
    values_of,
)
from fastgd.descent.pictures import has_line, paths_of, rows_of_one
from fastgd.plotting.animation import Animation
from fastgd.plotting.common import legend_above
from fastgd.plotting.lines import FittedLineDisplay
from fastgd.plotting.losses import LossCurveDisplay
from fastgd.plotting.paths import PathDisplay, Window
from fastgd.problems import Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Numbers = NDArray[np.float64]


def animate(
    fun: Problem | Callable[..., Any],
    runs: Runs,
    *,
    frames: int = 60,
    frames_per_second: int = 8,
    window: Window | None = None,
) -> Animation:
    """Make a moving picture of descents.

    With one feature, the fitted lines move over the rows, beside the paths over the contours. Of other problems with
    one or two parameters the paths grow, and of those with more the curves of the losses. Frames are closer together
    at the start, where more happens.

    Parameters
    ----------
    fun : Problem or callable
        What was minimized, as `fastgd.minimize` takes it.
    runs : OptimizeResult, History, array_like of shape (k, n_parameters), or a sequence or dict of them
        As for `plot_paths`.
    frames : int, default 60
        At most so many frames.
    frames_per_second : int, default 8
    window : sequence of pairs of float, optional
        As for `plot_paths`.

    Returns
    -------
    Animation
        A notebook shows it with buttons; ``save("descent.gif")`` and ``save("descent.html")`` write it.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.

    Examples
    --------
    >>> import fastgd as gd
    >>> line = gd.LeastSquares([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    >>> moving = gd.animate(line, gd.minimize(line, record=1, max_iter=30))
    >>> moving
    Animation(31 frames)
    >>> moving.save("line.gif")  # doctest: +SKIP
    """
    frames = as_count("frames", frames, 1)
    speed = as_count("frames_per_second", frames_per_second, 1)
    several = named(runs)
    points = {name: points_of(name, run) for name, run in several.items()}
    when = {name: updates_of(run) for name, run in several.items()}
    shown = np.unique(np.concatenate(list(when.values())))
    shown = shown[spread(len(shown), frames)]
    problem = as_problem(fun, next(iter(points.values())).shape[1])
    if problem.n_parameters > 2:
        curves = {name: (when[name], values_of(problem)(p.T)) for name, p in points.items()}
        panels: list[Any] = [_MovingCurves(curves)]
    else:
        panels = [_MovingPaths(paths_of(problem, several, window), when)]
    if has_line(problem):
        panels.insert(0, _MovingLines(rows_of_one(problem, "fun"), points, when))

    def prepare(figure: Figure) -> Callable[[int], None]:
        axes = np.atleast_1d(np.asarray(figure.subplots(1, len(panels)), object))
        shows = [panel.begin(ax) for panel, ax in zip(panels, axes, strict=True)]
        title = figure.suptitle("")

        def show(k: int) -> None:
            title.set_text(f"update {shown[k]:,}")
            for one in shows:
                one(int(shown[k]))

        return show

    size = (9.6, 4.4) if len(panels) > 1 else (6.8, 5.0)
    return Animation(prepare, len(shown), size, speed)


@dataclass
class _MovingPaths:
    display: PathDisplay
    when: Mapping[str, NDArray[np.int64]]

    def begin(self, ax: Axes) -> Callable[[int], None]:
        self.display.draw_ground(ax)
        trails = self.display.trails(ax)
        legend_above(ax)

        def show(update: int) -> None:
            for trail, updates in zip(trails, self.when.values(), strict=True):
                trail(int(np.searchsorted(updates, update, side="right")))

        return show


@dataclass
class _MovingLines:
    display: FittedLineDisplay
    points: Mapping[str, Numbers]
    when: Mapping[str, NDArray[np.int64]]

    def begin(self, ax: Axes) -> Callable[[int], None]:
        # Named by where they end, moved from where they begin.
        self.display.lines = {name: last_of(path) for name, path in self.points.items()}
        self.display.plot(ax)
        lines, grid = ax.lines[-len(self.points) :], self.display.grid()

        def show(update: int) -> None:
            for line, (name, path) in zip(lines, self.points.items(), strict=True):
                place = int(np.searchsorted(self.when[name], update, side="right")) - 1
                line.set_ydata(self.display.values(grid, path[max(0, place)]))

        return show


@dataclass
class _MovingCurves:
    curves: Mapping[str, tuple[NDArray[np.int64], Numbers]]

    def begin(self, ax: Axes) -> Callable[[int], None]:
        LossCurveDisplay(self.curves).plot(ax)
        lines = ax.lines[: len(self.curves)]
        whole = [np.asarray(line.get_xydata(), np.float64) for line in lines]
        ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())

        def show(update: int) -> None:
            for line, points in zip(lines, whole, strict=True):
                line.set_data(*points[points[:, 0] <= update].T)

        return show
