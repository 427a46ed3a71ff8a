"""The Numba engine, and users' own activations and losses on all engines."""

import functools

import numba
import numpy as np
import pytest

import fastgd as gd
from fastgd.engines.native import kernels
from fastgd.engines.networks import chosen_backend
from fastgd.engines.numba import user_functions
from fastgd.engines.protocol.networks import ACTIVATIONS, LOSSES

ENGINES = ["numba", *(["cython"] if kernels.available() else [])]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5))


def targets(loss, outputs=3):
    if loss == "cross_entropy":
        return np.arange(40) % outputs
    if loss == "binary_cross_entropy":
        return RNG.integers(0, 2, (40, outputs))
    return RNG.poisson(2.0, (40, outputs)).astype(float)


def swish(z):
    """A docstring, and literals that must count in the network's dtype."""
    s = 1.0 / (1.0 + np.exp(-z))
    return z * s, s + z * s * (1 - s)


def squared_relu(z):
    r = np.maximum(z, 0.0)
    return r * r, 2 * r


def quantile(z, y):
    e = y - z
    return np.where(e > 0, 0.9 * e, -0.1 * e), np.where(e > 0, -0.9, 0.1)


def log_cosh(z, y):
    e = np.abs(z - y)
    return e + np.log1p(np.exp(-2.0 * e)) - 0.6931471805599453, np.tanh(z - y)


def spread(ours, theirs):
    return max(np.max(np.abs(a - b)) / np.max(np.abs(b)) for a, b in zip(ours, theirs, strict=True))


CASES = [*((activation, "mse") for activation in ACTIVATIONS), *(("tanh", loss) for loss in LOSSES)]


@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_numba_gives_what_the_reference_gives(activation, loss):
    options = {"activation": activation, "loss": loss, "l1": 0.01, "l2": 0.1, "dtype": "float64"}
    nets = [gd.MLP([5, 7, 6, 3], backend=b, rng=2, **options) for b in ("numpy", "numba")]
    y, w = targets(loss), RNG.random(40)
    (loss_1, grads_1), (loss_2, grads_2) = (net.loss_and_grad(X, y, w) for net in nets)
    assert loss_2 == pytest.approx(loss_1, rel=1e-12)
    assert spread(grads_2, grads_1) < 1e-12
    np.testing.assert_allclose(nets[1].forward(X), nets[0].forward(X), rtol=1e-12)


