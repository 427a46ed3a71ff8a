"""`Optimizer`, the base of all optimizers: hyperparameters as attributes, and the step.

Its parts are modules of their own: `kind` checks hyperparameters and turns them into numbers,
`groups` finds those that differ between parameters, `plan` runs updates, `stateful` saves state.
Long because half of it are the docstrings of its public methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from fastgd.engines.cuda.arrays import is_device_array
from fastgd.engines.parse import Rule
from fastgd.engines.protocol.steps import Method
from fastgd.optimizers.bounds import within
from fastgd.optimizers.common import COMMON_FIELDS, RUNNING, checked_running, skips_none
from fastgd.optimizers.fields import Choice, Field, Schedule, rate_at
from fastgd.optimizers.formula import Formula
from fastgd.optimizers.groups import checked_groups, group_numbers
from fastgd.optimizers.kind import Kind, SignatureOf, Values
from fastgd.optimizers.plan import Plan, backend_for, checked_leaves, make_plan
from fastgd.optimizers.refusals import Refusing
from fastgd.optimizers.state import restore
from fastgd.optimizers.tree import Tree


class Optimizer(Refusing):
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
        Scale all gradients of a step by min(1, clip_norm / (norm + 1e-6)), where `norm` is their
        common Euclidean norm; without the 1e-6 in the conventions "optax" and "keras".
    maximize : bool, default False
        Maximize: negate the gradient first, before penalties and decay.
    convention : {"torch", "optax", "keras", "sklearn", "paper"}
        Whose formula to use: where epsilon and the rate stand and where accumulators start. It
        changes no default value. Under "keras" weight decay is decoupled in every optimizer.
    groups : dict, optional
        Other hyperparameters for some of the parameters: from a key, an index, or a tuple of them
        (the path of an array or of a nested part) to a dict of options. The longest path wins.
    backend : {"auto", "numpy", "cython", "numba", "cuda"}, default "auto"
        What runs the update. Arrays on the GPU (CuPy's, PyTorch's, JAX's, Numba's, or DLPack's) are
        updated there, in place and on their stream; without `copy`, "cuda" is for these alone.
    n_threads : int, optional
        Threads for large arrays; default: `fastgd.set_num_threads`.
    flush_subnormals : bool, default True
        Treat subnormal numbers as zero; they slow the arithmetic about a hundredfold. It has no
        effect without the compiled core, nor on the GPU, where they cost nothing.
    copy : bool, default False
        With backend="cuda": accept NumPy arrays, copied to the GPU and back at every step.
    """

    __slots__ = ()
    __signature__ = SignatureOf()
    conventions: ClassVar[tuple[str, ...]] = ("paper",)
    _fields: ClassVar[dict[str, Field]] = COMMON_FIELDS
    _decoupled: ClassVar[bool] = False
    _backends: ClassVar[tuple[str, ...]] = ("cython", "numba", "numpy")  # for NumPy arrays

    def __init__(self, **options: Any) -> None:
        raise TypeError("Optimizer is a base: use fastgd.SGD, fastgd.Adam, ... or from_rule")

    def __init_subclass__(
        cls,
        conventions: tuple[str, ...] | None = None,
        fields: Mapping[str, Field] | None = None,
        decoupled: bool | None = None,
    ) -> None:
        """Take what a class adds: its conventions, its hyperparameters, how its weights decay."""
        cls.conventions = conventions or cls.conventions
        cls._decoupled = cls._decoupled if decoupled is None else decoupled
        cls._fields = {**cls._fields, **(fields or {}), "convention": Choice(cls.conventions)}
        cls._kind = Kind(
            cls.__name__, cls.conventions, cls._fields, cls.__init__, cls._decoupled, cls._formula
        )

    @classmethod
    def _formula(cls, values: Values) -> Formula:
        """The rule and coefficient function that the flags and the convention select."""
        raise NotImplementedError

    @classmethod
    def _refuse(cls, what: str, values: Values, conventions: Iterable[str]) -> None:
        """Refuse a flag that no source defines in this convention."""
        legal = tuple(conventions)
        if values["convention"] not in legal:
            raise ValueError(
                f"{cls.__name__} with {what} is not defined in convention "
                f"{values['convention']!r}; it is in {', '.join(map(repr, legal))}"
            )

    # --- hyperparameters --------------------------------------------------------------------------

    def _set(self, common: Values, **own: Any) -> None:
        """What a constructor does: check everything and start without state."""
        given = self._kind.arguments(common, own)
        running = {name: given.pop(name) for name in RUNNING}
        groups = given.pop("groups")
        self._options = self._kind.checked(given)
        self._running = checked_running(running, self._backends)
        self._kind.formula(self._options)  # raises where the flags do not go together
        self._groups = checked_groups(self._kind, self._options, groups)
        self.reset()

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
        return self._with(self._kind.replaced(self._options, options))

    def fresh(self) -> Self:
        """A copy with the same hyperparameters and no state."""
        return self._with(dict(self._options))

    def _with(self, options: dict[str, Any]) -> Self:
        new = object.__new__(type(self))
        new._options, new._running, new._groups = options, self._running, self._groups
        new.reset()
        return new

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or (name not in self._options and name not in self._running):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._given(name)

    def _given(self, name: str) -> Any:
        """A hyperparameter or setting as the user gave it: of `lr`, the schedule."""
        options = self._options
        return self._kind.given(name, options[name]) if name in options else self._running[name]

    @property
    def lr(self) -> float:
        """The learning rate of the next step; it may be set to a number or a schedule."""
        return rate_at(self._options["lr"], self.t)

    @lr.setter
    def lr(self, value: float | Schedule) -> None:
        rate = self._kind.checked({"lr": value})["lr"]
        rate_at(rate, self.t)  # a schedule that returns nonsense now is refused now
        self._options["lr"] = rate
        if self._plan is not None:
            self._plan.set_rate(rate)

    def __repr__(self) -> str:
        return self._kind.description({**self._running, **self._options}, self._groups)

    # --- the step ---------------------------------------------------------------------------------

    def step(
        self,
        params: Any,
        grads: Any,
        *,
        lr: float | None = None,
        bounds: Any = None,
        none_grads: str = "error",
    ) -> None:
        """Update the parameters in place.

        The first step fixes the structure, shapes and dtypes of `params`, and whether they are on
        the GPU. There the update is queued on the arrays' stream and may still run on return. If an
        error is raised, nothing has changed.

        Parameters
        ----------
        params : ndarray, or list, tuple or dict of them, nested at will
            float32 or float64, writeable, of any strides. Arrays without gaps are as fast in one
            order of axes as in another, where gradients have the same. Or C-contiguous arrays on
            the GPU.
        grads : the same structure
            Gradients, of the same shapes and dtypes. They are not modified.
        lr : float, optional
            Learning rate of this step only; groups with their own rate keep it.
        bounds : pair, or the same structure with pairs, optional
            Lowest and highest values, to which arrays are moved after the update; the state is left
            as it is. A pair (low, high) of numbers is for all arrays, None is no bound; in the place
            of one array the pair may hold arrays. Arrays that a dict leaves out are free. Not on
            the GPU.
        none_grads : {"error", "skip"}, default "error"
            What to do about gradients that are None, those of frozen parameters. "skip": such a
            parameter and its state stay as they are, and it has not made this step: the bias
            corrections of Adam count its own steps, as in PyTorch. `t` and schedules go on.

        Raises
        ------
        TypeError
            If something is not an array, for example a gradient that is None without "skip".
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
        if bounds is not None:
            with within(bounds, self._plan, params, grads):
                self.step(params, grads, lr=lr, none_grads=none_grads)
            return
        plan = self._plan
        if plan is None:
            self._first_step(params, grads, lr, none_grads)
            return
        t = plan.t + 1
        if lr is not None or none_grads != "error":
            self._step_with(plan, params, grads, lr, none_grads)
        else:
            if plan.moving:
                plan.write_rates()
            if plan.single:
                plan.update([params], [grads], t)
            else:
                plan.update(plan.leaves(params, "params"), plan.leaves(grads, "grads"), t)
        plan.t = t

    def _step_with(
        self, plan: Plan, params: Any, grads: Any, lr: float | None, none_grads: str
    ) -> None:
        skips = skips_none(none_grads)
        rate = None if lr is None else self._one_rate(lr)
        listing = plan.tree.with_frozen if skips else plan.leaves
        p, g = plan.leaves(params, "params"), listing(grads, "grads")
        plan.write_rates(rate)
        try:
            (plan.skip if skips else plan.update)(p, g, plan.t + 1)
        finally:
            plan.write_rates()

    def _one_rate(self, lr: Any) -> float:
        rate = self._kind.checked({"lr": lr})["lr"]
        if isinstance(rate, float):
            return rate
        raise TypeError("lr of one step must be a number; a schedule belongs in the constructor")

    def _first_step(self, params: Any, grads: Any, lr: float | None, none_grads: str) -> None:
        tree, skips = Tree(params), skips_none(none_grads)
        leaves = tree.leaves(params, "params")
        gradients = (tree.with_frozen if skips else tree.leaves)(grads, "grads")
        if lr is not None:
            lr = self._one_rate(lr)
        on_device = any(map(is_device_array, leaves))
        found = checked_leaves(tree, leaves, gradients, on_device=on_device, frozen=skips)
        backend = backend_for(self._running, self._backends, on_device=on_device)
        self._plan = plan = self._new_plan(tree, found, backend, lr)
        try:
            self._step_with(plan, params, grads, lr, none_grads)
        except BaseException:
            self._plan = None
            raise
        self._pending = None
        plan.t += 1

    def _new_plan(
        self,
        tree: Tree,
        leaves: Sequence[Any],
        backend: str,
        lr: float | None = None,
        rule: Rule | None = None,
    ) -> Plan:
        """A plan for arrays with the state that waits for them.

        `lr` is the first step's rate; `rule` takes the place of the own, with the same coefficients.
        """
        # The first step's own rate counts in the methods where it sets how state starts (Rprop).
        methods = [self._method(options, lr) for options in ({}, *self._groups.values())]
        if rule is not None:
            methods = [replace(method, rule=rule) for method in methods]
        numbers = group_numbers(self._groups, tree.paths)
        rates = [self._options["lr"], *(options.get("lr") for options in self._groups.values())]
        plan = make_plan(tree, leaves, methods, numbers, rates, backend, self._running, self._t)
        if self._pending is not None:
            restore(plan, self._pending)
        return plan

    def _method(self, options: Values | None = None, lr: float | None = None) -> Method:
        """The update with some values replaced, and with another rate where that is not one of them."""
        values = {**self._options, **(options or {})}
        own_rate = lr is None or "lr" in (options or {})
        return self._kind.method(
            {**values, "lr": rate_at(values["lr"], self.t) if own_rate else lr}
        )

    # --- SciPy, and users' own rules --------------------------------------------------------------

    def __call__(self, fun: Any, x0: Any, args: tuple[Any, ...] = (), **options: Any) -> Any:
        """Minimize as a custom method of `scipy.optimize.minimize`.

        Parameters
        ----------
        fun, x0, args : callable, array_like, tuple
            As `scipy.optimize.minimize` passes them.
        **options
            `jac`, `bounds`, `callback`, `tol` and `options` of that call; options are the keyword arguments of
            `fastgd.minimize` (`maxiter` is `max_iter`, `gtol` is `tol`) and `disp`.

        Returns
        -------
        scipy.optimize.OptimizeResult
            As from `fastgd.minimize`.

        Raises
        ------
        TypeError, ValueError
            If an option is unknown, or constraints, `hess` or `hessp` are given.

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

    @staticmethod
    def from_rule(
        rule: Callable[..., Any],
        *,
        state: Sequence[str] = (),
        coefficients: Callable[..., Any],
        defaults: Mapping[str, float] | None = None,
    ) -> type[Optimizer]:
        """Make an optimizer class from an update rule; it works wherever a shipped one does.

        Parameters
        ----------
        rule : function
            ``rule(p, g, *state, *coefficients) -> (p, *state)``: straight-line arithmetic on
            arguments, locals and those functions of NumPy, under the name `np`, that rules know
            (sqrt, abs, sign, maximum, minimum, where, exp, log, tanh, erf, ...). It is called with
            whole arrays, or compiled for single numbers. Its numbers are coefficients, not literals.
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
            If the rule holds a literal, a branch or an unknown name, or an argument is invalid.

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

        return from_rule(Optimizer, rule, state, coefficients, defaults or {})
