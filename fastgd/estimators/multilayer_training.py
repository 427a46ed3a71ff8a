"""`MultilayerTraining`: how a network is trained as scikit-learn does it: batches, stopping, held-out rows, L-BFGS."""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_consistent_length

from fastgd.engines.protocol.networks import Array, Rows
from fastgd.estimators.arguments import named_optimizer, without_effect
from fastgd.estimators.base import NetworkEstimator, warn_caller
from fastgd.estimators.callbacks import FitTasks
from fastgd.estimators.data import dense
from fastgd.estimators.epochs import Diverged, Epochs
from fastgd.estimators.held_out import HeldOut, random_split
from fastgd.estimators.lbfgs import minimize_by_lbfgs
from fastgd.network.mlp import MLP
from fastgd.optimizers import Optimizer
from fastgd.signals import interruptible
from fastgd.tensors import as_array

__all__ = ["MultilayerTraining"]

_BATCH = 200  # rows of batch_size="auto", at most
_SMALLEST_RATE = 1e-6  # of learning_rate="adaptive"
# Messages of conditions that scikit-learn knows begin with its sentences, for which users' filters and tests look.
_NON_FINITE = (
    "Solver produced non-finite parameter weights. "
    "The input data may contain large values and need to be preprocessed."
)


class MultilayerTraining(NetworkEstimator):
    """The training of `MLPClassifier` and `MLPRegressor`."""

    # --- what the two differ in -------------------------------------------------------------------

    @abstractmethod
    def _score_of(self, z: Array, held_out: HeldOut) -> float:
        """Score of the outputs for the held-out rows."""

    def _loss_scale(self) -> float:
        """Factor of the network's loss, without penalties, in the reported loss."""
        return 1.0

    def _stratified(self, targets: Array) -> Array | None:
        """Classes whose proportions a random split of the rows keeps; None where there are none."""
        return None

    def _counted(self, stratified: Array) -> str:
        """What those classes are called in y, and how many rows have them, for a message."""
        raise NotImplementedError

    # --- training ---------------------------------------------------------------------------------

    def _begin_curves(self) -> None:
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.best_loss_: float | None = None if self.early_stopping else math.inf
        self.validation_scores_: list[float] | None = None
        self.best_validation_score_: float | None = None

    def _check_solver_options(self) -> None:
        """Warn of parameters that were given but that the solver has no use for."""
        given = without_effect(self)
        if given:
            values = " and ".join(f"{name}={value!r}" for name, value in given.items())
            why = "has no such option"
            if isinstance(self.solver, Optimizer):
                why = "has hyperparameters of its own; give them there"
            warn_caller(f"{values} has no effect on solver={self.solver!r}, which {why}")

    def _train(
        self, net: MLP, rows: Rows, tasks: FitTasks | None, validation: Any = None, **options: Any
    ) -> None:
        if self.solver != "lbfgs":
            self._train_by_descent(net, rows, validation, tasks)
        elif validation is not None:
            raise ValueError("validation is not for solver='lbfgs', which has no epochs")
        else:
            self._train_by_lbfgs(net, rows, tasks)

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
            past_divergence=self.early_stopping,  # as in scikit-learn: the best weights are from before
        )
        self.n_iter_ = 0
        try:
            self._run(epochs, held_out, tasks)
            if self.early_stopping:
                for p, best in zip(net.params, self._best, strict=True):
                    np.copyto(p, best)
            epochs.check_finite()
        except Diverged as error:
            raise ValueError(f"{_NON_FINITE} {error}") from None
        if epochs.divergence is not None:
            warn_caller(
                f"{epochs.divergence}; the weights are those with the best validation score",
                ConvergenceWarning,
            )

    def _run(self, epochs: Epochs, held_out: HeldOut | None, tasks: FitTasks | None) -> None:
        """One epoch of `partial_fit`, or all those of `fit`, until they end or Ctrl-C."""
        with interruptible():
            try:
                if tasks is None:
                    self._train_epochs(epochs, held_out, 1)
                    self._stopped()
                else:
                    self._go(epochs, held_out, tasks)
            except KeyboardInterrupt:
                warn_caller("Training interrupted by user. The weights are those so far")

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
            warn_caller(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped: "
                f"batch_size={self.batch_size} is clipped to the {n} training rows"
            )
        return min(int(self.batch_size), n)

    def _go(self, epochs: Epochs, held_out: HeldOut | None, tasks: FitTasks) -> None:
        """Epochs until the stopping rule, a callback or `max_iter`."""
        while self.n_iter_ < self.max_iter:
            many = 1 if tasks.heard else self._unasked(held_out)
            asked = tasks.epoch(
                self.n_iter_, self._fitted, partial(self._train_epochs, epochs, held_out, many)
            )
            if asked or self._stopped():
                return
        warn_caller(self._unconverged(), ConvergenceWarning)

    def _unconverged(self) -> str:
        """The warning of a fit whose epochs have run out."""
        return (
            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't converged "
            f"yet. The loss or score was still improving after max_iter={self.max_iter} epochs; raise max_iter or tol"
        )

    def _unasked(self, held_out: HeldOut | None) -> int:
        """After how many epochs something may have to be decided: whether to stop, the rate, a score."""
        if held_out is not None or (self._scheduled() and self.learning_rate == "invscaling"):
            return 1
        patience = self.n_iter_no_change + 1 - self._no_improvement_count
        return int(max(1, min(patience, self.max_iter - self.n_iter_)))

    def _train_epochs(self, epochs: Epochs, held_out: HeldOut | None, many: int) -> None:
        """One epoch, or at most so many, and their records."""
        for loss in epochs.several(many):
            self._record(loss, len(epochs.order))
            if held_out is not None:
                self._validate(epochs.network, held_out)

    def _record(self, loss: float, rows: int) -> None:
        """What is known after an epoch of so many rows, but for the held-out rows."""
        self.loss_ = loss
        self.n_iter_ += 1
        self.t_ += rows
        self.loss_curve_.append(self.loss_)
        self._say(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
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
        with np.errstate(all="ignore"):
            score = self._score_of(z, held_out)
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
        epochs = f"{self.n_iter_no_change} consecutive epochs"
        reason = f"{what} did not improve more than tol={self.tol:f} for {epochs}."
        if not (self._scheduled() and self.learning_rate == "adaptive"):
            self._say(f"{reason} Stopping.")
            return True
        if self._optimizer.lr <= _SMALLEST_RATE:
            self._say(f"{reason} Learning rate too small. Stopping.")
            return True
        self._optimizer.lr = self._optimizer.lr / 5.0
        self._say(f"{reason} Setting learning rate to {self._optimizer.lr:f}")
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
        try:
            return random_split(rows, self.validation_fraction, self._random_state, stratify)
        except ValueError as error:
            if stratify is None:
                raise
            raise ValueError(f"{error} {self._counted(stratify)}") from None

    def _checked_held_out(self, validation: Any) -> HeldOut:
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise TypeError(f"validation must be a pair (X, y), got {validation!r:.60}")
        x = dense(self._inputs(as_array("validation[0]", validation[0])))
        y = as_array("validation[1]", validation[1])
        y = check_array(y, ensure_2d=False, dtype=None, accept_sparse=True)
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
                f"{_NON_FINITE} lbfgs produced a non-finite loss or weights: scale the inputs and targets"
            )
        self.loss_ = float(result.fun)
        if self._loss_scale() != 1.0:
            self.loss_ -= (1.0 - self._loss_scale()) * net.assess(rows)[0]
        self._say(f"{result.nit} iterations, {result.nfev} evaluations, loss = {self.loss_:.8f}")
        if result.status not in {0, 99}:  # 99: a callback stopped it
            warn_caller(
                f"lbfgs failed to converge after {self.n_iter_} iteration(s) (status={result.status}):\n"
                f"{result.message}\nScaled inputs, or a larger max_iter={self.max_iter} or max_fun={self.max_fun}, may "
                "help",
                ConvergenceWarning,
            )
