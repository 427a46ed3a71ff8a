"""`Stateful`: an optimizer's state, which its first step makes: saved, restored, copied, forgotten.

It is a base class of `Optimizer`, not a part of it, because its methods are public ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from numpy.typing import NDArray

from fastgd.optimizers.plan import Plan
from fastgd.optimizers.state import arrays_of, check_state, restore, saved


class Stateful:
    """What has a plan from its first step on; until then perhaps a state that waits for it."""

    __slots__ = (
        "__weakref__",
        "_pending",  # a state that waits for the parameters
        "_plan",
        "_t",  # steps done where there is no plan
    )

    def fresh(self) -> Self:
        """A copy without state."""
        raise NotImplementedError

    def _rules(self) -> list[str]:
        """The rule and the coefficient function of each group, which a state fits alone."""
        raise NotImplementedError

    @property
    def t(self) -> int:
        """The number of steps taken."""
        return self._t if self._plan is None else self._plan.t

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Everything that an exact continuation needs, as a flat dict of arrays.

        It can be saved by ``np.savez(path, **opt.state_dict())``. Hyperparameters are not in it:
        they belong to the constructor.

        Returns
        -------
        dict of str to ndarray
            "optimizer", "rules" (names), "t" (steps), "carry" (running products), "params" (names
            of the arrays) and one entry for each state array, such as ``state.m['w'][0]``. Copies.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> opt, p = gd.Adam(), np.ones(3)
        >>> opt.step(p, np.ones(3))
        >>> sorted(opt.state_dict())
        ['carry', 'optimizer', 'params', 'rules', 'state.m', 'state.v', 't']
        """
        return saved(type(self).__name__, self._rules(), self.t, self._plan, self._pending)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned, with the same bits.

        Parameters
        ----------
        state : dict of str to ndarray
            Also an open .npz file. Before the first step it is kept until the parameters are known.

        Raises
        ------
        TypeError, ValueError
            If it is another optimizer's state or does not fit the parameters; nothing has changed
            then.
        """
        arrays = arrays_of(state)
        steps = check_state(arrays, type(self).__name__, self._rules())
        if self._plan is None:
            self._await(arrays)
        else:
            restore(self._plan, arrays)
            self._plan.t = steps

    def reset(self) -> None:
        """Forget all state, the number of steps and the structure of the parameters."""
        self._t = 0
        self._plan: Plan | None = None
        self._pending: dict[str, NDArray[Any]] | None = None

    def _await(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Keep a checked state until the parameters are known."""
        self._t, self._pending = int(arrays["t"]), arrays if "params" in arrays else None

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: Any) -> Self:
        new = self.fresh()
        new._await(self.state_dict())
        return new
