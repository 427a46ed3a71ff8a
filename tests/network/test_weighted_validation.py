"""`validation=(X, y, sample_weight)` of `MLP.fit`."""

import numpy as np
import pytest

import fastgd as gd

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), RNG.integers(0, 2, 40)
WEIGHTS = RNG.uniform(0, 3, 40)


def trained(validation):
    return gd.MLP([3, 4, 2], dtype="float64").fit(X, Y, epochs=3, validation=validation)


def test_the_validation_loss_is_weighted():
    net = trained((X, Y, WEIGHTS))
    assert net.history_.val_loss[-1] == net.loss(X, Y, WEIGHTS)
    assert net.history_.val_loss[-1] != trained((X, Y)).history_.val_loss[-1]


@pytest.mark.parametrize(
    ("weights", "says"),
    [(WEIGHTS[1:], r"sample_weight must have shape \(40,\)"), (-WEIGHTS, "numbers >= 0")],
)
def test_bad_weights_are_refused(weights, says):
    with pytest.raises(ValueError, match=says):
        trained((X, Y, weights))
    with pytest.raises(TypeError, match=r"\(X, y\), or \(X, y, sample_weight\)"):
        trained((X, Y, WEIGHTS, 1))
