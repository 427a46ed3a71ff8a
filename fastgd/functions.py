"""The usual test functions of optimization, and `Function` for a user's own."""

from fastgd.problems.function import Function
from fastgd.problems.functions import (
    KnownFunction,
    beale,
    bumpy,
    himmelblau,
    ravine,
    rosenbrock,
    saddle,
)

__all__ = [
    "Function",
    "KnownFunction",
    "beale",
    "bumpy",
    "himmelblau",
    "ravine",
    "rosenbrock",
    "saddle",
]
