"""`FractalDisplay`: how fast runs converge or diverge over two hyperparameters, on a colour scale of two parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.engines.protocol.outcomes import Status
from fastgd.fractals import trainability
from fastgd.plotting.common import (
    INK,
    NAMES,
    axis_name,
    increasing,
    legend_above,
    placed_marks,
)
from fastgd.plotting.display import Display
from fastgd.plotting.labels import as_drawn, axis_label, is_numeric, shortened
from fastgd.plotting.result import Result, two_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# ColorBrewer's red to blue over yellow, which colour-blind readers tell apart. As in the paper, the middle quarter of
# either half is left out, so that the boundary is seen.
_COLOURS, _GAP, _SHADES = "RdYlBu", 0.25, 256
_UNFINISHED, _NOT_RUN = "#B5B5B5", "white"
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the runs, at which the scales are labelled
CONVERGED = "converged (dark: slow)\niterations"
DIVERGED = "diverged (dark: slow)\niterations until then"
BY_LOSSES = (  # what `fastgd.fractals.trainability` measures
    "converged (dark: slow)\nsum of loss / first loss",
    "diverged (dark: slow)\nsum of first loss / loss",
)
_DECADES, _FEW = 200.0, 5.0  # ratios of the ends of a logarithmic axis
_NARROW = 0.01  # of a logarithm; narrower axes look the same on both scales
_MOST_LABELS = 12  # of an axis whose values are no numbers


@dataclass(repr=False)
class FractalDisplay(Display):
    """Which runs of a map converge and which diverge, and how fast: the boundary may be a fractal.

    Converged runs are blue and diverged ones red, each the darker the slower. Within each part all shades are equally
    frequent, as in [1]_, because the measures span many decades; the scales beside the map say which value a shade is.

    Parameters
    ----------
    x, y : sequence
        The axes' values: numbers are drawn to scale, other values side by side.
    measure : array_like of shape (len(y), len(x))
        How slowly each run converges or diverges, in any unit; nan for runs that were not made.
    diverged : array_like of bool, same shape
        Which runs diverge.
    unfinished : array_like of bool, same shape, optional
        Runs that did neither in time; grey.
    x_name, y_name : str
        Labels of the axes.
    converged_name, diverged_name : str
        What the measure of either part is.
    scales : bool, default True
        Whether to draw the colour scales, for one of several maps side by side they may be too much.
    title : str, default ""
        Above the map, at the left.
    rectangle : tuple of float, optional
        (x0, x1, y0, y1) of a part to mark, such as the next one to look at.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and figure that `plot` drew on.

    References
    ----------
    .. [1] Sohl-Dickstein (2024), The boundary of neural network trainability is fractal, arXiv:2402.06184.

    Examples
    --------
    >>> display = FractalDisplay([0.1, 1.0], [0.0, 0.9], [[40, 3], [20, 5]], [[False, True], [False, True]])
    >>> display.plot().figure_.savefig("fractal.png")  # doctest: +SKIP
    """

    size: ClassVar[tuple[float, float]] = (7.6, 5.8)

    x: Sequence[Any]
    y: Sequence[Any]
    measure: ArrayLike
    diverged: ArrayLike
    unfinished: ArrayLike | None = None
    x_name: str = NAMES["lr"]
    y_name: str = "momentum"
    converged_name: str = CONVERGED
    diverged_name: str = DIVERGED
    scales: bool = field(default=True, kw_only=True)
    title: str = field(default="", kw_only=True)
    rectangle: tuple[float, float, float, float] | None = field(default=None, kw_only=True)

    def _draw(self, ax: Axes) -> None:
        from matplotlib.colors import ListedColormap  # noqa: PLC0415  (heavy)

        measure, diverged, unfinished = self._checked()
        known = ~np.isnan(measure) & ~unfinished
        parts = (
            (self.converged_name, known & ~diverged, _shades(1.0)),
            (self.diverged_name, known & diverged, _shades(-1.0)),
        )
        code = np.full(measure.shape, np.nan)  # the shade of each run; one beyond them is grey
        code[unfinished] = 2 * _SHADES
        for k, (_, cells, _) in enumerate(parts):
            code[cells] = k * _SHADES + _ranks(measure[cells]) * (_SHADES - 1)
        colours = np.concatenate([parts[0][2], parts[1][2], [_rgba(_UNFINISHED)]])
        (xs, x_edges), (ys, y_edges) = placed_marks(self.x), placed_marks(self.y)
        ax.pcolormesh(
            x_edges, y_edges, np.ma.masked_invalid(code), cmap=ListedColormap(colours, "fractal"),
            vmin=-0.5, vmax=2 * _SHADES + 0.5, rasterized=True,
        )  # fmt: skip
        self._label(ax, (xs, ys), (x_edges, y_edges))
        if self.scales:
            _draw_scales(ax, [(name, measure[c], shades) for name, c, shades in parts if c.any()])
        _mark(ax, bool(unfinished.any()), _UNFINISHED, "neither in time")
        _mark(ax, bool(np.any(np.isnan(measure) & ~unfinished)), _NOT_RUN, "not run")
        if self.rectangle is not None:
            _frame(ax, self.rectangle)
        legend_above(ax)
        if self.title:  # above the legend, where there is one
            above = 22.0 if ax.get_legend() is not None else None
            ax.set_title(self.title, fontsize="medium", loc="left", pad=above)

    def _checked(self) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        measure = np.asarray(self.measure, np.float64)
        diverged = np.asarray(self.diverged, bool)
        unfinished = np.zeros(measure.shape, bool)
        if self.unfinished is not None:
            unfinished = np.asarray(self.unfinished, bool)
        wanted = (len(self.y), len(self.x))
        for name, array in (
            ("measure", measure),
            ("diverged", diverged),
            ("unfinished", unfinished),
        ):
            if array.shape != wanted:
                raise ValueError(
                    f"{name} must have the shape {wanted} of the axes, got {array.shape}"
                )
        return measure, diverged, unfinished

    def _label(self, ax: Axes, places: Any, edges: Any) -> None:
        for axis, values, place in ((ax.xaxis, self.x, places[0]), (ax.yaxis, self.y, places[1])):
            if not is_numeric(tuple(values)):
                every = -(-len(values) // _MOST_LABELS)
                names = [as_drawn(shortened(axis_label(v))) for v in values[::every]]
                axis.set_ticks(place[::every], names)
        for name, axis, values in (("x", ax.xaxis, self.x), ("y", ax.yaxis, self.y)):
            if _is_even_in_logarithm(values):
                ax.set(**{f"{name}scale": "log"})
            if is_numeric(tuple(values)):
                _label_numbers(axis, np.asarray(values, np.float64))
        ax.set_xlim(edges[0][0], edges[0][-1])
        ax.set_ylim(edges[1][0], edges[1][-1])
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.y_name)

    @classmethod
    def from_sweep(
        cls,
        result: Result,
        *,
        x: str | None = None,
        y: str | None = None,
        ax: Axes | None = None,
        **options: Any,
    ) -> Self:
        """Draw two axes of a sweep of any problem; the arguments and errors are those of `fractal`."""
        x, y = two_axes(result, x, y, None)
        others = {n: len(values) for n, values in result.axes.items() if n not in (x, y)}
        several = [name for name, length in others.items() if length > 1]
        if several:
            raise ValueError(
                f"a map has two axes; {several[0]!r} must then have one value, not {others[several[0]]}"
            )
        across, up = increasing(result.axes[x]), increasing(result.axes[y])
        order = list(result.axes)

        def on_map(array: NDArray[Any]) -> NDArray[Any]:
            moved = np.moveaxis(array, (order.index(y), order.index(x)), (0, 1))
            return moved.reshape(moved.shape[:2])[np.ix_(up, across)]

        found = _measured(result)
        about: dict[str, Any] = {
            "unfinished": on_map(found.unfinished),
            "x_name": axis_name(x),
            "y_name": axis_name(y),
            "converged_name": found.converged_name,
            "diverged_name": found.diverged_name,
        }
        display = cls(
            x=[result.shown_axes[x][k] for k in across],
            y=[result.shown_axes[y][k] for k in up],
            measure=on_map(found.measure),
            diverged=on_map(found.diverged),
            **about | options,
        )
        return display.plot(ax)


def fractal(
    result: Result,
    *,
    x: str | None = None,
    y: str | None = None,
    ax: Axes | None = None,
    **options: Any,
) -> FractalDisplay:
    """Draw which runs of a sweep converge and which diverge, and how fast, over two of its axes.

    Of a sweep of networks with ``record=1``, the losses say what converges and how fast, as in [1]_, see
    `fastgd.fractals.trainability`. Of any other the status does: the measure is the iterations until a run converged or
    diverged, or, where no tolerance ends runs, the loss at the end of those that did not diverge.

    Parameters
    ----------
    result : SweepResult
        Of any problem: descents, or networks.
    x, y : str, optional
        The axes to draw; the two longest by default, ``"lr"`` across. All others must have one value.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    **options
        Further fields of `FractalDisplay`, such as `title`.

    Returns
    -------
    FractalDisplay
        With the axes as ``ax_`` and the figure as ``figure_``.

    Raises
    ------
    ValueError
        If `x` or `y` is not an axis of the sweep, the axes are paired, or another axis has several values.

    References
    ----------
    .. [1] Sohl-Dickstein (2024), The boundary of neural network trainability is fractal, arXiv:2402.06184.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> axes = {"lr": np.geomspace(1e-4, 1e-1, 200), "momentum": np.linspace(0, 0.99, 200)}
    >>> out = gd.sweep(gd.functions.rosenbrock(), gd.Momentum(), axes, x0=[-1.2, 1.0])  # doctest: +SKIP
    >>> gd.plotting.fractal(out).figure_.savefig("fractal.png")  # doctest: +SKIP
    """
    return FractalDisplay.from_sweep(result, x=x, y=y, ax=ax, **options)


# --- what is measured -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Measured:
    """The measure of each run, and its outcome; arrays shaped like the sweep's axes."""

    measure: NDArray[np.float64]
    diverged: NDArray[np.bool_]
    unfinished: NDArray[np.bool_]
    converged_name: str
    diverged_name: str


