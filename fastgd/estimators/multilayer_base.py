"""`MultilayerEstimator`: scikit-learn's parameters, initial weights and `fit`, on fastgd's engines."""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import lru_cache
from operator import is_
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils import check_random_state

from fastgd.engines.protocol.networks import ACTIVATIONS, Architecture
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
)
from fastgd.estimators.callbacks import with_callbacks
from fastgd.estimators.multilayer_training import MultilayerTraining
from fastgd.network.mlp import MLP

__all__ = ["MultilayerEstimator"]


@lru_cache(maxsize=64)
def _architecture_of(
    sizes: tuple[int, ...], activation: str, loss: str, dtype: np.dtype[Any], alpha: float
) -> Architecture:
    """A network as scikit-learn defines it; the same object again for the next prediction."""
    activation = "sigmoid" if activation == "logistic" else activation
    # As in scikit-learn, a probability in the loss is at least eps.
    capped = loss in {"cross_entropy", "binary_cross_entropy"}
    return Architecture(
        sizes=sizes,
        activation=activation,
        loss=loss,
        dtype=dtype,
        loss_cap=-math.log(np.finfo(dtype).eps) if capped else math.inf,
        constants=(0.01,) if activation == "leaky_relu" else (),
        sum_outputs=True,
        l2=alpha,
        penalty_per_row=True,
    )


class MultilayerEstimator(MultilayerTraining):
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

    # --- the network ------------------------------------------------------------------------------

    def _architecture(self, sizes: tuple[int, ...], dtype: Any) -> Architecture:
        loss, alpha = self._output()[0], float(self.alpha)
        return _architecture_of(sizes, self.activation, loss, np.dtype(dtype), alpha)

    def _network(self) -> MLP:
        """The network with the weights of `coefs_` and `intercepts_`, which a user may have changed."""
        given = [p for pair in zip(self.coefs_, self.intercepts_, strict=True) for p in pair]
        net = self.__dict__.get("_net")
        if net is not None and len(given) == len(net.params) and all(map(is_, given, net.params)):
            sizes, dtype = net.sizes, net.architecture.dtype
        else:
            sizes = (np.shape(given[0])[0], *(np.shape(b)[0] for b in given[1::2]))
            single = all(getattr(p, "dtype", None) == np.float32 for p in given)
            dtype = np.dtype(np.float32 if single else np.float64)
        net = self._network_of(self._architecture(sizes, dtype))
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
            If `max_iter` was reached before the stopping rule, or the loss became NaN or infinite with
            `early_stopping`, which keeps the weights with the best score before.
        UserWarning
            If a parameter has another value than its default but no effect on the solver, unless the solver is one of
            scikit-learn's, which know no such warning.
        """
        return self._fit_whole(X, y, sample_weight, validation=validation)

    def _fit_part(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        return super()._fit_part(X, y, sample_weight, classes)

    def _begin(self, features: int, outputs: int, dtype: Any, first: bool) -> MLP:
        self._check_solver_options()
        self._random_state = check_random_state(self.random_state)
        if first:
            return self._initialize(features, outputs, dtype)
        return self._continued(features, outputs)

    def _fitted(self) -> dict[str, Any]:
        return {
            "coefs_": [w.copy() for w in self.coefs_],
            "intercepts_": [b.copy() for b in self.intercepts_],
        }
