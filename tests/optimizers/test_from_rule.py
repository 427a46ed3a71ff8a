"""A user's own rule: what is refused, and that it works like a shipped one."""

import copy
import pickle

import numpy as np
import pytest
from optimizers.columns import methods

import fastgd as gd
from fastgd.engines.native import kernels
from fastgd.engines.numba import modules

BACKENDS = ("numpy", "numba")


def momentum(p, g, buf, mu, inner):
    """Polyak (1964)."""
    buf = mu * buf + inner * g
    return p - buf, buf


def inside(t, lr, momentum):
    return momentum, lr


Own = gd.Optimizer.from_rule(
    momentum, state=("buf",), coefficients=inside, defaults={"lr": 0.01, "momentum": 0.9}
)


def sequence(optimizer, dtype, steps=6, size=1001):
    rng = np.random.default_rng(0)
    p = rng.normal(size=size).astype(dtype)
    for _ in range(steps):
        optimizer.step(p, rng.normal(size=size).astype(dtype))
    return p


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_same_bits_as_the_shipped_one(backend, dtype):
    own, shipped = Own(momentum=0.5, backend=backend), gd.Momentum(momentum=0.5)
    assert (sequence(own, dtype) == sequence(shipped, dtype)).all()
    assert own.t == 6


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_all_optimizers_have(backend):
    common = {
        "lr": lambda t: 0.1 / (t + 1),
        "weight_decay": 0.1,
        "l1": 0.01,
        "clip_norm": 5.0,
        "clip_value": 0.9,
        "maximize": True,
        "groups": {1: {"lr": 0.3, "momentum": 0.1}},
    }
    own, shipped = Own(backend=backend, **common), gd.Momentum(**common)
    p, q = [[np.ones(5), np.ones((2, 2))] for _ in range(2)]
    for _ in range(4):
        own.step(p, [np.ones(5), np.ones((2, 2))])
        shipped.step(q, [np.ones(5), np.ones((2, 2))])
    for a, b in zip(p, q, strict=True):
        assert (a == b).all()


def every_word(p, g, a, b, lr, half, one):  # noqa: PLR0917
    a = np.maximum(a * half, np.abs(g)) + np.tanh(g) * half
    b = np.minimum(b + np.log1p(np.abs(g)), one) + np.exp(-a) * np.expm1(half * g)
    step = np.where(g > b, np.sqrt(a), np.where(a <= half, np.sign(g), np.erf(g)))
    return p - lr * step / (one + np.log(one + a)), a, b


