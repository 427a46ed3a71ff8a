"""The problems that every page has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastgd.datasets import load_heights_weights
from fastgd.datasets.heights_weights import CONSTRUCTED, constructed_rows
from fastgd.explorer.scene import Rows, Scene, line_python
from fastgd.extras import MissingExtra
from fastgd.functions import beale, bumpy, himmelblau, ravine, rosenbrock, saddle
from fastgd.problems import LeastSquares, Polynomial
from fastgd.studies import local_minima, step_size


def _line() -> Scene:
    return _heights("line", scaled=True)


def _unscaled() -> Scene:
    return _heights("unscaled", scaled=False)


def _heights(key: str, *, scaled: bool) -> Scene:
    """The 40 rows of the learning-rate study, or those that stand in for them."""
    height, weight, note = _study()
    low, span = (float(height.min()), float(np.ptp(height))) if scaled else (0.0, 1.0)
    rows = Rows(height, weight, "height (in)", "weight (lb)", low, span)
    x = (height - height.min()) / np.ptp(height) if scaled else height
    problem = LeastSquares(x, weight)
    solution = tuple(problem.solution.tolist())
    w, b = solution
    return Scene(
        key,
        "Heights and weights" if scaled else "Heights and weights, not scaled",
        problem,
        start=(0.0, 0.0),
        view=(-20.0, 130.0, -10.0, 190.0) if scaled else (w - 4, w + 4, b - 260, b + 260),
        python=line_python(rows, scaled=scaled),
        rates=(1.2, 2.0) if scaled else (0.0004, 0.5),
        updates=1000,
        marks=(solution,),
        rows=rows,
        note=note,
        formula="mean of (w x + b − y)² / 2, x is the height "
        + ("scaled to [0, 1]" if scaled else "in inches"),
        own={"Momentum": 0.1, "NAG": 0.1, "Adagrad": 15.0, "Adadelta": 60.0} if scaled else {},
    )


def _study() -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Heights, weights and what is to be said of them; with NumPy alone, which reads no file, those constructed."""
    try:
        found = load_heights_weights(rows="study", download=False)
    except MissingExtra:
        rows = constructed_rows()
        return rows[:, 1], rows[:, 2], f"STAND-IN: {CONSTRUCTED}"
    note = found.notes[0] if found.instead else "40 rows of SOCR's heights and weights"
    return found.data[:, 0], found.target, note


def _ravine() -> Scene:
    return Scene(
        "ravine", "Ravine", ravine(25.0),
        start=(-8.0, 2.0), view=(-10.0, 6.0, -4.0, 4.0),
        python="problem = gd.functions.ravine(25.0)",
        rates=(0.075, 0.3), marks=((0.0, 0.0),),
        formula="(x² + 25 y²) / 2",
    )  # fmt: skip


def _rosenbrock() -> Scene:
    return Scene(
        "rosenbrock", "Rosenbrock's valley", rosenbrock(),
        start=(-1.2, 1.0), view=(-2.0, 2.0, -1.0, 3.0),
        python="problem = gd.functions.rosenbrock()",
        rates=(0.002, 0.05), updates=1000, marks=((1.0, 1.0),),
        formula="100 (y − x²)² + (1 − x)²",
        own={"Momentum": 0.001, "NAG": 0.001},
    )  # fmt: skip


def _beale() -> Scene:
    return Scene(
        "beale", "Beale's function", beale(),
        start=(-1.0, 1.5), view=(-2.0, 4.5, -2.0, 2.5),
        python="problem = gd.functions.beale()",
        rates=(0.02, 0.1), updates=1000, marks=((3.0, 0.5),),
        formula="(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²",
    )  # fmt: skip


def _himmelblau() -> Scene:
    problem = himmelblau()
    return Scene(
        "himmelblau", "Himmelblau's function", problem,
        start=(-0.5, -1.0), view=(-5.0, 5.0, -5.0, 5.0),
        python="problem = gd.functions.himmelblau()",
        rates=(0.01, 0.2), marks=tuple(map(tuple, problem.minima.tolist())),
        formula="(x² + y − 11)² + (x + y² − 7)²",
    )  # fmt: skip


def _saddle() -> Scene:
    problem = saddle()
    return Scene(
        "saddle", "Saddle", problem,
        start=(1.8, 0.001), view=(-2.5, 2.5, -2.5, 2.5),
        python="problem = gd.functions.saddle()",
        rates=(0.1, 0.05), marks=tuple(map(tuple, problem.minima.tolist())),
        formula="x² − y² + y⁴/4",
    )  # fmt: skip


def _bumpy() -> Scene:
    problem = bumpy()
    return Scene(
        "bumpy", "Bumpy curve", problem,
        start=(-4.0,), view=(-7.0, 7.0),
        python="problem = gd.functions.bumpy()",
        rates=(0.05, 0.1), marks=tuple(map(tuple, problem.minima.tolist())),
        formula="x²/10 + sin(3x)",
    )  # fmt: skip


def _parabola() -> Scene:
    scale = 1e-3  # with which the study's three outcomes come out
    problem = step_size.problem(scale)
    numbers = ", ".join(map(repr, problem.coefficients.tolist()))
    return Scene(
        "parabola", "Parabola", problem,
        start=(step_size.START,), view=(-14.0, 24.0),
        python=f"problem = gd.Polynomial([{numbers}])",
        rates=(0.2, 1.0), updates=100, marks=((step_size.LOWEST,),),
        formula="(2326 x² − 23090 x + 57360) / 1000",
    )  # fmt: skip


def _valleys() -> Scene:
    problem = Polynomial(local_minima.CURVE.coef)
    numbers = ", ".join(map(repr, problem.coefficients.tolist()))
    return Scene(
        "valleys", "Three valleys", problem,
        start=(local_minima.START,), view=(local_minima.LEFT, local_minima.RIGHT),
        python=f"problem = gd.Polynomial([{numbers}])",
        rates=(0.01, 0.05), marks=tuple((float(x),) for x in local_minima.MINIMA),
        formula="f′(x) = (x + 1.9)(x + 1.3) x (x − 0.7)(x − 2)",
        own={"Momentum": 0.01, "NAG": 0.01},
    )  # fmt: skip


SCENES: dict[str, Callable[[], Scene]] = {
    "line": _line,
    "unscaled": _unscaled,
    "ravine": _ravine,
    "rosenbrock": _rosenbrock,
    "beale": _beale,
    "himmelblau": _himmelblau,
    "saddle": _saddle,
    "bumpy": _bumpy,
    "parabola": _parabola,
    "valleys": _valleys,
}
