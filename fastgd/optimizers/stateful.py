"""`Stateful`: an optimizer's state, which its first step makes: saved, restored, copied, forgotten.

It is a base class of `Optimizer`, not a part of it, because its methods are public ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from fastgd.optimizers.groups import Groups
from fastgd.optimizers.hyperparameters import WAYS, as_text, check_same, from_text, restored
from fastgd.optimizers.kind import Kind, Values
from fastgd.optimizers.plan import Plan
from fastgd.optimizers.state import arrays_of, check_rules, check_scalars, restore, saved


class Stateful:
    """What has hyperparameters, and a plan from its first step on; until then perhaps a state that waits for it."""

    __slots__ = (
        "__weakref__",
        "_groups",
        "_options",
        "_pending",  # a state that waits for the parameters
        "_plan",
        "_running",
        "_t",  # steps done where there is no plan
    )
    _kind: ClassVar[Kind]
    _options: dict[str, Any]
    _running: dict[str, Any]
    _groups: Groups

    def fresh(self) -> Self:
        """A copy without state."""
        raise NotImplementedError

    def _rules(self) -> list[str]:
        """The rule and the coefficient function of each group, which a state fits alone."""
        return self._rules_of(self._options, self._groups)

    def _rules_of(self, options: Values, groups: Groups) -> list[str]:
        return self._kind.rules({**options, **own} for own in ({}, *groups.values()))

    @property
    def t(self) -> int:
        """The number of steps taken."""
        return self._t if self._plan is None else self._plan.t

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Everything that an exact continuation needs, as a flat dict of arrays.

        It can be saved by ``np.savez(path, **opt.state_dict())`` and read without pickle.

        Returns
        -------
        dict of str to ndarray
            "optimizer", "rules" (names), "hyperparameters" (a text in JSON, groups included), "t"
            (steps), "carry" (running products), "params" (names of the arrays) and one entry for
            each state array, such as ``state.m['w'][0]``. Copies. Of a function that was given as
            `lr` the name and the rate of the last step are saved; schedules of `fastgd.schedules`
            are saved whole.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> opt, p = gd.Adam(), np.ones(3)
        >>> opt.step(p, np.ones(3))
        >>> sorted(opt.state_dict())
        ['carry', 'hyperparameters', 'optimizer', 'params', 'rules', 'state.m', 'state.v', 't']
        """
        text = as_text(self._kind, self._options, self._groups, self.t)
        return {**self._state(), "hyperparameters": text}

    def _state(self) -> dict[str, NDArray[Any]]:
        """The state without hyperparameters, for copies, which have them."""
        return saved(type(self).__name__, self._rules(), self.t, self._plan, self._pending)

    def load_state_dict(self, state: Mapping[str, Any], *, hyperparameters: str = "check") -> None:
        """Continue from a state that `state_dict` returned, with the same bits.

        Parameters
        ----------
        state : dict of str to ndarray
            Also an open .npz file. Before the first step it is kept until the parameters are known.
        hyperparameters : {"check", "restore", "ignore"}, default "check"
            What to do about hyperparameters, those of groups included. "check": a difference from
            those saved is an error. "restore": take those saved; if they differ, the structure of
            the parameters is forgotten as by `reset`. "ignore": keep the optimizer's own.

            A function given as `lr` cannot be saved: "check" compares the rate of the last step,
            "restore" wants the optimizer to have it. What the functions of `from_rule` compute is
            not compared, only their names. A state that an earlier version wrote has no
            hyperparameters: "check" then compares nothing, "restore" is an error.

        Raises
        ------
        TypeError, ValueError
            If it is another optimizer's state, has other hyperparameters or does not fit the
            parameters; nothing has changed then.

        Examples
        --------
        >>> import fastgd as gd
        >>> state = gd.Adam(lr=0.1).state_dict()
        >>> opt = gd.Adam()
        >>> opt.load_state_dict(state)
        Traceback (most recent call last):
            ...
        ValueError: state was saved with lr=0.1, but this Adam has lr=0.001: give it the same, or \
load with hyperparameters='restore' to take those saved, or 'ignore' to keep its own
        >>> opt.load_state_dict(state, hyperparameters="restore")
        >>> opt
        Adam(lr=0.1)
        """
        if hyperparameters not in WAYS:
            raise ValueError(
                f"hyperparameters must be 'check', 'restore' or 'ignore', got {hyperparameters!r:.60}"
            )
        arrays = arrays_of(state)
        steps = check_scalars(arrays, type(self).__name__)
        options, groups = self._hyperparameters_of(arrays, hyperparameters, steps)
        check_rules(arrays, self._rules_of(options, groups))
        if options is not self._options:
            self.reset()
            self._options, self._groups = options, groups
        if self._plan is None:
            self._await(arrays)
        else:
            restore(self._plan, arrays)
            self._plan.t = steps

    def _hyperparameters_of(
        self, arrays: Mapping[str, NDArray[Any]], way: str, steps: int
    ) -> tuple[dict[str, Any], Groups]:
        """The optimizer's own hyperparameters, the very same objects, or those that a state replaces them by."""
        own = self._options, self._groups
        if way == "ignore" or (way == "check" and "hyperparameters" not in arrays):
            return own
        if "hyperparameters" not in arrays:
            raise ValueError(
                "state has no hyperparameters to restore: an earlier version of fastgd wrote it"
            )
        plain = from_text(arrays["hyperparameters"])
        if way == "check":
            check_same(plain, self._kind, *own, steps)
            return own
        options, groups = restored(plain, self._kind, *own, steps)
        # Where nothing differs, the plan stays. The order of groups is that of their numbers in it.
        same = options == own[0] and list(groups.items()) == list(own[1].items())
        return own if same else (options, groups)

    def reset(self) -> None:
        """Forget all state, the number of steps and the structure of the parameters."""
        self._t = 0
        self._plan: Plan | None = None
        self._pending: dict[str, NDArray[Any]] | None = None

    def _await(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Keep a checked state until the parameters are known."""
        waiting = {key: array for key, array in arrays.items() if key != "hyperparameters"}
        self._t, self._pending = int(arrays["t"]), waiting if "params" in arrays else None

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: Any) -> Self:
        new = self.fresh()
        new._await(self._state())
        return new

    def __getstate__(self) -> Any:
        return self._options, self._running, self._groups, self._state()

    def __setstate__(self, state: Any) -> None:
        self._options, self._running, groups, arrays = state
        self._groups = dict(groups)
        self.reset()
        self._await(arrays)
