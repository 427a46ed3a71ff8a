"""`Function`: a user's function as a problem."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import is_integer
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.extras import present
from fastgd.problems.base import Array, Problem, checked_names

_WORTH_COMPILING = (
    500  # points from which a compiled loop saves more time than its compilation takes
)
_DIFFERENCE = 2.0**-26  # step of forward differences: the square root of float64's precision


class Function(Problem):
    """A user's function of several parameters.

    A function compiled by `numba.njit` is called from compiled loops, without the interpreter and on all threads of a
    sweep; any other is called from Python, with the same results. If a compiled function raises an exception, its
    slopes count as NaN and the run has diverged; a Python function's exceptions pass through.

    Parameters
    ----------
    fun : callable
        ``fun(x, grad) -> value``, which writes the gradient into `grad` (it holds zeros before), both arrays of shape
        (n,) and of the run's dtype; or ``fun(x) -> value`` where `jac` is given or the gradient is unknown: then
        it is taken by forward differences, which are good to some 8 digits and cost n + 1 calls.
    n : int, optional
        Number of parameters; the number of names by default.
    jac : callable or True, optional
        ``jac(x)`` returns the gradient; True: ``fun(x)`` returns the pair (value, gradient).
    names : sequence of str, optional
        Parameter names; "p0", "p1", ... by default.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or a call does not return what it should.

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
        self._names = checked_names(names, int(count))
        self.fun, self.jac = fun, jac or None
        self._form = _form(fun, self.jac)
        parts = (fun, self.jac) if self._form == "apart" else (fun,)
        compilable = self._form in {"written", "apart"} and all(map(_is_compiled, parts))
        self._compiled: tuple[Any, ...] = parts if compilable else ()

    def __repr__(self) -> str:
        name = getattr(self.fun, "__name__", type(self.fun).__name__)
        return f"Function({name}, {self.n_parameters} parameters)"

    @property
    def parameter_names(self) -> tuple[str, ...]:  # noqa: D102
        return self._names

    def _new_kernel(self, dtype: np.dtype[Any]) -> Kernel:
        kind = "function" if self._compiled else "python"
        return Kernel(kind, self.n_parameters, np.zeros(1, dtype), functions=self._compiled)

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
        if self._form == "written":
            g = np.zeros_like(x)
            return _value(self.fun(x, g)), g
        if self._form == "paired":
            pair = self.fun(x)
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise TypeError(
                    f"fun must return (value, gradient) where jac=True, got {pair!r:.60}"
                )
            return _value(pair[0]), self._gradient(pair[1], x)
        value = _value(self.fun(x.copy()))
        if self._form == "apart":
            return value, self._gradient(self.jac(x), x)  # type: ignore[operator, misc]
        return value, self._differences(x)

    def slope_at(self, x: Array) -> tuple[float | None, Array]:
        """The gradient at one point, and before it the value if the same call gives it, else None."""
        if self._form == "apart":
            return None, self._gradient(self.jac(x.copy()), x)  # type: ignore[operator, misc]
        if self._form == "differences":
            return None, self._differences(x)
        return self.evaluate(x.copy())

    @property
    def calls_per_gradient(self) -> int:
        """Number of calls of `fun` for one gradient."""
        return {"apart": 0, "differences": self.n_parameters + 1}.get(self._form, 1)

    def value_at(self, x: Array) -> float:
        """The value at one point."""
        value = self._returned(x.copy())
        return _value(value[0] if self._form == "paired" else value)

    def _returned(self, x: Array) -> Any:
        """What `fun` returns at a point, which it may modify."""
        return self.fun(x, np.zeros_like(x)) if self._form == "written" else self.fun(x)

    def _gradient(self, returned: Any, x: Array) -> Array:
        try:
            if returned is None:
                raise TypeError
            g = np.atleast_1d(np.asarray(returned, x.dtype))
        except (TypeError, ValueError):
            raise TypeError(f"the gradient must be an array, got {returned!r:.60}") from None
        if g.shape != x.shape:
            raise ValueError(f"the gradient has shape {g.shape}, wanted {x.shape}")
        return g

    def _differences(self, x: Array) -> Array:
        """Forward differences, over the steps that the rounded points really make."""
        at = x.astype(np.float64)
        points = at + _DIFFERENCE * np.maximum(1.0, np.abs(at))
        here = _value(self.fun(at.copy()))
        g = np.empty_like(at)
        for k in range(len(at)):
            moved = at.copy()
            moved[k] = points[k]
            g[k] = (_value(self.fun(moved)) - here) / (points[k] - at[k])
        return g.astype(x.dtype)

    def _quietly(self, x: Array) -> tuple[float, Array]:
        """Value and gradient; NaN where a compiled function raises, as in the kernels."""
        with np.errstate(all="ignore"):  # diverging runs overflow
            try:
                return self.evaluate(x)
            except Exception:
                if not self._compiled:
                    raise
                return np.nan, np.full_like(x, np.nan)

    def slopes(self, x: Array) -> Array:  # noqa: D102
        if self._worth_compiling(x.shape[1]):
            return np.ascontiguousarray(self._all(x)[1].T)
        g = np.empty_like(x)
        for k in range(x.shape[1]):
            g[:, k] = self._quietly(x[:, k].copy())[1]
        return g

    def losses(self, x: Array) -> NDArray[np.float64]:  # noqa: D102
        points = np.array(x.T, np.float64, order="C")
        if self._worth_compiling(len(points)):
            return self._all(points.T)[0]
        if self._form == "paired":
            return np.array([self._quietly(point)[0] for point in points], np.float64)
        return np.array([self._loss(point) for point in points], np.float64)

    def _worth_compiling(self, points: int) -> bool:
        return bool(self._compiled) and points > _WORTH_COMPILING and present("numba")

    def _all(self, x: Array) -> tuple[NDArray[np.float64], Array]:
        """Values (points,) and gradients (points, n) by a compiled loop."""
        from fastgd.engines.numba.sweep_slopes import evaluator  # noqa: PLC0415

        points = np.ascontiguousarray(x.T)
        values, slopes = np.empty(len(points)), np.empty_like(points)
        room = np.empty((2, points.shape[1]), points.dtype)
        evaluate = evaluator(self._compiled, points.dtype.char)
        evaluate(points, room[0], room[1], values, slopes)
        return values, slopes

    def _loss(self, point: NDArray[np.float64]) -> float:
        with np.errstate(all="ignore"):
            try:
                return _value(self._returned(point))
            except Exception:
                if not self._compiled:
                    raise
                return np.nan


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


def _value(value: Any) -> float:
    """The returned value as a number; an array of one number counts as one."""
    try:
        if np.ndim(value) and np.size(value) == 1:
            value = np.asarray(value).item()
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"fun must return a number, got {value!r:.60}") from None
