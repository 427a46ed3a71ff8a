"""Predictions: a row has the same bits whatever rows are beside it and however many threads; inputs must be finite."""

import numpy as np
import pytest

import fastgd as gd
from fastgd.engines.protocol.predictions import NotFinite

SIZES = {"small": [7, 9, 3], "deep": [3, 8, 8, 8, 1], "wide": [40, 300, 20], "linear": [5, 2]}
LOSSES = ("cross_entropy", "binary_cross_entropy", "poisson", "mse")
ROWS = 2100  # several blocks, the last one short


def network(sizes, n_threads=1, **options):
    net = gd.MLP(sizes, rng=1, n_threads=n_threads, **{"dtype": "float64", **options})
    for k, p in enumerate(net.params):
        p[...] += 0.1 * np.random.default_rng(k).normal(size=p.shape)
    return net


def inputs(n, width, dtype="float64"):
    x = np.random.default_rng(n).normal(size=(n, width)).astype(dtype)
    x[:, 0] = np.where(np.arange(n) % 3, x[:, 0], 0)
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SIZES)
def test_rows_and_threads(name, dtype):
    sizes = SIZES[name]
    x = inputs(ROWS, sizes[0], dtype)
    net, team = (network(sizes, threads, loss="mse", dtype=dtype) for threads in (1, 3))
    wanted = net.predict_proba(x)
    for many in (1, 2, 63, 64, 65, 100, 257, ROWS):
        for some in (net, team):
            np.testing.assert_array_equal(some.predict_proba(x[:many]), wanted[:many])
            np.testing.assert_array_equal(some.predict_proba(x[-many:]), wanted[-many:])
    alone = np.concatenate([net.predict_proba(x[k : k + 1]) for k in range(40)])
    np.testing.assert_array_equal(alone, wanted[:40])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_links(loss, dtype):
    sizes = [6, 20, 11]
    x = inputs(300, 6, dtype)
    nets = [network(sizes, loss=loss, dtype=dtype, backend=backend) for backend in (None, "numpy")]
    rtol = 1e-12 if dtype == "float64" else 1e-4
    for rows in (x[:1], x):
        found, wanted = (net.predict_proba(rows) for net in nets)
        assert found.dtype == wanted.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol)
    many = nets[0].predict_proba(x)
    np.testing.assert_array_equal(nets[0].predict_proba(x[7:8]), many[7:8])


def test_extreme_outputs():
    """Neither overflow nor NaN where a probability is 0 or 1."""
    for loss in ("cross_entropy", "binary_cross_entropy"):
        net = gd.MLP([1, 2], loss=loss, dtype="float64")
        net.params[0][...] = [[1.0, -1.0]]
        p = net.predict_proba([[1e4], [-1e4], [0.0]])
        np.testing.assert_array_equal(p, [[1, 0], [0, 1], [0.5, 0.5]])


@pytest.mark.parametrize("backend", ["numpy", "cython"])
@pytest.mark.parametrize("n", [1, 5, 64, 300, ROWS])
def test_not_finite(backend, n):
    net = network([40, 30, 2], 2, backend=backend, dtype="float32")
    for column in (0, 17, 39):
        for value in (np.nan, np.inf, -np.inf, 1e39):
            x = inputs(n, 40)
            x[n // 2, column] = value
            for call in (net.predict_proba, net.predict, net.forward):
                with pytest.raises(ValueError, match=rf"X\[{n // 2}, {column}\] is "):
                    call(x)
            with pytest.raises(NotFinite):
                net.engine.predict(net.params, x)
            net.engine.predict(net.params, x, strict=False)
    assert np.isfinite(net.predict_proba(inputs(n, 40))).all()


def test_layouts():
    net = network([12, 16, 4])
    x = inputs(200, 12)
    wanted = net.predict_proba(x)
    wide = np.zeros((200, 24))
    wide[:, ::2] = x
    kinds = {
        "Fortran": np.asfortranarray(x),
        "every other column": wide[:, ::2],
        "backwards": x[::-1].copy()[::-1],
        "a list": x.tolist(),
        "other bytes": x.astype(">f8"),
    }
    for kind, rows in kinds.items():
        np.testing.assert_array_equal(net.predict_proba(rows), wanted, err_msg=kind)
    np.testing.assert_array_equal(net.predict_proba(x[::2]), wanted[::2])