EveryWord = gd.Optimizer.from_rule(
    every_word,
    state=("a", "b"),
    coefficients=lambda t, lr: (lr / t, 0.5, 1.0),
    defaults={"lr": 0.1},
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_whole_vocabulary_has_the_same_bits(dtype):
    numpy, numba = (sequence(EveryWord(backend=backend), dtype) for backend in BACKENDS)
    assert np.isfinite(numpy).all()
    assert (numpy == numba).all()


# --- coefficients ---------------------------------------------------------------------------------------


def plain(p, g, rate):
    return (p - rate * g,)


def carried(t, carry, lr, decay):
    carry = carry * decay
    return carry, lr * carry


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_running_product(backend):
    cls = gd.Optimizer.from_rule(plain, coefficients=carried, defaults={"decay": 0.5})
    optimizer, p = cls(lr=1.0, backend=backend), np.zeros(1)
    for _ in range(2):
        optimizer.step(p, np.array([-1.0]))
    assert p == [0.75]
    other = cls(lr=1.0, backend=backend)
    other.load_state_dict(optimizer.state_dict())
    other.step(p, np.array([-1.0]))
    assert p == [0.875]


TABLE = {"scale": 2.0}


def needs_python(t, lr):
    if t > 2:
        raise RuntimeError("no further")
    return (lr * TABLE["scale"],)


@pytest.mark.parametrize("backend", BACKENDS)
def test_coefficients_that_numba_cannot_compile(backend):
    cls = gd.Optimizer.from_rule(plain, coefficients=needs_python)
    optimizer, p = cls(lr=0.25, backend=backend), np.ones(3)
    assert optimizer.coefficients_in == "python"
    assert Own().coefficients_in == "numba"
    for _ in range(2):
        optimizer.step(p, np.ones(3))
    assert (p == 0.0).all()
    before = optimizer.state_dict()
    with pytest.raises(RuntimeError, match="no further"):
        optimizer.step(p, np.ones(3))
    assert (p == 0.0).all()
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_coefficients_from_an_enclosing_function():
    scale = 0.5
    cls = gd.Optimizer.from_rule(plain, coefficients=lambda t, lr: (lr * scale,))
    for backend in BACKENDS:
        optimizer, p = cls(lr=1.0, backend=backend), np.ones(1)
        optimizer.step(p, np.ones(1))
        assert p == [0.5]
        assert optimizer.coefficients_in == "numba"


def test_two_lambdas_on_one_line():
    halved, quartered = (lambda t, lr: (lr * 0.5,), lambda t, lr: (lr * 0.25,))
    first, second = [
        gd.Optimizer.from_rule(plain, coefficients=f, defaults={"lr": 1.0})
        for f in (halved, quartered)
    ]
    p, q = np.ones(1), np.ones(1)
    first(backend="numba").step(p, np.ones(1))
    second(backend="numba").step(q, np.ones(1))
    assert (p, q) == ([0.5], [0.75])


def test_a_rule_without_source():
    """As one typed into an interpreter: compiled from the function itself, not cached."""
    names = {"np": np}
    exec("def typed(p, g, lr): return (p - lr * np.sign(g),)", names)
    cls = gd.Optimizer.from_rule(names["typed"], coefficients=lambda t, lr: (lr,))
    assert cls._rule.text is None
    for backend in BACKENDS:
        p = np.ones(2)
        cls(lr=0.5, backend=backend).step(p, np.array([3.0, -3.0]))
        assert (p == [0.5, 1.5]).all()


def test_numba_without_the_compiled_stepper(monkeypatch):
    monkeypatch.setattr(kernels, "available", lambda: False)
    wanted = sequence(gd.Momentum(), "float32")
    assert (sequence(Own(backend="numba"), "float32") == wanted).all()


def test_nothing_is_compiled_twice(monkeypatch):
    sequence(Own(backend="numba"), "float32")
    monkeypatch.setattr(modules, "generated_module", None)
    sequence(Own(lr=0.5, momentum=0.1, backend="numba"), "float32")


# --- the class ------------------------------------------------------------------------------------------


def test_constructor():
    assert repr(Own()) == "momentum(lr=0.01)"
    assert repr(Own(0.5, momentum=0.25)) == "momentum(lr=0.5, momentum=0.25)"
    assert issubclass(Own, gd.Optimizer)
    assert Own.__doc__ == "Polyak (1964)."
    assert Own().momentum == 0.9
    required = gd.Optimizer.from_rule(momentum, state=["buf"], coefficients=inside)
    with pytest.raises(TypeError, match="needs lr"):
        required(momentum=0.5)
    with pytest.raises(TypeError, match="needs momentum"):
        required(0.1)
    with pytest.raises(TypeError, match="beta"):
        Own(beta=0.5)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="momentum"):
            Own(momentum=bad)
    with pytest.raises(TypeError, match="momentum"):
        Own(momentum="much")
    with pytest.raises(ValueError, match="lr"):
        Own(lr=-1.0)


def test_columns():
    [(_, method)] = methods(Own(), {"momentum": [0.1, 0.2, 0.3]})
    np.testing.assert_array_equal(method.hyper, [[0.01] * 3, [0.1, 0.2, 0.3]])


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))]
)
def test_copies(duplicate):
    optimizer, p = Own(lr=0.1), np.ones(3)
    optimizer.step(p, np.ones(3))
    other, q = duplicate(optimizer), p.copy()
    optimizer.step(p, np.ones(3))
    other.step(q, np.ones(3))
    assert (p == q).all()
    assert repr(other) == repr(optimizer)


# --- what is refused ------------------------------------------------------------------------------------

CONSTANT = 0.5
math = np  # any other name for NumPy


