"""Layers of few units: each has the bits that it has among many, whatever part of a vector it fills."""

import numpy as np
import pytest

import fastgd as gd

WIDEST = 20


def network(inputs, hidden, outputs, dtype):
    """With the same weights to each unit, however many units there are."""
    net = gd.MLP([inputs, hidden, outputs], loss="half_squares", dtype=dtype, n_threads=1)
    for k, p in enumerate(net.params):
        whole = np.random.default_rng(k).normal(size=(WIDEST, WIDEST)[: p.ndim])
        p[...] = whole[tuple(slice(n) for n in p.shape)]
    return net


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [2, 11, 53, 300])
@pytest.mark.parametrize("n", range(1, WIDEST))
def test_units_among_more(n, rows, dtype):
    x, y = np.random.default_rng(9).normal(size=(2, rows, WIDEST)).astype(dtype)
    few, many = (network(6, 7, k, dtype) for k in (n, WIDEST))
    np.testing.assert_array_equal(few.forward(x[:, :6]), many.forward(x[:, :6])[:, :n])
    _, (*_, found, bias) = few.loss_and_grad(x[:, :6], y[:, :n])
    _, (*_, wanted, biases) = many.loss_and_grad(x[:, :6], y)
    np.testing.assert_array_equal(found, wanted[:, :n])
    np.testing.assert_array_equal(bias, biases[:n])

    few, many = (network(k, 7, 3, dtype) for k in (n, WIDEST))  # inputs of few and of many
    many.params[0][n:] = 0
    np.testing.assert_array_equal(few.forward(x[:, :n]), many.forward(x))
    found, wanted = (
        net.loss_and_grad(x[:, :k], y[:, :3])[1] for net, k in ((few, n), (many, WIDEST))
    )
    np.testing.assert_array_equal(found[0], wanted[0][:n])


@pytest.mark.parametrize("n", range(1, WIDEST))
def test_hidden_units_among_more(n):
    """The gradient of a hidden unit's weights, where those that follow it have no effect."""
    x, y = np.random.default_rng(9).normal(size=(2, 53, WIDEST))
    few, many = (network(5, k, 4, "float64") for k in (n, WIDEST))
    many.params[2][n:] = 0
    found, wanted = (net.loss_and_grad(x[:, :5], y[:, :4])[1] for net in (few, many))
    np.testing.assert_array_equal(found[0], wanted[0][:, :n])
    np.testing.assert_array_equal(found[2], wanted[2][:n])