_CUT = (Status.NOT_RUN, Status.INTERRUPTED, Status.MAX_SECONDS, Status.STOPPED)


def _measured(result: Result) -> _Measured:
    cut = np.isin(result.status, _CUT)
    nothing = np.zeros(cut.shape, bool)
    if result.metric is not None and result.history is not None and result.record == 1:
        found = trainability(result.history)
        measure = np.where(cut, np.nan, found.measure)
        return _Measured(measure, ~found.converged, nothing, *BY_LOSSES)
    iterations = np.where(cut, np.nan, result.iterations)
    if result.metric is None and result.tol != 0:
        unfinished = ~(cut | result.converged | result.diverged)
        return _Measured(iterations, result.diverged, unfinished, CONVERGED, DIVERGED)
    measure = np.where(result.diverged, iterations, np.where(cut, np.nan, result.loss))
    return _Measured(
        measure, result.diverged, nothing, "bounded (dark: high)\nloss at the end", DIVERGED
    )


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of values that are smaller, from 0 to 1; equal values have equal ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    before = np.cumsum(counts) - counts + (counts - 1) / 2
    return np.asarray(before[place.reshape(-1)] / max(1, values.size - 1))


# --- drawing --------------------------------------------------------------------------------------------


def _shades(side: float) -> NDArray[np.float64]:
    """The colours of one half of the scale, from that beside the middle to the end."""
    from matplotlib import colormaps  # noqa: PLC0415  (heavy)

    return np.asarray(colormaps[_COLOURS](0.5 + 0.5 * side * np.linspace(_GAP, 1.0, _SHADES)))


