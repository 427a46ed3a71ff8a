"""Networks side by side with a rule, an activation or a loss of the user's own, which Numba compiles."""

import numpy as np
import pytest
from side_by_side import BACKENDS, Both

import fastgd as gd
from fastgd.engines.networks import lanes_for


def leaky_sign(p, g, m, far, lr, beta, gain, most, leak):  # noqa: PLR0917
    """A choice, an elementary function, and two arrays of state."""
    m = beta * m + gain * g
    step = np.where(np.abs(m) > most, np.sign(m), np.tanh(m) * leak)
    far = np.maximum(far, np.abs(p))
    return p - lr * step, m, far


def warmed(t, carry, lr, beta):
    carry = carry * beta
    return carry, lr * (1.0 - carry), beta, 1.0 - beta, 0.1, 0.5


def own_rule(*, source=True, **options):
    rule = leaky_sign
    if not source:
        rule = type(rule)(rule.__code__.replace(co_filename="?"), rule.__globals__, "leaky_sign")
    defaults = {"lr": 0.1, "beta": 0.9}
    made = gd.Optimizer.from_rule(rule, state=("m", "far"), coefficients=warmed, defaults=defaults)
    assert (made._rule.text is not None) == source
    return made(**options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [{}, {"source": False}, {"l2": 0.1, "clip_value": 0.3}, {"clip_norm": 0.1}, {"beta": 0.5}],
    ids=str,
)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_rule_of_the_user_s_own(options, dtype, backend):
    pytest.importorskip("numba")
    net = gd.MLP([3, 5, 2], activation="tanh", loss="mse", dtype=dtype, backend=backend)
    Both(net, own_rule(**options)).check()


@pytest.mark.parametrize("optimizer", [gd.Adam, gd.Rprop, gd.NAdam])
def test_rules_compiled_by_numba_where_the_optimizer_asks_for_it(optimizer):
    pytest.importorskip("numba")
    net = gd.MLP([3, 5, 2], activation="tanh", loss="mse")
    Both(net, optimizer(backend="numba", weight_decay=0.1)).check()


def test_a_rule_with_more_state_than_there_is_room_for_is_not_for_lanes():
    names = tuple("abcdefh")
    text = f"def wide(p, g, {', '.join(names)}, lr):\n    return p - lr * g, {', '.join(names)}\n"
    functions = {"np": np}
    exec(text, functions)
    wide = gd.Optimizer.from_rule(functions["wide"], state=names, coefficients=lambda t, lr: (lr,))
    both = Both(gd.MLP([3, 5, 2], loss="mse"), wide(lr=0.1))
    assert lanes_for(both.trainings, "auto", "auto") is None


def test_a_function_of_the_user_s_own():
    pytest.importorskip("numba")

    def bent(z):
        return np.where(z > 0, z, 0.1 * z), np.where(z > 0, 1.0, 0.1)

    Both(gd.MLP([3, 6, 1], activation=bent, loss="mse"), gd.Adam()).check()
