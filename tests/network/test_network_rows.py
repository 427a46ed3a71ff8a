"""What a network refuses, and that nothing has changed then."""

import numpy as np
import pytest

import fastgd as gd

ENGINES = ("numpy", "cython")
X, Y = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 2
V = np.abs(X[:, :2])


def with_one(value, at=(4, 1), of=X):
    changed = of.astype(np.float64)
    changed[at] = value
    return changed


RAGGED = [[1.0, 2.0], [3.0]]
BAD_X = {
    "nan": (with_one(np.nan), ValueError, r"X\[4, 1\] is nan"),
    "infinite": (with_one(-np.inf), ValueError, r"X\[4, 1\] is -inf"),
    "beyond float32": (
        with_one(1e300),
        ValueError,
        r"X\[4, 1\] is 1e\+300; wanted finite .*float32",
    ),
    "objects": (
        X.astype(object),
        TypeError,
        "X must be an array of real numbers, got an array of object",
    ),
    "strings": (X.astype(str), TypeError, "X must be an array of real numbers"),
    "complex": (X.astype(complex), TypeError, "X must be an array of real numbers"),
    "dates": (X.astype("i8").astype("M8[s]"), TypeError, "X must be an array of real numbers"),
    "None": (None, TypeError, "X must be an array of real numbers"),
    "ragged": (RAGGED, TypeError, "X must be an array of real numbers"),
    "a dict": ({"a": X}, TypeError, "X must be an array of real numbers"),
    "one row flat": (X[0], ValueError, r"X must have shape \(n, 3\), got \(3,\)"),
    "too wide": (np.zeros((12, 4)), ValueError, r"X must have shape \(n, 3\), got \(12, 4\)"),
    "deep": (X[None], ValueError, r"X must have shape \(n, 3\)"),
    "a number": (3.0, ValueError, r"X must have shape \(n, 3\), got \(\)"),
    "masked": (np.ma.masked_greater(X, 1), ValueError, "X has masked numbers"),
    "no rows": (X[:0], ValueError, "X has no rows"),
}
BAD_Y = {
    "too large": (np.where(Y == 1, 2, 0), ValueError, r"y\[1\] is 2; .* 2 outputs, classes 0 to 1"),
    "negative": (-Y, ValueError, r"y\[1\] is -1"),
    "huge": (Y.astype("u8") + np.uint64(2**63), ValueError, r"y\[0\] is 9223372036854775808"),
    "between": (Y + 0.5, ValueError, r"y\[0\] is 0.5; wanted class numbers"),
    "nan": (with_one(np.nan, 3, Y), ValueError, r"y\[3\] is nan"),
    "infinite": (with_one(np.inf, 3, Y), ValueError, r"y\[3\] is inf"),
    "short": (Y[:11], ValueError, r"y must have shape \(12,\) as X has 12 rows, got \(11,\)"),
    "one-hot": (np.eye(2)[Y], ValueError, r"y must have shape \(12,\)"),
    "a column": (Y[:, None], ValueError, r"y must have shape \(12,\)"),
    "strings": (Y.astype(str), TypeError, "y must be an array of real numbers"),
    "objects": (Y.astype(object), TypeError, "y must be an array of real numbers"),
    "None": (None, TypeError, "y must be an array of real numbers"),
    "ragged": (RAGGED, TypeError, "y must be an array of real numbers"),
    "masked": (np.ma.masked_equal(Y, 1), ValueError, "y has masked numbers"),
    "a number": (1, ValueError, r"y must have shape \(12,\)"),
}
BAD_VALUES = {
    "nan": ("mse", with_one(np.nan, (2, 1), V), ValueError, r"y\[2, 1\] is nan"),
    "beyond float32": ("mse", with_one(1e39, (2, 1), V), ValueError, r"y\[2, 1\] is 1e\+39"),
    "flat": ("mae", V[:, 0], ValueError, r"y must have shape \(12, 2\) as X has 12 rows"),
    "short": ("huber", V[:3], ValueError, r"y must have shape \(12, 2\)"),
    "complex": ("mse", V.astype(complex), TypeError, "y must be an array of real numbers"),
    "no share": ("binary_cross_entropy", V + 1, ValueError, "y must lie between 0 and 1"),
    "below": ("binary_cross_entropy", -V, ValueError, "y must lie between 0 and 1"),
    "no count": ("poisson", -V, ValueError, "y must not be negative"),
}
BAD_WEIGHTS = {
    "negative": (np.linspace(-1, 1, 12), ValueError, "sample_weight must hold numbers >= 0"),
    "all zero": (np.zeros(12), ValueError, "sample_weight must hold numbers >= 0"),
    "nan": (with_one(np.nan, 5, Y), ValueError, r"sample_weight\[5\] is nan"),
    "beyond a sum": (np.full(12, 3e38), None, None),
    "short": (np.ones(11), ValueError, r"sample_weight must have shape \(12,\), got \(11,\)"),
    "a column": (np.ones((12, 1)), ValueError, r"sample_weight must have shape \(12,\)"),
    "a number": (1.0, ValueError, r"sample_weight must have shape \(12,\), got \(\)"),
    "strings": (["a"] * 12, TypeError, "sample_weight must be an array of real numbers"),
    "None in it": ([None] * 12, TypeError, "sample_weight must be an array of real numbers"),
}


