"""What a page needs to know of an optimizer: its rule by name, and the numbers that no slider moves."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fastgd.optimizers import NAG, NAMES, Optimizer
from fastgd.optimizers.loops import varied

_MOMENTUM = ("momentum", ("betas", 0))  # the hyperparameters that the page calls momentum
_SECOND_NAMES = ("HeavyBall",)


def names() -> list[str]:
    """The optimizers of the page, in the order in which users see them."""
    return [name for name in NAMES if name not in _SECOND_NAMES]


def made(name: str) -> Optimizer:
    """An optimizer with its defaults, by the name of its class."""
    optimizer: Optimizer = getattr(import_module("fastgd.optimizers"), name)()
    return optimizer


def described(optimizer: Optimizer) -> dict[str, Any]:
    """An optimizer as the page's script takes it.

    Parameters
    ----------
    optimizer : Optimizer
        Its rate and its momentum are those that the page's sliders start with.

    Returns
    -------
    dict
        ``rule`` and ``coefficients`` by name; ``hyper``, the arguments of the coefficients after the step, the rate
        first; ``momentum``, the place of the momentum among them, or -1; ``state``, the first value of each state
        variable, ``"lr"`` where it is the rate; ``steady``, whether the coefficients depend on the rate alone;
        ``shared`` and ``minimized`` where weights decay, as in `fastgd.engines.protocol.sweeps.Descents`.
    """
    numbers = varied(optimizer, {})
    flags = numbers.flags({})
    formula, method = numbers.kind.formula(flags), numbers.method(flags, {}, 1)
    sources = [formula.sources.get(name, name) for name in formula.coefficients.hyperparameters]
    places = [k for k, source in enumerate(sources) if source in _MOMENTUM]
    return {
        "name": type(optimizer).__name__,
        "rule": method.rule.name,
        "coefficients": method.coefficients.name,
        "hyper": method.hyper.ravel().tolist(),
        "momentum": places[0] if places else -1,
        "argument": _argument(sources[places[0]]) if places else "",
        "second": flags["betas"][1] if "betas" in flags else None,
        "state": [_first(formula.initial, name, flags) for name in method.rule.state],
        "steady": method.coefficients.steady,
        "carries": method.coefficients.carries,
        "lookahead": isinstance(optimizer, NAG),
        "shared": method.shared.ravel().tolist() if method.prepared else None,
        "minimized": method.minimized.ravel().tolist() if method.prepared else None,
    }


def _argument(source: Any) -> str:
    """The constructor's argument: "momentum" or "betas"."""
    return source if isinstance(source, str) else str(source[0])


def _first(initial: Any, name: str, flags: Any) -> float | str:
    """What a state variable starts with."""
    source = initial.get(name, 0.0)
    if source == "lr":
        return "lr"
    return float(flags[source]) if isinstance(source, str) else float(source)
