from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Architecture, Rows, Stretch
from fastgd.engines.reference.networks import Reference

class Workspace:
    rows: int
    members: int

    def __init__(self, network: Network, rows: int, members: int) -> None: ...

class Network:
    architecture: Architecture
    dtype: np.dtype[Any]
    sizes: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    panel: int
    outputs: int
    linear: bool

    def __init__(
        self, architecture: Architecture, n_threads: int | None = None, linear: bool = False
    ) -> None: ...
    def room(self, widest: int, outputs: int) -> int: ...
    def reference(self) -> Reference: ...
    def forward(
        self, params: list[NDArray[Any]], x: NDArray[Any], scale: float = 1.0
    ) -> NDArray[Any]: ...
    def predict(
        self,
        params: list[NDArray[Any]],
        x: NDArray[Any],
        scale: float = 1.0,
        *,
        link: bool = True,
        strict: bool = True,
    ) -> NDArray[Any]: ...
    def assess(self, params: list[NDArray[Any]], rows: Rows) -> tuple[float, float]: ...
    def loss_and_grad(
        self, params: list[NDArray[Any]], rows: Rows, index: NDArray[np.integer[Any]] | None = None
    ) -> tuple[float, float, list[NDArray[Any]]]: ...
    def train(self, params: list[NDArray[Any]], rows: Rows, stretch: Stretch) -> None: ...

def loop_address(kind: str, function: str | Callable[..., Any], letter: str) -> int: ...
def set_threshold(worth_a_team: float) -> float: ...
def rehearse_pace(
    times: Callable[[float], tuple[float, float]], total: float
) -> list[tuple[bool, int, float]]: ...
