"""`scipy.optimize.OptimizeResult` where SciPy is installed, else a class that behaves as it."""

from __future__ import annotations

from collections.abc import Mapping
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


def as_result(fields: Mapping[str, Any]) -> SciPyResult:
    """These fields as a result."""
    result: SciPyResult = result_class()()
    result.update(fields)
    return result