def test_numba_trains_as_the_reference_does():
    nets = [gd.MLP([5, 8, 3], backend=b, dropout=0.3, l2=0.01, rng=1) for b in ("numpy", "numba")]
    for net in nets:
        net.fit(X, targets("cross_entropy"), optimizer=gd.Adam(lr=0.01), batch_size=7, epochs=4)
    assert spread(nets[1].params, nets[0].params) < 1e-4  # float32: 24 updates by Adam
    np.testing.assert_allclose(nets[1].history_.loss, nets[0].history_.loss, rtol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("activation", "loss"), [(swish, quantile), (squared_relu, log_cosh), ("relu", quantile)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_of_ones_own_are_the_same_on_every_engine(activation, loss, dtype, engine):
    y = X.sum(axis=1)
    options = {"activation": activation, "loss": loss, "dtype": dtype, "rng": 3}
    ours, theirs = (gd.MLP([5, 6, 4, 1], backend=b, **options) for b in (engine, "numpy"))
    bound = 1e-12 if dtype == "float64" else 1e-5
    assert spread(ours.loss_and_grad(X, y)[1], theirs.loss_and_grad(X, y)[1]) < bound
    for net in (ours, theirs):
        net.fit(X, y, optimizer=gd.SGD(lr=0.01), batch_size=9, epochs=2)
    assert spread(ours.params, theirs.params) < 10 * bound


def signed(z, y):
    return z - y, 1.0


def relu_by_comparison(z):
    return np.maximum(z, 0), (z > 0) & ~(z == 0)


def test_one_number_for_all_and_comparisons_are_results_too():
    y = X[:, :3]
    nets = [
        gd.MLP([5, 4, 3], activation=relu_by_comparison, loss=signed, backend=b)
        for b in (*ENGINES, "numpy")
    ]
    *compiled, reference = [net.loss_and_grad(X, y)[1] for net in nets]
    assert all(spread(grads, reference) < 1e-5 for grads in compiled)


def in_place(z, y):
    z -= y
    return z * z, 2 * z


def test_a_function_may_not_write_to_its_arguments():
    with pytest.raises(ValueError, match=r"loss 'in_place' cannot be computed: .*read-only"):
        gd.MLP([2, 2, 2], loss=in_place)


def test_without_numba_it_is_said_and_numpy_computes(monkeypatch):
    monkeypatch.setattr("fastgd.engines.numba.modules.missing", lambda: "numba is not installed")
    if kernels.available():
        with pytest.raises(RuntimeError, match="numba is not installed; backend='numpy'"):
            gd.MLP([2, 2, 2], activation=swish, backend="cython")
    gd.MLP([2, 2, 2], activation=swish, backend="numpy").forward(np.eye(2))


def test_gradients_through_functions_of_ones_own():
    net = gd.MLP([5, 6, 1], activation=swish, loss=log_cosh, dtype="float64", rng=5)
    y, h = X[:, 0] ** 2, 1e-6
    _, grads = net.loss_and_grad(X, y)
    for p, g in zip(net.params, grads, strict=True):
        place = (0,) * p.ndim
        kept = p[place]
        p[place] = kept + h
        above = net.loss(X, y)
        p[place] = kept - h
        below = net.loss(X, y)
        p[place] = kept
        assert (above - below) / (2 * h) == pytest.approx(g[place], rel=1e-6, abs=1e-9)


def test_a_function_without_its_source_is_compiled_all_the_same():
    scope = {"np": np}
    exec("def cube(z):\n    return z * z * z, 3.0 * (z * z)", scope)
    nets = [
        gd.MLP([5, 4, 1], activation=scope["cube"], loss="mse", backend=b)
        for b in (*ENGINES, "numpy")
    ]
    y = X.sum(axis=1)
    *compiled, reference = [net.loss_and_grad(X, y)[1] for net in nets]
    assert all(spread(grads, reference) < 1e-5 for grads in compiled)


def test_a_lambda_is_a_function():
    net = gd.MLP(
        [5, 4, 1], activation=lambda z: (np.tanh(z), 1.0 - np.tanh(z) * np.tanh(z)), loss="mse"
    )
    same = gd.MLP([5, 4, 1], activation="tanh", loss="mse")
    y = X.sum(axis=1)
    assert spread(net.loss_and_grad(X, y)[1], same.loss_and_grad(X, y)[1]) < 1e-5


outside = 2.0


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda z: z, ValueError, r"must return \(value, slope\), got ndarray"),
        (lambda z: (z, z, z), ValueError, r"must return \(value, slope\), got a tuple of 3"),
        (lambda z: (z // 1, z), ValueError, "// has no derivative"),
        (lambda z: ((z > 0) + (z > 1), z), ValueError, "joined with & or |"),
        (lambda z: (z * 1j, z), ValueError, "as value one real number"),
        (lambda z: (z, np.maximum(1.0, 2.0)), None, ""),
        (lambda z, y: (z, y), ValueError, r"must be f\(z\), got arguments \(z, y\)"),
        (lambda z, k=2.0: (z, k), ValueError, "without defaults"),
        (lambda z: (z if z > 0 else 0.0, 1.0), ValueError, "branches or loops"),
        (lambda z: (np.sinh(z), z), ValueError, "'sinh', which the vocabulary"),
        (lambda z: (outside * z, outside), ValueError, "'outside', which is neither"),
        (np.tanh, TypeError, "plain Python function f\\(z\\), got ufunc"),
        (functools.partial(max, 0), TypeError, "got partial"),
        (numba.njit(swish), TypeError, "give the function itself, its .py_func"),
        (len, TypeError, "got builtin_function_or_method"),
        (3, TypeError, "got int"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_what_is_no_activation_is_refused_by_name(function, error, message):
    if error is None:
        gd.MLP([2, 2, 2], activation=function)
        return
    with pytest.raises(error, match=message):
        gd.MLP([2, 2, 2], activation=function)


def test_what_is_no_loss_is_refused_by_name():
    with pytest.raises(ValueError, match=r"loss 'swish' must be f\(z, y\), got arguments \(z\)"):
        gd.MLP([2, 2, 2], loss=swish)
    with pytest.raises(TypeError, match="loss must be a name or a plain Python function"):
        gd.MLP([2, 2, 2], loss=1.0)


def test_closures_are_refused():
    slope = 0.5
    with pytest.raises(
        ValueError, match="'slope' of an enclosing function; write its value as a literal"
    ):
        gd.MLP([2, 2, 2], activation=lambda z: (slope * z, slope))


def test_numba_runs_where_it_is_asked_for_only(monkeypatch):
    monkeypatch.setattr(gd.engines.config, "get_backend", lambda: "auto")
    assert chosen_backend(None) != "numba"
    assert chosen_backend("numba") == "numba"
    monkeypatch.setattr(gd.engines.config, "get_backend", lambda: "numba")
    assert chosen_backend(None) == "numba"


def test_a_loop_is_compiled_once():
    assert user_functions.function_loop(swish, "f") == user_functions.function_loop(swish, "f")


@pytest.mark.parametrize("raised", [KeyboardInterrupt, TimeoutError])
@pytest.mark.parametrize("call", ["forward", "loss_and_grad"])
def test_what_a_signal_raises_inside_numba_comes_through(call, raised, monkeypatch):
    """The interpreter finds a result beside an exception, and says so once for each call on the way."""

    def interrupted(*args):
        try:
            try:
                raise raised
            except raised as error:
                raise SystemError("a result with an exception set") from error
        except SystemError as error:
            raise SystemError("a result with an exception set") from error

    net = gd.MLP([5, 4, 3], backend="numba")
    arguments = (X,) if call == "forward" else (X, targets("cross_entropy"))
    monkeypatch.setattr(net.engine, "_activated_rows", interrupted)
    with pytest.raises(raised):
        getattr(net, call)(*arguments)
    monkeypatch.setattr(net.engine, "_activated_rows", lambda *args: int.from_bytes)
    with pytest.raises(TypeError):
        getattr(net, call)(*arguments)
