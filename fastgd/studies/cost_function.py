"""The cost of a line through 40 heights and weights: its parabola, its surface, and the descent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import theory
from fastgd.datasets import Dataset, load_heights_weights
from fastgd.optimizers import SGD
from fastgd.plotting import COLOURS, GREY, INK, PathDisplay
from fastgd.problems import LeastSquares
from fastgd.studies.common import cost_parabola, in_inches, min_max, origin, path, quiet
from fastgd.studies.published import COST_PARABOLA, FITTED_LINE
from fastgd.studies.report import Animation, Block, Column, Figure, Options, Section, Table, Text
from fastgd.sweeps import sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

NAME = "cost-function"
SEED = 0
W, B = 5.0, -210.0  # the line that the source tries by hand
SLOPES = np.arange(-11, 23)
RATE, UPDATES = 1.0, 150
SHOWN = (0, 1, 2, 5, 10, 20, 40, 80, 150)
TOLERANCE = 1e-3
REACH = (75.0, 140.0)  # of the pictures, on both sides of the minimum


@dataclass(frozen=True)
class _Rows:
    """40 persons, and two problems: height in inches, and scaled to [0, 1]."""

    data: Dataset

    @cached_property
    def height(self) -> NDArray[np.float64]:
        return np.asarray(self.data.data[:, 0], np.float64)

    @cached_property
    def weight(self) -> NDArray[np.float64]:
        return np.asarray(self.data.target, np.float64)

    @cached_property
    def raw(self) -> LeastSquares:
        return LeastSquares(self.height, self.weight)

    @cached_property
    def scaled(self) -> LeastSquares:
        return LeastSquares(min_max(self.height), self.weight)

    @cached_property
    def descent(self) -> NDArray[np.float64]:
        return path(self.scaled, SGD(lr=RATE), (0.0, 0.0), UPDATES)


def study(options: Options) -> Section:
    """Plot cost curve, surface and fitted lines."""
    rows = _Rows(load_heights_weights(options.data, rows="study", download=options.download))
    drawn = _Rows(load_heights_weights(options.data, rows=40, rng=SEED, download=options.download))
    vertex = _vertex(rows)
    best = int(SLOPES[np.argmin(_curve(rows, SLOPES))])
    summary = (
        f"the minimum of J(w; b = −210) among w = −11 … 22 is at w = {best} (published: 5), the vertex of its "
        f"parabola at {vertex:.3f} (published: {_published_vertex():.3f})."
    )
    blocks: list[Block] = [
        Text(
            "**The question.** How badly does the line weight = w·height + b miss 40 heights (in) and weights (lb), "
            "depending on w and b? The cost is J(w, b) = 1/2m Σ (w x + b − y)²."
        ),
        Text(f"**Result.** {summary[0].upper()}{summary[1:]}"),
        _parabola_figure(rows, drawn),
        _numbers_table(rows, drawn),
        Text(_which_rows(rows, drawn)),
        _lines_figure(rows),
        *_why_scaled(rows),
        _surface_figure(rows),
        _successive_figure(rows),
    ]
    if options.animate:
        blocks.append(_animation(rows, quick=options.quick))
    statement = origin(rows.data)
    return Section(
        NAME,
        "The cost of a line",
        statement,
        f"{summary[0].upper()}{summary[1:]}",
        blocks,
        {"best": best, "vertex": vertex},
    )


def _which_rows(rows: _Rows, drawn: _Rows) -> str:
    made = rows.data.instead
    how = "are constructed so as to" if made else "were found by our search and"
    return (
        f"The source's own 40 rows were never published; those used here {how} give its printed numbers. The last "
        f"column is another 40 of the same {_total(drawn)}, drawn with seed {SEED}, to show how much such numbers "
        "depend on the sample."
    )


def _total(drawn: _Rows) -> str:
    made = drawn.data.instead
    return "25,000 generated rows (a stand-in)" if made else "25,000 rows"


def _curve(rows: _Rows, slopes: ArrayLike) -> NDArray[np.float64]:
    w = np.asarray(slopes, np.float64)
    return rows.raw.losses(np.vstack([w, np.full(w.shape, B)]))


def _vertex(rows: _Rows) -> float:
    square, linear, _ = cost_parabola(rows.height, rows.weight)
    return -linear / (2 * square)


def _published_vertex() -> float:
    return -COST_PARABOLA[1] / (2 * COST_PARABOLA[0])


# --- one parameter: a parabola ----------------------------------------------------------------------


def _numbers_table(rows: _Rows, drawn: _Rows) -> Table:
    def numbers(of: _Rows) -> list[float]:
        slope, intercept = in_inches(of.scaled.solution, of.height)
        return [*cost_parabola(of.height, of.weight), _vertex(of), slope, intercept]

    published = [*COST_PARABOLA, _published_vertex(), *FITTED_LINE]
    names = [
        "J(w; b = −210): coefficient of w²", "coefficient of w", "constant", "its vertex (lb/in)",
        "slope of the fitted line (lb/in)", "intercept (lb)",
    ]  # fmt: skip
    columns = [Column("quantity"), Column("published", ".7g"), Column("these 40 rows", ".7g")]
    columns.append(Column(f"40 drawn, seed {SEED}", ".7g"))
    table = list(zip(names, published, numbers(rows), numbers(drawn), strict=True))
    return Table("numbers", "Cost curve and fitted line.", columns, table)


def _parabola_figure(rows: _Rows, drawn: _Rows) -> Figure:
    fine = np.linspace(SLOPES[0], SLOPES[-1], 300)

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        published = np.polyval(COST_PARABOLA, fine)
        ax.plot(fine, published, color=GREY, linewidth=4, alpha=0.6, label="published parabola")
        ax.plot(SLOPES, _curve(rows, SLOPES), "o", ms=4, color=COLOURS[0], label="these 40 rows")
        ax.plot(
            SLOPES, _curve(drawn, SLOPES), "x", ms=4, color=COLOURS[1],
            label=f"40 rows drawn with seed {SEED}",
        )  # fmt: skip
        ax.axvline(W, color=INK, linewidth=0.8, linestyle=":")
        ax.text(W + 0.4, 0.5, "w = 5", transform=ax.get_xaxis_transform())
        quiet(ax, x="w (lb/in)", y="J(w; b = −210) (lb²)", loc="upper center")
        ax.set_ylim(bottom=0)

    return Figure(
        "parabola",
        "The cost against the slope w, with b = −210: a parabola, lowest at w = 5 among the integers.",
        draw,
        size=(8.0, 4.4),
    )


def _lines_figure(rows: _Rows) -> Figure:
    slope, intercept = in_inches(rows.scaled.solution, rows.height)

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        ends = _ends(rows)
        _points(ax, rows)
        label = f"fitted: {slope:.4f} x − {-intercept:.3f}"
        ax.plot(ends, slope * ends + intercept, color=COLOURS[0], label=label)
        ax.plot(ends, W * ends + B, "--", color=COLOURS[1], label="by hand: 5 x − 210")
        quiet(ax, x="height (in)", y="weight (lb)", loc="upper left")

    return Figure(
        "lines", "The 40 persons, the fitted line, and w = 5, b = −210.", draw, size=(7.2, 4.4)
    )


def _ends(rows: _Rows) -> NDArray[np.float64]:
    return np.array([rows.height.min(), rows.height.max()])


def _points(ax: Axes, rows: _Rows) -> None:
    ax.plot(rows.height, rows.weight, "o", color=GREY, markersize=4, alpha=0.8)


# --- two parameters: the surface and the descent ----------------------------------------------------


def _why_scaled(rows: _Rows) -> list[Block]:
    def row(name: str, problem: LeastSquares) -> tuple[str | float, ...]:
        flat, steep = np.linalg.eigvalsh(problem.hessian)
        rate = theory.best_rate(problem.hessian)
        updates = theory.predicted_iterations(
            problem.hessian, problem.linear, (0, 0), rate, TOLERANCE
        )
        limit = theory.stable_range(problem.hessian)[1]
        out = sweep(problem, SGD(), {"lr": [rate]}, max_iter=10**8, tol=TOLERANCE)
        shape = name, float(flat), float(steep), float(steep / flat), limit
        return *shape, int(updates), int(out.iterations[0])

    columns = [Column("height"), Column("λmin", ".4g"), Column("λmax", ".4g")]
    columns += [Column("condition λmax/λmin", ",.0f"), Column("stable below rate", ".4g")]
    columns += [Column("updates at the best rate", ",d"), Column("counted", ",d")]
    return [
        Text(
            "**Why heights are scaled before descent.** In inches, all heights are near 68: the effects of w and b are "
            "hard to distinguish, and the surface is a ravine. Scaled to [0, 1] over the rows, it is a bowl. Updates "
            "until both components of the gradient are below 0.001, by the closed form and counted:"
        ),
        Table(
            "scaling",
            "Curvatures of the surface, and their consequences for descent from (0, 0).",
            columns,
            [row("in inches", rows.raw), row("scaled to [0, 1]", rows.scaled)],
        ),
        Text(
            f"The pictures below show descent over scaled heights, from (0, 0), rate {RATE:g}, w and b together."
        ),
    ]


def _window(rows: _Rows) -> list[tuple[float, float]]:
    """The ranges of w and b that are shown."""
    return [(x - reach, x + reach) for x, reach in zip(rows.scaled.solution, REACH, strict=True)]


def _grid(rows: _Rows) -> tuple[NDArray[np.float64], ...]:
    w, b = (np.linspace(low, high, 61) for low, high in _window(rows))
    ws, bs = np.meshgrid(w, b)
    cost = rows.scaled.losses(np.vstack([ws.ravel(), bs.ravel()])).reshape(ws.shape)
    return ws, bs, cost


def _surface_figure(rows: _Rows) -> Figure:
    ws, bs, cost = _grid(rows)
    points = rows.descent
    heights = rows.scaled.losses(points.T)

    def draw(canvas: Canvas) -> None:
        ax = canvas.add_subplot(projection="3d")
        ax.plot_surface(ws, bs, cost, cmap="cividis", alpha=0.55, rstride=2, cstride=2, linewidth=0)
        ax.plot(*points.T, heights, "o-", color=COLOURS[1], markersize=3, linewidth=1.2, zorder=10)
        ax.set_xlabel("w (lb per range)")
        ax.set_ylabel("b (lb)")
        ax.set_zlabel("J (lb²)", labelpad=9)
        ax.view_init(elev=28, azim=-58)
        ax.set_box_aspect(None, zoom=0.88)

    return Figure(
        "surface",
        "J(w, b) over scaled heights, and the points of the descent: first down the steep wall, then along "
        "the valley's floor.",
        draw,
        size=(7.6, 5.6),
    )


def _line_at(rows: _Rows, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    w, b = rows.descent[n]
    return _ends(rows), b + w * np.array([0.0, 1.0])


def _successive_figure(rows: _Rows) -> Figure:
    def draw(canvas: Canvas) -> None:
        from matplotlib import colormaps  # noqa: PLC0415  (heavy)

        left, right = canvas.subplots(1, 2, width_ratios=(1.25, 1))
        _points(left, rows)
        shades = colormaps["cividis"](np.linspace(0.85, 0.0, len(SHOWN)))
        for n, shade in zip(SHOWN, shades, strict=True):
            left.plot(*_line_at(rows, n), color=shade, label=f"{n}")
        quiet(
            left, x="height (in)", y="weight (lb)", title="lines after so many updates",
            loc="lower right", bbox_to_anchor=(1.0, 0.08), ncols=3, fontsize="small",
        )  # fmt: skip
        _path(rows).plot(right)

    return Figure(
        "descent",
        "Successive lines of the descent, and its path: after five updates the line is at the right height, "
        "and then it takes about a hundred to tilt.",
        draw,
        size=(9.6, 4.4),
    )


def _path(rows: _Rows) -> PathDisplay:
    """The descent over the contours of J."""
    return PathDisplay(
        rows.scaled.losses,
        {"descent": rows.descent},
        ("w (lb per range)", "b (lb)"),
        minima=rows.scaled.solution,
        window=_window(rows),
        value_name="J (lb²)",
    )


def _animation(rows: _Rows, *, quick: bool) -> Animation:
    steps = [*range(21), *range(22, 61, 2), *range(65, UPDATES + 1, 5)]
    steps = steps[::10] if quick else steps

    def prepare(canvas: Canvas) -> Callable[[int], None]:
        left, right = canvas.subplots(1, 2)
        _points(left, rows)
        line = left.plot(*_line_at(rows, 0), color=COLOURS[1], linewidth=2)[0]
        left.set_ylim(-5, 1.08 * rows.weight.max())
        quiet(left, x="height (in)", y="weight (lb)")
        display = _path(rows)
        display.draw_ground(right)
        (trail,) = display.trails(right)
        title = canvas.suptitle("")

        def show(k: int) -> None:
            line.set_data(*_line_at(rows, steps[k]))
            trail(steps[k] + 1)
            title.set_text(f"update {steps[k]}")

        return show

    return Animation(
        "descending", "The same, update by update.", prepare, frames=len(steps), size=(8.4, 3.8)
    )
