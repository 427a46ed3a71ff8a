"""`NetworkEstimator`: what the estimators share: data, the course of a fit, and rollback when it fails."""

from __future__ import annotations

import sys
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils.validation import check_is_fitted, validate_data

from fastgd.engines.protocol.networks import Architecture, Array, Rows
from fastgd.engines.protocol.predictions import NotFinite
from fastgd.estimators.arguments import Kind, check_parameters
from fastgd.estimators.callbacks import CallbackSupportMixin, FitTasks, as_callbacks
from fastgd.estimators.data import checked_weights, dense, row_by_row
from fastgd.network.mlp import MLP
from fastgd.tensors import as_array

__all__ = ["NetworkClassifier", "NetworkEstimator", "NetworkRegressor", "warn_caller"]

_PLAIN = (np.dtype(np.float64), np.dtype(np.float32))
_DENSE_AT_ONCE = 1 << 22  # numbers of a sparse array that a prediction converts to dense at a time


class NetworkEstimator(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """Base of all estimators: a network behind scikit-learn's interface."""

    _kinds: ClassVar[dict[str, Kind]] = {}
    _weights_name: ClassVar[str]  # the attribute that a fitted estimator has
    _trains_in_place: ClassVar[bool]  # whether that attribute holds the network's own arrays
    _kind_of_network: ClassVar[type[MLP]] = MLP
    class_weight: Any = None  # a parameter of classifiers
    _net: MLP | None

    # --- what the estimators differ in ------------------------------------------------------------

    @abstractmethod
    def _checked_data(self, X: Any, y: Any, first: bool, part: bool) -> tuple[Array, Array]:
        """Inputs, and targets as they were given; a first fit learns the classes from them."""

    def _begin_part(self, y: Any, classes: Any) -> None:
        """What `partial_fit` learns before it looks at the data."""

    @abstractmethod
    def _targets(self, y: Array, dtype: Any) -> Array:
        """Targets in the form that the network reads."""

    @abstractmethod
    def _count_outputs(self, y: Array) -> int:
        """How many outputs the network needs."""

    @abstractmethod
    def _network(self) -> MLP:
        """The network with the fitted weights."""

    @abstractmethod
    def _begin(self, features: int, outputs: int, dtype: Any, first: bool) -> MLP:
        """A new network with its initial weights, or the fitted one if it suits the data."""

    @abstractmethod
    def _train(self, net: MLP, rows: Rows, tasks: FitTasks | None, **options: Any) -> None:
        """Train the network; without `tasks` for one epoch only, with the optimizer of the previous call."""

    @abstractmethod
    def _show(self, net: MLP) -> None:
        """Set the attributes of the weights."""

    @abstractmethod
    def _fitted(self) -> dict[str, Any]:
        """Attributes that a copy needs in order to predict as if training had stopped now."""

    # --- the course of a fit ----------------------------------------------------------------------

    def _fit_whole(self, X: Any, y: Any, sample_weight: Any, **options: Any) -> Self:
        """The work of `fit`: train from new weights, or with `warm_start` from the fitted ones."""
        check_parameters(self, self._kinds)
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        tasks = FitTasks(self, {"X": X, "y": y, "metadata": metadata}, self.max_iter)
        first = not hasattr(self, self._weights_name) or not self.warm_start
        with self._restored_on_error(first):
            self._fit(X, y, sample_weight, first, tasks, **options)
        tasks.end(self._fitted)
        return self

    def _fit_part(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """The work of `partial_fit`: one epoch with the optimizer of the previous call."""
        check_parameters(self, self._kinds)
        first = not hasattr(self, self._weights_name)
        with self._restored_on_error(first):
            self._begin_part(y, classes)
            self._fit(X, y, sample_weight, first, None)
        return self

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        first: bool,
        tasks: FitTasks | None,
        **options: Any,
    ) -> None:
        if first or tasks is not None or not self._is_plain_part(X, y):
            X, y = self._checked_data(X, y, first, tasks is None)
        weights = self._weights(sample_weight, y, len(X))
        net = self._begin(X.shape[1], self._count_outputs(y), X.dtype, first)
        rows = Rows(X, self._targets(y, net.architecture.dtype), weights)
        self._train(net, rows, tasks, **options)
        self._show(net)

    @contextmanager
    def _restored_on_error(self, new: bool) -> Iterator[None]:
        """On an error restore all attributes, and the weights that training of a fitted network changes in place."""
        attributes = dict(self.__dict__)
        lengths = {name: len(v) for name, v in attributes.items() if isinstance(v, list)}
        in_place = self._trains_in_place and not new
        weights = [p.copy() for p in self._network().params] if in_place else None
        optimizer = attributes.get("_optimizer")
        steps = 0 if optimizer is None else optimizer.t
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(attributes)
            for name, length in lengths.items():
                del attributes[name][length:]  # loss curves, which training appends to
            if weights is not None:
                for p, old in zip(self._network().params, weights, strict=True):
                    np.copyto(p, old)
            if optimizer is not None and optimizer.t != steps:
                del self._optimizer  # its state has changed
            raise

    def _say(self, line: str) -> None:
        if self.verbose:
            print(line)  # noqa: T201  (that is what `verbose` is for)

    # --- scikit-learn's protocols -----------------------------------------------------------------

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set the callbacks of `fit`; without arguments, remove them.

        Parameters
        ----------
        *callbacks : callable or callback of scikit-learn
            A function is called with the estimator after each epoch (or iteration of L-BFGS) and stops the training by
            returning True. Callbacks of scikit-learn, such as `sklearn.callback.ProgressBar` and `ScoringMonitor`,
            follow its protocol `FitCallback`; epochs are the subtasks of `fit`.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        TypeError
            If one of them is neither a function nor such a callback.
        ImportError
            If scikit-learn is older than 1.9.
        """
        known = as_callbacks(callbacks)
        return super().set_callbacks(*known)  # type: ignore[no-any-return]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_net", None)  # made again from the weights
        return state

    # --- data -------------------------------------------------------------------------------------

    def _validated(self, X: Any, y: Any, reset: bool, **how: Any) -> tuple[Array, Array]:
        """Inputs as a dense array of floats, and targets."""
        X, y = validate_data(
            self,
            as_array("X", X),
            as_array("y", y),
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=self._float_types(),
            reset=reset,
            **how,
        )
        return dense(X), y

    def _float_types(self) -> Any:
        """The dtypes of inputs that are not converted."""
        dtype = self.dtype
        return (np.float64, np.float32) if dtype is None else np.dtype(dtype).type

    def _weights(self, sample_weight: Any, y: Any, n: int) -> NDArray[np.float64] | None:
        """Weights of the rows times weights of their classes; None where all are 1."""
        weights = checked_weights(sample_weight, n)
        if self.class_weight is None:
            return weights
        by_class = compute_sample_weight(self.class_weight, y)
        weights = by_class if weights is None else weights * by_class
        if not weights.any():
            raise ValueError("sample_weight times class_weight is zero for all rows")
        return np.ascontiguousarray(weights, np.float64)

    # --- the network ------------------------------------------------------------------------------

    def _network_of(self, architecture: Architecture) -> MLP:
        """The network of the previous fit if it has this architecture, else a new one."""
        net: MLP | None = self.__dict__.get("_net")
        if (
            net is None
            or net.n_threads != self.n_threads
            or (net.architecture is not architecture and net.architecture != architecture)
        ):
            net = self._net = self._kind_of_network.from_architecture(
                architecture, n_threads=self.n_threads
            )
        return net

    def _outputs(self, X: Any) -> Array:
        """The network's outputs for checked inputs."""
        return self._predictions(self._network(), X, link=False)

    @staticmethod
    def _predictions(net: MLP, X: Any, *, link: bool) -> Array:
        """Outputs for checked inputs, or what they predict."""
        predict = partial(net.engine.predict, net.params, link=link, strict=False)
        if not hasattr(X, "tocsr"):
            return predict(row_by_row(X))
        X = X.tocsr()
        many = max(1, _DENSE_AT_ONCE // max(1, X.shape[1]))
        parts = [dense(X[k : k + many]) for k in range(0, X.shape[0], many)]
        return np.concatenate([predict(x) for x in parts])

    def _check_fitted(self) -> None:
        """Raise scikit-learn's error if the estimator is not fitted; it takes longer to see that it is."""
        if not hasattr(self, self._weights_name):
            check_is_fitted(self)

    def _is_plain(self, X: Any) -> bool:
        """Whether scikit-learn's checks of the inputs of a prediction would find nothing, if all are finite."""
        if type(X) is not np.ndarray or X.ndim != 2 or hasattr(self, "feature_names_in_"):
            return False
        wanted = _PLAIN if self.dtype is None else (np.dtype(self.dtype),)
        return X.dtype in wanted and len(X) > 0 and X.shape[1] == self.n_features_in_ > 0

    def _is_plain_part(self, X: Any, y: Any) -> bool:
        """Whether scikit-learn's checks of rows for `partial_fit` would find nothing: a few take less time."""
        return False

    def _inputs(self, X: Any) -> Any:
        """Inputs of a prediction, checked, perhaps sparse."""
        X = as_array("X", X)
        return validate_data(
            self, X, accept_sparse=["csr", "csc"], dtype=self._float_types(), reset=False
        )

    def _linked(self, X: Any) -> Array:
        """Predictions for inputs that are not checked yet: the outputs after their link."""
        net = self._network()
        if self._is_plain(X):  # spares scikit-learn's checks, which take longer than a few rows do
            with suppress(NotFinite):
                return net.engine.predict(net.params, row_by_row(X))
        return self._predictions(net, self._inputs(X), link=True)


class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """Base of the estimators of numbers."""

    def _checked_data(self, X: Any, y: Any, first: bool, part: bool) -> tuple[Array, Array]:
        X, y = self._validated(X, y, first, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _count_outputs(self, y: Array) -> int:
        return 1 if y.ndim == 1 else int(y.shape[1])


class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """Base of the estimators of classes."""

    @abstractmethod
    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities of the classes."""

    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Logarithms of `predict_proba`.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, features)

        Returns
        -------
        ndarray of shape (n, n_classes)
        """
        p = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(p, out=p))


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn about the line outside of fastgd and scikit-learn that called the estimator."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.startswith(("fastgd.", "sklearn.callback."))
