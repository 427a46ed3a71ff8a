"""Gradients, residuals and decisions as NumPy calls them and as text, and a new problem by the recipe."""

import math

import numpy as np
import pytest

import fastgd as gd
from fastgd.engines.parse import Vocabulary
from fastgd.engines.parse_problems import Decision, Gradient, Residual
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.engines.registry import GRADIENTS, RESIDUALS, STOPS
from fastgd.engines.templates import filled, lines_of
from fastgd.engines.vocabulary import numpy_vocabulary
from fastgd.problems.base import column_gradients, quadratic_form


def cube(i, n, h, b, x):
    total = h[i, 0] * x[0]
    for j in range(1, n):
        total = total + h[i, j] * x[j]
    return total * total * total - b[i]


ALL = {**GRADIENTS, "cube": Gradient(cube)}


def numbers_of(gradient, n, rng):
    """Arrays of random numbers, matrices symmetric, and the same as a kernel's data."""
    arrays = [rng.normal(size=(n,) * gradient.dimensions[name]) for name in gradient.arrays]
    arrays = [a + a.T if a.ndim == 2 else a for a in arrays]
    return arrays, np.concatenate([a.ravel() for a in arrays])


# --- gradients ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("name", ALL)
def test_unrolled_and_folded_texts_give_the_bits_of_numpy(name, n):
    gradient, rng = ALL[name], np.random.default_rng(n)
    arrays, data = numbers_of(gradient, n, rng)
    x = rng.normal(size=n if gradient.each else 1)
    wanted = column_gradients(gradient, x[:, None], *arrays)[:, 0]

    def number(array, indices):
        return f"data[{gradient.place(array, indices, 'n')}]"

    for i in range(len(x)):
        names = {"data": data, "x": x, "n": n, "i": i}
        unrolled = gradient.unrolled(number, "x[{}]".format, n, i)
        assert eval(unrolled, names) == wanted[i]
        fold = gradient.fold(number, "x[{}]".format, "n", total="sum_")
        text = f"sum_ = {fold.start}\n{fold.loop}\n    sum_ = {fold.step}\nresult = {fold.result}"
        exec(text, names)
        assert names["result"] == wanted[i]


@pytest.mark.parametrize("name", ALL)
def test_the_data_holds_the_numbers_in_order(name):
    gradient = ALL[name]
    places = [eval(gradient.place(*number, "3")) for number in gradient.numbers(3)]
    assert places == list(range(gradient.length(3)))


def test_a_backend_may_spell_products():
    gradient = GRADIENTS["quadratic"]
    text = gradient.unrolled(lambda a, k: "_".join((a, *k)), "x{}".format, 2, times="mul")
    assert text == "mul(h_0_0, x0) + mul(h_0_1, x1) - b_0"


def test_a_gradient_must_be_a_running_total():
    def two(i, n, b, x):
        total = b[i]
        other = x[i]
        return total - other

    with pytest.raises(
        ValueError, match=r"two: wanted a running total, a loop over j and a return"
    ):
        Gradient(two).fold("{}{}".format, "x{}".format, "n")


# --- residuals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_residuals_of_one_output(dtype):
    z = np.linspace(-30, 30, 41, dtype=dtype)
    y = np.tile(np.array([0, 1], dtype), 21)[:41]
    rows = RESIDUALS["rows"].on_arrays(numpy_vocabulary())(z, y)
    logistic = RESIDUALS["logistic"].on_arrays(numpy_vocabulary())(z, y)
    assert rows.dtype == logistic.dtype == dtype
    np.testing.assert_array_equal(rows, z - y)
    wanted = [1 / (1 + math.exp(-a)) - b for a, b in zip(z.tolist(), y.tolist(), strict=True)]
    np.testing.assert_allclose(logistic, wanted, rtol=1e-5, atol=1e-7)


def test_residuals_of_several_outputs_replace_them():
    z = np.random.default_rng(0).normal(size=(4, 7))
    own = np.eye(4)[:, np.arange(7) % 4]
    odds = np.exp(z)
    RESIDUALS["softmax"].on_arrays(numpy_vocabulary())(4, z, own)
    np.testing.assert_allclose(z, odds / odds.sum(axis=0) - own, rtol=1e-13, atol=1e-15)


