"""Pictures of descents: losses, paths over the function, fitted lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.checks import as_choice
from fastgd.descent.drawn import (
    Runs,
    as_problem,
    checked_window,
    history_of,
    last_of,
    minima_of,
    named,
    only_run,
    points_of,
    spread,
    updates_of,
    values_of,
)
from fastgd.descent.history import QUANTITIES, History
from fastgd.plotting.labels import as_drawn
from fastgd.plotting.lines import FittedLineDisplay
from fastgd.plotting.losses import LossCurveDisplay
from fastgd.plotting.paths import PathDisplay, Window
from fastgd.problems import LeastSquares, Logistic, Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]
Quantity = Literal["loss", "slope"]

_SUCCESSIVE = 8  # lines of one descent


def plot_history(
    runs: Runs,
    *,
    quantity: Quantity = "loss",
    scale: Literal["auto", "linear", "log"] = "auto",
    ax: Axes | None = None,
) -> LossCurveDisplay:
    """Draw the loss of one or several descents, or trainings, against the update.

    Parameters
    ----------
    runs : OptimizeResult, History, TrainingHistory, or a sequence or dict of them
        What `fastgd.minimize` returned with ``record=``, its `history`, or a network's ``history_``. A dict gives the
        names for the legend.
    quantity : {"loss", "slope"}, default "loss"
        What is drawn; the largest slope is what `tol` is compared with, and networks have none.
    scale : {"auto", "linear", "log"}, default "auto"
        By default logarithmic where the values are positive and span more than a decade.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    LossCurveDisplay

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; a run without recorded iterates is named.

    Examples
    --------
    >>> import fastgd as gd
    >>> bowl = gd.Quadratic([[2.0]])
    >>> runs = {name: gd.minimize(bowl, [1.0], getattr(gd, name)(lr=0.1), record=1) for name in ("SGD", "Adam")}
    >>> gd.plot_history(runs).figure_.savefig("losses.png")  # doctest: +SKIP
    """
    as_choice("quantity", quantity, QUANTITIES)
    as_choice("scale", scale, ("auto", "linear", "log"))
    curves = {}
    for name, run in named(runs).items():
        history = history_of(name, run)
        curves[name] = _curve(name, history, quantity)
    display = LossCurveDisplay(curves, y_name=QUANTITIES[quantity], scale=scale)
    return display.plot(ax)


def _curve(name: str, history: Any, quantity: str) -> tuple[ArrayLike, ArrayLike]:
    if isinstance(history, History):
        return history.n, getattr(history, quantity)
    if quantity != "loss":
        raise ValueError(f"quantity={quantity!r} is for descents; {name} is a network's training")
    return history.step, history.loss


def plot_paths(
    fun: Problem | Callable[..., Any],
    runs: Runs,
    *,
    window: Window | None = None,
    ax: Axes | None = None,
) -> PathDisplay:
    """Draw the paths of descents over a function of one or two parameters.

    Two parameters: contours, in equal ratios above the lowest value in the picture. One parameter: the curve, with the
    iterates on it. An empty circle is the start, a filled mark the end, a cross a known minimum. Paths that run away
    leave the frame, and the legend says so; they are drawn as far as their first point outside.

    Parameters
    ----------
    fun : Problem or callable
        What was minimized, as `fastgd.minimize` takes it.
    runs : OptimizeResult, History, array_like of shape (k, n_parameters), or a sequence or dict of them
        The runs of `fastgd.minimize`, with ``record=``, or the points themselves. A dict gives the names for the
        legend.
    window : sequence of pairs of float, optional
        For each parameter the range to show; by default the paths decide.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    PathDisplay

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or there are more than two parameters.

    Examples
    --------
    >>> import fastgd as gd
    >>> ravine = gd.Quadratic([[1.0, 0.0], [0.0, 50.0]])
    >>> run = gd.minimize(ravine, [4.0, 1.0], gd.SGD(lr=0.03), record=1)
    >>> gd.plot_paths(ravine, {"SGD": run}).figure_.savefig("path.png")  # doctest: +SKIP
    """
    return paths_of(fun, named(runs), window).plot(ax)


def paths_of(fun: Any, runs: Mapping[str, Any], window: Any = None) -> PathDisplay:
    """The paths over the function, not yet drawn."""
    points = {name: points_of(name, run) for name, run in runs.items()}
    count = next(iter(points.values())).shape[1]
    problem = as_problem(fun, count)
    if problem.n_parameters > 2:
        raise ValueError(
            f"fun must have one or two parameters for a picture of paths, got {problem.n_parameters}; "
            "plot_history draws the losses of any number"
        )
    for name, path in points.items():
        if path.shape[1] != problem.n_parameters:
            raise ValueError(
                f"runs: {name} has points of {path.shape[1]} parameters, fun has {problem.n_parameters}"
            )
    return PathDisplay(
        values_of(problem),
        points,
        problem.parameter_names,
        minima=minima_of(problem),
        window=checked_window(window, problem.n_parameters),
    )


def plot_fit(
    problem: LeastSquares | Logistic, runs: Runs, *, ax: Axes | None = None
) -> FittedLineDisplay:
    """Draw rows with one feature, and the lines that descents fitted to them.

    Of one run these are successive lines, from pale to dark, named by their updates; of several runs, the last line of
    each.

    Parameters
    ----------
    problem : LeastSquares or Logistic
        A problem of one feature (of two classes), with its rows in memory.
    runs : OptimizeResult, History, array_like of shape (k, n_parameters), or a sequence or dict of them
        As for `plot_paths`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    FittedLineDisplay

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or the problem has more features.

    Examples
    --------
    >>> import fastgd as gd
    >>> line = gd.LeastSquares([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    >>> run = gd.minimize(line, record=1)
    >>> gd.plot_fit(line, run).figure_.savefig("line.png")  # doctest: +SKIP
    """
    one, several = only_run(runs), named(runs)
    display = rows_of_one(problem, "problem")
    if one is None:
        display.lines = {name: last_of(points_of(name, run)) for name, run in several.items()}
    else:
        ((name, run),) = several.items()
        points, updates = points_of(name, run), updates_of(run)
        kept = spread(len(points), _SUCCESSIVE)
        display.lines = {f"update {updates[k]:,}": points[k] for k in kept}
        display.in_order = True
    return display.plot(ax)


def rows_of_one(problem: Any, argument: str) -> FittedLineDisplay:
    """The rows of a problem with one feature, without lines."""
    if not has_line(problem):
        raise ValueError(
            f"{argument} must be a LeastSquares or a Logistic of two classes with one feature, "
            f"its rows in memory, got {problem!r:.80}"
        )
    feature = problem.parameter_names[0]
    x_name = "x" if feature == "w" else feature
    if isinstance(problem, LeastSquares):
        return FittedLineDisplay(problem.X[:, 0], problem.y, {}, _model(problem), x_name)
    second = problem.classes[1]
    target = (problem.y == second).astype(np.float64)
    label = f"probability of {as_drawn(str(second))}"
    return FittedLineDisplay(problem.X[:, 0], target, {}, _model(problem), x_name, label)


def _model(problem: Any) -> Callable[[Numbers, Numbers], Numbers]:
    def line(x: Numbers, parameters: Numbers) -> Numbers:
        return np.asarray(parameters[0] * x + (parameters[1] if problem.intercept else 0.0))

    if isinstance(problem, LeastSquares):
        return line
    return lambda x, parameters: 1.0 / (1.0 + np.exp(-line(x, parameters)))


def has_line(problem: Any) -> bool:
    """Whether what the problem fits can be drawn as a line over its rows."""
    if not isinstance(problem, LeastSquares | Logistic) or problem.outputs != 1:
        return False
    try:
        return bool(problem.X.shape[1] - problem.intercept == 1)
    except AttributeError:  # its rows are in a file
        return False
