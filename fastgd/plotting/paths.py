"""`PathDisplay`: the points of descents over the function that they descend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.plotting.common import COLOURS, DASHES, GREY, INK, MARKERS, dress, legend_above
from fastgd.plotting.display import Display
from fastgd.plotting.labels import as_drawn, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]
Window = Sequence[tuple[float, float]]

_GRID = 101  # points of the grid along each of two axes
_CURVE = 401  # points of a curve
_LEVELS = 16
_MOST_POINTS = 2000  # of a path
_MOST_MARKS = 60  # points of a path that are marked each
_BEYOND = (
    1.5  # sizes of the box around starts, lowest points and minima, up to which paths are followed
)


@dataclass(repr=False)
class PathDisplay(Display):
    """Paths of descents: over contours of a function of two parameters, or on the curve of a function of one.

    Paths that run away leave the frame, so that the others can be seen.

    Parameters
    ----------
    function : callable
        Values (k,) of the function at the points (n_parameters, k).
    paths : dict of str to array_like of shape (k, n_parameters)
        By name in the legend: the iterates from the start on.
    names : sequence of str
        The parameters' names; their number is 1 or 2.
    minima : array_like of shape (m, n_parameters), optional
        Points to mark with a cross.
    window : sequence of pairs of float, optional
        For each parameter the range that is shown; by default the paths decide.
    value_name : str, default "loss"
        What the function gives.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        The axes and figure that `plot` drew on.

    Examples
    --------
    >>> display = PathDisplay(lambda x: x[0] ** 2, {"SGD": [[2.0], [1.0], [0.5]]}, ["x"])
    >>> display
    PathDisplay(SGD over x)
    >>> display.plot().figure_.savefig("path.png")  # doctest: +SKIP
    """

    size: ClassVar[tuple[float, float]] = (6.8, 5.2)

    function: Callable[[Numbers], Numbers]
    paths: Mapping[str, ArrayLike]
    names: Sequence[str]
    minima: ArrayLike | None = field(default=None, kw_only=True)
    window: Window | None = field(default=None, kw_only=True)
    value_name: str = field(default="loss", kw_only=True)

    def __post_init__(self) -> None:
        if len(self.names) not in (1, 2):
            raise ValueError(
                f"names must be those of one or two parameters, got {len(self.names)}: "
                "a path over more cannot be drawn"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.paths)} over {', '.join(self.names)})"

    def _draw(self, ax: Axes) -> None:
        self.draw_ground(ax)
        for show in self.trails(ax):
            show(None)
        legend_above(ax)

    # --- the function -----------------------------------------------------------------------------

    def draw_ground(self, ax: Axes) -> None:
        """Draw the function, its minima and the axes' labels, without paths."""
        dress(ax)
        ax.set_xlabel(as_drawn(self.names[0]))
        if len(self.names) == 1:
            self._draw_curve(ax)
        else:
            ax.grid(False)
            self._draw_contours(ax)

    def _draw_curve(self, ax: Axes) -> None:
        ((left, right),) = self._ranges()
        x = np.linspace(left, right, _CURVE)
        y = self._values(x[None])
        ax.plot(x, y, color=GREY, linewidth=1.3)
        for point in self._minima():
            ax.plot(point, self._values(point[:, None]), "+", color=INK, markersize=12)
        ax.set_xlim(left, right)
        seen = y[np.isfinite(y)]
        if seen.size:
            margin = 0.06 * (float(np.ptp(seen)) or 1.0)
            ax.set_ylim(seen.min() - margin, seen.max() + margin)
        ax.set_ylabel(self.value_name)

    def _draw_contours(self, ax: Axes) -> None:
        (left, right), (low, high) = self._ranges()
        x, y = np.linspace(left, right, _GRID), np.linspace(low, high, _GRID)
        points = np.stack([axis.ravel() for axis in np.meshgrid(x, y)])
        values = self._values(points).reshape(_GRID, _GRID)
        levels = self._levels(values)
        if levels.size:
            from matplotlib import colormaps  # noqa: PLC0415  (heavy)

            shades = colormaps["Greys"](np.linspace(0.75, 0.3, levels.size))
            shown = np.ma.masked_invalid(values)
            ax.contour(x, y, shown, levels=levels, colors=shades, linewidths=0.8)
            label = f"{self.value_name} {levels[0]:.3g} to {levels[-1]:.3g}"
            ax.plot([], [], color=GREY, linewidth=0.8, label=label)
        for point in self._minima():
            ax.plot(*point, "+", color=INK, markersize=11, zorder=4)
        ax.set_xlim(left, right)
        ax.set_ylim(low, high)
        ax.set_ylabel(as_drawn(self.names[1]))

    def _levels(self, values: Numbers) -> Numbers:
        """Heights of contours: above the lowest value seen, in equal ratios, where most of the picture lies."""
        known = [values[np.isfinite(values)]]
        known += [self._values(point[:, None]) for point in self._minima()]
        seen = np.concatenate(known)
        seen = seen[np.isfinite(seen)]
        if not seen.size or not seen.max() > seen.min():
            return np.empty(0)
        least = float(seen.min())
        above = seen - least
        top = float(above.max())
        first = max(float(np.quantile(above[above > 0], 0.01)), 1e-9 * top)
        # The last line would be the frame's corner alone.
        return np.unique(least + np.geomspace(first, top, _LEVELS + 1)[:-1])

    def _values(self, points: Numbers) -> Numbers:
        with np.errstate(all="ignore"):
            return np.asarray(self.function(np.ascontiguousarray(points, np.float64)), np.float64)

    def _minima(self) -> Numbers:
        if self.minima is None:
            return np.empty((0, len(self.names)))
        return np.asarray(self.minima, np.float64).reshape(-1, len(self.names))

    def _points(self, path: ArrayLike) -> Numbers:
        return np.array(path, np.float64).reshape(-1, len(self.names))

    def _ranges(self) -> list[tuple[float, float]]:
        """The window: around starts, lowest points and minima, and as far as paths go that do not run away."""
        if self.window is not None:
            return [(float(low), float(high)) for low, high in self.window]
        paths = [self._points(path) for path in self.paths.values()]
        known = [self._minima()]
        for path in paths:
            finite = path[np.isfinite(path).all(axis=1)]
            if len(finite):
                losses = self._values(finite.T)
                known += [
                    finite[:1],
                    finite[[np.argmin(np.where(np.isnan(losses), np.inf, losses))]],
                ]
        core = np.concatenate(known)
        if not len(core):
            return [(-1.0, 1.0)] * len(self.names)
        low, high = core.min(axis=0), core.max(axis=0)
        size = high - low
        # A parameter that did not move gets the size of the other, or of its own value.
        size = np.where(size > 0, size, size.max() or np.maximum(np.abs(high), 1.0))
        box = low - _BEYOND * size, high + _BEYOND * size
        # What ends far away has no part in the window but its start and its lowest point.
        staying = [path for path in paths if len(path) and _inside(path[-1:], *box).all()]
        every = np.concatenate([core, *staying])
        every = every[_inside(every, *box)]
        low, high = every.min(axis=0), every.max(axis=0)
        margin = np.where(high > low, 0.1 * (high - low), 0.6 * size)
        return list(zip((low - margin).tolist(), (high + margin).tolist(), strict=True))

    # --- the paths --------------------------------------------------------------------------------

    def trails(self, ax: Axes) -> list[Callable[[int | None], None]]:
        """Prepare each path; a call shows its first so many points, or all of them."""
        return [
            self._trail(ax, k, name, self._points(path))
            for k, (name, path) in enumerate(self.paths.items())
        ]

    def _trail(self, ax: Axes, k: int, name: str, points: Numbers) -> Callable[[int | None], None]:
        shown = self._on_axes(points)
        round_, place = divmod(k, len(COLOURS))
        style: dict[str, Any] = {"color": COLOURS[place], "zorder": 3}
        label = as_drawn(shortened(name, 40))
        inside = _inside(shown, *np.transpose([ax.get_xlim(), ax.get_ylim()]))
        if len(shown) and not inside[-1]:
            label += " (leaves)"
            shown[np.argmin(inside) + 1 :] = (
                np.nan
            )  # what swings from side to side would cover the rest
        line = ax.plot(
            [], [], linestyle=DASHES[round_ % len(DASHES)], linewidth=1.2, label=label,
            marker="o" if len(points) <= _MOST_MARKS else None, markersize=3, **style,
        )[0]  # fmt: skip
        end = ax.plot(
            [], [], MARKERS[(place + round_) % len(MARKERS)], markersize=7,
            markeredgecolor="white", linestyle="none", **style,
        )[0]  # fmt: skip
        if len(shown):
            ax.plot(*shown[:1].T, "o", markersize=7, markerfacecolor="white", **style)

        def show(count: int | None) -> None:
            part = shown[:count]
            kept = np.unique(np.linspace(0, len(part) - 1, _MOST_POINTS).round().astype(int))
            line.set_data(*(part if len(part) <= _MOST_POINTS else part[kept]).T)
            finite = part[np.isfinite(part).all(axis=1)]
            end.set_data(*finite[-1:].T)

        return show

    def _on_axes(self, points: Numbers) -> Numbers:
        """The points as they are drawn: of one parameter with the function's values beside."""
        points = np.where(np.abs(points) < 1e100, points, np.nan)  # beyond, Matplotlib overflows
        if points.shape[1] == 2:
            return points
        values = self._values(points.T)
        return np.column_stack([points[:, 0], np.where(np.abs(values) < 1e100, values, np.nan)])


def _inside(points: Numbers, low: Numbers, high: Numbers) -> NDArray[np.bool_]:
    """Which points lie between two corners; nan does not."""
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))
