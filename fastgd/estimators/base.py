"""What the estimators with scikit-learn's interface share: data, epochs, callbacks, and failing without a trace."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Number
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_array, validate_data

from fastgd.engines.protocol.networks import Architecture, Array, Rows
from fastgd.estimators.arguments import Kind, check_parameters
from fastgd.network.mlp import MLP
from fastgd.network.outputs import linked
from fastgd.network.trainer import Trainer
from fastgd.optimizers import Optimizer

try:
    from sklearn.callback import CallbackSupportMixin, FitCallback, with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing."""

    FitCallback = None

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """The method as it is."""
        return method


__all__ = [
    "Epochs",
    "FitTasks",
    "NetworkEstimator",
    "class_numbers",
    "first_part",
    "warn_caller",
    "with_callbacks",
]

_DENSE_AT_ONCE = 1 << 22  # numbers of a sparse array that are spelled out at a time when predicting


# --- epochs -----------------------------------------------------------------------------------------


class Epochs:
    """Training of a network, one pass over some rows of the data at each call of `run`.

    Parameters
    ----------
    network : MLP
    rows : Rows
    optimizer : Optimizer
    batch_size : int
    order : ndarray of int64
        The rows that are trained on.
    rng : numpy.random.RandomState, optional
        Permutes the order of the epoch before; None keeps it.
    loss_scale : float
        From the network's data loss to the one that is reported.
    """

    def __init__(
        self,
        network: MLP,
        rows: Rows,
        optimizer: Optimizer,
        *,
        batch_size: int,
        order: NDArray[np.int64],
        rng: np.random.RandomState | None,
        loss_scale: float = 1.0,
    ) -> None:
        self.network, self.order, self.rng, self.loss_scale = network, order, rng, loss_scale
        self.trainer = Trainer(network, rows, optimizer, batch_size)
        self.updates = -(-len(order) // batch_size)
        self.counts = np.full(self.updates, float(batch_size))
        self.counts[-1] = len(order) - batch_size * (self.updates - 1)

    def run(self) -> float:
        """One epoch; the mean over the rows of their batches' losses with penalties, each before its update.

        Raises
        ------
        ValueError
            If the loss has left the numbers; the update that saw it was not made.
        """
        if self.rng is not None:
            self.order = self.order[self.rng.permutation(len(self.order))]
        total, first = 0.0, 0
        for stretch in self.trainer.stretches(self.order, 0, self.updates):
            if stretch.diverged:
                self._refuse(float(stretch.rates[stretch.done, 0]))
            losses = self.loss_scale * stretch.losses + stretch.penalties
            total += float(losses @ self.counts[first : first + len(losses)])
            first += len(losses)
        return total / len(self.order)

    def check_finite(self) -> None:
        """Refuse parameters that are no numbers, after the last update."""
        if not all(np.isfinite(p).all() for p in self.network.params):
            self._refuse(self.trainer.optimizer.lr)

    def _refuse(self, rate: float) -> None:
        optimizer = self.trainer.optimizer
        raise ValueError(
            f"{type(optimizer).__name__} produced a non-finite loss or weights at update {optimizer.t} with learning "
            f"rate {rate:g}: scale the inputs and targets, or lower the rate"
        )


# --- callbacks --------------------------------------------------------------------------------------


class _EpochFunction:
    """A plain function as one of scikit-learn's callbacks: called with the estimator after each epoch."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing to do."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing to do."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing to do."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Call the function where the task is an epoch."""
        return context.max_subtasks == 0 and self.function(estimator) is True


class FitTasks:
    """What callbacks are told of one `fit`: its beginning, each epoch, its end."""

    def __init__(self, estimator: Any, data: Mapping[str, Any], max_epochs: int) -> None:
        self.estimator, self.data = estimator, data
        self.heard = bool(getattr(estimator, "_skl_callbacks", None))
        self.context = None
        if self.heard or hasattr(estimator, "_parent_callback_ctx"):
            self.context = estimator._init_callback_context(max_subtasks=max_epochs)
            self.context.call_on_fit_task_begin(estimator=estimator, **data)

    def epoch(
        self, number: int, fitted: Callable[[], dict[str, Any]], train: Callable[[], Any]
    ) -> bool:
        """Train for an epoch; whether a callback wants that it be the last."""
        if self.context is None or not self.heard:
            train()
            return False
        task = self.context.subcontext(task_name=f"epoch {number}")
        task.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        train()
        stop = task.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=fitted, **self.data
        )
        return bool(stop)

    def end(self, fitted: Callable[[], dict[str, Any]]) -> None:
        """All is fitted."""
        if self.context is not None:
            self.context.call_on_fit_task_end(
                estimator=self.estimator, reconstruction_attributes=fitted, **self.data
            )


# --- the estimators' base ---------------------------------------------------------------------------


