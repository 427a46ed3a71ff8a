"""`Function`: a user's function as a problem."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import is_integer
from fastgd.engines.called import evaluated
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.extras import present
from fastgd.problems.base import Array, Problem, as_points, checked_names
from fastgd.problems.returned import (
    as_gradient,
    as_pair,
    as_value,
    blank,
    check_written,
    name_of,
    without_marks,
)

_WORTH_COMPILING = (
    500  # points from which a compiled loop saves more time than its compilation takes
)
_DIFFERENCE = 2.0**-26  # step of forward differences: the square root of float64's precision


class Function(Problem):
    """A user's function of several parameters.

    A function compiled by `numba.njit` is called from compiled loops, without the interpreter and on all threads of a
    sweep; any other is called from Python, with the same results. If a compiled function raises an exception, or writes
    no gradient at a later point, its slopes count as NaN and the run has diverged; a Python function's exceptions
    pass through. NaN is never convergence, and a run whose value at its start is not finite ends there: diverged.

    Parameters
    ----------
    fun : callable
        ``fun(x, grad) -> value``, which writes every component of the gradient into `grad` (it holds NaN before), both
        arrays of shape (n,) and of the run's dtype; or ``fun(x) -> value`` where `jac` is given or the gradient is
        unknown: then it is taken by forward differences, which are good to some 8 digits and cost n + 1 calls. Near
        an upper bound of the run (`bounds`) they are backward ones, so that `fun` is called within the bounds only.
    n : int, optional
        Number of parameters; the number of names by default.
    jac : callable or True, optional
        ``jac(x)`` returns the gradient; True: ``fun(x)`` returns the pair (value, gradient).
    names : sequence of str, optional
        Parameter names; "p0", "p1", ... by default.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or a call does not return what it should, or leaves components of `grad` as they are.

    Examples
    --------
    >>> import fastgd as gd
    >>> def bowl(x, grad):
    ...     grad[:] = 2 * x
    ...     return (x**2).sum()
    >>> problem = gd.Function(bowl, 2)
    >>> problem.loss([3.0, 4.0]), problem.gradient([3.0, 4.0])
    (25.0, array([6., 8.]))
    >>> gd.sweep(problem, gd.SGD(), {"lr": [0.1, 0.5]}, x0=[3.0, 4.0]).iterations
    array([92,  1])
    """

    _box: NDArray[np.float64] | None = None  # that differences do not leave
    _known = ""  # the name of one of the library's own, which are compiled ahead of time

    def __init__(
        self,
        fun: Callable[..., Any],
        n: int | None = None,
        *,
        jac: Callable[..., Any] | bool | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        if not callable(fun):
            raise TypeError(f"fun must be callable, got {type(fun).__name__}")
        if not (jac is None or isinstance(jac, bool) or callable(jac)):
            raise TypeError(f"jac must be callable, True or None, got {jac!r:.60}")
        if n is None and names is None:
            raise TypeError("n is missing: it is the number of parameters")
        count: Any = len(names) if n is None and names is not None else n
        if not is_integer(count) or count < 1:
            raise ValueError(f"n must be an integer >= 1, got {n!r}")
        self._count = int(count)
        # Numbered names are made when they are asked for: a function may have millions of parameters.
        self._names = None if names is None else checked_names(names, self._count)
        self.fun, self.jac = fun, jac or None
        self._form = _form(fun, self.jac)
        parts = (fun, self.jac) if self._form == "apart" else (fun,)
        compilable = self._form in {"written", "apart"} and all(map(_is_compiled, parts))
        self._compiled: tuple[Any, ...] = parts if compilable else ()

    def __repr__(self) -> str:
        return f"Function({name_of(self.fun)}, {self.n_parameters} parameters)"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return checked_names(None, self._count) if self._names is None else self._names

    @property
    def n_parameters(self) -> int:  # noqa: D102
        return self._count

    def _new_kernel(self, dtype: np.dtype[Any]) -> Kernel:
        kind = "function" if self._compiled else "python"
        return Kernel(
            kind,
            self.n_parameters,
            np.zeros(1, dtype),
            functions=self._compiled,
            name=self._known,
        )

    def evaluate(self, x: Array) -> tuple[float, Array]:
        """Evaluate value and gradient at one point, which the function may keep or modify.

        Parameters
        ----------
        x : ndarray of shape (n,)

        Returns
        -------
        value : float
        gradient : ndarray of shape (n,)
            Of the dtype of `x`.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> gd.functions.rosenbrock().evaluate(np.array([0.0, 0.0]))
        (1.0, array([-2.,  0.]))
        """
        if self._form == "differences":
            return as_value(self.fun(x.copy())), self._differences(x)
        return self._checked(self._call(x), x)

    def _call(self, x: Array) -> Any:
        """What the user's functions return at a point, and the gradient that `fun` may have written."""
        if self._form == "written":
            g = blank(x)
            return self.fun(x, g[:]), g  # of a view a function may change the shape
        if self._form == "paired":
            return self.fun(x)
        return self.fun(x.copy()), self.jac(x)  # type: ignore[operator, misc]

    def _checked(self, returned: Any, x: Array) -> tuple[float, Array]:
        value, g = as_pair(returned) if self._form == "paired" else returned
        number = as_value(value)
        if self._form != "written":
            return number, as_gradient(g, x)
        if not math.isfinite(number):
            return number, without_marks(g)
        check_written(g, self.fun)
        return number, g

    def slope_at(self, x: Array) -> tuple[float | None, Array]:
        """The gradient at one point, and before it the value if the same call gives it, else None."""
        if self._form == "apart":
            return None, as_gradient(self.jac(x.copy()), x)  # type: ignore[operator, misc]
        if self._form == "differences":
            return None, self._differences(x)
        return self.evaluate(x.copy())

    @property
    def calls(self) -> tuple[str, Any, Any, float]:
        """How the gradient is given, `fun`, `jac`, and the step of differences: for loops that call it themselves."""
        return self._form, self.fun, self.jac, _DIFFERENCE

    @property
    def differs(self) -> bool:
        """Whether gradients are differences of values, which are good to some 8 digits."""
        return self._form == "differences"

    @property
    def calls_per_gradient(self) -> int:
        """Number of calls of `fun` for one gradient."""
        free = (
            self.n_parameters if self._box is None else np.count_nonzero(np.diff(self._box, axis=0))
        )
        return {"apart": 0, "differences": int(free) + 1}.get(self._form, 1)

    def value_at(self, x: Array) -> float:
        """The value at one point."""
        here = x.copy()  # which the function may modify
        returned = self.fun(here, blank(here)) if self._form == "written" else self.fun(here)
        return as_value(as_pair(returned)[0] if self._form == "paired" else returned)

    def may_begin(self, x: Array) -> NDArray[np.bool_]:
        """Whether the value is finite at each of the points (n, k).

        They are evaluated with every check; of very many points of a compiled function only the first is.
        """
        found = self._evaluated(x.astype(np.float64), valued=True)
        if found is not None and np.isfinite(found[0]).all() and np.isfinite(found[1]).all():
            return np.ones(x.shape[1], bool)
        checked = x[:, :1] if self._worth_compiling(x.shape[1]) else x
        with np.errstate(all="ignore"):
            values = [self._tried(point.copy()) for point in checked.T]
        finite = np.isfinite([*values, *self.losses(x[:, len(values) :])])
        if (
            x.dtype == np.float32 and not finite.all()
        ):  # what overflows there may have a value in float64
            finite[~finite] = np.isfinite(self.losses(x[:, ~finite]))
        return np.asarray(finite)

    def _tried(self, x: Array) -> float:
        """The value at a point; NaN if a compiled function raises there, but what it is not able to do is an error."""
        try:
            if self._form == "differences":
                return self.value_at(x)
            returned = self._call(x.copy())
        except Exception as error:
            if not self._compiled:
                raise
            _refuse_what_never_ran(error, x)
            return math.nan
        return self._checked(returned, x)[0]

    def _differences(self, x: Array) -> Array:
        """Differences, over the steps that the rounded points really make: forward, unless a bound is near."""
        at = x.astype(np.float64)
        points = self._moved(at)
        here = as_value(self.fun(at.copy()))
        g = np.empty_like(at)
        for k in range(len(at)):
            if points[k] == at[k]:  # its bounds fix it
                g[k] = 0.0
                continue
            moved = at.copy()
            moved[k] = points[k]
            g[k] = (as_value(self.fun(moved)) - here) / (points[k] - at[k])
        return g.astype(x.dtype)

    def _moved(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        """The other place of each parameter's difference."""
        step = _DIFFERENCE * np.maximum(1.0, np.abs(at))
        if self._box is None:
            return np.asarray(at + step)
        low, high = self._box
        beside = np.where(at - low > high - at, low, high)
        backward = np.where(at - step >= low, at - step, beside)
        return np.where(at + step <= high, at + step, backward)

    def within(self, box: NDArray[np.float64]) -> Self:
        """The same function in a box (2, n_parameters), the lowest and highest parameters: differences stay inside."""
        same = copy.copy(self)
        same._box = box
        return same

    def _slope(self, x: Array) -> Array:
        """The gradient at a point; of a compiled function NaN where it fails, as in the kernels."""
        with np.errstate(all="ignore"):  # diverging runs overflow
            if not self._compiled:
                return self.slope_at(x)[1]
            try:
                if self._form == "apart":
                    return as_gradient(self.jac(x), x)  # type: ignore[operator, misc]
                return without_marks(self._call(x)[1])
            except Exception:
                return np.full_like(x, np.nan)

    def slopes(self, x: Array) -> Array:  # noqa: D102
        found = self._evaluated(x)
        if found is not None:
            return found[1]
        if self._worth_compiling(x.shape[1]):
            return np.ascontiguousarray(self._all(x)[1].T)
        g = np.empty_like(x)
        for k in range(x.shape[1]):
            g[:, k] = self._slope(x[:, k].copy())
        return g

    def losses(self, x: Array) -> NDArray[np.float64]:  # noqa: D102
        x = as_points(x, self.n_parameters)
        points = np.array(x.T, np.float64, order="C")
        found = self._evaluated(points.T, valued=True)
        if found is not None:
            return found[0]
        if self._worth_compiling(len(points)):
            return self._all(points.T)[0]
        return np.array([self._loss(point) for point in points], np.float64)

    def _evaluated(
        self, x: Array, *, valued: bool = False
    ) -> tuple[NDArray[np.float64], Array] | None:
        """Values (points,) and gradients (n, points) by the kernel of sweeps, where that is worth its time."""
        if not self._compiled:
            return None
        many = x.shape[1] > _WORTH_COMPILING
        return evaluated(self.kernel(x.dtype), x, valued=valued, many=many)

    def _worth_compiling(self, points: int) -> bool:
        return bool(self._compiled) and points > _WORTH_COMPILING and present("numba")

    def _all(self, x: Array) -> tuple[NDArray[np.float64], Array]:
        """Values (points,) and gradients (points, n) by a compiled loop."""
        from fastgd.engines.numba.sweep_slopes import evaluator  # noqa: PLC0415

        points = np.ascontiguousarray(x.T)
        values, slopes = np.empty(len(points)), np.empty_like(points)
        room = np.empty((2, points.shape[1]), points.dtype)
        evaluate = evaluator(self._compiled, points.dtype.char)
        try:
            evaluate(points, room[0], room[1], values, slopes)
        except Exception as error:
            _refuse_what_never_ran(error, x)
            raise
        return values, slopes

    def _loss(self, point: NDArray[np.float64]) -> float:
        with np.errstate(all="ignore"):
            try:
                return self.value_at(point)
            except Exception:
                if not self._compiled:
                    raise
                return math.nan


def _form(fun: Callable[..., Any], jac: Any) -> str:
    """How the gradient is given: "written" into `grad`, "paired" with the value, "apart", or by "differences"."""
    if jac is not None:
        return "paired" if jac is True else "apart"
    try:
        parameters = inspect.signature(getattr(fun, "py_func", fun)).parameters.values()
    except (TypeError, ValueError):  # a function in C without a signature
        return "written"
    positional = [
        p
        for p in parameters
        if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD} and p.default is p.empty
    ]
    if len(positional) not in {1, 2} and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise TypeError(
            f"fun must be fun(x, grad) or fun(x), got one that needs {len(positional)} arguments"
        )
    return "differences" if len(positional) == 1 else "written"


def _is_compiled(function: Any) -> bool:
    """Whether Numba compiled it, found out without importing Numba."""
    return hasattr(function, "py_func") and hasattr(function, "get_call_template")


def _refuse_what_never_ran(error: Exception, x: Array) -> None:
    """Raise an error if Numba could not compile a function for such arrays; not for an exception of the function."""
    from numba.core.errors import NumbaError  # noqa: PLC0415  (it compiled the function, so it is here)

    if isinstance(error, NumbaError) or "No matching definition" in str(error):
        why = " ".join(str(error).split())
        raise TypeError(
            f"fun cannot be compiled for arrays of {x.dtype.name}, says Numba: {why:.300}"
        ) from error
