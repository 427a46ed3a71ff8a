"""What an optimizer says where it is used as one of another library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from fastgd.names import meant
from fastgd.optimizers.stateful import Stateful


class Refusing(Stateful):
    """A base class of `Optimizer`: refuses parameters in its constructor, and new values of what is fixed."""

    __slots__ = ()

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Refuse parameters, which PyTorch's optimizers take first."""
        if args and (
            isinstance(args[0], list | tuple | dict | Iterator) or getattr(args[0], "ndim", False)
        ):
            raise TypeError(
                f"{cls.__name__} takes its rate first, not the parameters: make it as {cls.__name__}(lr=...) "
                "and give the parameters to step(params, grads)"
            )
        return super().__new__(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except AttributeError:
            raise AttributeError(_not_set(self, name)) from None


def _not_set(optimizer: Any, name: str) -> str:
    kind = type(optimizer).__name__
    if hasattr(optimizer, name):
        return (
            f"{name} of {kind} is fixed; with_options({name}=...) makes a copy with another value"
        )
    other = meant(name, ("lr", *optimizer._options))
    return f"{kind!r} object has no attribute {name!r}{other and '; '}{other}"