def _rgba(colour: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgba  # noqa: PLC0415  (heavy)

    return to_rgba(colour)


def _is_even_in_logarithm(values: Sequence[Any]) -> bool:
    """Whether cells are equally large on a logarithmic axis, also where they span less than a decade."""
    if len(values) < 3 or not is_numeric(tuple(values)) or min(values) <= 0:
        return False
    steps = np.diff(np.log(np.asarray(values, np.float64)))
    return bool(np.allclose(steps, steps[0], rtol=1e-3) and abs(steps.sum()) > _NARROW)


def _label_numbers(axis: Any, values: NDArray[np.float64]) -> None:
    """Label an axis by round numbers: on a logarithmic one by powers of ten, or by what it has if these are too few."""
    from matplotlib.ticker import (  # noqa: PLC0415  (heavy)
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        NullFormatter,
        ScalarFormatter,
    )

    ratio = values.max() / values.min() if axis.get_scale() == "log" else 1.0
    if ratio >= _DECADES:
        return
    axis.set_minor_formatter(NullFormatter())
    if ratio >= _FEW:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(ScalarFormatter())


def _draw_scales(ax: Axes, shown: Sequence[tuple[str, NDArray[np.float64], Any]]) -> None:
    """A colour scale for each part, one above the other beside the map."""
    height = 1.0 / max(1, len(shown))
    for k, (name, values, shades) in enumerate(shown):
        gap = 0.03 if len(shown) > 1 else 0.0
        scale = ax.inset_axes((1.03, k * (height + gap / 2), 0.035, height - gap / 2))
        scale.imshow(shades[:, None], origin="lower", aspect="auto", extent=(0.0, 1.0, 0.0, 1.0))
        scale.set_xticks([])
        scale.yaxis.tick_right()
        scale.yaxis.set_label_position("right")
        marks = np.quantile(values, _SHARES, method="nearest")
        scale.set_yticks(_SHARES, [_short(mark) for mark in marks], fontsize="small")
        scale.set_ylabel(name, fontsize="small")


def _short(value: float) -> str:
    whole = np.isfinite(value) and (value == int(value) or abs(value) >= 1e3)
    if whole and abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e6 else f"{value:.1e}".replace("e+0", "e")


def _mark(ax: Axes, wanted: bool, colour: str, name: str) -> None:
    """An entry of the legend."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415  (heavy)

    if wanted:
        style: dict[str, Any] = {"facecolor": colour, "edgecolor": INK, "linewidth": 0.5}
        ax.add_patch(Rectangle((np.nan, np.nan), 0, 0, label=name, **style))


def _frame(ax: Axes, rectangle: tuple[float, float, float, float]) -> None:
    from matplotlib.patches import Rectangle  # noqa: PLC0415  (heavy)

    x0, x1, y0, y1 = rectangle
    for colour, width in (("white", 3.0), (INK, 1.2)):
        ax.add_patch(
            Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=width)
        )
