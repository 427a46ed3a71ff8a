"""An optimizer as a method of `scipy.optimize.minimize`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from fastgd.descent.minimize import minimize
from fastgd.names import meant
from fastgd.optimizers import Optimizer

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult


_ALIASES = {"maxiter": "max_iter", "gtol": "tol", "xtol": "step_tol"}
_OPTIONS = (
    "max_iter", "tol", "step_tol", "max_seconds", "record", "dtype", "backend", "n_threads",
    "flush_subnormals",
)  # fmt: skip


def scipy_minimizer(
    optimizer: Optimizer,
    fun: Callable[..., Any],
    x0: ArrayLike,
    args: tuple[Any, ...] = (),
    *,
    jac: Callable[..., Any] | bool | None = None,
    bounds: Any = None,
    callback: Callable[..., Any] | None = None,
    disp: bool = False,
    **others: Any,
) -> OptimizeResult:
    """Called by `scipy.optimize.minimize` with ``method=optimizer``; see `fastgd.Optimizer.__call__`."""
    name = type(optimizer).__name__
    for what in ("constraints", "hess", "hessp"):
        given = others.pop(what, None)
        if given is not None and not (isinstance(given, tuple | list) and len(given) == 0):
            raise ValueError(f"{name} takes no {what}: gradient descent does not use them")
    options: dict[str, Any] = {}
    for key, value in others.items():
        known = _ALIASES.get(key, key)
        if known not in _OPTIONS:
            raise TypeError(f"{name} has no option {key!r}; {_instead(optimizer, key)}")
        if known in options:
            raise TypeError(f"options has {known!r} twice, once under another name")
        options[known] = value
    if args:
        fun, jac = _with_arguments(fun, args), _with_arguments(jac, args) if callable(jac) else jac
    # SciPy hands on what its caller gave; an empty list, as it takes it, is no bound.
    box = None if isinstance(bounds, tuple | list) and not bounds else bounds
    run = partial(minimize, jac=jac or None, bounds=box, callback=callback)
    result = run(fun, x0, optimizer, **options)
    if disp:
        print(f"{result.message}\n  fun {result.fun:.6g}, nit {result.nit}, njev {result.njev}")  # noqa: T201
    return result


def _instead(optimizer: Optimizer, key: str) -> str:
    """What an option that is none may have meant; libraries that call SciPy give rates there."""
    hyperparameters = list(inspect.signature(type(optimizer)).parameters)
    if key in hyperparameters or meant(key, hyperparameters):
        return f"hyperparameters are the optimizer's own, as in method=gd.{type(optimizer).__name__}(lr=0.1)"
    return meant(key, _OPTIONS) or f"it has {', '.join(_OPTIONS)}, disp"


def _with_arguments(function: Callable[..., Any], args: tuple[Any, ...]) -> Callable[[Any], Any]:
    def of_point(x: Any) -> Any:
        return function(x, *args)

    of_point.__name__ = getattr(function, "__name__", type(function).__name__)  # for messages
    return of_point
