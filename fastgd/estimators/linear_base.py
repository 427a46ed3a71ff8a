"""`LinearEstimator`: the linear network of `GDClassifier` and `GDRegressor`, its learning rate and stopping rule."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from fastgd.descent.rates import default_rate, is_plain
from fastgd.engines.protocol.networks import Architecture, Array, Rows
from fastgd.estimators.advice import UNEQUAL, Course, advice, lost_in_rounding, unscaled_part
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
from fastgd.estimators.averaging import AverageFrom, Averaging
from fastgd.estimators.base import NetworkEstimator, warn_caller
from fastgd.estimators.callbacks import FitTasks, with_callbacks
from fastgd.estimators.corners import CORNERS
from fastgd.estimators.epochs import diverged
from fastgd.estimators.least_squares import ProductsOfColumns
from fastgd.estimators.linear_epochs import LinearEpochs
from fastgd.estimators.rates import falling_rate, rate_of_adaptive
from fastgd.estimators.scaled_model import ScaledModel
from fastgd.estimators.scaling import Scaling
from fastgd.estimators.secant import SecantRate
from fastgd.estimators.stopping import CLOSE, Stopping
from fastgd.network.linear import LinearNetwork
from fastgd.network.mlp import MLP
from fastgd.optimizers import Optimizer
from fastgd.optimizers.fields import Rate
from fastgd.optimizers.loops import groups_of, with_groups
from fastgd.problems.curvature import Curvature, of_batches
from fastgd.signals import interruptible

__all__ = ["LinearEstimator"]

_TELLING = 10  # rows whose deviations tell the columns' scales: fewer differ by chance


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
        "standardize": Flag(),
        "average": AverageFrom(),
    }
    _weights_name = "coef_"
    _trains_in_place = False
    _kind_of_network = LinearNetwork

    # --- what the two differ in -------------------------------------------------------------------

    @abstractmethod
    def _network_loss(self) -> str:
        """The network's loss."""

    def _loss_constants(self) -> tuple[float, ...]:
        """Arguments of that loss after (z, y)."""
        return ()

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
            loss_constants=self._loss_constants(),
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
            If `max_iter` was reached before the objective was proved to be near its minimum: by 100 times `tol`, or
            0.001 if that is less. The message says how far it may be, why, and what to do.
        """
        return self._fit_whole(X, y, sample_weight)

    def _is_plain_part(self, X: Any, y: Any) -> bool:
        rows = self._is_plain(X) and X.flags.c_contiguous
        if (
            not rows
            or type(y) is not np.ndarray
            or y.shape != X.shape[:1]
            or y.dtype.kind not in "biuf"
        ):
            return False
        one = self.__dict__.get("_one_dimensional", True)  # of regressors, whose first y says it
        return bool(one and np.isfinite(X).all() and np.isfinite(y).all())

    def _train(self, net: MLP, rows: Rows, tasks: FitTasks | None, **options: Any) -> None:
        batch = len(rows) if self.batch_size is None else min(int(self.batch_size), len(rows))
        anew = not self.loss_curve_
        self._scaling = self._new_scaling(net, rows, tasks)
        model = ScaledModel(
            net,
            rows,
            self._scaling,
            intercept=self.fit_intercept,
            from_zero=anew,
            in_batches=batch < len(rows),
        )
        self._look_at_scales(model, tasks is None)
        if tasks is not None or not hasattr(self, "_optimizer"):
            self._optimizer = self._new_optimizer(model, batch)
        rng = check_random_state(self.random_state) if self.shuffle and batch < len(rows) else None
        before = self.__dict__.get("_averaging") if tasks is None else None
        self._averaging = Averaging.of(self.average, before)
        epochs = LinearEpochs(
            model.network,
            model.rows,
            self._optimizer,
            model.penalties,
            batch_size=batch,
            rng=rng,
            secant=self._secant(model, batch) if tasks is not None else None,
            products=self._products(model, batch) if tasks is not None else None,
            averaging=self._averaging,
        )
        self._give_back(model)
        with interruptible():
            if tasks is None:
                self._epoch(model, epochs, None)
                if self._averaging is not None:
                    self._averaging.end(model.network.params)
            else:
                self._descend(model, epochs, tasks)
        self._give_back(model)
        if not all(np.isfinite(p).all() for p in net.params):
            raise diverged(self._optimizer, self._optimizer.lr)
        if not self.fit_intercept and model.network.params[1].any():
            name = type(self._optimizer).__name__
            raise ValueError(
                f"{name} moves parameters whose learning rate is 0: it needs fit_intercept=True"
            )

    def _new_scaling(self, net: MLP, rows: Rows, tasks: FitTasks | None) -> Scaling:
        """The coordinates of training; `partial_fit` goes on in those of the fit before."""
        features, outputs = net.sizes
        if tasks is None and hasattr(self, "_scaling"):
            return self._scaling
        if tasks is None or not self.standardize:
            return Scaling.none(features, outputs)
        bend = self._curvature(Curvature(1.0), rows.y).largest
        return Scaling.of(rows, net.architecture, self.fit_intercept, bend)

    def _look_at_scales(self, model: ScaledModel, part: bool) -> None:
        """Warn once where `partial_fit` goes through columns as they are, though they differ; `fit` does at its end."""
        known = self.__dict__.get("_looked_at_scales", False)
        if part and (known or not self._scaling.changes_nothing or len(model.rows) < _TELLING):
            return
        self._looked_at_scales = True
        if part and (ratio := model.ratio_of_scales()) > UNEQUAL:
            warn_caller(unscaled_part(ratio), ConvergenceWarning)

    def _descend(self, model: ScaledModel, epochs: LinearEpochs, tasks: FitTasks) -> None:
        """Epochs until the stopping rule, a callback, Ctrl-C or `max_iter`; then the best parameters."""
        bounded = model.loss not in (*CORNERS, "poisson")
        steepest = self._bend(model, model.gap.design.bound).largest if bounded else math.inf
        settles = epochs.whole and not model.kink
        patience = math.inf if settles else self.n_iter_no_change
        stopping = Stopping(model.gap, model.null, steepest, self.tol, patience)
        stopped = False
        try:
            for number in range(self.max_iter):
                self.n_iter_ = number
                one = partial(self._epoch, model, epochs, stopping)
                stopped = tasks.epoch(number, self._fitted, one) or epochs.ended
                if stopped:
                    break
        except KeyboardInterrupt:
            stopped = True
            warn_caller("training was interrupted; the weights are the best so far")
        epochs.finish(self.n_iter_, stopping)
        lost = self._lost_in_rounding(model, stopping)
        self.dual_gap_ = float((stopping.left.gap + lost).sum()) * self._scaling.factor
        enough = max(self.tol, CLOSE)
        if stopping.is_close(enough) and not stopping.is_close(enough, lost):
            warn_caller(lost_in_rounding(stopping.distance(lost)), ConvergenceWarning)
        elif not stopped and not stopping.is_close(stopping.enough):
            self._warn(model, epochs, stopping)

    def _lost_in_rounding(self, model: ScaledModel, stopping: Stopping) -> Any:
        """By how much the objective grows where the parameters are rounded to float32 in the user's units."""
        if model.network.architecture.dtype != np.float32 or not stopping.is_proved:
            return 0.0
        model.give_back()
        if not all(np.isfinite(p).all() for p in model.net.params):
            return 0.0  # `_train` refuses them
        given = model.objective_given_back() / self._scaling.factor
        lost = np.maximum(given - stopping.left.objective, 0.0)
        return np.where(np.isnan(lost), math.inf, lost)

    def _warn(self, model: ScaledModel, epochs: LinearEpochs, stopping: Stopping) -> None:
        """Of a fit that did not converge."""
        course = Course(
            stopping,
            self._optimizer,
            self.max_iter,
            epochs.whole,
            model.separates(),
            1.0 if self.standardize else model.ratio_of_scales(),
            self.standardize,
            model.network.architecture.dtype == np.float32,
            model.loss == "half_squares",
            epochs.secant is None,
        )
        warn_caller(advice(course), ConvergenceWarning)

    def _epoch(self, model: ScaledModel, epochs: LinearEpochs, stopping: Stopping | None) -> None:
        loss = epochs.run(self.n_iter_ + 1, stopping)
        self.n_iter_ = self.n_iter_ + 1
        self.t_ = self._optimizer.t
        self.loss_curve_.append(loss * self._scaling.factor)
        self._say(f"Epoch {self.n_iter_}, loss = {self.loss_curve_[-1]:.8f}")
        if self.__dict__.get("_skl_callbacks"):
            with epochs.shown():
                self._give_back(model)

    def _give_back(self, model: ScaledModel) -> None:
        """Show the weights in the user's units."""
        model.give_back()
        self._show(model.net)

    def _fitted(self) -> dict[str, Any]:
        return {"coef_": self.coef_.copy(), "intercept_": np.copy(self.intercept_)}

    # --- the optimizer ----------------------------------------------------------------------------

    def _new_optimizer(self, model: ScaledModel, batch: int) -> Optimizer:
        given = None if isinstance(self.learning_rate, str) else self.learning_rate
        if isinstance(self.optimizer, Optimizer):
            optimizer = self.optimizer.fresh()
        else:
            optimizer = named_optimizer(self.optimizer, None)
            given = self._auto_rate(optimizer, model, batch) if given is None else given
        if given is not None:
            optimizer.lr = given
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

    def _secant(self, model: ScaledModel, batch: int) -> SecantRate | None:
        """The rates "auto" of plain descent on all rows, where the objective bends everywhere."""
        asked = self.optimizer == "sgd" and isinstance(self.learning_rate, str)
        if not asked or batch < len(model.rows) or self.l1 or not self.fit_intercept:
            return None
        if model.kink or model.loss == "poisson":  # whose loss overflows where a step leads too far
            return None
        return SecantRate(float(self._optimizer.lr))

    def _products(self, model: ScaledModel, batch: int) -> ProductsOfColumns | None:
        """Least squares without the rows, where columns and targets have means of 0 and there are more rows."""
        n, columns = model.gap.design.shape
        suits = model.loss == "half_squares" and self.standardize and self.fit_intercept
        if not suits or batch < n or n < 2 * columns:
            return None
        return ProductsOfColumns(model.gap.design, model.rows.y)

    def _auto_rate(self, optimizer: Optimizer, model: ScaledModel, batch: int) -> Any:
        """The rate "auto" of a named optimizer; None for the class's own default."""
        design = model.gap.design
        inputs = self._seen(model, batch) if is_plain(optimizer) else design.bound
        curvature = self._bend(model, inputs)
        if not math.isfinite(curvature.largest):
            raise ValueError("X holds numbers whose squares are not finite; scale them")
        rate = default_rate(optimizer, curvature)
        updates = self.max_iter * -(-len(model.rows) // batch)
        if rate is not None and model.kink and self.standardize:
            return falling_rate(optimizer, model.kink, updates)
        if rate is not None or not self.standardize:
            return rate
        return rate_of_adaptive(self.optimizer, updates)

    def _seen(self, model: ScaledModel, batch: int) -> Curvature:
        """The curvature of half the mean square of an output over what an update sees."""
        rows, design = model.rows, model.gap.design
        if batch >= len(rows):  # only quadratics have one that is the same everywhere
            return design.curvature if model.loss == "half_squares" else design.steepest
        # A Poisson loss bends beyond its bound where a step leads too far: no room for the worst row's absence.
        bound = model.loss != "poisson"
        if not (bound and self.standardize and self.shuffle and rows.weights is None):
            return design.longest
        return of_batches(design.curvature_in_batches(batch), design.longest, len(rows), batch)

    def _bend(self, model: ScaledModel, inputs: Curvature) -> Curvature:
        """The curvature of the objective."""
        l2 = model.penalties.l2
        bend = self._curvature(inputs, model.rows.y)
        return replace(
            bend,
            largest=bend.largest + float(l2.max()),
            smallest=bend.smallest + float(l2.min()),
            constant=bend.constant and not self.l1,
        )
