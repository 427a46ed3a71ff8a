"""`sweep`: which run lands in which cell, against runs alone, plain loops and published numbers."""

import math
from fractions import Fraction

import numpy as np
import pytest
from cases import CASES

import fastgd as gd

RNG = np.random.default_rng(5)
ROWS = RNG.uniform(0, 1, 30)
TARGETS = 3 * ROWS - 1 + RNG.normal(0, 0.2, 30)
LINE = gd.LeastSquares(ROWS, TARGETS)
FIELDS = ("iterations", "status", "regime", "loss", "slope", "x")


def assert_cell(found, place, alone):
    """A run alone has no axes; NaN equals NaN."""
    for field in FIELDS:
        one, other = getattr(found, field)[place], getattr(alone, field)
        if field == "regime":  # as wide as the longest word
            assert str(one) == str(other)
        else:
            assert np.asarray(one).tobytes() == np.asarray(other).tobytes(), (field, one, other)


# --- a run within a sweep is the run alone ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "axes"),
    [
        (gd.SGD(), {"lr": np.geomspace(1e-3, 4, 300)}),
        (gd.Momentum(), {"lr": np.geomspace(1e-3, 4, 40), "momentum": np.linspace(0, 0.99, 9)}),
        (gd.Adam(), {"betas": [(0.9, 0.999), (0.5, 0.9), (0.0, 0.5)], "lr": [0.01, 0.3, 2.0]}),
        (gd.NAdam(), {"momentum_decay": [0.0, 0.004, 1.0], "lr": np.geomspace(0.01, 1, 30)}),
        (gd.Rprop(), {"etas": [(0.5, 1.2), (0.3, 1.5)], "lr": [0.01, 0.1, 1.0]}),
        (gd.SGD(), {"clip_norm": [None, 0.1, 1.0], "lr": [0.1, 1.0]}),
        (gd.Adagrad(), {"initial_accumulator_value": [None, 0.0, 0.5], "lr": [0.1, 1.0]}),
        (gd.SGD(lr=0.3), {"weight_decay": [0.0, 0.1], "maximize": [False, True]}),
    ],
    ids=lambda value: repr(value)[:25] if isinstance(value, gd.Optimizer) else "-".join(value),
)
def test_a_run_within_a_sweep_is_the_run_alone(optimizer, axes):
    options = {"x0": [0.5, -2.0], "max_iter": 200, "tol": 1e-3}
    found = gd.sweep(LINE, optimizer, axes, **options)
    names = list(axes)
    turned = gd.sweep(LINE, optimizer, {n: axes[n][::-1] for n in names[::-1]}, **options)
    reverse = tuple(slice(None, None, -1) for _ in names)
    for field in FIELDS[:-1]:
        one, other = getattr(found, field), getattr(turned, field).T[reverse]
        assert one.tobytes() == other.tobytes(), field
    places = [np.unravel_index(k, found.shape) for k in range(0, found.size, 1 + found.size // 12)]
    for place in places:
        own = {n: axes[n][k] for n, k in zip(names, place, strict=True)}
        alone = gd.sweep(LINE, optimizer.with_options(**own), {}, n_threads=1, **options)
        assert alone.shape == ()
        assert_cell(found, place, alone)


def test_starting_points_alone_and_within():
    points = RNG.normal(size=(70, 2))
    found = gd.sweep(LINE, gd.Momentum(), {"lr": [0.1, 0.5], "x0": points}, max_iter=300)
    for k in (0, 33, 69):
        assert_cell(
            found, (1, k), gd.sweep(LINE, gd.Momentum(lr=0.5), {}, x0=points[k], max_iter=300)
        )


# --- axes --------------------------------------------------------------------------------------------------


def test_every_kind_of_axis_at_once():
    """Optimizers that differ in rule and state, starts, and rates: each cell by itself."""
    optimizers = [gd.SGD(), gd.SGD(momentum=0.9, nesterov=True), gd.Adam(amsgrad=True), gd.NAG()]
    rates = [0.1, gd.schedules.linear(0.5, 0.01, 50), 0.4]
    starts = [[0.0, 0.0], [1.0, -1.0]]
    axes = {"x0": starts, "optimizer": optimizers, "lr": rates}
    found = gd.sweep(LINE, optimizers[0], axes, max_iter=120)
    assert found.shape == (2, 4, 3)
    assert found.x.shape == (2, 4, 3, 2)
    assert list(found.axes) == ["x0", "optimizer", "lr"]
    for i, j, k in np.ndindex(found.shape):
        alone = gd.sweep(
            LINE, optimizers[j].with_options(lr=rates[k]), {}, x0=starts[i], max_iter=120
        )
        assert_cell(found, (i, j, k), alone)


def test_flags_change_the_rule():
    axes = {"nesterov": [False, True], "momentum": [0.5, 0.9], "lr": [0.1]}
    found = gd.sweep(LINE, gd.SGD(), axes, max_iter=50)
    for i, nesterov in enumerate((False, True)):
        for j, mu in enumerate((0.5, 0.9)):
            optimizer = gd.SGD(lr=0.1, momentum=mu, nesterov=nesterov)
            assert_cell(found, (i, j, 0), gd.sweep(LINE, optimizer, {}, max_iter=50))
    assert len(set(found.loss.ravel().tolist())) == 4


def test_conventions_as_an_axis():
    words = ["torch", "optax", "keras", "paper"]
    found = gd.sweep(LINE, gd.Adagrad(lr=0.3), {"convention": words}, max_iter=20)
    for k, word in enumerate(words):
        assert_cell(found, k, gd.sweep(LINE, gd.Adagrad(lr=0.3, convention=word), {}, max_iter=20))


def test_random_starts():
    found = gd.sweep(LINE, gd.SGD(), {"rng": range(4), "lr": [0.0]}, max_iter=1)
    for seed in range(4):
        draw = np.random.default_rng(seed).standard_normal(2)
        assert found.x[seed, 0].tolist() == draw.tolist()
    one = gd.sweep(LINE, gd.SGD(), {"lr": [0.0, 0.0]}, rng=3, max_iter=1)
    assert one.x[0].tolist() == one.x[1].tolist() == found.x[3, 0].tolist()
    same = gd.sweep(LINE, gd.SGD(lr=0.0), {}, rng=np.random.default_rng(3), max_iter=1)
    assert same.x.tolist() == found.x[3, 0].tolist()


def test_no_axis_and_one_parameter():
    found = gd.sweep(gd.Polynomial([5.0, -6.0, 1.0]), gd.SGD(lr=0.5), {}, x0=22)
    assert (found.shape, found.x.tolist(), found.iterations) == ((), [3.0], 1)
    starts = gd.sweep(gd.Polynomial([5.0, -6.0, 1.0]), gd.SGD(lr=0.5), {"x0": [22.0, [3.0]]})
    assert starts.iterations.tolist() == [1, 0]


@pytest.mark.parametrize(
    "values", [(0.1, 0.2), [0.1, 0.2], np.array([0.1, 0.2]), {0.1: 0, 0.2: 0}.keys()]
)
def test_values_of_an_axis_as_any_sequence(values):
    if not hasattr(values, "__getitem__"):
        values = list(values)
    assert gd.sweep(LINE, gd.SGD(), {"lr": values}, max_iter=1).axes["lr"] == (0.1, 0.2)


def test_nothing_of_the_callers_changes():
    optimizer = gd.Adam(lr=gd.schedules.step(0.1, every=10))
    p = np.zeros(2)
    optimizer.step(p, np.ones(2))
    before, x0, rates = optimizer.state_dict(), np.array([1.0, 2.0]), np.array([0.1, 0.2])
    for backend in ("numpy", "cython"):
        gd.sweep(LINE, optimizer, {"lr": rates}, x0=x0, max_iter=50, backend=backend)
    assert repr(optimizer.state_dict()) == repr(before)
    assert optimizer.t == 1
    assert (x0.tolist(), rates.tolist()) == ([1.0, 2.0], [0.1, 0.2])
    x0 += 1  # of which the result holds no view
    found = gd.sweep(LINE, gd.SGD(), {"x0": [x0]}, max_iter=0)
    x0 += 1
    assert found.x.tolist() == [[2.0, 3.0]]


def test_what_the_result_says_of_itself():
    found = gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, dtype="float32", max_iter=7)
    assert (found.dtype, found.x.dtype, found.tol, found.max_iter) == (
        "float32",
        np.float32,
        1e-4,
        7,
    )
    assert found.parameter_names == ("w", "b")
    assert found.iterations.dtype == np.int64
    assert found.status.dtype == np.int8
    assert (found.backend, found.optimizer) == ("cython", "SGD()")
    assert found.slope[0] == np.abs(LINE.gradient(found.x[0])).max()
    assert gd.sweep(LINE, gd.SGD(), {}, max_iter=0).tol == 1e-8
    assert gd.sweep(LINE, gd.Lion(), {}, max_iter=0).backend == "cython"
    assert gd.sweep(LINE, gd.SGD(), {}, max_iter=0, backend="numpy").backend == "numpy"


# --- against loops that share no code -------------------------------------------------------------------------


def naive_gradient(point):
    w, b = point
    residuals = [w * x + b - y for x, y in zip(ROWS.tolist(), TARGETS.tolist(), strict=True)]
    slope = sum(r * x for r, x in zip(residuals, ROWS.tolist(), strict=True)) / len(residuals)
    return [slope, sum(residuals) / len(residuals)]


def naive_slope(made, p, g):
    """One parameter's slope of what an optimizer minimizes, away from 0."""
    slope = (-g if made.maximize else g) + made.l2 * p + math.copysign(made.l1, p)
    decay, kind = made.weight_decay, type(made).__name__
    apart = kind in {"AdamW", "Lion"} or made.convention == "keras"
    if not (apart or getattr(made, "decoupled_weight_decay", False)):
        return slope + decay * p
    if kind in {"SGD", "Momentum"}:
        return slope + (1 - made.momentum) * decay * p
    if kind in {"Adam", "AdamW", "NAdam", "RAdam", "Adamax"} and not getattr(made, "amsgrad", 0):
        return slope + decay * p * (abs(slope) + made.eps)
    return math.nan if decay else slope


def naive_run(made, optimizer, point, max_iter, tol):
    for n in range(max_iter + 1):
        gradient = naive_gradient(point)
        if all(abs(naive_slope(made, p, g)) < tol for p, g in zip(point, gradient, strict=True)):
            return n, 0
        if n == max_iter:
            return n, 1
        optimizer.step(point, gradient)
        if not all(abs(p) <= 1e100 for p in point):
            return n + 1, 2
    raise AssertionError


@pytest.mark.parametrize("case", [c for c in CASES if c.optimizer != "NAG"], ids=lambda c: c.id)
def test_against_the_naive_optimizers(case):
    for lr in (case.make().lr, 0.3):
        naive = case.make_naive()
        naive.lr = lr
        point = [0.4, -0.7]
        n, status = naive_run(case.make(), naive, point, 80, 0.02)
        found = gd.sweep(
            LINE, case.make(lr=lr), {}, x0=[0.4, -0.7], max_iter=80, tol=0.02, backend="numpy"
        )
        assert (found.iterations, found.status) == (n, status)
        np.testing.assert_allclose(found.x, point, rtol=1e-9, atol=1e-12)


def test_nag_against_sutskevers_formula():
    """v <- mu v - lr grad(theta + mu v); theta <- theta + v."""
    theta, v, mu, lr = [0.4, -0.7], [0.0, 0.0], 0.9, 0.3
    done = 0
    while max(map(abs, naive_gradient(theta))) >= 1e-4:
        done += 1
        gradient = naive_gradient([t + mu * s for t, s in zip(theta, v, strict=True)])
        v = [mu * s - lr * g for s, g in zip(v, gradient, strict=True)]
        theta = [t + s for t, s in zip(theta, v, strict=True)]
    found = gd.sweep(LINE, gd.NAG(lr=lr, momentum=mu), {}, x0=[0.4, -0.7], tol=1e-4)
    assert found.iterations == done
    np.testing.assert_allclose(found.x, theta, rtol=1e-12)


def test_the_optimum_is_least_squares():
    rates = np.linspace(0.2, 1.4, 7)
    for problem in (LINE, gd.LeastSquares(ROWS, TARGETS, update="sequential")):
        found = gd.sweep(problem, gd.SGD(), {"lr": rates}, tol=1e-12, max_iter=10**6)
        design = np.column_stack([ROWS, np.ones(30)])
        best, residual = np.linalg.lstsq(design, TARGETS)[:2]
        assert found.converged.all()
        np.testing.assert_allclose(found.x, np.broadcast_to(best, (7, 2)), rtol=1e-9)
        np.testing.assert_allclose(found.loss, residual[0] / 60, rtol=1e-12)


# --- published numbers -------------------------------------------------------------------------------------------

LESSON = {"X": [0, 1, 3], "y": [-1, 1, 5], "cost": "1/2", "statistics": False}


def mean_squares(lr, steps, update):
    problem = gd.LeastSquares(**LESSON, update=update)
    for n in steps:
        w, b = gd.sweep(problem, gd.SGD(lr=lr), {}, x0=[1, 0], max_iter=n, tol=0).x.tolist()
        yield sum((w * x + b - y) ** 2 for x, y in ((0, -1), (1, 1), (3, 5))) / 3


@pytest.mark.parametrize(
    ("lr", "update", "printed"),
    [
        (0.1, "sequential", {1: "0.35560", 2: "0.26300", 3: "0.19452", 20: "0.00115", 30: "0.00006"}),
        (0.5, "sequential", {1: "9.58333", 2: "4.06250", 3: "39.76562", 29: "537407805.94885",
                             30: "5223270089.75743"}),
        (0.1, "simultaneous", {1: "0.57000", 2: "0.41903", 3: "0.32482", 20: "0.00446", 30: "0.00036"}),
    ],
)  # fmt: skip
def test_errors_printed_by_a_lesson(lr, update, printed):
    assert [f"{e:.5f}" for e in mean_squares(lr, printed, update)] == [*printed.values()]


def test_order_of_update_moves_the_limit():
    """Simultaneous up to 2/11.8151, one after the other up to 13/30."""
    limits = {"simultaneous": 2 / 11.8151, "sequential": float(Fraction(13, 30))}
    for update, limit in limits.items():
        problem = gd.LeastSquares(**LESSON, update=update)
        found = gd.sweep(
            problem, gd.SGD(), {"lr": [0.999 * limit, 1.001 * limit]}, x0=[1, 0], max_iter=10**6
        )
        assert found.status.tolist() == [0, 2]


def test_line_of_the_slides():
    problem = gd.LeastSquares([1, 2, 3, 4, 5], [3, 5, 7, 9, 11], cost="1/m", statistics=False)
    found = gd.sweep(problem, gd.SGD(lr=0.05), {}, max_iter=1000, tol=0)
    w1, w0 = found.x.tolist()
    assert w0 == pytest.approx(0.9999999836757114, abs=1e-14)
    assert w1 == pytest.approx(2.0000000045215662, abs=1e-14)
    edge = gd.sweep(problem, gd.SGD(), {"lr": [0.0845, 0.08455]}, max_iter=10**6)
    assert edge.status.tolist() == [0, 2]


def test_two_weights_of_one_step():
    """f = x² - 6x + 5 from 5: x = 3 + 2 (1 - 2 lr)^t."""
    rates = [0.1, 0.5, 1.0, 1.5]
    found = gd.sweep(gd.Polynomial([5, -6, 1]), gd.SGD(), {"lr": rates}, x0=5, max_iter=5, tol=1e-9)
    wanted = [3 + 2 * (1 - 2 * lr) ** 5 for lr in rates]
    np.testing.assert_allclose(found.x.ravel(), wanted, rtol=1e-14)
    assert found.regime.tolist() == ["slow", "monotone", "cycling", "growing"]


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "options", "error", "message"),
    [
        ({"lr": []}, {}, ValueError, r"axes\['lr'\] is empty"),
        ({"lr": 0.1}, {}, TypeError, r"axes\['lr'\] must be a sequence of values, got 0.1"),
        ({"lr": np.array(0.1)}, {}, TypeError, r"axes\['lr'\] must be a sequence"),
        ({"lr": "0.1"}, {}, TypeError, r"axes\['lr'\] must be a sequence"),
        ({"lr": (r for r in [0.1])}, {}, TypeError, r"axes\['lr'\] must be a sequence"),
        ({"lr": list}, {}, TypeError, r"axes\['lr'\] must be a sequence"),
        ({"lr": ["fast"]}, {}, TypeError, "lr must be"),
        ({"lr": [0.1, None]}, {}, TypeError, "lr must be"),
        ({"lr": [True]}, {}, TypeError, "lr must be"),
        ({"lr": [0.1, -0.1]}, {}, ValueError, "lr must be a number >= 0.* got .*-0.1"),
        ({"lr": [math.nan]}, {}, ValueError, "lr must be a number >= 0"),
        ({"lr": [math.inf]}, {}, ValueError, "lr must be a number >= 0"),
        ({"lr": [10**400]}, {}, ValueError, "lr must be"),
        ({"lr": [[0.1, 0.2]]}, {}, TypeError, "lr must be"),
        ({"lr": [lambda t: -1.0]}, {}, ValueError, "lr must be a finite number >= 0"),
        ({"momentum": [0.5, "x"]}, {}, TypeError, "momentum must be"),
        ({"momentum": [0.5, -1]}, {}, ValueError, "momentum must be"),
        ({"momentum": np.zeros((2, 2))}, {}, ValueError, "momentum must be"),
        ({"nesterov": [1]}, {}, TypeError, "nesterov must be True or False"),
        ({"nesterov": [True]}, {}, ValueError, "nesterov needs momentum"),
        ({"rate": [0.1]}, {}, ValueError, "SGD has no hyperparameter 'rate'; did you mean 'lr'"),
        ({"backend": ["numpy"]}, {}, ValueError, "no hyperparameter 'backend'"),
        ({1: [0.1]}, {}, TypeError, "axes has the key 1"),
        ([("lr", [0.1])], {}, TypeError, "axes must be a dict"),
        (None, {}, TypeError, "axes must be a dict"),
        ({"x0": [[1.0]]}, {}, ValueError, r"axes\['x0'\]\[0\] has shape \(1,\), wanted \(2,\)"),
        ({"x0": [[1, 2], [1, math.nan]]}, {}, ValueError, r"axes\['x0'\]\[1\] must be finite"),
        ({"x0": [["a", "b"]]}, {}, TypeError, r"axes\['x0'\]\[0\] must be an array of real"),
        ({"x0": [[[1], 2]]}, {}, TypeError, r"axes\['x0'\]\[0\] must be an array of real"),
        ({"x0": [[1e39, 0]]}, {"dtype": "float32"}, ValueError, "must be finite in float32"),
        ({"rng": [-1]}, {}, TypeError, r"axes\['rng'\] must be an integer >= 0"),
        ({"rng": [0.5]}, {}, TypeError, r"axes\['rng'\] must be"),
        ({"rng": [1]}, {"x0": [0, 0]}, ValueError, r"x0 and axes\['rng'\] both say"),
        ({"x0": [[0, 0]]}, {"rng": 1}, ValueError, r"rng and axes\['x0'\] both say"),
        ({}, {"x0": [0, 0], "rng": 1}, ValueError, "x0 and rng both say"),
        ({"optimizer": [gd.SGD(), "adam"]}, {}, TypeError, r"axes\['optimizer'\]\[1\] must be a"),
        ({"optimizer": [gd.SGD]}, {}, TypeError, r"axes\['optimizer'\]\[0\] must be a"),
        ({"optimizer": [gd.SGD(groups={0: {"lr": 1}})]}, {}, ValueError, "has groups"),
        ({"optimizer": [gd.SGD(), gd.Adam()], "momentum": [0.5]}, {}, ValueError, "Adam has no"),
        ({}, {"x0": [1, 2, 3]}, ValueError, r"x0 has shape \(3,\), wanted \(2,\)"),
        ({}, {"x0": 1.0}, ValueError, r"x0 has shape \(\), wanted \(2,\)"),
        ({}, {"rng": "seed"}, TypeError, "rng must be an integer"),
        ({}, {"max_iter": -1}, ValueError, "max_iter must be an integer"),
        ({}, {"max_iter": 2**63}, ValueError, "max_iter must be an integer"),
        ({}, {"max_iter": 1e3}, TypeError, "max_iter must be an integer"),
        ({}, {"max_iter": True}, TypeError, "max_iter must be an integer"),
        ({}, {"tol": -1e-3}, ValueError, "tol must be a finite number >= 0"),
        ({}, {"tol": math.nan}, ValueError, "tol must be"),
        ({}, {"tol": "small"}, TypeError, "tol must be"),
        ({}, {"dtype": "float16"}, ValueError, "dtype must be 'float32' or 'float64'"),
        ({}, {"dtype": "f4,,"}, TypeError, "dtype must be"),
        ({}, {"max_seconds": 0}, ValueError, "max_seconds must be a number > 0"),
        ({}, {"max_seconds": math.nan}, ValueError, "max_seconds must be"),
        ({}, {"backend": "fortran"}, ValueError, "backend"),
        ({}, {"n_threads": 0}, ValueError, "n_threads"),
        ({}, {"n_threads": 1.5}, TypeError, "n_threads"),
        ({}, {"flush_subnormals": "no"}, TypeError, "flush_subnormals must be True or False"),
    ],
)  # fmt: skip
def test_refused(axes, options, error, message):
    with pytest.raises(error, match=message):
        gd.sweep(LINE, gd.SGD(), axes, **{"max_iter": 2} | options)


