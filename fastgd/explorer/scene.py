"""`Scene`: a problem of one or two parameters with what a page needs to show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.descent.rates import default_rate
from fastgd.functions import KnownFunction
from fastgd.optimizers import SGD
from fastgd.problems import LeastSquares, Polynomial, Problem, Quadratic

_MOST_ROWS = 2000  # of a line that the page shows and writes out


@dataclass(frozen=True)
class Rows:
    """The rows behind a line: inputs as they are read, as the problem has them, and targets.

    `low` and `span` say how an input was scaled: (input - low) / span.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    x_name: str = "x"
    y_name: str = "y"
    low: float = 0.0
    span: float = 1.0


@dataclass(frozen=True)
class Scene:
    """A problem and how it is looked at.

    Attributes
    ----------
    key, title : str
        Its short name, and its name for readers.
    problem : Problem
        One of `FORMS`.
    start : tuple of float
    view : tuple of float
        The parameters that are shown: low and high of each.
    python : str
        Python that defines `problem`.
    rates : tuple of two floats
        A good rate for plain descent, and a good length of a step for optimizers that scale their steps.
    updates : int
        The most updates of a run.
    tol : float
        The slope below which a run has converged.
    marks : sequence of points
        Minima.
    rows : Rows, optional
    note : str
        What a reader should know of it.
    """

    key: str
    title: str
    problem: Problem
    start: tuple[float, ...]
    view: tuple[float, ...]
    python: str
    rates: tuple[float, float]
    updates: int = 300
    tol: float = 1e-3
    marks: tuple[tuple[float, ...], ...] = ()
    rows: Rows | None = None
    note: str = ""
    formula: str = ""
    own: Mapping[str, float] = field(default_factory=dict)  # rates that follow from none of the two

    def rate(self, name: str) -> float:
        """The rate that an optimizer starts with."""
        if name in self.own:
            return self.own[name]
        plain, length = self.rates
        factors = {"SGD": plain, "Momentum": plain / 4, "NAG": plain / 4, "RAdam": plain / 4}
        steps = {"Adagrad": 4.0, "RMSprop": 0.5, "Adadelta": 20.0, "Lion": 0.3}
        return float(f"{factors.get(name, length * steps.get(name, 1.0)):.2g}")

    def described(self) -> dict[str, Any]:
        """As the page's script takes it."""
        return {
            "id": self.key,
            "title": self.title,
            "names": list(self.problem.parameter_names),
            "start": list(self.start),
            "view": list(self.view),
            "python": self.python,
            "updates": self.updates,
            "tol": self.tol,
            "marks": [list(mark) for mark in self.marks],
            "note": self.note,
            "formula": self.formula,
            "rows": None if self.rows is None else _rows(self.rows),
            **_form(self.problem),
        }


def _rows(rows: Rows) -> dict[str, Any]:
    return {
        "x": rows.x.tolist(),
        "y": rows.y.tolist(),
        "names": [rows.x_name, rows.y_name],
        "low": rows.low,
        "span": rows.span,
    }


def _form(problem: Problem) -> dict[str, Any]:
    """The numbers of its gradient and its value."""
    if isinstance(problem, LeastSquares | Quadratic):
        solution = solution_of(problem)
        return {
            "kind": "quadratic",
            "hessian": problem.hessian.tolist(),
            "linear": problem.linear.tolist(),
            "solution": solution.tolist(),
            "lowest": problem.loss(solution),
        }
    if isinstance(problem, Polynomial):
        slope = problem.kernel(np.float64).data
        return {
            "kind": "polynomial",
            "coefficients": problem.coefficients.tolist(),
            "derivative": slope.tolist(),
        }
    assert isinstance(problem, KnownFunction)
    return {"kind": "function", "function": problem.fun.__name__, "n": problem.n_parameters}


def solution_of(problem: LeastSquares | Quadratic) -> NDArray[np.float64]:
    """Where a quadratic problem is lowest, or, if it has no lowest point, level."""
    if isinstance(problem, LeastSquares):
        return problem.solution
    return np.asarray(np.linalg.lstsq(problem.hessian, problem.linear, rcond=None)[0])


# --- a user's own -------------------------------------------------------------------------------------


