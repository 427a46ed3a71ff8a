"""`LinearEstimator`: the linear network of `GDClassifier` and `GDRegressor`, its learning rate and stopping rule."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from fastgd.descent.rates import default_rate
from fastgd.engines.protocol.networks import Architecture, Array, Rows
from fastgd.estimators.arguments import (
    COMMON,
    POSITIVE,
    Flag,
    InvalidParameterError,
    Kind,
    Real,
    Solver,
    Whole,
    named_optimizer,
)
from fastgd.estimators.base import NetworkEstimator, warn_caller
from fastgd.estimators.callbacks import FitTasks, with_callbacks
from fastgd.estimators.epochs import Epochs
from fastgd.network.mlp import MLP
from fastgd.optimizers import Optimizer
from fastgd.optimizers.fields import Rate
from fastgd.optimizers.loops import groups_of, with_groups
from fastgd.problems.curvature import Curvature, of_rows

__all__ = ["LinearEstimator"]


class _AutoRate:
    """A learning rate, or "auto"."""

    def scalar(self, name: str, value: Any) -> Any:
        """One value, checked."""
        if isinstance(value, str):
            if value != "auto":
                raise ValueError(
                    f"{name} must be a number > 0, a schedule or 'auto', got {value!r}"
                )
            return value
        return Rate().scalar(name, value) if callable(value) else POSITIVE.scalar(name, value)


class LinearEstimator(NetworkEstimator):
    """Base of `GDRegressor` and `GDClassifier`."""

    _kinds: ClassVar[dict[str, Kind]] = {
        **COMMON,
        "optimizer": Solver(),
        "learning_rate": _AutoRate(),
        "batch_size": Whole(1, (None,)),
        "l1": Real(0.0),
        "l2": Real(0.0),
        "fit_intercept": Flag(),
    }
    _weights_name = "coef_"
    _trains_in_place = False
    huber_delta = 1.0  # a parameter of regressors

    # --- what the two differ in -------------------------------------------------------------------

    @abstractmethod
    def _network_loss(self) -> str:
        """The network's loss."""

    @abstractmethod
    def _curvature(self, inputs: Curvature, y: Array) -> Curvature:
        """The curvature of the loss, from that of half the mean square of the output."""

    # --- the network ------------------------------------------------------------------------------

    def _architecture(self, inputs: int, outputs: int, dtype: Any) -> Architecture:
        loss = self._network_loss()
        return Architecture(
            sizes=(inputs, outputs),
            activation="identity",
            loss=loss,
            dtype=np.dtype(dtype),
            loss_constants=(float(self.huber_delta),) if loss == "huber" else (),
            sum_outputs=True,
            l1=float(self.l1),
            l2=float(self.l2),
        )

    def _network(self) -> MLP:
        """The network with the weights of `coef_` and `intercept_`, which a user may have changed."""
        coef = np.atleast_2d(self.coef_)
        dtype = np.float32 if coef.dtype == np.float32 else np.float64
        net = self._network_of(self._architecture(coef.shape[1], coef.shape[0], dtype))
        net.params[0][...] = coef.T
        net.params[1][...] = self.intercept_
        return net

    def _begin(self, features: int, outputs: int, dtype: Any, first: bool) -> MLP:
        if first:
            self._net = None
            net = self._network_of(self._architecture(features, outputs, dtype))
            for p in net.params:
                p[...] = 0
            self.n_iter_ = self.t_ = 0
            self.loss_curve_: list[float] = []
            return net
        net = self._network()
        if net.sizes != (features, outputs):
            raise ValueError(
                f"the fitted model has {net.sizes[1]} outputs, y asks for {outputs}; fit with warm_start=False"
            )
        return net

    def _show(self, net: MLP) -> None:
        self.coef_, self.intercept_ = net.params[0].T.copy(), net.params[1].copy()

    # --- fitting ----------------------------------------------------------------------------------

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Fit the model to data.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, features)
            Sparse input is converted to dense.
        y : array_like of shape (n,); for regression also (n, outputs)
            Class labels or numbers.
        sample_weight : array_like of shape (n,) or float, optional
            Numbers >= 0, the weights of the rows in the mean loss.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            If a parameter or the data are invalid, or the weights become NaN or infinite. The estimator is then as it
            was before the call.

        Warns
        -----
        sklearn.exceptions.ConvergenceWarning
            If `max_iter` was reached before the stopping rule.
        """
        return self._fit_whole(X, y, sample_weight)

    def _train(self, net: MLP, rows: Rows, tasks: FitTasks | None, **options: Any) -> None:
        n = len(rows)
        batch = n if self.batch_size is None else min(int(self.batch_size), n)
        if tasks is not None or not hasattr(self, "_optimizer"):
            self._optimizer = self._new_optimizer(rows, batch)
        shuffled = self.shuffle and batch < n
        rng = check_random_state(self.random_state) if shuffled else None
        order = np.arange(n, dtype=np.int64)
        epochs = Epochs(net, rows, self._optimizer, batch_size=batch, order=order, rng=rng)
        self._show(net)
        try:
            self._go(epochs, tasks)
        except KeyboardInterrupt:
            warn_caller("training was interrupted; the weights are those so far")
        epochs.check_finite()
        if not self.fit_intercept and net.params[1].any():
            name = type(self._optimizer).__name__
            raise ValueError(
                f"{name} moves parameters whose learning rate is 0: it needs fit_intercept=True"
            )

    def _go(self, epochs: Epochs, tasks: FitTasks | None) -> None:
        """Epochs until the stopping rule, a callback or `max_iter`."""
        if tasks is None:
            self._epoch(epochs)
            return
        best, waited, began = math.inf, 0, len(self.loss_curve_)
        for number in range(self.max_iter):
            self.n_iter_ = number
            if tasks.epoch(number, self._fitted, lambda: self._epoch(epochs)):
                return
            loss, first = self.loss_curve_[-1], self.loss_curve_[began]
            wanted = self.tol * (abs(best) + self.tol * abs(first))
            waited = 0 if best == math.inf or loss <= best - wanted else waited + 1
            best = min(best, loss)
            rising = loss > first + self.tol * abs(first)  # diverging, or oscillating
            if waited >= self.n_iter_no_change and not rising:
                return
        warn_caller(
            f"training reached max_iter={self.max_iter} epochs before its loss had stopped improving; raise max_iter "
            "or tol, scale the inputs, or try another optimizer",
            ConvergenceWarning,
        )

    def _epoch(self, epochs: Epochs) -> None:
        loss = epochs.run()
        self.n_iter_ = self.n_iter_ + 1
        self.t_ = self._optimizer.t
        self.loss_curve_.append(loss)
        self._say(f"Epoch {self.n_iter_}, loss = {loss:.8f}")
        if self.__dict__.get("_skl_callbacks"):
            self._show(epochs.network)

    def _fitted(self) -> dict[str, Any]:
        return {"coef_": self.coef_.copy(), "intercept_": np.copy(self.intercept_)}

    # --- the optimizer ----------------------------------------------------------------------------

    def _new_optimizer(self, rows: Rows, batch: int) -> Optimizer:
        if isinstance(self.optimizer, Optimizer):
            optimizer = self.optimizer.fresh()
            if not isinstance(self.learning_rate, str):
                optimizer.lr = self.learning_rate
        else:
            given = None if isinstance(self.learning_rate, str) else self.learning_rate
            optimizer = named_optimizer(self.optimizer, given)
            rate = self._automatic_rate(optimizer, rows, batch) if given is None else None
            optimizer = optimizer if rate is None else optimizer.with_options(lr=rate)
        if self.fit_intercept:
            return optimizer
        if any(path[:1] == (1,) for path in groups_of(optimizer)):
            raise InvalidParameterError(
                "optimizer has a group for the intercept, but fit_intercept is False"
            )
        fixed: dict[str, Any] = {"lr": 0.0}
        if hasattr(optimizer, "step_sizes"):
            fixed["step_sizes"] = (0.0, 0.0)
        return with_groups(optimizer, {**groups_of(optimizer), (1,): fixed})

    def _automatic_rate(self, optimizer: Optimizer, rows: Rows, batch: int) -> float | None:
        """The default rate, from a bound of the curvature; None for that of the optimizer."""
        x = np.asarray(rows.x, np.float64)
        if self.fit_intercept:
            x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        inputs = of_rows(x, rows.weights, in_batches=batch < len(rows))
        curvature = self._curvature(inputs, rows.y).penalized(float(self.l2))
        if not math.isfinite(curvature.largest):
            raise ValueError("X holds numbers whose squares are not finite; scale them")
        return default_rate(optimizer, curvature)
