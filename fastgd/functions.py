"""Any function as a problem: a user's own, and the usual test functions."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.engines.descents import Kernel
from fastgd.hyperparameters import number
from fastgd.problem_base import Array, Problem, checked_names
from fastgd.problems import Quadratic

__all__ = [
    "Function", "KnownFunction", "beale", "bumpy", "himmelblau", "ravine", "rosenbrock", "saddle",
]  # fmt: skip

_WORTH_COMPILING = 500  # points at which a compiled loop is worth the wait for it
_DIFFERENCE = 2.0**-26  # of forward differences: the root of float64's precision


class Function(Problem):
    """A user's function of several parameters.

    A function that Numba compiled (`numba.njit`) is called from compiled loops, without the interpreter and on all
    threads of a sweep; any other is called from Python, with the same meaning. Where a compiled function raises an
    exception its slopes count as NaN, and the run has diverged; a Python function's exceptions pass through.

    Parameters
    ----------
    fun : callable
        ``fun(x, grad) -> value``, which writes the gradient into `grad` (it holds zeros before), both arrays of shape
        (n,) and of the run's dtype; or ``fun(x) -> value`` where `jac` is given or there is no gradient at hand: then
        it is taken by SciPy's forward differences, which are good to some 8 digits and cost n + 1 calls.
    n : int, optional
        How many parameters; as many as there are names by default.
    jac : callable or True, optional
        ``jac(x)`` returns the gradient; True: ``fun(x)`` returns the pair (value, gradient).
    names : sequence of str, optional
        Parameter names; "p0", "p1", ... by default.

    Raises
    ------
    TypeError, ValueError
        If an argument is not legal, or a call returns something else than it should.

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
            raise TypeError("n is missing: how many parameters has the function?")
        count = len(names) if n is None and names is not None else n
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
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

    def kernel(self, dtype: DTypeLike) -> Kernel:  # noqa: D102
        kind = "function" if self._compiled else "python"
        return Kernel(kind, self.n_parameters, np.zeros(1, dtype), functions=self._compiled)  # type: ignore[arg-type]

    def evaluate(self, x: Array) -> tuple[float, Array]:
        """Value and gradient at one point of shape (n,), which the function may keep or change.

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
        """The gradient at one point, and the value where one call gives both; else None."""
        if self._form == "apart":
            return None, self._gradient(self.jac(x.copy()), x)  # type: ignore[operator, misc]
        if self._form == "differences":
            return None, self._differences(x)
        return self.evaluate(x.copy())

    @property
    def calls_per_gradient(self) -> int:
        """How often `fun` is called for one gradient."""
        return {"apart": 0, "differences": self.n_parameters + 1}.get(self._form, 1)

    def value_at(self, x: Array) -> float:
        """The value at one point."""
        g = () if self._form != "written" else (np.zeros_like(x),)
        value = self.fun(x.copy(), *g)
        return _value(value[0] if self._form == "paired" else value)

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
        from scipy.optimize import approx_fprime  # noqa: PLC0415

        at = x.astype(np.float64)
        steps = _DIFFERENCE * np.maximum(1.0, np.abs(at))

        def value(point: NDArray[np.float64]) -> float:
            return _value(self.fun(point))

        g = approx_fprime(at, value, steps)
        return np.asarray(g, x.dtype)

    def _quietly(self, x: Array) -> tuple[float, Array]:
        """As the kernels: what cannot be evaluated has no slope."""
        with np.errstate(all="ignore"):  # a run that diverges overflows
            try:
                return self.evaluate(x)
            except Exception:
                if not self._compiled:
                    raise
                return np.nan, np.full_like(x, np.nan)

    def slopes(self, x: Array) -> Array:  # noqa: D102
        if self._compiled and x.shape[1] > _WORTH_COMPILING:
            return np.ascontiguousarray(self._all(x)[1].T)
        g = np.empty_like(x)
        for k in range(x.shape[1]):
            g[:, k] = self._quietly(x[:, k].copy())[1]
        return g

    def losses(self, x: Array) -> NDArray[np.float64]:  # noqa: D102
        points = np.array(x.T, np.float64, order="C")
        if self._compiled and len(points) > _WORTH_COMPILING:
            return self._all(points.T)[0]
        if self._form == "paired":
            return np.array([self._quietly(point)[0] for point in points], np.float64)
        return np.array([self._loss(point) for point in points], np.float64)

    def _all(self, x: Array) -> tuple[NDArray[np.float64], Array]:
        """Values (points,) and gradients (points, n) by a compiled loop."""
        from fastgd.engines import numba_sweep  # noqa: PLC0415

        points = np.ascontiguousarray(x.T)
        values, slopes = np.empty(len(points)), np.empty_like(points)
        room = np.empty((2, points.shape[1]), points.dtype)
        evaluate = numba_sweep.evaluator(self._compiled, points.dtype.char)
        evaluate(points, room[0], room[1], values, slopes)
        return values, slopes

    def _loss(self, point: NDArray[np.float64]) -> float:
        written = (np.zeros_like(point),) if self._form == "written" else ()
        with np.errstate(all="ignore"):
            try:
                return _value(self.fun(point, *written))
            except Exception:
                if not self._compiled:
                    raise
                return np.nan


def _form(fun: Callable[..., Any], jac: Any) -> str:
    """How value and gradient are had: "written", "paired", "apart" or by "differences"."""
    if jac is not None:
        return "paired" if jac is True else "apart"
    try:
        parameters = inspect.signature(getattr(fun, "py_func", fun)).parameters.values()
    except (TypeError, ValueError):  # something in C that does not say
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
    """Whether Numba made it; without importing Numba where nobody has."""
    return hasattr(function, "py_func") and hasattr(function, "get_call_template")


def _value(value: Any) -> float:
    """What a function returned, as a number; an array of one number is one too."""
    try:
        if np.ndim(value) and np.size(value) == 1:
            value = np.asarray(value).item()
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"fun must return a number, got {value!r:.60}") from None


# --- the usual test functions ---------------------------------------------------------------------------
#
# Written for Python and Numba alike: in double throughout (for Numba it takes the factor 1.0), rounded once to the
# run's precision, so that both give the same bits (but for the sine).


class KnownFunction(Function):
    """A function whose minima are known: `minima` has the shape (k, n_parameters)."""

    def __init__(
        self, function: Callable[..., Any], minima: ArrayLike, names: Sequence[str]
    ) -> None:
        super().__init__(function, names=names)
        self.minima = np.array(minima, np.float64)
        text = inspect.getsource(function).replace(f"def {function.__name__}(", "def function(", 1)
        self._compiled = (f'\n@njit(error_model="numpy")\n{text}\n',)

    def __repr__(self) -> str:
        return f"{self.fun.__name__.strip('_').capitalize()}({self.n_parameters} parameters)"


def rosenbrock(n: int = 2) -> KnownFunction:
    """The sum over i of 100 (x[i+1] - x[i]²)² + (1 - x[i])²: a bent valley (Rosenbrock 1960).

    Parameters
    ----------
    n : int, default 2
        Parameters, at least 2. From 4 on there is a second, local minimum near (-1, 1, ..., 1), not among `minima`.

    Returns
    -------
    KnownFunction

    Raises
    ------
    ValueError
        If n is no integer of at least 2.

    Examples
    --------
    >>> import fastgd as gd
    >>> valley = gd.functions.rosenbrock()
    >>> gd.minimize(valley, [-1.2, 1.0], gd.Adam(lr=0.02), tol=1e-6).x.round(4)
    array([1., 1.])
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 2:
        raise ValueError(f"n must be an integer >= 2, got {n!r}")
    names = ("x", "y") if n == 2 else tuple(f"x{i}" for i in range(n))
    return KnownFunction(_rosenbrock, np.ones((1, n)), names)