def scene_of(problem: Any, x0: Any = None) -> Scene:
    """A scene of a user's problem.

    Raises
    ------
    TypeError
        If a page cannot compute such a problem.
    ValueError
        If it has more than two parameters, or `x0` another number of them.
    """
    checked = _checked(problem)
    start = _start(checked, x0)
    marks = _marks(checked)
    view = _view(start, marks)
    width = max(high - low for low, high in zip(view[::2], view[1::2], strict=True))
    rate = default_rate(SGD(), checked.curvature(list(start))) or 0.01
    return Scene(
        key="own",
        title="Your own",
        problem=checked,
        start=start,
        view=view,
        python=_python(checked),
        rates=(rate, 0.02 * width),
        updates=1000,
        tol=1e-6,
        marks=marks,
        rows=_rows_of(checked),
        formula=repr(checked),
    )


def _checked(problem: Any) -> Problem:
    known = isinstance(problem, LeastSquares | Quadratic | Polynomial | KnownFunction)
    if not known:
        raise TypeError(
            "problem must be the name of one, or a LeastSquares, Quadratic, Polynomial or a test function of "
            f"fastgd.functions, got {type(problem).__name__}"
        )
    assert isinstance(problem, Problem)
    if isinstance(problem, LeastSquares) and not (
        problem.statistics and problem.update == "simultaneous"
    ):
        raise TypeError(
            "problem must use the sums over its rows: LeastSquares with statistics=True, update='simultaneous' "
            "and no batch_size"
        )
    if problem.n_parameters > 2:
        raise ValueError(f"problem must have one or two parameters, got {problem.n_parameters}")
    return problem


def _start(problem: Problem, x0: Any) -> tuple[float, ...]:
    if x0 is None:
        return (0.0,) * problem.n_parameters
    start = np.atleast_1d(np.asarray(x0, np.float64))
    if start.shape != (problem.n_parameters,) or not np.isfinite(start).all():
        raise ValueError(
            f"x0 must be {problem.n_parameters} finite numbers, one for each parameter, got {x0!r:.60}"
        )
    return tuple(start.tolist())


def _marks(problem: Problem) -> tuple[tuple[float, ...], ...]:
    if isinstance(problem, LeastSquares | Quadratic):
        return (tuple(solution_of(problem).tolist()),)
    if isinstance(problem, KnownFunction):
        return tuple(map(tuple, problem.minima.tolist()))
    assert isinstance(problem, Polynomial)
    slope = np.polynomial.Polynomial(problem.coefficients).deriv()
    roots = slope.roots()
    level = roots[np.abs(roots.imag) < 1e-9].real
    return tuple((float(x),) for x in level[slope.deriv()(level) > 0])


def _view(start: tuple[float, ...], marks: tuple[tuple[float, ...], ...]) -> tuple[float, ...]:
    """The start and the minima, with as much room around them as lies between them."""
    points = np.array([start, *marks])
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.where(high > low, 0.6 * (high - low), 0.6 * max(1.0, float((high - low).max())))
    return tuple(np.column_stack([low - room, high + room]).ravel().tolist())


def _rows_of(problem: Problem) -> Rows | None:
    if not isinstance(problem, LeastSquares) or problem.parameter_names[-1:] != ("b",):
        return None
    if problem.n_parameters != 2 or problem.n_rows > _MOST_ROWS or not problem.intercept:
        return None
    try:
        X, y = problem.X, problem.y
    except AttributeError:  # its rows are not in memory
        return None
    return Rows(
        np.asarray(X[:, 0], np.float64), np.asarray(y, np.float64), problem.parameter_names[0]
    )


def _python(problem: Problem) -> str:
    rows = _rows_of(problem)
    if rows is not None:
        assert isinstance(problem, LeastSquares)
        return line_python(rows, f", cost={problem.cost!r}")
    if isinstance(problem, LeastSquares | Quadratic):
        return f"problem = gd.Quadratic({problem.hessian.tolist()}, {problem.linear.tolist()})"
    if isinstance(problem, Polynomial):
        return f"problem = gd.Polynomial({problem.coefficients.tolist()})"
    assert isinstance(problem, KnownFunction)
    return f"problem = gd.functions.{problem.fun.__name__}()"


def line_python(rows: Rows, options: str = "", *, scaled: bool = False) -> str:
    """Python for least squares of a line through rows that are written out."""
    x = "(x - x.min()) / np.ptp(x)" if scaled else "x"
    return "\n".join(
        [
            f"x = np.array({_wrapped(rows.x)})  # {rows.x_name}",
            f"y = np.array({_wrapped(rows.y)})  # {rows.y_name}",
            f"problem = gd.LeastSquares({x}, y{options})",
        ]
    )


def _wrapped(values: NDArray[np.float64]) -> str:
    """A list of numbers, eight to a line."""
    texts = [repr(value) for value in values.tolist()]
    lines = [", ".join(texts[k : k + 8]) for k in range(0, len(texts), 8)]
    return "[" + ",\n    ".join(lines) + "]"
