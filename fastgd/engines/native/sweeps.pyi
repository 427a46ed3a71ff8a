from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastgd.engines.protocol.sweeps import Batches, Descents

class Kernels:
    dtype: np.dtype[Any]
    data: NDArray[Any]
    batches: Batches | None
    size: int
    count: int
    n_state: int
    n_coefficients: int
    n_hyper: int
    n_penalties: int
    features: int
    outputs: int
    steady: bool

    def __init__(
        self,
        window: int,
        observe: int,
        lanes: int,
        *,
        shared: int = 0,
        n_shared: int = 0,
        data: NDArray[Any],
        size: int,
        count: int,
        n_state: int,
        n_coefficients: int,
        n_hyper: int,
        steady: bool,
        n_penalties: int = 0,
        batches: Batches | None = None,
        features: int = 0,
        outputs: int = 1,
    ) -> None: ...

class Outcomes:
    x: NDArray[Any]
    before: NDArray[Any]
    iterations: NDArray[np.int64]
    status: NDArray[np.int8]
    oscillating: NDArray[np.uint8]
    numbers: NDArray[Any]
    carry: NDArray[np.float64]
    runs: int
    count: int
    itemsize: int
    rows: int

    def __init__(self, runs: int, count: int, dtype: np.dtype[Any], rows: int = ...) -> None: ...

def table_of(what: str, values: Any, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]: ...

class Queue:
    runs: Descents
    left: int

    def __init__(
        self,
        kernels: Kernels,
        runs: Descents,
        hyper: NDArray[np.float64],
        order: NDArray[np.int64],
        cuts: NDArray[np.int64],
        uniform: NDArray[np.uint8],
    ) -> None: ...

class Block:
    lanes: int
    n: int
    part: int

    def __init__(
        self,
        kernels: Kernels,
        *,
        max_iter: int,
        tol: float,
        limit: float,
        flush: bool,
        pause: int = ...,
        one_by_one: bool = ...,
    ) -> None: ...
    def take(self, queue: Queue, outcomes: Outcomes) -> None: ...
    def advance(self, windows: int, most: int = ...) -> int: ...
    def stop(self, status: int) -> None: ...
    def points(self) -> tuple[NDArray[np.int64], NDArray[Any]]: ...

def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]: ...