class NetworkEstimator(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """Base of all estimators: a network behind scikit-learn's interface."""

    _kinds: ClassVar[dict[str, Kind]] = {}
    _net: MLP | None

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set what is called during `fit`; without arguments nothing is any more.

        Parameters
        ----------
        *callbacks : callable or callback of scikit-learn
            A function is called with the estimator after each epoch (or iteration of L-BFGS) and stops the training by
            returning True. Callbacks of scikit-learn (1.9 or later) follow its protocol `FitCallback`, as
            `sklearn.callback.ProgressBar` and `ScoringMonitor` do; epochs are the subtasks of `fit`.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        TypeError
            If one of them is neither.
        ImportError
            If scikit-learn is older than 1.9.
        """
        if FitCallback is None:
            raise ImportError("callbacks of estimators need scikit-learn 1.9 or later")
        known: list[Any] = []
        for callback in callbacks:
            follows = isinstance(callback, FitCallback) and not isinstance(callback, type)
            plain = callable(callback) and not follows and not isinstance(callback, type)
            known.append(_EpochFunction(callback) if plain else callback)
        return super().set_callbacks(*known)  # type: ignore[no-any-return]

    def _check_parameters(self) -> None:
        check_parameters(self, self._kinds)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_net", None)  # made anew from the weights
        return state

    # --- data -------------------------------------------------------------------------------------

    def _validated(self, X: Any, y: Any, reset: bool, **how: Any) -> tuple[Array, Array]:
        """Inputs as a dense array of floats, and targets."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=self._float_types(),
            reset=reset,
            **how,
        )
        return _dense(X), y

    def _float_types(self) -> Any:
        dtype = self.dtype
        return (np.float64, np.float32) if dtype is None else np.dtype(dtype).type

    def _weights(
        self, sample_weight: Any, y: Any, n: int, class_weight: Any = None
    ) -> NDArray[np.float64] | None:
        """The rows' weights times their classes'; None where all are one."""
        weights = _checked_weights(sample_weight, n)
        if class_weight is None:
            return weights
        by_class = compute_sample_weight(class_weight, y)
        weights = by_class if weights is None else weights * by_class
        if not weights.any():
            raise ValueError("sample_weight times class_weight is zero for all rows")
        return np.ascontiguousarray(weights, np.float64)

    # --- the network ------------------------------------------------------------------------------

    def _network(self) -> MLP:
        """The network with the fitted weights."""
        raise NotImplementedError

    def _network_of(self, architecture: Architecture) -> MLP:
        """The network of the last time if it is of this architecture, else a new one."""
        net = self.__dict__.get("_net")
        if net is None or net.architecture != architecture or net.n_threads != self.n_threads:
            net = self._net = MLP.from_architecture(architecture, n_threads=self.n_threads)
        return net

    def _outputs(self, X: Any) -> Array:
        """The network's outputs for checked inputs."""
        net = self._network()
        if not hasattr(X, "tocsr"):
            return net.engine.forward(net.params, _row_by_row(X), 1.0)
        X = X.tocsr()
        many = max(1, _DENSE_AT_ONCE // max(1, X.shape[1]))
        parts = [_dense(X[k : k + many]) for k in range(0, X.shape[0], many)]
        return np.concatenate([net.engine.forward(net.params, x, 1.0) for x in parts])

    def _inputs(self, X: Any) -> Any:
        """Inputs to predict for, checked, perhaps sparse."""
        return validate_data(
            self, X, accept_sparse=["csr", "csc"], dtype=self._float_types(), reset=False
        )

    def _linked(self, X: Any) -> Array:
        """What the outputs mean, for inputs that are not checked yet."""
        z = self._outputs(self._inputs(X))
        return linked(self._network().architecture.link, z)

    # --- failing ----------------------------------------------------------------------------------

    @contextmanager
    def _or_as_before(self, in_place: bool) -> Iterator[None]:
        """On an error put all attributes back; with `in_place` also the weights that are trained where they are."""
        attributes = dict(self.__dict__)
        lengths = {name: len(v) for name, v in attributes.items() if isinstance(v, list)}
        weights = [p.copy() for p in self._network().params] if in_place else None
        optimizer = attributes.get("_optimizer")
        steps = 0 if optimizer is None else optimizer.t
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(attributes)
            for name, length in lengths.items():
                del attributes[name][length:]  # curves that were added to
            if weights is not None:
                self._put_weights(weights)
            if optimizer is not None and optimizer.t != steps:
                del self._optimizer  # its state has moved on
            raise

    def _put_weights(self, weights: list[Array]) -> None:
        for p, old in zip(self._network().params, weights, strict=True):
            np.copyto(p, old)


# --- classes ----------------------------------------------------------------------------------------


def class_numbers(classes: Array, y: Array) -> NDArray[np.int32]:
    """The place of each label among the classes, which are sorted."""
    places = np.searchsorted(classes, y).clip(max=len(classes) - 1)
    wrong = classes[places] != y
    if np.any(wrong):
        raise ValueError(f"y has the label {y[np.argmax(wrong)]!r}, which is not among {classes}")
    return places.astype(np.int32)


def first_part(estimator: Any, classes: Any) -> bool:
    """Whether `partial_fit` is called for the first time; then the classes must be told."""
    known = getattr(estimator, "classes_", None)
    if known is None:
        if classes is None:
            raise ValueError("classes must be passed at the first call to partial_fit")
        return True
    if classes is not None and not np.array_equal(known, unique_labels(classes)):
        raise ValueError(f"classes={classes!r:.80} differ from those of the call before, {known}")
    return False


# --- warnings ---------------------------------------------------------------------------------------


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn about the line that called the estimator, however deep we are."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.startswith(("fastgd.", "sklearn.callback."))


# --- small things -----------------------------------------------------------------------------------


def _dense(X: Any) -> Array:
    return _row_by_row(X.toarray() if hasattr(X, "toarray") else X)


def _row_by_row(X: Array) -> Array:
    """As engines read it: a row's numbers side by side."""
    return X if X.strides[1] == X.itemsize else np.ascontiguousarray(X)


def _checked_weights(sample_weight: Any, n: int) -> NDArray[np.float64] | None:
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n, sample_weight)
    w = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, order="C", input_name="sample_weight"
    )
    if w.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},) as X has {n} rows, got {w.shape}")
    if (w < 0).any():
        raise ValueError(f"sample_weight must hold numbers >= 0, got {w.min():g}")
    if not w.any():
        raise ValueError(
            "sample_weight is zero for all rows; wanted a weight above 0 for at least one"
        )
    return np.asarray(w)
