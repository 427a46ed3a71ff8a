"""`MultilayerEstimator`: scikit-learn's initial weights, orders of rows, batches and stopping, on fastgd's engines."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_consistent_length, check_random_state

from fastgd.engines.protocol.networks import ACTIVATIONS, Architecture, Array, Rows
from fastgd.estimators.arguments import (
    COMMON,
    POSITIVE,
    SHARE,
    Choice,
    ClassWeight,
    Flag,
    Kind,
    Real,
    Solver,
    Whole,
    hidden_units,
    named_optimizer,
)
from fastgd.estimators.base import NetworkEstimator, warn_caller
from fastgd.estimators.callbacks import FitTasks, with_callbacks
from fastgd.estimators.data import dense
from fastgd.estimators.epochs import Epochs
from fastgd.estimators.held_out import HeldOut, random_split
from fastgd.estimators.lbfgs import minimize_by_lbfgs
from fastgd.network.mlp import MLP
from fastgd.optimizers import Optimizer

__all__ = ["MultilayerEstimator"]

_BATCH = 200  # rows of batch_size="auto", at most
_SMALLEST_RATE = 1e-6  # of learning_rate="adaptive"


class MultilayerEstimator(NetworkEstimator):
    """Base of `MLPClassifier` and `MLPRegressor`."""

    _kinds: ClassVar[dict[str, Kind]] = {
        **COMMON,
        "activation": Choice(("logistic", *ACTIVATIONS)),
        "solver": Solver("lbfgs"),
        "alpha": Real(0.0),
        "batch_size": Whole(1, ("auto",)),
        "learning_rate": Choice(("constant", "invscaling", "adaptive")),
        "learning_rate_init": POSITIVE,
        "power_t": Real(0.0),
        "loss": Choice(("log_loss",)),
        "momentum": Real(0.0, 1.0),
        "nesterovs_momentum": Flag(),
        "early_stopping": Flag(),
        "validation_fraction": SHARE,
        "beta_1": SHARE,
        "beta_2": SHARE,
        "epsilon": POSITIVE,
        "max_fun": Whole(1),
        "class_weight": ClassWeight(),
    }
    _weights_name = "coefs_"
    _trains_in_place = True

    # --- what the two differ in -------------------------------------------------------------------

    @abstractmethod
    def _output(self) -> tuple[str, str]:
        """The network's loss, and scikit-learn's name of the activation of the outputs."""

    @abstractmethod
    def _score_of(self, z: Array, held_out: HeldOut) -> float:
        """Score of the outputs for the held-out rows."""

    def _loss_scale(self) -> float:
        """Factor of the network's loss, without penalties, in the reported loss."""
        return 1.0

    def _stratified(self, targets: Array) -> Array | None:
        """Classes whose proportions a random split of the rows keeps; None where there are none."""
        return None

    # --- the network ------------------------------------------------------------------------------

    def _architecture(self, sizes: tuple[int, ...], dtype: Any) -> Architecture:
        activation = "sigmoid" if self.activation == "logistic" else self.activation
        loss, real = self._output()[0], np.dtype(dtype)
        # As in scikit-learn, a probability in the loss is at least eps.
        capped = loss in {"cross_entropy", "binary_cross_entropy"}
        return Architecture(
            sizes=sizes,
            activation=activation,
            loss=loss,
            dtype=real,
            loss_cap=-math.log(np.finfo(real).eps) if capped else math.inf,
            constants=(0.01,) if activation == "leaky_relu" else (),
            sum_outputs=True,
            l2=float(self.alpha),
            penalty_per_row=True,
        )

    def _network(self) -> MLP:
        """The network with the weights of `coefs_` and `intercepts_`, which a user may have changed."""
        given = [p for pair in zip(self.coefs_, self.intercepts_, strict=True) for p in pair]
        sizes = (np.shape(given[0])[0], *(np.shape(b)[0] for b in given[1::2]))
        single = all(getattr(p, "dtype", None) == np.float32 for p in given)
        net = self._network_of(self._architecture(sizes, np.float32 if single else np.float64))
        for p, theirs in zip(net.params, given, strict=True):
            if theirs is not p:
                p[...] = theirs
        return net

    def _initialize(self, features: int, outputs: int, dtype: Any) -> MLP:
        """A new network with scikit-learn's initial weights, and the attributes of an untrained estimator."""
        sizes = (features, *hidden_units(self.hidden_layer_sizes), outputs)
        wide = self.solver == "lbfgs" and self.dtype is None  # SciPy computes in float64
        self._net = None
        net = self._network_of(self._architecture(sizes, np.float64 if wide else dtype))
        factor = 2.0 if self.activation in {"logistic", "sigmoid"} else 6.0
        for w, b in zip(net.params[::2], net.params[1::2], strict=True):
            bound = math.sqrt(factor / sum(w.shape))
            w[...] = self._random_state.uniform(-bound, bound, w.shape).astype(dtype)
            b[...] = self._random_state.uniform(-bound, bound, b.shape).astype(dtype)
        self.n_iter_ = self.t_ = 0
        self.n_layers_, self.n_outputs_ = len(sizes), outputs
        self.out_activation_ = self._output()[1]
        self._show(net)
        self._best = [p.copy() for p in net.params]
        if self.solver != "lbfgs":
            self._begin_curves()
        return net

    def _begin_curves(self) -> None:
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.best_loss_: float | None = None if self.early_stopping else math.inf
        self.validation_scores_: list[float] | None = None
        self.best_validation_score_: float | None = None

    def _show(self, net: MLP) -> None:
        self.coefs_, self.intercepts_ = net.params[::2], net.params[1::2]

    def _continued(self, features: int, outputs: int) -> MLP:
        """The fitted network, if it suits the parameters and the data."""
        net = self._network()
        wanted = (features, *hidden_units(self.hidden_layer_sizes), outputs)
        if net.sizes != wanted:
            raise ValueError(
                f"the fitted network has layers of {list(net.sizes)} units, but hidden_layer_sizes and the data "
                f"ask for {list(wanted)}; fit with warm_start=False to start again"
            )
        self._show(net)
        return net

    # --- fitting ----------------------------------------------------------------------------------

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation: Any = None) -> Any:
        """Fit the network to data.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, features)
            Sparse input is converted to dense.
        y : array_like of shape (n,) or (n, outputs)
            Class labels, indicators of labels, or numbers.
        sample_weight : array_like of shape (n,) or float, optional
            Numbers >= 0, the weights of the rows in the mean loss of a batch.
        validation : (X, y), optional
            Rows that are not trained on. Their score after each epoch is in `validation_scores_`; with `early_stopping`
            they replace the random part of the training rows. Not for solver="lbfgs".

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
        return self._fit_whole(X, y, sample_weight, validation=validation)

    def _fit_part(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        return super()._fit_part(X, y, sample_weight, classes)

    def _begin(self, features: int, outputs: int, dtype: Any, first: bool) -> MLP:
        self._random_state = check_random_state(self.random_state)
        if first:
            return self._initialize(features, outputs, dtype)
        return self._continued(features, outputs)

    def _train(
        self, net: MLP, rows: Rows, tasks: FitTasks | None, validation: Any = None, **options: Any
    ) -> None:
        if self.solver != "lbfgs":
            self._train_by_descent(net, rows, validation, tasks)
        elif validation is not None:
            raise ValueError("validation is not for solver='lbfgs', which has no epochs")
        else:
            self._train_by_lbfgs(net, rows, tasks)

    def _fitted(self) -> dict[str, Any]:
        return {
            "coefs_": [w.copy() for w in self.coefs_],
            "intercepts_": [b.copy() for b in self.intercepts_],
        }

    # --- by descent -------------------------------------------------------------------------------

    def _train_by_descent(
        self, net: MLP, rows: Rows, validation: Any, tasks: FitTasks | None
    ) -> None:
        if tasks is not None or not hasattr(self, "_optimizer"):
            self._optimizer = self._new_optimizer()
        if not hasattr(self, "loss_curve_"):  # the fit before was by L-BFGS
            self._begin_curves()
        order, held_out = self._split(rows, validation)
        epochs = Epochs(
            net,
            rows,
            self._optimizer,
            batch_size=self._rows_of_batch(len(order)),
            order=order,
            rng=self._random_state if self.shuffle else None,
            loss_scale=self._loss_scale(),
        )
        self.n_iter_ = 0
        try:
            if tasks is None:
                self._epoch(epochs, held_out)
                self._stopped()
            else:
                self._go(epochs, held_out, tasks)
        except KeyboardInterrupt:
            warn_caller("training was interrupted; the weights are those so far")
        epochs.check_finite()
        if self.early_stopping:
            for p, best in zip(net.params, self._best, strict=True):
                np.copyto(p, best)

    def _new_optimizer(self) -> Optimizer:
        if isinstance(self.solver, Optimizer):
            return self.solver.fresh()
        return named_optimizer(
            self.solver,
            float(self.learning_rate_init),
            momentum=float(self.momentum),
            nesterov=bool(self.nesterovs_momentum),
            betas=(float(self.beta_1), float(self.beta_2)),
            eps=float(self.epsilon),
            sklearn=True,
        )

    def _rows_of_batch(self, n: int) -> int:
        if self.batch_size == "auto":
            return min(_BATCH, n)
        if self.batch_size > n:
            warn_caller(f"batch_size={self.batch_size} is clipped to the {n} training rows")
        return min(int(self.batch_size), n)

    def _go(self, epochs: Epochs, held_out: HeldOut | None, tasks: FitTasks) -> None:
        """Epochs until the stopping rule, a callback or `max_iter`."""
        while self.n_iter_ < self.max_iter:
            number = self.n_iter_
            asked = tasks.epoch(number, self._fitted, lambda: self._epoch(epochs, held_out))
            if asked or self._stopped():
                return
        warn_caller(
            f"training reached max_iter={self.max_iter} epochs before its loss or score had stopped improving",
            ConvergenceWarning,
        )

    def _epoch(self, epochs: Epochs, held_out: HeldOut | None) -> None:
        """One epoch and its records."""
        self.loss_ = epochs.run()
        self.n_iter_ += 1
        self.t_ += len(epochs.order)
        self.loss_curve_.append(self.loss_)
        self._say(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
        if held_out is not None:
            self._validate(epochs.network, held_out)
        if not self.early_stopping:
            self._watch_loss()
        if self._scheduled() and self.learning_rate == "invscaling":
            rate = float(self.learning_rate_init) / (self.t_ + 1) ** self.power_t
            self._optimizer.lr = rate

    def _scheduled(self) -> bool:
        """Whether `learning_rate` applies: not to an optimizer object, nor, as in scikit-learn, to Adam."""
        return isinstance(self.solver, str) and self.solver != "adam"

    def _watch_loss(self) -> None:
        best = math.inf if self.best_loss_ is None else self.best_loss_
        worse = self.loss_ > best - self.tol
        self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
        self.best_loss_ = min(best, self.loss_)

    def _validate(self, net: MLP, held_out: HeldOut) -> None:
        """Score the held-out rows; with early stopping, keep the best weights and count epochs without improvement."""
        z = net.engine.forward(net.params, held_out.x, 1.0)
        score = self._score_of(z, held_out) if np.isfinite(z).all() else math.nan
        self.validation_scores_ = [] if self.validation_scores_ is None else self.validation_scores_
        self.validation_scores_.append(score)
        self._say(f"Validation score: {score:f}")
        best = -math.inf if self.best_validation_score_ is None else self.best_validation_score_
        if self.early_stopping:
            worse = score < best + self.tol
            self._no_improvement_count = self._no_improvement_count + 1 if worse else 0
            if score > best:
                self._best = [p.copy() for p in net.params]
        self.best_validation_score_ = score if score > best else best

    def _stopped(self) -> bool:
        """Whether training stops for lack of improvement; an adaptive rate is lowered a few times first."""
        if self._no_improvement_count <= self.n_iter_no_change:
            return False
        what = "Validation score" if self.early_stopping else "Training loss"
        self._say(f"{what} did not improve by tol={self.tol:g} for {self.n_iter_no_change} epochs.")
        adaptive = self._scheduled() and self.learning_rate == "adaptive"
        if not adaptive or self._optimizer.lr <= _SMALLEST_RATE:
            return True
        self._optimizer.lr = self._optimizer.lr / 5.0
        self._say(f"Learning rate set to {self._optimizer.lr:g}.")
        self._no_improvement_count = 0
        return False

    # --- rows that are held out -------------------------------------------------------------------

    def _split(self, rows: Rows, validation: Any) -> tuple[NDArray[np.int64], HeldOut | None]:
        """The indices of the training rows, and the rows that are held out."""
        everything = np.arange(len(rows), dtype=np.int64)
        if validation is not None:
            return everything, self._checked_held_out(validation)
        if not self.early_stopping:
            return everything, None
        stratify = self._stratified(rows.y)
        return random_split(rows, self.validation_fraction, self._random_state, stratify)

    def _checked_held_out(self, validation: Any) -> HeldOut:
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise TypeError(f"validation must be a pair (X, y), got {validation!r:.60}")
        x = dense(self._inputs(validation[0]))
        y = check_array(validation[1], ensure_2d=False, dtype=None, accept_sparse=True)
        check_consistent_length(x, y)
        try:
            return HeldOut(x, self._targets(y, self._network().architecture.dtype), None)
        except ValueError as error:
            raise ValueError(f"validation[1]: {error}") from None

    # --- by L-BFGS --------------------------------------------------------------------------------

    def _train_by_lbfgs(self, net: MLP, rows: Rows, tasks: FitTasks | None) -> None:
        self.n_iter_ = 0

        def after_iteration() -> bool:
            assert tasks is not None
            self.n_iter_ += 1
            return tasks.epoch(self.n_iter_ - 1, self._fitted, lambda: None)

        heard = tasks is not None and tasks.heard
        result = minimize_by_lbfgs(
            net,
            rows,
            after_iteration if heard else None,
            max_fun=self.max_fun,
            max_iter=self.max_iter,
            tol=self.tol,
        )
        self.n_iter_ = min(int(result.nit), self.max_iter)
        if not all(np.isfinite(p).all() for p in net.params) or not np.isfinite(result.fun):
            raise ValueError(
                "lbfgs produced a non-finite loss or weights: scale the inputs and targets"
            )
        self.loss_ = float(result.fun)
        if self._loss_scale() != 1.0:
            self.loss_ -= (1.0 - self._loss_scale()) * net.assess(rows)[0]
        self._say(f"{result.nit} iterations, {result.nfev} evaluations, loss = {self.loss_:.8f}")
        if result.status not in {0, 99}:  # 99: a callback stopped it
            warn_caller(
                f"lbfgs ended after {self.n_iter_} iterations (max_iter={self.max_iter}) without converging: "
                f"{result.message}; scaled inputs or a larger max_iter may help",
                ConvergenceWarning,
            )