def test_refused_problem_and_optimizer():
    with pytest.raises(TypeError, match=r"problem must be a fastgd\.Problem, got function"):
        gd.sweep(lambda x: x, gd.SGD(), {})
    with pytest.raises(TypeError, match=r"optimizer must be a fastgd optimizer.*got type"):
        gd.sweep(LINE, gd.SGD, {})
    with pytest.raises(TypeError, match=r"optimizer must be a fastgd optimizer.*got str"):
        gd.sweep(LINE, "SGD", {})
    with pytest.raises(ValueError, match="optimizer has groups"):
        gd.sweep(LINE, gd.SGD(groups={"w": {"lr": 1.0}}), {})
    with pytest.raises(ValueError, match="problem has numbers beyond float64"):
        gd.sweep(gd.LeastSquares([1e200, 2e200], [1, 2]), gd.SGD(), {})
    with pytest.raises(ValueError, match="problem has numbers beyond float32"):
        gd.sweep(gd.Polynomial([0, 1e39]), gd.SGD(), {}, dtype="float32")


@pytest.mark.parametrize("dtype", [">f8", "<f4", np.float32, float, "d"])
def test_dtypes_by_any_name(dtype):
    found = gd.sweep(LINE, gd.SGD(lr=0.1), {}, dtype=dtype, max_iter=5)
    wanted = gd.sweep(LINE, gd.SGD(lr=0.1), {}, dtype=np.dtype(dtype).name, max_iter=5)
    assert found.x.tolist() == wanted.x.tolist()
    assert found.x.dtype.isnative
