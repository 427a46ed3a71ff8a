from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

class Lent:
    def __init__(self, n: int, dtype: Any) -> None: ...

class Stepped:
    n: int
    evaluated_at: int
    values: int
    gradients: int
    status: int
    x: NDArray[Any]
    g: NDArray[Any]
    value: float | None
    slope: float

    def __init__(
        self,
        x: NDArray[Any],
        calls: tuple[str, Any, Any, float],
        returned: ModuleType,
        update: Callable[[list[Any], list[Any], int], None],
        rate: NDArray[np.float64],
        *,
        penalties: NDArray[np.float64] | None = None,
        box: NDArray[np.float64] | None = None,
        velocity: NDArray[Any] | None = None,
        momentum: float = 0.0,
        max_iter: int,
        tol: float,
        step_tol: float,
        limit: float,
    ) -> None: ...
    def begin(self) -> float: ...
    def end(self, status: int) -> None: ...
    def loss(self) -> float: ...
    def in_double(self) -> float: ...
    def advance(
        self, stop: int, every: int, rates: NDArray[np.float64] | None
    ) -> tuple[list[NDArray[Any]], list[float], list[float]]: ...
