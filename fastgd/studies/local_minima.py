"""A curve with several minima: which rates, momenta and starting points reach the lowest one?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.optimizers import NAG, SGD, Adagrad, Adam, Momentum, Optimizer, RMSprop
from fastgd.plotting import COLOURS, GREY, INK, HeatMapDisplay
from fastgd.problems import Polynomial
from fastgd.studies.common import path, quiet
from fastgd.studies.report import (
    Animation,
    Block,
    Column,
    Figure,
    Formula,
    Options,
    Origin,
    Section,
    Table,
    Text,
)
from fastgd.sweeps import SweepResult, sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

NAME = "local-minima"
MINIMA, MAXIMA = (-1.9, 0.0, 2.0), (-1.3, 0.7)
LEFT, RIGHT = -2.5, 2.6
START = -2.4
UPDATES = 20_000
_SLOPE = np.polynomial.Polynomial.fromroots(sorted(MINIMA + MAXIMA))
CURVE = _SLOPE.integ(lbnd=0.0)
LOWEST = int(np.argmin(CURVE(np.array(MINIMA))))
NOWHERE = len(MINIMA)  # diverged or did not settle
_NEAR = 1e-3


def study(options: Options) -> Section:
    """Sweeps over starts, rates, momenta and optimizers on one curve."""
    problem = Polynomial(CURVE.coef)
    fewer = 5 if options.quick else 1
    plain = _basins(problem, Momentum(), "lr", np.linspace(0.002, 0.2, 100)[::fewer], fewer)
    heavy = _basins(
        problem, Momentum(lr=0.01), "momentum", np.linspace(0.6, 0.99, 118)[::fewer], fewer
    )
    shares = _shares(problem, fewer)
    best = np.unravel_index(int(np.argmax(shares.mean_reached)), shares.mean_reached.shape)
    gradient_flow = float(np.mean(reached(plain)[:, 0] == LOWEST))
    top = float(shares.mean_reached[best])
    rate, momentum = shares.rates[best[0]], shares.momenta[best[1]]
    summary = (
        f"with small plain steps {gradient_flow:.0%} of the starts in [−2.5, 2.6] reach the lowest of three minima, "
        f"those in its own basin; with rate {rate:.3g} and momentum {momentum:.2g} it is {top:.0%}."
    )
    summary = summary[0].upper() + summary[1:]
    blocks: list[Block] = [
        Text(
            "**The question.** Gradient descent is local: it cannot see a lower minimum behind the next hill. Which "
            "rates, momenta and starting points reach it nevertheless?"
        ),
        Formula(
            "f'(x) = (x + 1.9)(x + 1.3) x (x − 0.7)(x − 2),   minima at −1.9, 0 and 2, "
            f"the lowest at {MINIMA[LOWEST]:g}"
        ),
        Text(
            f"**Result.** {summary} (The curve is our own; there are no published numbers for it.)"
        ),
        _paths_figure(problem),
        _basins_figure(plain, heavy),
        Text(
            "Small plain steps never leave the basin they start in (left, the lower edge). Larger steps cross hills "
            "erratically: where the picture is speckled, neighbouring starts end in different minima; at still "
            "larger rates descent diverges. Momentum (right) carries runs over hills: first those that start high "
            "on the walls, above 0.9 those of the middle basin too. There the borders fray, because a run that "
            "oscillates across several basins ends in one of them by chance."
        ),
        _shares_figure(shares),
        _optimizers_table(problem, fewer),
    ]
    if options.animate:
        blocks.insert(4, _animation(problem, 6 if options.quick else 50))
    results = {"plain": gradient_flow, "best": top, "at": (float(rate), float(momentum))}
    return Section(NAME, "Local minima", Origin(), summary, blocks, results)


def starts(fewer: int) -> NDArray[np.float64]:
    """Starting points over the whole curve."""
    return np.linspace(LEFT, RIGHT, 301)[::fewer]


def reached(result: SweepResult) -> NDArray[np.intp]:
    """Index of the minimum that each run reached; `NOWHERE` if it diverged or did not settle."""
    distance = np.abs(result.x - np.array(MINIMA))
    nearest = np.argmin(np.nan_to_num(distance, nan=np.inf), axis=-1)
    return np.where(result.converged & (distance.min(axis=-1) < _NEAR), nearest, NOWHERE)


def _descend(problem: Polynomial, optimizer: Optimizer, axes: dict[str, Any]) -> SweepResult:
    return sweep(problem, optimizer, axes, max_iter=UPDATES, tol=1e-6)


def _basins(
    problem: Polynomial, optimizer: Optimizer, name: str, values: Any, fewer: int
) -> SweepResult:
    return _descend(problem, optimizer, {"x0": starts(fewer), name: values})


# --- single descents --------------------------------------------------------------------------------

_EXAMPLES = {
    "plain, rate 0.01": Momentum(lr=0.01, momentum=0.0),
    "momentum 0.85": Momentum(lr=0.01, momentum=0.85),
    "momentum 0.94": Momentum(lr=0.01, momentum=0.94),
}


def _curve(ax: Axes) -> None:
    grid = np.linspace(LEFT, RIGHT, 500)
    ax.plot(grid, CURVE(grid), color=GREY, linewidth=1.3)
    for k, x in enumerate(MINIMA):
        ax.plot(x, CURVE(x), "*" if k == LOWEST else "v", color=INK, markersize=9)
    ax.set_ylim(float(CURVE(np.array(MINIMA)).min()) - 0.8, 8.0)


def _shown(x: float) -> str:
    return f"{x:z.1f}".replace("-", "−")


def _paths_figure(problem: Polynomial) -> Figure:
    def draw(canvas: Canvas) -> None:
        for k, (ax, (name, optimizer)) in enumerate(
            zip(canvas.subplots(1, 3, sharey=True), _EXAMPLES.items(), strict=True)
        ):
            x = path(problem, optimizer, START, 300)[:, 0]
            _curve(ax)
            ax.plot(x, CURVE(x), "o-", color=COLOURS[k], markersize=3, linewidth=0.6, alpha=0.8)
            quiet(ax, x="x", y="" if k else "f(x)", title=f"{name}: ends at {_shown(x[-1])}")

    return Figure(
        "paths",
        f"Three descents from x = {_shown(START)}, rate 0.01, 300 updates: without momentum into the nearest minimum, "
        "with momentum over one hill or over both (the star is the lowest minimum).",
        draw,
        size=(9.6, 3.6),
    )


def _animation(problem: Polynomial, frames: int) -> Animation:
    paths = {name: path(problem, opt, START, 300)[:, 0] for name, opt in _EXAMPLES.items()}

    def prepare(canvas: Canvas) -> Callable[[int], None]:
        drawn = []
        for k, (ax, (name, x)) in enumerate(
            zip(canvas.subplots(1, 3, sharey=True), paths.items(), strict=True)
        ):
            _curve(ax)
            trail = ax.plot([], [], "-", color=COLOURS[k], linewidth=0.8)[0]
            ball = ax.plot([], [], "o", color=COLOURS[k], markersize=8)[0]
            quiet(ax, x="x", title=name)
            drawn.append((trail, ball, x))
        title = canvas.suptitle("")

        def show(frame: int) -> None:
            for trail, ball, x in drawn:
                trail.set_data(x[: frame + 1], CURVE(x[: frame + 1]))
                ball.set_data(x[frame : frame + 1], CURVE(x[frame : frame + 1]))
            title.set_text(f"update {frame}")

        return show

    return Animation(
        "rolling", "The same, update by update.", prepare, frames=frames, size=(9.6, 3.4)
    )


# --- basins -----------------------------------------------------------------------------------------


def _draw_basins(ax: Axes, result: SweepResult) -> None:
    from matplotlib.colors import ListedColormap  # noqa: PLC0415  (heavy)

    (_, x), (name, y) = result.axes.items()
    colours = ListedColormap([COLOURS[5], COLOURS[4], COLOURS[2], "#EDEDED"])
    mesh = ax.pcolormesh(
        x, y, reached(result).T, cmap=colours, vmin=-0.5, vmax=3.5, rasterized=True
    )
    mesh.set_edgecolor("face")
    for hill in MAXIMA:
        ax.axvline(hill, color=INK, linewidth=0.9, linestyle="--")
    ax.set_xlabel("starting point")
    ax.set_ylabel("learning rate" if name == "lr" else name)


def _basins_figure(plain: SweepResult, heavy: SweepResult) -> Figure:
    def draw(canvas: Canvas) -> None:
        from matplotlib.patches import Patch  # noqa: PLC0415  (heavy)

        left, right = canvas.subplots(1, 2)
        _draw_basins(left, plain)
        left.set_title("without momentum", fontsize="medium", loc="left")
        _draw_basins(right, heavy)
        right.set_title("heavy ball, rate 0.01", fontsize="medium", loc="left")
        names = [f"ends at {_shown(x)}" + (" (lowest)" if k == LOWEST else "")
                 for k, x in enumerate(MINIMA)]  # fmt: skip
        colours = [COLOURS[5], COLOURS[4], COLOURS[2], "#EDEDED"]
        handles = [
            Patch(facecolor=colour, edgecolor=GREY, label=name)
            for colour, name in zip(colours, [*names, "diverges or never settles"], strict=True)
        ]
        canvas.legend(handles=handles, loc="outside upper left", ncols=4, frameon=False)

    return Figure(
        "basins",
        f"Where {plain.size + heavy.size:,} descents end. The dashed lines are the hilltops.",
        draw,
        size=(9.6, 4.6),
    )


# --- shares of the starts ---------------------------------------------------------------------------


class _Shares:
    """Of the starts, how many reach the lowest minimum, for each rate and momentum."""

    def __init__(self, result: SweepResult) -> None:
        self.rates, self.momenta = (np.asarray(result.axes[n]) for n in ("lr", "momentum"))
        self.mean_reached = (reached(result) == LOWEST).mean(axis=0)


def _shares(problem: Polynomial, fewer: int) -> _Shares:
    axes = {
        "x0": starts(3 * fewer),
        "lr": np.geomspace(1e-3, 0.2, 60)[::fewer],
        "momentum": np.linspace(0.0, 0.99, 50)[::fewer],
    }
    return _Shares(_descend(problem, Momentum(), axes))


def _shares_figure(shares: _Shares) -> Figure:
    best = np.unravel_index(int(np.argmax(shares.mean_reached)), shares.mean_reached.shape)

    def draw(canvas: Canvas) -> None:
        HeatMapDisplay(
            x=shares.rates.tolist(), y=shares.momenta.tolist(), values=100 * shares.mean_reached.T,
            best=(int(best[1]), int(best[0])), value_name="starts that reach the lowest minimum (%)",
        ).plot(canvas.subplots())  # fmt: skip

    return Figure(
        "shares",
        "Of 101 starts in [−2.5, 2.6] (every fifth of them in quick mode), how many end in the lowest minimum, for "
        "the heavy ball.",
        draw,
        size=(8.4, 4.8),
    )


def _optimizers_table(problem: Polynomial, fewer: int) -> Table:
    rates = np.geomspace(1e-3, 3.0, 80)[::fewer]
    rows = []
    for name, optimizer in {
        "plain": SGD(), "heavy ball, momentum 0.9": Momentum(), "Nesterov, momentum 0.9": NAG(),
        "Adagrad": Adagrad(), "RMSprop": RMSprop(), "Adam": Adam(),
    }.items():  # fmt: skip
        result = _descend(problem, optimizer, {"x0": starts(3 * fewer), "lr": rates})
        found = reached(result)
        share = (found == LOWEST).mean(axis=0)
        best = int(np.argmax(share))
        lost = float((found[:, best] == NOWHERE).mean())
        rows.append(
            (name, 100 * float(share[0]), 100 * float(share[best]), rates[best], 100 * lost)
        )
    columns = [Column("optimizer"), Column("reach it at rate 0.001 (%)", ".0f")]
    columns += [Column("at the best rate (%)", ".0f"), Column("that rate", ".3g")]
    columns.append(Column("diverge or never settle there (%)", ".0f"))
    return Table(
        "optimizers",
        f"Starts that reach the lowest minimum within {UPDATES:,} updates, for six optimizers over "
        f"{rates.size} rates from 0.001 to 3.",
        columns,
        rows,
    )