def literal(p, g, lr):
    return (p - lr * g * 0.5,)


def power(p, g, lr):
    return (p - lr * g**2,)


def pair_of_literals(p, g, lr):
    a, b = (3, 4)
    return (p - lr * g * a * b,)


def constant(p, g, lr):
    return (p - lr * g * CONSTANT,)


def branch(p, g, lr):
    return (p - lr * g if g > lr else p,)


def loop(p, g, lr):
    for _ in p:
        g = g + g
    return (p - lr * g,)


def unknown(p, g, lr):
    return (p - lr * np.cumsum(g),)


def other_name(p, g, lr):
    return (p - lr * math.sign(g),)


def builtin(p, g, lr):
    return (p - lr * abs(g),)


def no_tuple(p, g, lr):
    return p - lr * g


def one_too_many(p, g, lr):
    return p - lr * g, g


def wrong_form(p, g, lr):
    return (lr,)


def with_default(p, g, lr=None):
    return (p - lr * g,)


def enclosed():
    factor = np.float32(0.5)

    def rule(p, g, lr):
        return (p - lr * g * factor,)

    return rule


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (literal, "literal 0.5"),
        (power, "literal 2"),
        (pair_of_literals, "literal 3"),
        (constant, "CONSTANT"),
        (branch, "branches"),
        (loop, "branches or loops"),
        (unknown, "cumsum"),
        (other_name, "math"),
        (builtin, "abs"),
        (no_tuple, "tuple of 1"),
        (one_too_many, "tuple of 1"),
        (wrong_form, "shape and dtype"),
        (with_default, "plain arguments"),
        (enclosed(), "factor"),
        (lambda p: (p,), "must take"),
    ],
)
def test_rules_that_are_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        gd.Optimizer.from_rule(rule, coefficients=lambda t, lr: (lr,))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"state": ("m",)}, ValueError, r"must take \(p, g, m, "),
        ({"state": ("buf", "mu", "inner", "more")}, ValueError, "must take"),
        ({"state": "buf"}, TypeError, "state"),
        ({"state": (1,)}, TypeError, "state"),
        ({"coefficients": lambda lr: (lr, lr)}, ValueError, "must take"),
        ({"coefficients": lambda t, mu: (mu, mu)}, ValueError, "must take"),
        ({"coefficients": lambda t, lr, carry: (lr, carry)}, ValueError, "carry"),
        ({"coefficients": lambda t, lr, *rest: (lr, lr)}, ValueError, "plain arguments"),
        ({"coefficients": lambda t, lr, l2: (lr, l2)}, ValueError, "l2"),
        ({"coefficients": 3}, TypeError, "coefficients"),
        ({"defaults": {"nu": 0.5}}, ValueError, "nu"),
    ],
)
def test_arguments_that_are_refused(options, error, message):
    given = {"state": ("buf",), "coefficients": inside, **options}
    with pytest.raises(error, match=message):
        gd.Optimizer.from_rule(momentum, **given)


def test_no_function():
    with pytest.raises(TypeError, match="rule"):
        gd.Optimizer.from_rule(np.sqrt, coefficients=lambda t, lr: (lr,))


@pytest.mark.parametrize(
    ("coefficients", "error", "message"),
    [
        (lambda t, lr: (lr, lr), ValueError, "must return 1 numbers, got 2"),
        (lambda t, lr: lr, TypeError, "tuple"),
        (lambda t, lr: None, TypeError, "tuple"),
        (lambda t, lr: ("a",), ValueError, "float"),
    ],
)
def test_coefficients_that_return_something_else(coefficients, error, message):
    cls = gd.Optimizer.from_rule(plain, coefficients=coefficients)
    with pytest.raises(error, match=message):
        cls(lr=0.1)


def test_default_that_is_not_legal():
    cls = gd.Optimizer.from_rule(plain, coefficients=carried, defaults={"decay": float("nan")})
    with pytest.raises(ValueError, match="decay"):
        cls(lr=0.1)


def test_no_kernel_ahead_of_time():
    with pytest.raises((ValueError, RuntimeError), match="cython"):
        Own(backend="cython")
