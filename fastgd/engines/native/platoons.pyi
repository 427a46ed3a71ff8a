from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Rows
from fastgd.engines.protocol.platoons import Loops, Trainings, Waiting

MOST_STATE: int

class Platoon:
    capacity: int
    lanes: int
    n: int
    n_parameters: int
    dtype: np.dtype[Any]
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    final: NDArray[Any]
    carries: NDArray[np.float64]
    recent: NDArray[np.float64]
    highest: NDArray[np.float64]
    windows: NDArray[np.int64]
    history: NDArray[np.float64]

    def __init__(self, trainings: Trainings, loops: Sequence[Loops], capacity: int) -> None: ...
    @property
    def live(self) -> int: ...
    def load(
        self, runs: NDArray[np.intp], starts: NDArray[Any], start_of: NDArray[np.intp]
    ) -> None: ...
    def go_on_from(self, begun: Waiting) -> None: ...
    def advance(self, stop: int) -> int: ...
    def assess(self, rows: Rows) -> NDArray[np.float64]: ...
    def stop(self, status: int, runs: NDArray[np.intp] | None = None) -> None: ...
