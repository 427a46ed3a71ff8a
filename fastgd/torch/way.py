"""One way to make a step: which parameters have gradients, and which of them share the step's numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch.autograd.graph import increment_version

from fastgd.engines.protocol.steps import Group, Method, Slot
from fastgd.engines.steps import group_for, stepper_class, tensor_stepper_class
from fastgd.torch.forms import array_of
from fastgd.torch.state import Parts


class Way:
    """Makes the steps in which certain parameters have gradients.

    Parameters
    ----------
    params, absent : list of tensors
        Those that have a gradient, and those that have none.
    names : list of str
        Of `params`, for messages.
    parts : list of Parts
        Their state.
    cohorts : list of int
        For each parameter the number of its cohort.
    methods : list of Method
        The update of each cohort.
    backend : str
    """

    def __init__(  # noqa: PLR0917  (each is a part of it)
        self,
        params: list[Any],
        absent: list[Any],
        names: Sequence[str],
        parts: list[Parts],
        cohorts: Sequence[int],
        methods: Sequence[Method],
        backend: str,
    ) -> None:
        self._params, self._parts, self._cohorts = params, parts, list(cohorts)
        self._addresses = [[tensor.data_ptr() for tensor in own.arrays] for own in parts]
        slots = [
            Slot(
                name,
                tuple(p.shape),
                np.dtype("f" if p.dtype is torch.float32 else "d"),
                cohort,
                tuple(map(array_of, own.arrays)),
            )
            for name, p, cohort, own in zip(names, params, cohorts, parts, strict=True)
        ]
        chars = {slot.dtype.char for slot in slots}
        self._groups: list[Group] = [group_for(method, backend, chars) for method in methods]
        reads = tensor_stepper_class(backend)
        exchange = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
        if reads is None or exchange is None:
            self._stepper = stepper_class(backend)(slots, self._groups)
            self.try_step: Callable[[], bool] = _never
        else:
            self._stepper = reads(
                slots,
                self._groups,
                exchange=exchange,
                params=params,
                absent=absent,
                states=[own.arrays for own in parts],
                counts=[own.count for own in parts],
                products=[own.product for own in parts],
                bump=increment_version,
                limit=torch.get_num_threads,
            )
            self.try_step = self._stepper.try_step

    def is_of(self, cohorts: Sequence[int]) -> bool:
        """Whether these are its cohorts, and all state lies where it lay."""
        return list(cohorts) == self._cohorts and all(
            address == tensor.data_ptr()
            for addresses, own in zip(self._addresses, self._parts, strict=True)
            for address, tensor in zip(addresses, own.arrays, strict=True)
        )

    def begin(self, parts: Iterable[Parts]) -> None:
        """Tell each cohort the number of its next step, from the state as it is now."""
        for own, cohort in zip(parts, self._cohorts, strict=True):
            count, product = own.numbers()
            self._groups[cohort].behind[0] = -(count + 1.0)
            self._groups[cohort].carry[0] = product

    def step(self) -> None:
        """Make a step through NumPy, whatever the layout of the tensors; its errors say what is wrong."""
        increment_version(self._params)
        params = [array_of(p) for p in self._params]
        grads = [array_of(p.grad.resolve_neg()) for p in self._params]
        self._stepper.step(params, grads, 0)
        for own, cohort in zip(self._parts, self._cohorts, strict=True):
            group = self._groups[cohort]
            if own.count is not None:
                own.count.fill_(-group.behind[0])
            if own.product is not None:
                own.product.fill_(group.carry[0])
        for group in self._groups:
            group.behind[0] -= 1.0


def _never() -> bool:
    return False