def beale() -> KnownFunction:
    """(1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)²: flat, with steep rims (Beale 1958).

    Returns
    -------
    KnownFunction

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.functions.beale().loss([3.0, 0.5])
    0.0
    """
    return KnownFunction(_beale, [[3.0, 0.5]], ("x", "y"))


def himmelblau() -> KnownFunction:
    """(x² + y - 11)² + (x + y² - 7)²: four minima of equal depth (Himmelblau 1972).

    Returns
    -------
    KnownFunction

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.functions.himmelblau().loss([3.0, 2.0])
    0.0
    """
    minima = [
        [3.0, 2.0],
        [-2.8051180869527448, 3.1313125182505730],
        [-3.7793102533777469, -3.2831859912861694],
        [3.5844283403304917, -1.8481265269644034],
    ]
    return KnownFunction(_himmelblau, minima, ("x", "y"))


def saddle() -> KnownFunction:
    """x² - y² + y⁴/4: a saddle at the origin, where the gradient is 0, between two minima.

    Returns
    -------
    KnownFunction

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.minimize(gd.functions.saddle(), [1.0, 1e-6], gd.SGD(lr=0.1)).x.round(4)
    array([0.    , 1.4142])
    """
    root = 2.0**0.5
    return KnownFunction(_saddle, [[0.0, root], [0.0, -root]], ("x", "y"))