def test_a_loss_gives_the_statements_of_its_slope_only():
    def loss(z, y):
        error = z - y
        square = error * error
        return 0.5 * square, error

    residual = Residual(loss)
    assert residual.locals == ("error",)
    text = residual.lines(Vocabulary("f"), lambda _: "out[i]", lambda _: "target")
    assert text == ["error = out[i] - target", "out[i] = error"]


# --- decisions ------------------------------------------------------------------------------------------


def test_a_decision_is_called_or_pasted():
    move, before = np.array([1.0, -1.0, 1.0, 0.0]), np.array([-1.0, 1.0, 1.0, 1.0])
    assert STOPS["turned"](move, before, 0.0).tolist() == [True, True, False, False]
    assert not STOPS["converged"](np.nan, 1.0)
    assert not STOPS["inside"](np.nan, 1.0)
    assert not STOPS["inside"](-np.inf, 1e100)
    assert STOPS["inside"].text("p", "limit") == "np.abs(p) <= limit"
    assert STOPS["inside"].text("p", "limit", suffix="vf") == "le_vf(abs_vf(p), limit)"


def test_arguments_keep_their_precedence():
    def doubled(a, b):
        return 2 * a > b

    assert Decision(doubled).text("x + y", "z") == "2 * (x + y) > z"


@pytest.mark.parametrize(
    ("within", "met", "last", "wanted"),
    [
        (False, True, True, 2),
        (True, True, True, 0),
        (True, False, True, 1),
        (True, False, False, -1),
    ],
)
def test_divergence_comes_before_convergence_and_that_before_the_last_iteration(
    within, met, last, wanted
):
    assert STOPS["status"](within, met, last, -1, 0, 1, 2) == wanted


# --- templates ------------------------------------------------------------------------------------------


def test_lines_take_the_place_and_the_indentation_of_their_name():
    template = """
for $i in range(n):
    $body
    $nothing
"""
    assert filled(template, i="k", body=["a = 1", "    b"], nothing=[]) == (
        "for k in range(n):\n    a = 1\n        b\n"
    )
    with pytest.raises(KeyError, match="body"):
        lines_of(template, i="k", nothing=[])


# --- a new problem: its mathematics, its class ----------------------------------------------------------


class Cube(gd.problems.Problem):
    """f with the gradient (Hx)^3 - b."""

    def __init__(self, hessian, linear):
        self.hessian, self.linear = hessian, linear

    @property
    def parameter_names(self):
        return tuple(f"p{i}" for i in range(len(self.linear)))

    def kernel(self, dtype):
        data = np.concatenate([self.hessian.ravel(), self.linear]).astype(dtype)
        return Kernel("cube", self.n_parameters, data)

    def slopes(self, x):
        arrays = (self.hessian.astype(x.dtype), self.linear.astype(x.dtype))
        return column_gradients(GRADIENTS["cube"], x, *arrays)

    def losses(self, x):
        with np.errstate(all="ignore"):
            return quadratic_form(self.hessian, x.astype(np.float64))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [2, 6])
def test_a_new_problem_sweeps_with_the_same_bits(monkeypatch, n, dtype):
    monkeypatch.setitem(GRADIENTS, "cube", ALL["cube"])
    factor = np.random.default_rng(n).normal(size=(n, n))
    problem = Cube(factor @ factor.T / n + np.eye(n), np.linspace(0.1, 0.5, n))
    options = {"x0": np.full(n, 0.3), "max_iter": 120, "tol": 1e-2, "dtype": dtype}
    rates = {"lr": np.geomspace(1e-3, 2, 9)}
    one, other = (
        gd.sweep(problem, gd.Momentum(), rates, backend=backend, **options)
        for backend in ("numpy", "numba")
    )
    assert len(set(one.status.tolist())) > 1
    for field in ("iterations", "status", "x", "slope"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
