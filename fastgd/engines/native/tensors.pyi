from collections.abc import Callable, Sequence
from typing import Any

from fastgd.engines.native.steps import Stepper
from fastgd.engines.protocol.steps import Group, Slot

class Contents:
    def __init__(self, containers: list[Any]) -> None: ...
    def same(self) -> bool: ...

class TensorStepper(Stepper):
    def __init__(
        self,
        slots: Sequence[Slot],
        groups: Sequence[Group],
        flush_subnormals: bool = True,
        *,
        exchange: Any,
        params: list[Any],
        absent: list[Any],
        states: list[tuple[Any, ...]],
        counts: list[Any],
        products: list[Any],
        bump: Callable[[list[Any]], object],
        limit: Callable[[], int],
    ) -> None: ...
    def try_step(self) -> bool: ...