def ravine(condition: float = 100.0) -> Quadratic:
    """(x² + condition y²) / 2: a long, narrow bowl, along which plain descent crawls or zigzags.

    Parameters
    ----------
    condition : float, default 100
        How much steeper it is across than along; > 0.

    Returns
    -------
    Quadratic

    Raises
    ------
    TypeError, ValueError
        If the condition is no number > 0.

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.functions.ravine().gradient([1.0, 1.0])
    array([  1., 100.])
    """
    steep = number("condition", condition)
    if not 0 < steep < np.inf:
        raise ValueError(f"condition must be a finite number > 0, got {condition!r}")
    return Quadratic(np.diag([1.0, steep]), names=("x", "y"))


def bumpy() -> KnownFunction:
    """x²/10 + sin(3x): a parabola with bumps, so with local minima.

    Returns
    -------
    KnownFunction
        Its one global minimum is `minima[0]`.

    Examples
    --------
    >>> import fastgd as gd
    >>> curve = gd.functions.bumpy()
    >>> gd.sweep(curve, gd.SGD(lr=0.02), {"x0": [-1.0, 1.0]}).x.round(3).ravel()
    array([-0.512,  1.537])
    """
    return KnownFunction(_bumpy, [[-0.5122140283561128]], ("x",))


def _rosenbrock(x: Any, grad: Any) -> Any:
    value, carried = 0.0, 0.0
    for i in range(len(x) - 1):
        here = 1.0 * float(x[i])
        rise, rest = 1.0 * float(x[i + 1]) - here * here, 1.0 - here
        value += 100.0 * rise * rise + rest * rest
        grad[i] = carried - 400.0 * here * rise - 2.0 * rest
        carried = 200.0 * rise
    grad[len(x) - 1] = carried
    return value


def _beale(x: Any, grad: Any) -> Any:
    a, b = 1.0 * float(x[0]), 1.0 * float(x[1])
    one, two, three = 1.5 - a + a * b, 2.25 - a + a * b * b, 2.625 - a + a * b * b * b
    grad[0] = 2.0 * (one * (b - 1.0) + two * (b * b - 1.0) + three * (b * b * b - 1.0))
    grad[1] = 2.0 * a * (one + 2.0 * two * b + 3.0 * three * b * b)
    return one * one + two * two + three * three


def _himmelblau(x: Any, grad: Any) -> Any:
    a, b = 1.0 * float(x[0]), 1.0 * float(x[1])
    one, two = a * a + b - 11.0, a + b * b - 7.0
    grad[0] = 4.0 * one * a + 2.0 * two
    grad[1] = 2.0 * one + 4.0 * two * b
    return one * one + two * two


def _saddle(x: Any, grad: Any) -> Any:
    a, b = 1.0 * float(x[0]), 1.0 * float(x[1])
    grad[0] = 2.0 * a
    grad[1] = b * b * b - 2.0 * b
    return a * a - b * b + b * b * b * b / 4.0


def _bumpy(x: Any, grad: Any) -> Any:
    a = 1.0 * float(x[0])
    grad[0] = a / 5.0 + 3.0 * math.cos(3.0 * a)
    return a * a / 10.0 + math.sin(3.0 * a)