def trained(loss="cross_entropy", backend=None):
    net = gd.MLP([3, 5, 2], loss=loss, backend=backend)
    return net.fit(X, Y if loss == "cross_entropy" else V % 1, optimizer=gd.Adam(), epochs=2)


def everything(net):
    """All that a call could have changed."""
    columns = {name: list(column) for name, column in net.history_.columns.items()}
    state = {name: np.array(value) for name, value in net.optimizer_.state_dict().items()}
    position = (net.status_, net.steps_, net.epochs_, net.steps_in_epoch_, net.optimizer_.t)
    return [p.copy() for p in net.params], columns, state, position, id(net.optimizer_)


def assert_refused(net, error, message, call):
    before = everything(net)
    with pytest.raises(error, match=message):
        call()
    np.testing.assert_equal(everything(net), before)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("what", BAD_X)
def test_inputs(what, backend):
    x, error, message = BAD_X[what]
    net = trained(backend=backend)
    for call in (net.loss_and_grad, net.fit, net.score, net.loss, net.problem):
        assert_refused(net, error, message, lambda call=call: call(x, Y))
    if what != "no rows":
        for call in (net.predict, net.predict_proba, net.forward):
            assert_refused(net, error, message, lambda call=call: call(x))
    held_out = message.replace("X", r"validation\[0\]", 1)
    assert_refused(net, error, held_out, lambda: net.fit(X, Y, validation=(x, Y)))


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("what", BAD_Y)
def test_classes(what, backend):
    y, error, message = BAD_Y[what]
    net = trained(backend=backend)
    for call in (net.loss_and_grad, net.fit, net.score, net.loss, net.problem):
        assert_refused(net, error, message, lambda call=call: call(X, y))
    held_out = message.replace("y", r"validation\[1\]", 1).replace("as X", r"as validation\[0\]")
    assert_refused(net, error, held_out, lambda: net.fit(X, Y, validation=(X, y)))


@pytest.mark.parametrize("what", BAD_VALUES)
def test_values(what):
    loss, y, error, message = BAD_VALUES[what]
    net = trained(loss)
    for call in (net.loss_and_grad, net.fit, net.loss):
        assert_refused(net, error, message, lambda call=call: call(X, y))


@pytest.mark.parametrize("what", BAD_WEIGHTS)
def test_weights(what):
    w, error, message = BAD_WEIGHTS[what]
    net = trained()
    if error is None:
        assert np.isfinite(net.loss_and_grad(X, Y, w)[0])
        return
    for call in (net.loss_and_grad, net.fit, net.loss):
        assert_refused(net, error, message, lambda call=call: call(X, Y, sample_weight=w))


def test_weights_beyond_all_sums():
    net = gd.MLP([3, 5, 2], dtype="float64")
    with pytest.raises(ValueError, match="of a finite sum"):
        net.loss_and_grad(X, Y, np.full(12, 1e308))


