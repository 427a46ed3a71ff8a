"""The usual test functions of optimization."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd.checks import as_finite_positive, is_integer
from fastgd.problems.function import Function
from fastgd.problems.quadratic import Quadratic
from fastgd.rules import functions


class KnownFunction(Function):
    """A function with known minima: `minima` has the shape (k, n_parameters)."""

    def __init__(
        self, function: Callable[..., Any], minima: ArrayLike, names: Sequence[str]
    ) -> None:
        super().__init__(function, names=names)
        self.minima = np.array(minima, np.float64)
        text = inspect.getsource(function).replace(f"def {function.__name__}(", "def function(", 1)
        self._compiled = (f'\n@njit(error_model="numpy")\n{text}\n',)
        self._known = function.__name__

    def __repr__(self) -> str:
        return f"{self.fun.__name__.strip('_').capitalize()}({self.n_parameters} parameters)"


def rosenbrock(n: int = 2) -> KnownFunction:
    """The sum over i of 100 (x[i+1] - x[i]²)² + (1 - x[i])²: a bent valley (Rosenbrock 1960).

    Parameters
    ----------
    n : int, default 2
        Number of parameters, at least 2. From 4 on there is a local minimum near (-1, 1, ..., 1), not in `minima`.

    Returns
    -------
    KnownFunction

    Raises
    ------
    ValueError
        If n is not an integer of at least 2.

    Examples
    --------
    >>> import fastgd as gd
    >>> valley = gd.functions.rosenbrock()
    >>> gd.minimize(valley, [-1.2, 1.0], gd.Adam(lr=0.02), tol=1e-6).x.round(4)
    array([1., 1.])
    """
    if not is_integer(n) or n < 2:
        raise ValueError(f"n must be an integer >= 2, got {n!r}")
    names = ("x", "y") if n == 2 else tuple(f"x{i}" for i in range(n))
    return KnownFunction(functions.rosenbrock, np.ones((1, n)), names)


def beale() -> KnownFunction:
    """(1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)²: flat, with steep edges (Beale 1958).

    Returns
    -------
    KnownFunction

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.functions.beale().loss([3.0, 0.5])
    0.0
    """
    return KnownFunction(functions.beale, [[3.0, 0.5]], ("x", "y"))


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
    return KnownFunction(functions.himmelblau, minima, ("x", "y"))


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
    return KnownFunction(functions.saddle, [[0.0, root], [0.0, -root]], ("x", "y"))


def ravine(condition: float = 100.0) -> Quadratic:
    """(x² + condition y²) / 2: a long, narrow valley, in which plain descent is slow or zigzags.

    Parameters
    ----------
    condition : float, default 100
        Ratio of the curvatures across and along the valley; > 0.

    Returns
    -------
    Quadratic

    Raises
    ------
    TypeError, ValueError
        If `condition` is not a finite number > 0.

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.functions.ravine().gradient([1.0, 1.0])
    array([  1., 100.])
    """
    return Quadratic(np.diag([1.0, as_finite_positive("condition", condition)]), names=("x", "y"))


def bumpy() -> KnownFunction:
    """x²/10 + sin(3x): a parabola with bumps, which are local minima.

    Returns
    -------
    KnownFunction
        The global minimum is `minima[0]`.

    Examples
    --------
    >>> import fastgd as gd
    >>> curve = gd.functions.bumpy()
    >>> gd.sweep(curve, gd.SGD(lr=0.02), {"x0": [-1.0, 1.0]}).x.round(3).ravel()
    array([-0.512,  1.537])
    """
    return KnownFunction(functions.bumpy, [[-0.5122140283561128]], ("x",))
