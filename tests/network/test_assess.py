"""Loss and metric of rows: the sums of `Engine.assess`, in the same order on every engine."""

import numpy as np
import pytest
from network.nets import data
from sklearn.metrics import accuracy_score, r2_score

import fastgd as gd
from fastgd.engines.reference.metrics import metric_of

LOSSES = ["cross_entropy", "binary_cross_entropy", "mse", "mae", "huber", "poisson"]
ENGINES = ["cython", "numpy", "numba"]


def labelled(n, outputs, loss, dtype):
    x, y = data(n, 4, outputs, loss, dtype=dtype)
    return x, (y > 0.7).astype(dtype) if loss == "binary_cross_entropy" else y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("backend", ENGINES)
def test_the_loss_is_that_of_one_batch_and_the_metric_that_of_the_outputs(backend, loss, dtype):
    net = gd.MLP([4, 9, 3], loss=loss, dtype=dtype, backend=backend)
    for n in (1, 7, 300):
        x, y = labelled(n, 3, loss, dtype)
        rows = net.rows(x, y, np.linspace(0.5, 2, n))
        found = net.assess(rows)
        assert found[0] == pytest.approx(net.engine.loss_and_grad(net.params, rows)[0], rel=1e-6)
        if backend == "cython" and n > 1:
            assert found[0] == net.engine.loss_and_grad(net.params, rows)[0]
        np.testing.assert_equal(found[1], metric_of(net.architecture, net.forward(x), rows.y))


def test_with_one_output_the_sums_have_the_same_bits_on_numpy():
    net = gd.MLP([4, 9, 1], loss="mse", dtype="float64")
    x, y = data(1000, 4, 1)
    rows, reference = (
        net.rows(x, y),
        gd.MLP([4, 9, 1], loss="mse", dtype="float64", backend="numpy"),
    )
    assert net.assess(rows) == reference.engine.assessed(net.forward(x), rows)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_it_does_not_depend_on_threads_or_on_how_many_rows_are_passed_together(loss):
    n = (1 << 15) + 300  # more than one pass holds
    x, y = data(n, 4, 3, loss)
    nets = [gd.MLP([4, 9, 3], loss=loss, dtype="float64", n_threads=k) for k in (1, 2)]
    one, two = (net.assess(net.rows(x, y)) for net in nets)
    assert one == two
    assert one[0] == nets[0].engine.loss_and_grad(nets[0].params, nets[0].rows(x, y))[0]
    assert one[1] == metric_of(nets[0].architecture, nets[0].forward(x), nets[0].rows(x, y).y)


def test_metrics_are_those_of_scikit_learn():
    net = gd.MLP([4, 9, 3])
    x, y = data(200, 4, 3, "cross_entropy")
    assert net.score(x, y) == accuracy_score(y, net.predict(x))
    net = gd.MLP([4, 9, 1], loss="poisson", dtype="float64")
    x, y = data(200, 4, 1)
    assert net.score(x, y) == pytest.approx(r2_score(y, net.predict(x)), rel=1e-12)


@pytest.mark.parametrize("backend", ENGINES)
def test_outputs_that_are_not_finite_and_constant_targets(backend):
    net = gd.MLP([2, 3], backend=backend)
    for p in net.params:
        p[...] = 0
    net.params[1][:] = [1, np.nan, np.inf]
    loss, accuracy = net.assess(net.rows(np.zeros((2, 2)), [1, 2]))
    assert np.isnan(loss)
    assert accuracy == 0.5  # NaN is the largest, as in numpy.argmax
    net = gd.MLP([2, 1], loss="mse", backend=backend)
    assert np.isnan(net.assess(net.rows(np.ones((3, 2)), [4.0, 4.0, 4.0]))[1])
