from collections.abc import Sequence
from typing import Any

from fastgd.engines.protocol.steps import Group, Slot

class Stepper:
    slots: list[Slot]
    groups: list[Group]

    def __init__(
        self,
        slots: Sequence[Slot],
        groups: Sequence[Group],
        flush_subnormals: bool = True,
        n_threads: int | None = None,
    ) -> None: ...
    def step(self, params: Sequence[Any], grads: Sequence[Any], t: int) -> None: ...

def set_thresholds(*values: float) -> tuple[float, ...]: ...