OPTIONS = {
    "optimizer": [("adam", TypeError), (gd.Adam, TypeError), (3, TypeError)],
    "batch_size": [(None, TypeError), (0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)],
    "epochs": [(-1, ValueError), (1.5, TypeError), ("3", TypeError), (True, TypeError)],
    "steps": [(-1, ValueError), (1.5, TypeError), ([3], TypeError)],
    "shuffle": [(None, TypeError), (1, TypeError)],
    "drop_last": [("no", TypeError)],
    "grad_norm": [(1, TypeError)],
    "rng": [(-1, TypeError), ("a", TypeError), (1.0, TypeError)],
    "validation": [(X, TypeError), ((X,), TypeError), ("ab", TypeError), ((X, Y, Y, Y), TypeError)],
    "patience": [(0, ValueError), (1.0, TypeError), (2, ValueError)],
    "min_delta": [(-0.1, ValueError), (np.nan, ValueError), ("a", TypeError)],
    "monitor": [("accuracy", ValueError), (None, ValueError), (np.ones(2), ValueError)],
    "record": [(0, ValueError), (1.5, TypeError), (False, TypeError)],
    "callbacks": [(print, TypeError), ([print, 3], TypeError), (None, TypeError), (5, TypeError)],
    "max_seconds": [(-1, ValueError), (np.nan, ValueError), ("1", TypeError)],
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_fit(name):
    net = trained()
    for value, error in OPTIONS[name]:
        rng = np.random.default_rng(1)
        options = {"rng": rng, "epochs": None if name == "steps" else 1, name: value}
        assert_refused(net, error, name, lambda options=options: net.fit(X, Y, **options))
        assert rng.integers(2**60) == np.random.default_rng(1).integers(2**60)


def test_epochs_and_steps():
    net = trained()
    assert_refused(net, ValueError, "epochs and steps", lambda: net.fit(X, Y, epochs=1, steps=1))


def test_an_unknown_option():
    net = trained()
    assert_refused(net, TypeError, "epoch", lambda: net.fit(X, Y, epoch=1))


def test_an_optimizer_of_other_parameters():
    net, other = trained(), gd.Adam()
    gd.MLP([3, 4, 2]).fit(X, Y, optimizer=other, epochs=1)
    assert_refused(net, ValueError, r"params\[0\]", lambda: net.fit(X, Y, optimizer=other))
    deeper = gd.Adam()
    gd.MLP([3, 4, 4, 2]).fit(X, Y, optimizer=deeper, epochs=1)
    assert_refused(net, ValueError, "params", lambda: net.fit(X, Y, optimizer=deeper))


def test_groups_without_parameters():
    net = trained()
    bad = gd.Adam(groups={7: {"lr": 1.0}})
    assert_refused(net, ValueError, "groups has 7", lambda: net.fit(X, Y, optimizer=bad))


def test_overlapping_parameters():
    net = gd.MLP([3, 3, 3, 3], loss="mse")
    net.params[2] = net.params[4]
    with pytest.raises(ValueError, match=r"overlap|share"):
        net.fit(X, X, optimizer=gd.SGD(), epochs=1)


ARCHITECTURES = {
    "sizes": [(3, TypeError), ("33", TypeError), ([3], ValueError), ([], ValueError), ([3, 0], ValueError),
              ([3, -1, 2], ValueError), ([3, 2.0], TypeError), ([3, True], TypeError), ([3, 2**31], ValueError)],
    "activation": [("swish", ValueError), (3, TypeError), (None, TypeError)],
    "loss": [("hinge", ValueError), (3, TypeError)],
    "leak": [("a", TypeError), (None, TypeError), (np.nan, ValueError), (np.inf, ValueError)],
    "huber_delta": [(0, ValueError), (-1, ValueError), (np.nan, ValueError), ("a", TypeError)],
    "init": [("orthogonal", ValueError), (3, ValueError)],
    "l1": [(-1, ValueError), (np.nan, ValueError), (np.inf, ValueError)],
    "l2": [(-1, ValueError), ("a", TypeError)],
    "dropout": [(1, ValueError), (-0.1, ValueError), (np.nan, ValueError), (None, TypeError)],
    "dtype": [("int32", ValueError), ("float16", ValueError), ("nothing", TypeError), (3, TypeError)],
    "rng": [(-1, TypeError), ("a", TypeError), (1.5, TypeError)],
    "backend": [("gpu", ValueError), (3, (TypeError, ValueError))],
    "n_threads": [(0, ValueError), ("a", TypeError), (1.5, TypeError)],
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_arguments_of_a_network(name):
    usual = {"leak": {"activation": "leaky_relu"}, "huber_delta": {"loss": "huber"}}.get(name, {})
    for value, error in ARCHITECTURES[name]:
        with pytest.raises(error, match=name.replace("_", ".")):
            gd.MLP(**{"sizes": [3, 2], **usual, name: value})
