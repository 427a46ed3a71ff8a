"""What all optimizers share: hyperparameters, groups, state and the step.

A class says only what is its own: its hyperparameters and which formula they select
(`fastgd.optimizers`); a user's own is made by `Optimizer.from_rule`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.backends import resolve_backend
from fastgd.engines.cuda.arrays import is_device_array
from fastgd.engines.protocol.arrays import check
from fastgd.engines.protocol.steps import Method
from fastgd.engines.steps import check_first, group_for, slot_for, stepper_class
from fastgd.optimizers.common import COMMON_DEFAULTS, COMMON_FIELDS, RUNNING, checked_running
from fastgd.optimizers.fields import Choice, Field, Schedule, rate_at
from fastgd.optimizers.formula import Formula, prepares
from fastgd.optimizers.plan import Plan
from fastgd.optimizers.state import check_state, host_copy, restore, state_arrays
from fastgd.optimizers.tree import Path, Tree, spelled


class Optimizer:
    """Base of all optimizers: a stateful update of arrays in place.

    Instances are made from its subclasses (`fastgd.Adam`, ...) or from a class that `from_rule`
    returns. Hyperparameters are read as attributes (``opt.betas``); all but `lr` are fixed, see
    `with_options`.

    Other Parameters
    ----------------
    l1, l2 : float, default 0
        Penalties added to the gradient: l1 * sign(p) and l2 * p.
    clip_value : float, optional
        Clip each gradient element to [-clip_value, clip_value].
    clip_norm : float, optional
        Scale all gradients of a step so that their common Euclidean norm is at most this: by
        clip_norm / (norm + 1e-6) as in PyTorch; without the 1e-6 in the conventions of optax and
        Keras.
    maximize : bool, default False
        Climb: negate the gradient first, before penalties and decay.
    convention : {"torch", "optax", "keras", "sklearn", "paper"}
        Whose formula. It changes where epsilon and the rate stand and where accumulators start, not
        a hyperparameter's default. Under "keras" weight decay is decoupled in every optimizer.
    groups : dict, optional
        Other hyperparameters for some of the parameters: from a key, an index, or a tuple of them
        (the path of an array or of a nested part) to a dict of options. The longest path wins.
    backend : {"auto", "numpy", "cython", "numba", "cuda"}, default "auto"
        What runs the update. Arrays on a card (CuPy's, PyTorch's, JAX's, Numba's, or DLPack's) are updated there,
        in place and on their stream; "cuda" is for these alone, unless `copy` is set.
    n_threads : int, optional
        Threads for large arrays; by default as `fastgd.set_num_threads` says.
    flush_subnormals : bool, default True
        Treat subnormal numbers as zero; they slow the arithmetic about a hundredfold. Without the
        compiled core, and on a card, which does not mind them, this has no effect.
    copy : bool, default False
        With backend="cuda": take NumPy arrays, which are copied to the card and back at every step.
    """

    __slots__ = (
        "__weakref__",
        "_groups",
        "_options",
        "_pending",
        "_plan",
        "_running",
        "_t",
    )
    conventions: ClassVar[tuple[str, ...]] = ("paper",)
    _fields: ClassVar[dict[str, Field]] = {}
    _always_decoupled: ClassVar[bool] = False
    _defaults: ClassVar[dict[str, Any]]

    def __init__(self, **options: Any) -> None:
        raise TypeError("Optimizer is a base: use fastgd.SGD, fastgd.Adam, ... or from_rule")

    def __init_subclass__(
        cls,
        conventions: tuple[str, ...] | None = None,
        fields: Mapping[str, Field] | None = None,
        decoupled: bool | None = None,
    ) -> None:
        """Take what a class adds: its conventions, its hyperparameters, how its weights decay."""
        if conventions is not None:
            cls.conventions = conventions
        if decoupled is not None:
            cls._always_decoupled = decoupled
        cls._fields = {**COMMON_FIELDS, **cls._fields, **(fields or {})}
        cls._fields["convention"] = Choice(cls.conventions)
        common = {**COMMON_DEFAULTS, "convention": cls.conventions[0]}
        own = [
            parameter
            for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        keyword = inspect.Parameter.KEYWORD_ONLY
        own += [inspect.Parameter(name, keyword, default=value) for name, value in common.items()]
        cls.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
        cls._defaults = {parameter.name: parameter.default for parameter in own}

    # --- hyperparameters --------------------------------------------------------------------------

    def _set(self, common: Mapping[str, Any], **own: Any) -> None:
        """What a constructor does: check everything and start without state."""
        unknown = [name for name in common if name not in COMMON_DEFAULTS]
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no argument {unknown[0]!r}; it takes "
                f"{', '.join(self._defaults)}"
            )
        given = {**COMMON_DEFAULTS, "convention": self.conventions[0], **common, **own}
        running = {name: given.pop(name) for name in RUNNING}
        self._options: dict[str, Any] = {}
        for name, value in given.items():
            self._options[name] = self._fields[name].scalar(name, value)
        self._running = checked_running(running, self._backends())
        self._start()
        self._formula()
        self._groups: list[tuple[Path, dict[str, Any]]] = []
        self._groups = self._checked_groups(running["groups"])

    def _start(self) -> None:
        self._t = 0
        self._plan: Plan | None = None
        self._pending: dict[str, NDArray[Any]] | None = None

    def _formula(self) -> Formula:
        """The rule and coefficient function that the flags and the convention select."""
        raise NotImplementedError

    def _refuse(self, what: str, conventions: Iterable[str]) -> None:
        """Refuse a flag that no source defines in this convention."""
        legal = tuple(conventions)
        if self._options["convention"] not in legal:
            raise ValueError(
                f"{type(self).__name__} with {what} is not defined in convention "
                f"{self._options['convention']!r}; it is in {', '.join(map(repr, legal))}"
            )

    def _decoupled(self) -> bool:
        options = self._options
        return bool(
            self._always_decoupled
            or options["convention"] == "keras"
            or options.get("decoupled_weight_decay", False)
        )

    def _norm_eps(self) -> float:
        return 0.0 if self._options["convention"] in {"optax", "keras"} else 1e-6

    def _method(self, lr: float | None = None) -> Method:
        """The update as compiled loops take it, with the current rate or another."""
        options = {**self._options, "lr": self.lr if lr is None else lr}
        return self._formula().method(options, self._decoupled(), self._norm_eps())

    def _methods(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> list[tuple[NDArray[np.intp], Method]]:
        """The update for n runs whose hyperparameters differ, checked and read as whole columns.

        Parameters
        ----------
        columns : dict of str to sequence of n values
            The hyperparameters that differ; pairs as n tuples or an array of shape (n, 2). Of a
            schedule in "lr" the rate at the first step is taken.

        Returns
        -------
        list of (ndarray of intp, Method)
            Runs whose flags select the same rule, as their indices in order, and their numbers.
        """
        self._known(columns)
        checked = {n: self._fields[n].column(n, values) for n, values in columns.items()}
        lengths = {name: column.shape[-1] for name, column in checked.items()}
        runs = next(iter(lengths.values()), 1)
        for name, length in lengths.items():
            if length != runs:
                raise ValueError(f"{name} must have {runs} values as the others, got {length}")
        options = {**self._options, "lr": self.lr, **checked}
        switches = [self._fields[n].switches(column) for n, column in checked.items()]
        batches = []
        for index in _alike([s for s in [*switches, prepares(options)] if np.ndim(s)], runs):
            first = {name: values[index[0]] for name, values in columns.items()}
            one = self.with_options(**first)
            options = {
                **one._options,
                "lr": one.lr,
                **{n: c[..., index] for n, c in checked.items()},
            }
            method = one._formula().method(options, one._decoupled(), one._norm_eps(), index.size)
            batches.append((index, method))
        return batches

    def _known(self, options: Iterable[str]) -> None:
        for name in options:
            if name not in self._fields:
                raise ValueError(
                    f"{type(self).__name__} has no hyperparameter {name!r}; it has "
                    f"{', '.join(self._fields)}"
                )

    def with_options(self, **options: Any) -> Self:
        """A fresh copy, without state, with some hyperparameters replaced.

        Parameters
        ----------
        **options
            Hyperparameters by name.

        Returns
        -------
        Optimizer
            Of the same class.

        Raises
        ------
        ValueError, TypeError
            If a hyperparameter is unknown or a value is not legal.

        Examples
        --------
        >>> import fastgd as gd
        >>> gd.Adam(lr=0.1, eps=1e-6).with_options(lr=0.2)
        Adam(lr=0.2, eps=1e-06)
        """
        self._known(options)
        new = object.__new__(type(self))
        new._options = dict(self._options)
        for name, value in options.items():
            new._options[name] = self._fields[name].scalar(name, value)
        new._running = self._running
        new._start()
        new._formula()
        new._groups = self._groups
        return new

    def fresh(self) -> Self:
        """A copy with the same hyperparameters and no state."""
        return self.with_options()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            if name in self._options:
                return self._fields[name].given(self._options[name])
            if name in self._running:
                return self._running[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def lr(self) -> float:
        """The learning rate of the next step; it may be set to a number or a schedule."""
        return rate_at(self._options["lr"], self.t)

    @lr.setter
    def lr(self, value: float | Schedule) -> None:
        rate: Any = self._fields["lr"].scalar("lr", value)
        rate_at(rate, self.t)  # a schedule that returns nonsense now is refused now
        self._options["lr"] = rate
        if self._plan is not None:
            self._plan.set_rate(rate)

    @property
    def t(self) -> int:
        """The number of steps taken."""
        return self._t if self._plan is None else self._plan.t

    # --- groups -----------------------------------------------------------------------------------

    def _checked_groups(self, groups: Any) -> list[tuple[Path, dict[str, Any]]]:
        if groups is None:
            return []
        if not isinstance(groups, Mapping):
            raise TypeError(f"groups must be a dict, got {type(groups).__name__}")
        checked: dict[Path, dict[str, Any]] = {}
        for key, options in groups.items():
            path = key if isinstance(key, tuple) else (key,)
            if not isinstance(options, Mapping):
                raise TypeError(f"groups[{key!r}] must be a dict, got {type(options).__name__}")
            if path in checked:
                raise ValueError(f"groups names {key!r} twice")
            try:
                one = self.with_options(**options)
            except (TypeError, ValueError) as error:
                raise type(error)(f"groups[{key!r}]: {error}") from None
            checked[path] = {name: one._options[name] for name in options}
        return list(checked.items())

    def _group_of(self, paths: Sequence[Path]) -> list[int]:
        """For each array the group with the longest path that leads to it; 0 is the optimizer's."""
        used: set[int] = set()
        found = []
        for path in paths:
            matching = [
                (len(prefix), number)
                for number, (prefix, _) in enumerate(self._groups, 1)
                if path[: len(prefix)] == prefix
            ]
            used.update(number for _, number in matching)
            found.append(max(matching, default=(0, 0))[1])
        for number, (prefix, _) in enumerate(self._groups, 1):
            if number not in used:
                key = prefix[0] if len(prefix) == 1 else prefix
                names = ", ".join(spelled("params", path) for path in paths[:8])
                raise ValueError(
                    f"groups has {key!r}, but no parameter lies there; there is {names}"
                )
        return found

    # --- the step ---------------------------------------------------------------------------------

    def step(self, params: Any, grads: Any, *, lr: float | None = None) -> None:
        """Update the parameters in place.

        The first step fixes the structure, shapes and dtypes of `params`, and whether they lie on a card: there the
        update may still be under way on return, in the order of the arrays' stream. On an error nothing has changed.

        Parameters
        ----------
        params : ndarray, or list, tuple or dict of them, nested at will
            float32 or float64, writeable. Arrays that are not C-contiguous work, more slowly. Or arrays on a card,
            C-contiguous.
        grads : the same structure
            Gradients, of the same shapes and dtypes. They are not modified.
        lr : float, optional
            Learning rate of this step only. Groups with a rate of their own keep it.

        Raises
        ------
        TypeError
            If something is no array, a gradient None for example.
        ValueError
            If structure, shape or dtype differ from those of the first step, a parameter is
            read-only, or it overlaps a gradient or another parameter.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> params = {"w": np.ones((2, 2)), "b": np.zeros(2)}
        >>> grads = {"w": np.full((2, 2), 0.5), "b": np.ones(2)}
        >>> gd.SGD(lr=0.1).step(params, grads)
        >>> params["b"]
        array([-0.1, -0.1])
        """
        plan = self._plan
        if plan is None:
            self._first_step(params, grads, lr)
            return
        t = plan.t + 1
        if lr is not None:
            self._step_with(plan, params, grads, lr)
        else:
            if plan.moving:
                plan.write_rates()
            if plan.single:
                plan.update([params], [grads], t)
            else:
                plan.update(plan.leaves(params, "params"), plan.leaves(grads, "grads"), t)
        plan.t = t

    def _step_with(self, plan: Plan, params: Any, grads: Any, lr: float) -> None:
        rate = self._one_rate(lr)
        p, g = plan.leaves(params, "params"), plan.leaves(grads, "grads")
        plan.write_rates(rate)
        try:
            plan.update(p, g, plan.t + 1)
        finally:
            plan.write_rates()

    def _one_rate(self, lr: Any) -> float:
        rate = self._fields["lr"].scalar("lr", lr)
        if not isinstance(rate, float):
            raise TypeError(
                "lr of one step must be a number; a schedule belongs in the constructor"
            )
        return rate

    def _first_step(self, params: Any, grads: Any, lr: float | None) -> None:
        tree = Tree(params)
        leaves, gradients = tree.leaves(params, "params"), tree.leaves(grads, "grads")
        if lr is not None:
            lr = self._one_rate(lr)
        names = [spelled("params", path) for path in tree.paths]
        on_card = any(map(is_device_array, leaves))
        for name, array, gradient in zip(names, leaves, gradients, strict=True):
            check_first(name, array, on_card)
            check_first("grads" + name.removeprefix("params"), gradient, on_card)
        plan = self._plan_for(tree, names, leaves, lr, self._backend_for(on_card))
        if self._pending is not None:
            restore(plan, self._pending)
        self._plan = plan
        try:
            plan.write_rates()
            if lr is None:
                plan.update(leaves, gradients, plan.t + 1)
            else:
                self._step_with(plan, params, grads, lr)
        except BaseException:
            self._plan = None
            raise
        self._pending = None
        plan.t += 1

    def _plan_for(
        self,
        tree: Tree,
        names: Sequence[str],
        leaves: Sequence[Any],
        lr: float | None,
        backend: str,
    ) -> Plan:
        # This step's rate counts here where it sets how state starts (Rprop).
        methods = [self._method(lr)] + [
            self.with_options(**options)._method(None if "lr" in options else lr)
            for _, options in self._groups
        ]
        numbers = self._group_of(tree.paths)
        chars = {np.dtype(array.dtype).char for array in leaves if backend != "cuda"}
        groups = [group_for(method, backend, chars) for method in methods]
        slots = [
            slot_for(name, array, number, methods[number], backend)
            for name, array, number in zip(names, leaves, numbers, strict=True)
        ]
        running = {name: self._running[name] for name in ("flush_subnormals", "n_threads")}
        if backend == "cuda":
            running["copying"] = isinstance(leaves[0], np.ndarray)
        stepper = stepper_class(backend)(slots, groups, **running)
        rates = [self._options["lr"], *(options.get("lr") for _, options in self._groups)]
        single = tree.paths == [()]
        return Plan(tree, tree.leaves, slots, groups, stepper.step, single, backend, rates, self._t)

    def _backends(self) -> tuple[str, ...]:
        """What can run the update of NumPy arrays, in order of preference; a card runs all."""
        return ("cython", "numba", "numpy")

    def _backend_for(self, on_card: bool) -> str:
        """What runs the steps of arrays that lie on a card or do not."""
        asked = self._running["backend"]
        if on_card:
            if asked not in {"auto", "cuda"}:
                raise ValueError(
                    f"params lie on a card, where backend {asked!r} cannot update them; use 'cuda' or 'auto'"
                )
            return resolve_backend("cuda", supports=("cuda",))
        if asked == "cuda" and not self._running["copy"]:
            raise TypeError(
                "params are NumPy arrays and backend is 'cuda': give arrays that lie on the card, "
                "or copy=True to have them copied there and back at every step"
            )
        supports = (*self._backends(), *(["cuda"] if asked == "cuda" else []))
        return resolve_backend(None if asked == "auto" else asked, supports=supports)

    # --- for loops that make the steps themselves: a network's training ------------------------------

    def _bound_to(self, params: Sequence[Any]) -> Plan:
        """The plan for a list of arrays, of which the first call fixes the form; no step is made."""
        if self._plan is None:
            tree = Tree(params)
            leaves = tree.leaves(params, "params")
            names = [spelled("params", path) for path in tree.paths]
            for name, array in zip(names, leaves, strict=True):
                check_first(name, array)
            plan = self._plan_for(tree, names, leaves, None, self._backend_of_loop())
            if self._pending is not None:
                restore(plan, self._pending)
            self._plan, self._pending = plan, None
        if self._plan.backend == "cuda":
            raise ValueError(
                "the optimizer has its state on a card, for arrays there; give another"
            )
        leaves = self._plan.leaves(params, "params")
        check(self._plan.slots, leaves, [np.empty_like(array) for array in leaves])
        return self._plan

    def _backend_of_loop(self) -> str:
        """A network decides itself whether it runs on a card; its optimizer's numbers are the host's."""
        asked = self._running["backend"]
        name = None if asked in {"auto", "cuda"} else asked
        return resolve_backend(name, supports=self._backends())

    # --- state ------------------------------------------------------------------------------------

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
        state = {
            "optimizer": np.array(type(self).__name__),
            "rules": np.array(self._rules()),
            "t": np.array(self.t, np.int64),
        }
        if self._plan is not None:
            groups, slots = self._plan.groups, self._plan.slots
            state["carry"] = np.array([group.carry[0] for group in groups])
            state["params"] = np.array([slot.name for slot in slots])
            for key, array in state_arrays(groups, slots).items():
                state[key] = host_copy(array)
        elif self._pending is not None:
            state.update({key: array.copy() for key, array in self._pending.items()})
        return state

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
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a dict of arrays, got {type(state).__name__}")
        arrays = {str(key): np.array(state[key]) for key in state}
        steps = check_state(arrays, type(self).__name__, self._rules())
        if self._plan is not None:
            restore(self._plan, arrays)
            self._plan.t, self._pending = steps, None
        else:
            self._pending = arrays if "params" in arrays else None
            self._t = steps

    def _rules(self) -> list[str]:
        optimizers = [self, *(self.with_options(**options) for _, options in self._groups)]
        formulas = [optimizer._formula() for optimizer in optimizers]
        return [f"{formula.rule.name}, {formula.coefficients.name}" for formula in formulas]

    def reset(self) -> None:
        """Forget all state, the number of steps and the structure of the parameters."""
        self._start()

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: Any) -> Self:
        new = self.fresh()
        new._adopt(self.state_dict())
        return new

    def __getstate__(self) -> Any:
        return self._options, self._running, self._groups, self.state_dict()

    def __setstate__(self, state: Any) -> None:
        self._options, self._running, self._groups, arrays = state
        self._start()
        self._adopt(arrays)

    def _adopt(self, state: dict[str, NDArray[Any]]) -> None:
        self._t = int(state["t"])
        self._pending = state if "params" in state else None

    def __repr__(self) -> str:
        shown = []
        for name, default in self._defaults.items():
            if name == "groups":
                value: Any = {p if len(p) != 1 else p[0]: o for p, o in self._groups} or None
            elif name in self._options:
                value = self._fields[name].given(self._options[name])
            else:
                value = self._running[name]
            if name == "lr" or value != default:
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    # --- SciPy ------------------------------------------------------------------------------------

    def __call__(self, fun: Any, x0: Any, args: tuple[Any, ...] = (), **options: Any) -> Any:
        """Minimize as a custom method of `scipy.optimize.minimize`.

        Parameters
        ----------
        fun, x0, args : callable, array_like, tuple
            As `scipy.optimize.minimize` passes them.
        **options
            `jac`, `callback`, `tol` and `options` of that call; options are the keyword arguments of
            `fastgd.minimize` (`maxiter` is `max_iter`, `gtol` is `tol`) and `disp`.

        Returns
        -------
        scipy.optimize.OptimizeResult
            As from `fastgd.minimize`.

        Raises
        ------
        TypeError, ValueError
            If an option is unknown, or bounds, constraints, `hess` or `hessp` are given.

        Examples
        --------
        >>> from scipy.optimize import minimize, rosen, rosen_der
        >>> import fastgd as gd
        >>> run = minimize(rosen, [1.2, 1.0], jac=rosen_der, method=gd.Adam(lr=0.02), tol=1e-6)
        >>> run.success, run.x.round(4)
        (True, array([1., 1.]))
        """
        from fastgd.descent.scipy_method import scipy_minimizer  # noqa: PLC0415

        return scipy_minimizer(self, fun, x0, args, **options)

    # --- a user's own -----------------------------------------------------------------------------

    @staticmethod
    def from_rule(
        rule: Callable[..., Any],
        *,
        state: Sequence[str] = (),
        coefficients: Callable[..., Any],
        defaults: Mapping[str, float] | None = None,
    ) -> type[Optimizer]:
        """Make an optimizer class from an update rule; it steps and sweeps like a shipped one.

        Parameters
        ----------
        rule : function
            ``rule(p, g, *state, *coefficients) -> (p, *state)``: straight-line arithmetic on
            arguments, locals and those functions of NumPy, under the name `np`, that rules know
            (sqrt, abs, sign, maximum, minimum, where, exp, log, tanh, erf, ...). It is called with
            whole arrays, or compiled for single numbers. It holds no number: numbers are
            coefficients.
        state : sequence of str
            Names of the state variables, which start at 0; also the rule's third argument and on.
        coefficients : function
            ``coefficients(t, lr, ...)`` returns the rule's coefficients as a tuple, from the step
            number (from 1), the rate and the optimizer's hyperparameters, in double. With a second
            argument `carry`, a number that is 1 before the first step, it returns that first.
            Compiled where Numba can, else called once a step: `coefficients_in` says which.
        defaults : dict of str to float
            Defaults of the hyperparameters; those without are required.

        Returns
        -------
        type
            A class whose constructor takes `lr`, the hyperparameters and what `Optimizer` lists.

        Raises
        ------
        TypeError, ValueError
            If the rule holds a literal, a branch or an unknown name, or the arguments do not fit.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> def signed(p, g, m, lr, mu, gain):
        ...     m = mu * m + gain * g
        ...     return p - lr * np.sign(m), m
        >>> SignedMomentum = gd.Optimizer.from_rule(
        ...     signed,
        ...     state=("m",),
        ...     coefficients=lambda t, lr, mu: (lr, mu, 1 - mu),
        ...     defaults={"lr": 0.1, "mu": 0.9},
        ... )
        >>> p = np.array([1.0, 2.0])
        >>> SignedMomentum(mu=0.5).step(p, np.array([3.0, -4.0]))
        >>> p
        array([0.9, 2.1])
        """
        from fastgd.optimizers.user import from_rule  # noqa: PLC0415

        return from_rule(rule, state, coefficients, defaults or {})


def _alike(keys: Sequence[NDArray[Any]], runs: int) -> list[NDArray[np.intp]]:
    """Indices of the runs that agree in all keys, set by set."""
    codes = np.zeros(runs, np.intp)
    for key in keys:
        values, code = np.unique(
            key.astype(str) if key.dtype == object else key, return_inverse=True
        )
        codes = codes * len(values) + code
    order = np.argsort(codes, kind="stable")
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    return [index for index in np.split(order, cuts) if index.size]
