"""`Begun`: the fit of a network that can train beside others, with all that its training needs.

Estimators that are fitted to the same rows learn the same of them: the classes, the names of the columns, the targets.
`TrainingRows` has them learned once.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from fastgd.batches import Order
from fastgd.descent.grouping import schedules_of
from fastgd.engines.protocol.networks import Rows
from fastgd.engines.protocol.platoons import Numbers
from fastgd.estimators.arguments import check_parameters, hidden_units
from fastgd.estimators.multilayer import MLPClassifier, MLPRegressor
from fastgd.network.mlp import MLP
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import groups_of, schedule_of, settings_of, varied
from fastgd.sweeps.lanes import worth_it

__all__ = ["Begun", "OrdersOfFit", "TrainingRows", "trains_beside_others"]


def trains_beside_others(estimator: Any) -> bool:
    """Whether the fit of an estimator is updates of a network and a rule on the losses that ends them, nothing else."""
    if type(estimator) not in (MLPClassifier, MLPRegressor) or estimator.early_stopping:
        return False
    solver = estimator.solver
    if isinstance(solver, Optimizer) and groups_of(solver):
        return False
    return solver != "lbfgs" and not getattr(estimator, "_skl_callbacks", None)


@dataclass(frozen=True)
class _Learned:
    """What an estimator learns of its rows before it has a network."""

    attributes: dict[str, Any]
    x: Any
    y: Any
    weights: NDArray[np.float64] | None
    rows: Rows | None = None


class TrainingRows:
    """Rows that many estimators are fitted to.

    Parameters
    ----------
    X, y, sample_weight
        As `fit` takes them.
    """

    def __init__(self, X: Any, y: Any, sample_weight: Any) -> None:
        self.X, self.y, self.sample_weight = X, y, sample_weight
        self._learned: dict[Hashable, _Learned] = {}

    def begin(self, estimator: Any) -> Begun | None:
        """Do for a new estimator what its `fit` does before the first update, with the same errors.

        None if its network is too large for lanes, or reports a loss that lanes do not know.
        """
        check_parameters(estimator, estimator._kinds)
        if estimator.random_state is None or estimator.random_state is np.random:
            # Fits that follow one another draw from NumPy's generator in turn; these have one each.
            estimator.random_state = int(check_random_state(None).randint(2**31))
        weights = estimator.__dict__.get("class_weight")
        key = type(estimator), str(estimator.dtype), repr(weights), estimator.loss
        known = self._learned.get(key) or self._learn(estimator)
        self._learned[key] = known
        vars(estimator).update(known.attributes)
        outputs, features = estimator._count_outputs(known.y), known.x.shape[1]
        layers = pairwise([features, *hidden_units(estimator.hidden_layer_sizes), outputs])
        if not worth_it(sum(a * b + b for a, b in layers), 1, 1):
            return None
        net = estimator._begin(features, outputs, known.x.dtype, True)
        if estimator._loss_scale() != 1.0:
            return None
        if known.rows is None:
            targets = estimator._targets(known.y, net.architecture.dtype)
            known = self._learned[key] = replace(known, rows=Rows(known.x, targets, known.weights))
        assert known.rows is not None
        estimator._optimizer = estimator._new_optimizer()
        return Begun(estimator, net, known.rows, estimator._rows_of_batch(len(known.rows)))

    def _learn(self, estimator: Any) -> _Learned:
        before = set(vars(estimator))
        x, y = estimator._checked_data(self.X, self.y, True, False)
        weights = estimator._weights(self.sample_weight, y, len(x))
        attributes = {name: v for name, v in vars(estimator).items() if name not in before}
        return _Learned(attributes, x, y, weights)


@dataclass(frozen=True, eq=False)
class Begun:
    """The fit of an estimator before its first update.

    Attributes
    ----------
    estimator : MLPClassifier or MLPRegressor
    net : MLP
        With the initial weights; the estimator's.
    rows : Rows
    batch : int
        Rows of an update.
    """

    estimator: Any
    net: MLP
    rows: Rows
    batch: int

    @property
    def l2(self) -> float:
        """The penalty on the weights."""
        return self.net.architecture.l2

    @cached_property
    def numbers(self) -> Numbers:
        """How the optimizer updates the weights, as numbers of one run."""
        estimator, optimizer = self.estimator, self.estimator._optimizer
        one = varied(optimizer, {})
        changes = estimator._scheduled() and estimator.learning_rate != "constant"
        schedules: Any = (
            [_RateNow(optimizer)] if changes else schedules_of((schedule_of(optimizer),))
        )
        return Numbers(one.method(one.flags({}), {}, 1), schedules, np.zeros(1, np.intp))

    @cached_property
    def kind(self) -> Hashable:
        """Equal for fits that one compiled loop can train: they differ in numbers and in what the rows hold."""
        a, rows, method = self.net.architecture, self.rows, self.numbers.method
        settings = settings_of(self.estimator._optimizer)
        return (
            (replace(a, l2=0.0), a.l2 != 0),
            (method.rule, method.coefficients, method.prepared, method.norm_eps),
            bool(np.isfinite(method.clip_norm).any()),
            self.numbers.schedules is None,
            (settings["backend"], settings["flush_subnormals"]),
            (len(rows), self.batch, rows.x.dtype.char, rows.scale, rows.weights is None),
        )

    @cached_property
    def order(self) -> tuple[bytes, int] | None:
        """The state of the generator that permutes the rows: the same for fits that see the same batches."""
        if not self.estimator.shuffle:
            return None
        _, words, place, *_ = self.estimator._random_state.get_state()
        return words.tobytes(), place

    def record(self, loss: float) -> bool:
        """Tell the estimator the mean loss of an epoch; whether its training ends."""
        self.estimator._record(loss, len(self.rows))
        return bool(self.estimator._stopped() or self.estimator.n_iter_ >= self.estimator.max_iter)

    def end(self, numbers: NDArray[Any]) -> None:
        """Give the estimator its final weights, one after the other."""
        cuts = np.cumsum([p.size for p in self.net.params])[:-1]
        for p, values in zip(self.net.params, np.split(numbers, cuts), strict=True):
            p[...] = values.reshape(p.shape)

    def messages(self) -> list[str]:
        """What `fit` warns of at its end."""
        ran_out = self.estimator._no_improvement_count <= self.estimator.n_iter_no_change
        return [self.estimator._unconverged()] if ran_out else []


@dataclass(frozen=True)
class _RateNow:
    """The rate of an optimizer as it is now, for an estimator that changes it between epochs."""

    optimizer: Optimizer

    def values(self, first: int, last: int) -> NDArray[np.float64]:
        """The rates of steps first..last-1."""
        return np.full(last - first, self.optimizer.lr)


class OrdersOfFit:
    """The orders of the rows in the epochs of a fit, one after the other.

    Parameters
    ----------
    rows : int
    first : int
        Where these rows begin among those of several folds.
    state : (bytes, int) or None
        `Begun.order`.
    """

    def __init__(self, rows: int, first: int, state: tuple[bytes, int] | None) -> None:
        self.order = np.arange(first, first + rows, dtype=np.int32)
        self.rng = None
        if state is not None:
            self.rng = np.random.RandomState()
            self.rng.set_state(("MT19937", np.frombuffer(state[0], np.uint32), state[1], 0, 0.0))

    def orders(self, first: int, last: int) -> Order:
        """Those of the next epochs, as many as there are from `first` to `last`."""
        drawn = np.empty((last - first, len(self.order)), np.int32)
        for own in drawn:
            if self.rng is not None:
                self.order = self.order[self.rng.permutation(len(self.order))]
            own[:] = self.order
        return drawn
