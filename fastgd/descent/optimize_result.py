"""`scipy.optimize.OptimizeResult` where SciPy is installed, else a class that behaves as it.

A result may have a field that is made when somebody looks at it: what keeps a run from converging may take longer to
find than a short run takes, and most callers never ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from fastgd.extras import present

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult as SciPyResult


class OptimizeResult(dict[str, Any]):
    """A dictionary whose keys are attributes too, as SciPy's class of this name."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error

    __setattr__ = dict.__setitem__
    __delattr__ = dict.__delitem__

    def __dir__(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        lines = []
        for name, value in self.items():
            first, *rest = str(value).split("\n")
            lines.append(f"{name:>{width}}: {first}")
            lines += [" " * (width + 2) + line for line in rest]
        return "\n".join(lines) or f"{type(self).__name__}()"


def result_class() -> type[Any]:
    """SciPy's class, or the one above."""
    if not present("scipy"):
        return OptimizeResult
    from scipy.optimize import OptimizeResult as SciPyResult  # noqa: PLC0415  (heavy)

    return SciPyResult


def as_result(
    fields: Mapping[str, Any], later: tuple[str, Callable[[], Any]] | None = None
) -> SciPyResult:
    """These fields as a result; `later` names one of them that a function makes when it is first looked at."""
    kind: Any = result_class()
    result: SciPyResult = kind() if later is None else _unsettled(kind)()
    dict.update(result, fields)
    if later is not None:
        vars(result)["_later"] = later
    return result


_SHOWING = (  # the methods of a dictionary by which values are seen, compared, copied or replaced
    "__delattr__", "__delitem__", "__eq__", "__iter__", "__ne__", "__or__", "__reduce_ex__", "__repr__", "__ror__",
    "__setattr__", "__setitem__", "clear", "copy", "items", "pop", "popitem", "setdefault", "update", "values",
)  # fmt: skip


@cache
def _unsettled(kind: Any) -> type[Any]:
    """The class of a result until somebody looks at the field that is made later; from then on it is of its own."""

    def settle(result: Any) -> None:
        later = vars(result).get("_later")
        if later is not None:  # in another thread it may have been made meanwhile
            name, make = later
            dict.__setitem__(result, name, make())
            object.__setattr__(result, "__class__", kind)
            vars(result).pop("_later", None)

    def settled_first(method: str) -> Callable[..., Any]:
        def settling(result: Any, *args: Any, **options: Any) -> Any:
            settle(result)
            return getattr(kind, method)(result, *args, **options)

        return settling

    def by_key(method: str) -> Callable[..., Any]:
        def settling(result: Any, key: Any, *default: Any) -> Any:
            if key == vars(result).get("_later", (key,))[0]:
                settle(result)
            return getattr(kind, method)(result, key, *default)

        return settling

    methods = {name: settled_first(name) for name in _SHOWING}
    methods |= {name: by_key(name) for name in ("__getitem__", "get")}
    return type(kind.__name__, (kind,), {"__doc__": kind.__doc__, **methods})
