"""`MLP`: a network of fully connected layers; its parameters, outputs, loss, gradients and training.

Long because its docstrings are the reference of a public class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd.checks import as_flag, as_seed
from fastgd.engines import config
from fastgd.engines.networks import engine_for
from fastgd.engines.protocol.networks import Architecture, Engine, Rows
from fastgd.engines.protocol.outcomes import Status
from fastgd.engines.protocol.predictions import NotFinite
from fastgd.network import training
from fastgd.network.arguments import (
    CHANGEABLE,
    DEFAULT_LEAK,
    changed_architecture,
    checked_architecture,
)
from fastgd.network.history import TrainingHistory
from fastgd.network.outputs import predicted
from fastgd.network.parameters import Initialization, parameter_views
from fastgd.network.problem import NetworkProblem
from fastgd.network.rows import check_finite, checked_parameters, checked_rows, readable_inputs
from fastgd.optimizers import Optimizer

Array = NDArray[Any]


class MLP:
    """A network of fully connected layers, trained in compiled loops.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of inputs, hidden units of each layer, and outputs: ``[784, 500, 300, 10]``. Two numbers make a linear
        model.
    activation : str or function, default "relu"
        Activation of the hidden layers: "relu", "leaky_relu", "sigmoid", "tanh", "gelu" (exact), "softplus" or
        "identity"; or a function ``f(z)`` that returns value and derivative, written with NumPy under the name `np`; it
        is compiled.
    loss : str or function, default "cross_entropy"
        "cross_entropy" (softmax over the outputs; a target is a class number), "binary_cross_entropy" (sigmoid of each
        output; targets from 0 to 1, several labels may be 1), "mse", "half_squares" (½ Σ over the outputs), "mae",
        "huber", "poisson" (the mean is the exponential of the output; half the deviance); or a function ``f(z, y)``
        of one output that returns value and derivative. A batch's loss is the weighted mean of its rows' losses.
    sum_outputs : bool, optional
        Whether a row's loss is the sum over its outputs or their mean, as in PyTorch. The default is the mean, but the
        sum for "half_squares". Without effect on "cross_entropy", which takes all outputs together.
    leak : float, default 0.01
        Slope of "leaky_relu" below 0.
    huber_delta : float, default 1.0
        Residual from which on "huber" is linear.
    init : {"auto", "he", "glorot"}, default "auto"
        Initial weights: "he" is normal with variance 2 / inputs (He et al., 2015), "glorot" uniform with variance
        2 / (inputs + outputs) (Glorot & Bengio, 2010); "auto" is "he" for layers that feed "relu", "leaky_relu", "gelu"
        or "softplus", else "glorot". Biases start at 0.
    init_scale, init_mean : float or sequence of float, default 1.0 and 0.0
        Factor of the initial weights, and what is added to them; one number, or one for each layer.
    bias : bool, default True
        Whether layers have biases.
    l1, l2 : float, default 0
        Penalties l1 Σ|W| + l2/2 Σ W² on all weights, not on biases. An alternative is the optimizer's `weight_decay`.
    dropout : float, default 0
        Share of hidden units dropped in each update (Srivastava et al., 2014).
    dtype : {"float32", "float64"}, default "float32"
        Precision of parameters and arithmetic.
    rng : int or numpy.random.Generator, default 0
        Seed of the initial weights, the orders of rows and dropout.
    backend : {"auto", "cython", "numba", "numpy", "cuda"}, optional
        Backend that computes the network; "auto" is "cython", or "numpy" where that is not built. The GPU ("cuda") is
        used on request only.
    n_threads : int, optional
        Number of threads, by default that of `fastgd.set_num_threads`. The results do not depend on it.
    tf32 : bool, default False
        On the GPU, multiply float32 matrices with TensorFloat-32: faster, accurate to three digits.

    Attributes
    ----------
    params : list of ndarray
        [W0, b0, W1, b1, ...], W of shape (inputs, outputs); without biases [W0, W1, ...]. They may be written to, not
        replaced.
    history_ : TrainingHistory
        Records of the last `fit`.
    status_ : Status
        How the last `fit` ended.
    steps_, epochs_, steps_in_epoch_ : int
        Updates so far, complete epochs, and updates of the epoch that is not complete.
    optimizer_ : Optimizer or None
        Optimizer of the last `fit`.
    architecture : Architecture
        Everything that determines the outputs and the loss, except the parameters.
    engine : Engine
        Computes outputs, gradients and updates on the chosen backend.
    seed, init, init_scale, init_mean, backend, n_threads, tf32
        As in the constructor; `seed` is the number of `rng`.
    loaded_state_ : mapping of str to ndarray, or None
        State of an optimizer that `load` read and the next `fit` takes over.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; the message names it.

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
    _engine_for = staticmethod(engine_for)

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str | Callable[..., Any] = "relu",
        loss: str | Callable[..., Any] = "cross_entropy",
        sum_outputs: bool | None = None,
        leak: float = DEFAULT_LEAK,
        huber_delta: float = 1.0,
        init: str = "auto",
        init_scale: float | Sequence[float] = 1.0,
        init_mean: float | Sequence[float] = 0.0,
        bias: bool = True,
        l1: float = 0.0,
        l2: float = 0.0,
        dropout: float = 0.0,
        dtype: DTypeLike = "float32",
        rng: int | np.random.Generator = 0,
        backend: str | None = None,
        n_threads: int | None = None,
        tf32: bool = False,
    ) -> None:
        architecture = checked_architecture(
            sizes,
            activation=activation,
            loss=loss,
            sum_outputs=sum_outputs,
            leak=leak,
            huber_delta=huber_delta,
            l1=l1,
            l2=l2,
            dropout=dropout,
            dtype=dtype,
            bias=bias,
        )
        start = Initialization.checked(architecture, init, init_scale, init_mean)
        self._start(architecture, start, rng, backend=backend, n_threads=n_threads, tf32=tf32)

    def _start(
        self,
        architecture: Architecture,
        initialization: Initialization,
        rng: int | np.random.Generator,
        *,
        backend: str | None,
        n_threads: int | None,
        tf32: bool,
    ) -> None:
        """All that follows from a checked architecture."""
        self.architecture = architecture
        self.initialization = initialization
        self.seed = as_seed("rng", rng)
        config.get_num_threads(n_threads)  # checks it
        self.backend, self.n_threads, self.tf32 = backend, n_threads, as_flag("tf32", tf32)
        self.engine: Engine = self._engine_for(architecture, backend, n_threads, self.tf32)
        self.params = parameter_views(architecture)
        self.optimizer_: Optimizer | None = None
        self.reset()

    @classmethod
    def from_architecture(
        cls,
        architecture: Architecture,
        *,
        init: str = "auto",
        init_scale: float | Sequence[float] = 1.0,
        init_mean: float | Sequence[float] = 0.0,
        rng: int | np.random.Generator = 0,
        backend: str | None = None,
        n_threads: int | None = None,
        tf32: bool = False,
    ) -> Self:
        """A new network of a checked architecture, which may have what the constructor does not offer.

        Parameters
        ----------
        architecture : fastgd.engines.protocol.networks.Architecture
        init, init_scale, init_mean, rng, backend, n_threads, tf32
            As in the constructor.

        Returns
        -------
        MLP
        """
        new = object.__new__(cls)
        start = Initialization.checked(architecture, init, init_scale, init_mean)
        new._start(architecture, start, rng, backend=backend, n_threads=n_threads, tf32=tf32)
        return new

    # --- parameters -------------------------------------------------------------------------------

    def reset(self) -> Self:
        """Draw the initial weights of the seed again; forget the optimizer's state and the position in training.

        Returns
        -------
        MLP
            The network.
        """
        self.initialization.write(self.params, self.architecture, self.seed)
        if self.optimizer_ is not None:
            self.optimizer_.reset()
        self.loaded_state_: Mapping[str, Array] | None = None
        self.epochs_ = self.steps_ = self.steps_in_epoch_ = 0
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, hidden units of each layer, outputs."""
        return self.architecture.sizes

    @property
    def init(self) -> str:
        """How the initial weights are drawn."""
        return self.initialization.init

    @property
    def init_scale(self) -> float | tuple[float, ...]:
        """Factor of the initial weights, or one for each layer."""
        return self.initialization.init_scale

    @property
    def init_mean(self) -> float | tuple[float, ...]:
        """What is added to the initial weights, or one number for each layer."""
        return self.initialization.init_mean

    @property
    def n_parameters(self) -> int:
        """Number of trained parameters."""
        return sum(p.size for p in self.params)

    # --- outputs ----------------------------------------------------------------------------------

    def forward(self, X: ArrayLike) -> Array:
        """Outputs before their link: logits, or the predictions of a regression.

        Parameters
        ----------
        X : array_like of shape (n, inputs)
            Integers of type uint8 are scaled by 1/255, as in `fit`.

        Returns
        -------
        ndarray of shape (n, outputs), of the network's dtype

        Raises
        ------
        TypeError, ValueError
            If X is not a finite array of that shape.
        """
        return self._predictions(X, link=False)

    def _predictions(self, X: ArrayLike, *, link: bool) -> Array:
        """Outputs, or what they predict; the engine finds inputs that are not finite as it reads them."""
        x, scale = readable_inputs("X", X, self.architecture)
        params = checked_parameters(self.params, self.architecture)
        try:
            return self.engine.predict(params, x, scale, link=link)
        except NotFinite:
            check_finite("X", x, self.architecture)
            raise

    def predict_proba(self, X: ArrayLike) -> Array:
        """Predictions: probabilities of classes or labels, the mean of a count, or the value itself.

        Parameters
        ----------
        X : array_like of shape (n, inputs)

        Returns
        -------
        ndarray of shape (n, outputs)
        """
        return self._predictions(X, link=True)

    def predict(self, X: ArrayLike) -> Array:
        """The most probable class, the labels with a probability of at least one half, or the predicted value.

        Parameters
        ----------
        X : array_like of shape (n, inputs)

        Returns
        -------
        ndarray of shape (n,) for classes and for one output, else (n, outputs)
        """
        return predicted(self.architecture, self.forward(X))

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Accuracy for classes and labels; the coefficient of determination R² for values.

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
        """Weighted mean loss including penalties, and its gradients, for a training loop of your own.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`. Dropout is not applied.

        Returns
        -------
        float, list of ndarray
            Loss, and gradients in the order of `params`; new arrays at every call.

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
        loss, penalty, grads = self.engine.loss_and_grad(params, rows, None)
        return loss + penalty, grads

    def rows(self, X: Any, y: Any, sample_weight: Any = None, *, names: Any = ("X", "y")) -> Rows:
        """Data, checked, in the form that the engines read; large inputs are not copied."""
        return checked_rows(self.architecture, X, y, sample_weight, names=names)

    def metric(self, rows: Rows) -> float:
        """As `score`, for rows that are checked."""
        return self.assess(rows)[1]

    def assess(self, rows: Rows) -> tuple[float, float]:
        """Loss and metric of rows that are checked, from one pass over them; see `Engine.assess` for the sums."""
        return self.engine.assess(checked_parameters(self.params, self.architecture), rows)

    # --- training ---------------------------------------------------------------------------------

    fit = training.fit

    def problem(self, X: ArrayLike, y: ArrayLike, **options: Any) -> NetworkProblem[Self]:
        """The network on some rows as a problem for `fastgd.sweep`; see `fastgd.network.problem.NetworkProblem`."""
        return NetworkProblem(self, X, y, **options)

    def fresh(self, rng: int | np.random.Generator | None = None, **changes: Any) -> Self:
        """A network of the same architecture with new weights, of the same seed or another.

        Parameters
        ----------
        rng : int or numpy.random.Generator, optional
            Its own by default.
        **changes
            Options that differ from this network's: `hidden` (units of the hidden layers, an integer or a sequence of
            them), `activation`, `leak`, `bias`, `l1`, `l2`, `dropout`, `init`, `init_scale`, `init_mean`, `backend`,
            `n_threads`, `tf32`.

        Returns
        -------
        MLP

        Examples
        --------
        >>> import fastgd as gd
        >>> gd.MLP([784, 500, 10]).fresh(rng=1, hidden=(300, 100)).sizes
        (784, 300, 100, 10)
        """
        described = {name: changes.pop(name) for name in CHANGEABLE if name in changes}
        running = {"backend": self.backend, "n_threads": self.n_threads, "tf32": self.tf32}
        others = vars(self.initialization) | running
        for name in changes:
            if name not in others:
                raise TypeError(f"fresh has no argument {name!r}")
        return self.from_architecture(
            changed_architecture(self.architecture, described),
            rng=self.seed if rng is None else rng,
            **(others | changes),
        )

    # --- files ------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Write architecture, parameters, position and the optimizer's state to an .npz file, without pickle.

        The file appears whole or not at all: it is written beside an older one, which it then replaces.

        Parameters
        ----------
        path : str or path-like
            The file to write, under exactly this name.

        Raises
        ------
        ValueError
            If the activation or the loss is a user's function, which a file cannot hold.
        OSError
            If the file cannot be written; an older one is then unchanged.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> import fastgd as gd
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "net.npz")
        ...     gd.MLP([4, 8, 3], rng=7).save(path)
        ...     gd.MLP.load(path)
        MLP([4, 8, 3], activation='relu', loss='cross_entropy', dtype='float32')
        """
        from fastgd.network import file  # noqa: PLC0415  (zipfile and others are slow to import)

        optimizer = self.optimizer_
        saved = file.SavedNetwork(
            architecture=self.architecture,
            initialization=self.initialization,
            seed=self.seed,
            epochs=self.epochs_,
            steps=self.steps_,
            steps_in_epoch=self.steps_in_epoch_,
            params=self.params,
            optimizer_state=self.loaded_state_ if optimizer is None else optimizer.state_dict(),
        )
        file.write(path, saved)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """A network from a file that `save` wrote; to continue exactly, give `fit` the same optimizer again.

        The optimizer's state waits for the first call of `fit`. An optimizer of the same class and formula that has
        made no step takes it over, and with the same rows it continues to the same bits; other hyperparameters than
        those saved are then an error. (To go on with others, or to restore those saved, call the optimizer's
        `load_state_dict` with `loaded_state_` first.) Any other optimizer starts without a state. History, backend and
        number of threads are not in the file.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        MLP

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If the file is not a saved network, or is damaged. No code in it is run.

        Examples
        --------
        >>> import fastgd as gd
        >>> net = gd.MLP.load("net.npz")  # doctest: +SKIP
        >>> net.fit(X, y, optimizer=gd.Adam(lr=0.01), epochs=5)  # doctest: +SKIP
        """
        from fastgd.network import file  # noqa: PLC0415  (see save)

        saved = file.read(path)
        new = cls.from_architecture(
            saved.architecture, rng=saved.seed, **vars(saved.initialization)
        )
        for p, value in zip(new.params, saved.params, strict=True):
            p[...] = value
        new.epochs_, new.steps_ = saved.epochs, saved.steps
        new.steps_in_epoch_ = saved.steps_in_epoch
        new.loaded_state_ = saved.optimizer_state
        return new

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: all but the engine, which is made again."""
        return {name: value for name, value in vars(self).items() if name != "engine"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.engine = engine_for(self.architecture, self.backend, self.n_threads, self.tf32)
        self.params = parameter_views(self.architecture)
        for p, value in zip(self.params, state["params"], strict=True):
            p[...] = value

    def __repr__(self) -> str:
        a = self.architecture
        bias = "" if a.bias else ", bias=False"
        return f"MLP({list(a.sizes)}, activation={a.activation!r}, loss={a.loss!r}{bias}, dtype={a.dtype.name!r})"
