"""`MLP`: a network of fully connected layers; its parameters, outputs, loss, gradients and training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.checks import as_dtype, as_finite, as_finite_positive, as_flag, as_seed
from fastgd.engines import config
from fastgd.engines.networks import engine_for
from fastgd.engines.protocol.networks import ACTIVATIONS, LOSSES, Architecture, Engine, Rows
from fastgd.network import training
from fastgd.network.arguments import (
    checked_function,
    checked_share,
    checked_sizes,
    with_hidden,
)
from fastgd.network.outputs import linked, predicted
from fastgd.network.parameters import init_named, initial_weights, parameter_views
from fastgd.network.rows import checked_inputs, checked_parameters, checked_rows

if TYPE_CHECKING:
    from fastgd.engines.protocol.outcomes import Status
    from fastgd.network.history import TrainingHistory
    from fastgd.network.problem import NetworkProblem
    from fastgd.optimizers import Optimizer


Array = NDArray[Any]
_RECTIFIED = ("relu", "leaky_relu", "gelu", "softplus")


class MLP:
    """A network of fully connected layers, trained in compiled loops.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden units of each layer, outputs: ``[784, 500, 300, 10]``. Two numbers are a linear model.
    activation : str or function, default "relu"
        Of the hidden layers: "relu", "leaky_relu", "sigmoid", "tanh", "gelu" (exact), "softplus", "identity"; or a
        function ``f(z)`` that returns value and slope as expressions of NumPy under the name `np`, which is compiled.
    loss : str or function, default "cross_entropy"
        "cross_entropy" (softmax over the outputs; a target is a class number), "binary_cross_entropy" (sigmoid of each
        output; targets from 0 to 1, several labels may be 1), "mse", "half_squares" (½ Σ over the outputs), "mae",
        "huber", "poisson" (the mean is the exponential of the output; half the deviance); or a function ``f(z, y)``
        of one output that returns value and slope. A batch's loss is the weighted mean of its rows'.
    sum_outputs : bool, optional
        Whether a row's loss is the sum over its outputs, or (the default, but for "half_squares") their mean as in
        PyTorch. Cross-entropy is of all outputs together.
    leak : float, default 0.01
        Slope of "leaky_relu" below 0.
    huber_delta : float, default 1.0
        Where "huber" turns from a square into a line.
    init : {"auto", "he", "glorot"}, default "auto"
        Normal weights of variance 2 / inputs (He et al., 2015), or uniform ones of variance 2 / (inputs + outputs)
        (Glorot & Bengio, 2010); "auto" takes the first for layers that feed "relu", "leaky_relu", "gelu" or
        "softplus". Biases start at 0.
    l1, l2 : float, default 0
        Penalties l1 Σ|W| + l2/2 Σ W² on all weights, not on biases. The optimizer's `weight_decay` is another way.
    dropout : float, default 0
        The share of hidden units left out in each update (Srivastava et al., 2014).
    dtype : {"float32", "float64"}, default "float32"
        Precision of parameters and arithmetic.
    rng : int or numpy.random.Generator, default 0
        Of the initial weights, the orders of rows and dropout.
    backend : {"auto", "cython", "numba", "numpy", "cuda"}, optional
        What runs the network; "auto" takes the first that is there, but never a graphics card ("cuda").
    n_threads : int, optional
        As `fastgd.set_num_threads` has it by default. The results do not depend on it.
    tf32 : bool, default False
        On the card, of float32: products with TensorFloat-32, which are faster and good to three digits.

    Attributes
    ----------
    params : list of ndarray
        [W0, b0, W1, b1, ...], W of shape (inputs, outputs). They may be written to, not replaced.
    history_ : TrainingHistory
        What `fit` recorded.
    status_ : Status
        How the last `fit` ended.

    Raises
    ------
    TypeError, ValueError
        If an argument is not legal; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    >>> net = gd.MLP([2, 16, 2], activation="tanh", rng=1)
    >>> net.fit(X, [0, 1, 1, 0], optimizer=gd.Adam(lr=0.05), batch_size=4, epochs=200).predict(X)
    array([0, 1, 1, 0])
    """

    history_: TrainingHistory
    status_: Status

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str | Callable[..., Any] = "relu",
        loss: str | Callable[..., Any] = "cross_entropy",
        sum_outputs: bool | None = None,
        leak: float = 0.01,
        huber_delta: float = 1.0,
        init: str = "auto",
        l1: float = 0.0,
        l2: float = 0.0,
        dropout: float = 0.0,
        dtype: DTypeLike = "float32",
        rng: int | np.random.Generator = 0,
        backend: str | None = None,
        n_threads: int | None = None,
        tf32: bool = False,
    ) -> None:
        self._start(
            Architecture(
                sizes=checked_sizes(sizes),
                activation=checked_function("activation", activation, ACTIVATIONS),
                loss=checked_function("loss", loss, LOSSES),
                dtype=as_dtype(dtype),
                constants=(as_finite("leak", leak),) if activation == "leaky_relu" else (),
                loss_constants=(as_finite_positive("huber_delta", huber_delta),)
                if loss == "huber"
                else (),
                sum_outputs=loss == "half_squares" if sum_outputs is None else bool(sum_outputs),
                l1=as_finite("l1", l1, 0),
                l2=as_finite("l2", l2, 0),
                dropout=checked_share("dropout", dropout),
            ),
            init_named(init),
            rng,
            backend,
            n_threads,
            tf32=tf32,
        )

    def _start(
        self,
        architecture: Architecture,
        init: str,
        rng: Any,
        backend: str | None,
        n_threads: int | None,
        *,
        tf32: bool = False,
    ) -> None:
        self.architecture = architecture
        self.seed = as_seed("rng", rng)
        self.n_threads = n_threads
        config.get_num_threads(n_threads)
        self._init = init
        self._backend = backend
        as_flag("tf32", tf32)
        self._tf32 = bool(tf32)
        self._engine: Engine = engine_for(architecture, backend, n_threads, self._tf32)
        self._flat, self.params = parameter_views(architecture)
        self.optimizer_: Optimizer | None = None
        self.reset()

    @classmethod
    def _from_architecture(cls, architecture: Architecture, n_threads: int | None = None) -> MLP:
        """A network of any architecture, for those that write its parameters themselves."""
        new = object.__new__(cls)
        new._start(architecture, "glorot", 0, None, n_threads)
        return new

    # --- parameters -------------------------------------------------------------------------------

    def reset(self) -> Self:
        """New initial weights of the same seed; optimizer, history and position among the rows are forgotten.

        Returns
        -------
        MLP
            Itself.
        """
        rng = np.random.default_rng(self.seed)
        for k, (w, b) in enumerate(zip(self.params[::2], self.params[1::2], strict=True)):
            w[...] = initial_weights(rng, w.shape, self._init_of(k))
            b[...] = 0
        if self.optimizer_ is not None:
            self.optimizer_.reset()
        self._saved_state: Mapping[str, Array] | None = None  # from a file, until `fit` takes it
        self.epochs_ = self.steps_ = 0
        self._within_epoch = 0  # updates done of an epoch that was broken off
        return self

    def _init_of(self, layer: int) -> str:
        feeds_hidden = layer < self.architecture.layers - 1
        rectified = feeds_hidden and self.architecture.activation in _RECTIFIED
        return ("he" if rectified else "glorot") if self._init == "auto" else self._init

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, hidden units of each layer, outputs."""
        return self.architecture.sizes

    @property
    def n_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(p.size for p in self.params)

    # --- outputs ----------------------------------------------------------------------------------

    def forward(self, X: ArrayLike) -> Array:
        """The outputs before their link: logits, or the predictions of a regression.

        Parameters
        ----------
        X : array_like of shape (n, inputs)
            uint8 is scaled by 1/255, as in `fit`.

        Returns
        -------
        ndarray of shape (n, outputs), of the network's dtype

        Raises
        ------
        TypeError, ValueError
            If X is no finite array of that shape.
        """
        x, scale = checked_inputs("X", X, self.architecture)
        return self._outputs(x, scale)

    def _outputs(self, x: Array, scale: float) -> Array:
        return self._engine.forward(checked_parameters(self.params, self.architecture), x, scale)

    def predict_proba(self, X: ArrayLike) -> Array:
        """What the outputs mean: class probabilities, each label's probability, a count's mean, or the value itself.

        Parameters
        ----------
        X : array_like of shape (n, inputs)

        Returns
        -------
        ndarray of shape (n, outputs)
        """
        return linked(self.architecture.link, self.forward(X))

    def predict(self, X: ArrayLike) -> Array:
        """The likeliest class, the labels whose probability is at least one half, or the predicted value.

        Parameters
        ----------
        X : array_like of shape (n, inputs)

        Returns
        -------
        ndarray of shape (n,) for classes and for one output, else (n, outputs)
        """
        return predicted(self.architecture, self.forward(X))

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """The share of right classes or labels; for values the coefficient of determination R².

        Parameters
        ----------
        X, y : array_like
            As in `fit`.

        Returns
        -------
        float
        """
        return self.metric(self.rows(X, y))

    def loss(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The weighted mean loss of the rows, without penalties.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`.

        Returns
        -------
        float
        """
        return self.assess(self.rows(X, y, sample_weight))[0]

    def loss_and_grad(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, list[Array]]:
        """Weighted mean loss with its penalties, and its gradients, for use with anything.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`. Dropout has no part in it.

        Returns
        -------
        float, list of ndarray
            The gradients in the order of `params`; new arrays at every call.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> net = gd.MLP([2, 3, 1], loss="mse", dtype="float64")
        >>> loss, grads = net.loss_and_grad(np.eye(2), [1.0, 2.0])
        >>> gd.SGD(lr=0.1).step(net.params, grads)
        >>> [g.shape for g in grads]
        [(2, 3), (3,), (3, 1), (1,)]
        """
        params = checked_parameters(self.params, self.architecture)
        rows = self.rows(X, y, sample_weight)
        loss, penalty, grads = self._engine.loss_and_grad(params, rows, None)
        return loss + penalty, grads

    def rows(self, X: Any, y: Any, sample_weight: Any = None, *, names: Any = ("X", "y")) -> Rows:
        """Data checked and in the form that the engines read; large inputs are not copied."""
        return checked_rows(self.architecture, X, y, sample_weight, names=names)

    def metric(self, rows: Rows) -> float:
        """As `score`, on rows that are checked."""
        return self._metric_of(self._outputs(rows.x, rows.scale), rows)

    def assess(self, rows: Rows) -> tuple[float, float]:
        """Loss and metric of rows that are checked, from one pass over them."""
        from fastgd.engines.reference.networks import Reference  # noqa: PLC0415

        z = self._outputs(rows.x, rows.scale)
        return Reference(self.architecture).mean_loss(z, rows), self._metric_of(z, rows)

    def _metric_of(self, z: Array, rows: Rows) -> float:
        guess = predicted(self.architecture, z)
        y = rows.y[:, 0] if rows.y.ndim == 2 and guess.ndim == 1 else rows.y
        if self.architecture.link in {"softmax", "sigmoid"}:
            return float(np.mean(guess == y))
        y = np.asarray(y, np.float64)
        with np.errstate(all="ignore"):
            spread = float(np.sum(np.square(y - y.mean(axis=0))))
            left = float(np.sum(np.square(y - guess)))
        return 1.0 - left / spread if spread else math.nan

    # --- training ---------------------------------------------------------------------------------

    fit = training.fit

    def problem(self, X: ArrayLike, y: ArrayLike, **options: Any) -> NetworkProblem:
        """The network on some rows as a problem for `fastgd.sweep`; see `fastgd.network.problem.NetworkProblem`."""
        from fastgd.network.problem import NetworkProblem  # noqa: PLC0415

        return NetworkProblem(self, X, y, **options)

    def fresh(self, rng: int | np.random.Generator | None = None, **changes: Any) -> MLP:
        """A network of the same architecture with new weights, of the same seed or another.

        Parameters
        ----------
        rng : int or numpy.random.Generator, optional
            Its own by default.
        **changes
            What is to be other than here: `hidden` (units of the hidden layers, an integer or a sequence of them),
            `dropout`, `backend`, `n_threads`, `tf32`.

        Returns
        -------
        MLP

        Examples
        --------
        >>> import fastgd as gd
        >>> gd.MLP([784, 500, 10]).fresh(rng=1, hidden=(300, 100)).sizes
        (784, 300, 100, 10)
        """
        varied = {name: changes.pop(name) for name in ("hidden", "dropout") if name in changes}
        running: dict[str, Any] = {
            "backend": self._backend,
            "n_threads": self.n_threads,
            "tf32": self._tf32,
        }
        for name in changes:
            if name not in running:
                raise TypeError(f"fresh has no argument {name!r}")
        running |= changes
        new = object.__new__(type(self))
        seed = self.seed if rng is None else rng
        new._start(self._varied(**varied), self._init, seed, **running)
        return new

    def _varied(self, hidden: Any = None, dropout: float | None = None) -> Architecture:
        a = self.architecture
        if hidden is not None:
            units = [hidden] if isinstance(hidden, int | np.integer) else hidden
            a = replace(a, sizes=with_hidden(a.sizes, units))
        return a if dropout is None else replace(a, dropout=checked_share("dropout", dropout))

    # --- files ------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Write architecture, parameters, position and the optimizer's state to an .npz file, without pickle."""
        from fastgd.network.file import save  # noqa: PLC0415

        save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> MLP:
        """A network from a file that `save` wrote; to continue exactly, give `fit` the same optimizer again."""
        from fastgd.network.file import load  # noqa: PLC0415

        return load(path)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: all but the engine, which is made anew."""
        return {k: v for k, v in vars(self).items() if k not in {"_engine", "_flat"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._tf32 = state.get("_tf32", False)  # not in older pickles
        self._engine = engine_for(self.architecture, self._backend, self.n_threads, self._tf32)
        self._flat, self.params = parameter_views(self.architecture)
        for p, value in zip(self.params, state["params"], strict=True):
            p[...] = value

    def __repr__(self) -> str:
        a = self.architecture
        return f"MLP({list(a.sizes)}, activation={a.activation!r}, loss={a.loss!r}, dtype={a.dtype.name!r})"
