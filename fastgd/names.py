"""What a name that is not known here may have meant: one that is misspelt, or that other libraries use.

Newcomers bring the names of PyTorch, Keras, optax, SciPy and scikit-learn; the tables below have all that is known of
them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Names of other libraries for arguments that exist here. Of several, the first that is known is meant.
_ALSO_CALLED: dict[str, tuple[str, ...]] = {
    "maxiter": ("max_iter",), "n_iter": ("max_iter",), "iterations": ("max_iter",), "n_steps": ("max_iter",),
    "steps": ("max_iter",), "seed": ("rng",), "random_state": ("rng",), "opt": ("optimizer",),
    "method": ("optimizer",), "solver": ("optimizer",), "grad": ("jac",), "gradient": ("jac",), "fn": ("fun",),
    "f": ("fun",), "init": ("x0",), "initial": ("x0",), "atol": ("tol",), "gtol": ("tol",),
    "timeout": ("max_seconds",), "n_jobs": ("n_threads",), "workers": ("n_threads",), "verbose": ("progress",),
    "learning_rate": ("lr",), "learning_rate_init": ("lr", "learning_rate"), "eta": ("lr",), "rate": ("lr",),
    "eta0": ("lr", "learning_rate"), "step_size": ("lr",), "stepsize": ("lr",), "lr": ("learning_rate",),
    "beta1": ("betas",), "beta2": ("betas",), "beta_1": ("betas",), "beta_2": ("betas",), "b1": ("betas",),
    "b2": ("betas",), "momentum": ("betas",), "beta": ("momentum",), "mu": ("momentum",), "decay": ("weight_decay",),
    "epsilon": ("eps",), "wd": ("weight_decay",), "max_norm": ("clip_norm",), "clip_grad_norm": ("clip_norm",),
    "global_clipnorm": ("clip_norm",), "clipnorm": ("clip_norm",), "clipvalue": ("clip_value",),
}  # fmt: skip

# What is said of names that have no counterpart, where the argument beside them exists.
_INSTEAD: dict[str, tuple[tuple[str, str], ...]] = {
    "lr": (
        ("axes", "rates that vary are an axis: axes={'lr': [...]}"),
        ("optimizer", "the rate is the optimizer's, as in optimizer=gd.SGD(lr=0.1)"),
    ),
    "args": (
        ("fun", "bind them in a function: lambda x: fun(x, *args)"),
        ("lr", "as a method of SciPy an optimizer is an object, as in method=gd.Adam(), not its class"),
    ),
    "options": (("fun", "options are arguments here, as in max_iter=1000"),),
    "params": (("lr", "the parameters are an argument of step(params, grads)"),),
    "c": (("l2", "with LogisticRegression's C and n rows, l2 = 1 / (C n)"),),
    "penalty": (("l2", "the penalties are l1 and l2"),),
    "l1_ratio": (("l2", "l1 = alpha l1_ratio and l2 = alpha (1 - l1_ratio)"),),
    "alpha": (
        ("l2", "with the alpha of SGDClassifier or SGDRegressor l2 = alpha; with Ridge's and n rows l2 = alpha / n"),
    ),
    "early_stopping": (
        ("standardize", "it ends where the optimum is proved to be near, see tol; l1 and l2 are against overfitting"),
    ),
}  # fmt: skip
_INSTEAD["learning_rate"] = _INSTEAD["lr"]
_INSTEAD["parameters"] = _INSTEAD["params"]


def suggesting(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a function, or a constructor, say which of its arguments is meant where it has none of the given name."""
    known = inspect.signature(function).parameters
    owner = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]

    @functools.wraps(function)
    def named(*args: _P.args, **options: _P.kwargs) -> _R:
        for name in options:
            if name not in known:
                others = [other for other in known if other != "self"]
                told = meant(name, others) or f"it takes {', '.join(others)}"
                raise TypeError(f"{owner} has no argument {name!r}; {told}")
        return function(*args, **options)

    return named


def meant(name: str, known: Iterable[str]) -> str:
    """The end of a message: which of the known names is meant, or what to do instead; empty if nothing is like it."""
    known = list(known)
    other = next((one for one in _ALSO_CALLED.get(name.lower(), ()) if one in known), None)
    told = next((words for one, words in _INSTEAD.get(name.lower(), ()) if one in known), "")
    if not other and not told:
        other = nearest(name, known)
    return f"did you mean {other!r}?" if other else told


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is written most like this one, in capitals or not; None if none is."""
    import difflib  # noqa: PLC0415  (only for an error)

    lowered: dict[str, str] = {one.lower(): one for one in known}
    close: list[Any] = difflib.get_close_matches(name.lower(), lowered, 1)
    return lowered[close[0]] if close else None
