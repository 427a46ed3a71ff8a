from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.native.sweeps import Kernels

class Descent:
    n: int
    status: int
    x: NDArray[Any]

    def __init__(
        self,
        kernels: Kernels,
        x0: NDArray[Any],
        state0: NDArray[np.float64],
        hyper: NDArray[np.float64],
        *,
        penalties: NDArray[np.float64] | None = None,
        own: bool,
        scheduled: bool,
        max_iter: int,
        tol: float,
        step_tol: float,
        limit: float,
        flush: bool,
    ) -> None: ...
    def advance(
        self, stop: int, every: int, records: NDArray[Any] | None, rates: NDArray[np.float64] | None
    ) -> int: ...
