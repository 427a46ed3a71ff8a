"""minimize: against loops in plain Python, SciPy, and the same run in a sweep, bit by bit."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
import scipy.optimize
from cases import CASES
from grids import SAMPLED_CASES, SAMPLED_DTYPES, sampled
from same_bits import bits
from scipy.optimize import OptimizeResult, rosen, rosen_der

import fastgd as gd
from fastgd.optimizers.loops import schedule_of

pytest.importorskip("fastgd.engines.native.sweeps")

RNG = np.random.default_rng(3)
WIDE = RNG.normal(size=(300, 3))
TARGETS = WIDE @ [1.0, -2.0, 0.5] + 1
FACTOR = RNG.normal(size=(6, 6))
PROBLEMS = {
    "line": gd.LeastSquares(WIDE[:, 0], TARGETS),
    "rows": gd.LeastSquares(WIDE, TARGETS, statistics=False),
    "sequential": gd.LeastSquares(WIDE, TARGETS, update="sequential"),
    "quadratic1": gd.Quadratic([[2.0]], [0.3]),
    "quadratic6": gd.Quadratic(FACTOR @ FACTOR.T / 6, FACTOR[0]),
    "polynomial": gd.Polynomial([5.0, -6.0, 1.0, 0.1, 0.02]),
    "beale": gd.functions.beale(),
    "logistic": gd.Logistic(WIDE, TARGETS > 0),
    "softmax": gd.Logistic(WIDE, np.digitize(TARGETS, [-1, 1])),
}


def bowl(x, grad):
    """Of the steepnesses 1, 4, 9, ...; the minimum at 1."""
    steep = np.arange(1.0, len(x) + 1) ** 2
    grad[:] = steep * (x - 1)
    return 0.5 * np.sum(steep * (x - 1) ** 2)


def start(problem):
    return np.linspace(0.7, 1.3, problem.n_parameters)


def assert_as_in_sweep(problem, optimizer, run, **options):
    swept = gd.sweep(
        problem, optimizer, {"lr": [1e-9, schedule_of(optimizer) or optimizer.lr]}, **options
    )
    assert bits(run.x) == bits(swept.x[1])
    assert (run.nit, run.status) == (swept.iterations[1], swept.status[1])
    assert bits(np.float64(run.fun)) == bits(swept.loss[1])


# --- the same run as in a sweep -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", SAMPLED_DTYPES)
@pytest.mark.parametrize("backend", ["auto", "numba", "numpy"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_problems(name, backend, dtype):
    problem = PROBLEMS[name]
    more = (gd.Momentum(lr=3.0), gd.Adam(lr=0.05)) if name in {"line", "polynomial"} else ()
    for optimizer in (gd.SGD(lr=0.02), *more):
        options = {"x0": start(problem), "max_iter": 130, "tol": 1e-2, "dtype": dtype}
        run = gd.minimize(problem, optimizer=optimizer, backend=backend, **options)
        assert run.x.dtype == dtype
        ahead = name != "sequential"
        assert run.backend == (("cython" if ahead else "numba") if backend == "auto" else backend)
        assert_as_in_sweep(problem, optimizer, run, **options)


CLIPS = gd.NAG(clip_norm=1.0)  # by the norm: no kernel exists ahead of time
FIRST = {type(case.make()): case.id for case in reversed(CASES)}  # a case of every class


@pytest.mark.parametrize("case", SAMPLED_CASES, ids=lambda case: case.id)
def test_every_optimizer_around_a_python_function(case):
    """A Python function is stepped, a problem goes through the reference or the kernels: the same bits."""
    problem = gd.Quadratic([[2.0, 0.5], [0.5, 1.0]], [0.3, -1.0])

    def fun(x, grad):
        grad[:] = problem.gradient(x)
        return problem.loss(x)

    options = {"max_iter": 70, "tol": 1e-2, "record": 7}
    python = gd.minimize(fun, [0.7, 1.3], case.make(), **options)
    assert python.backend == "python" or isinstance(case.make(), gd.NAG)
    for backend in ["numpy"] + ["numba"] * (case.id in FIRST.values()):
        run = gd.minimize(problem, [0.7, 1.3], case.make(), backend=backend, **options)
        assert bits(run.x) == bits(python.x)
        assert (run.nit, run.status, run.njev) == (python.nit, python.status, python.njev)
        assert bits(run.history.x) == bits(python.history.x)


SPECIAL = [
    gd.SGD(lr=gd.schedules.exponential(0.3, 0.97)),
    gd.NAG(lr=gd.schedules.cosine(0.1, 60)),
    gd.Adam(lr=0.1, weight_decay=0.1, l1=0.01, clip_value=0.5),
    gd.SGD(lr=gd.schedules.exponential(0.3, 0.97), clip_norm=0.4, l2=0.1),
    gd.NAG(lr=0.1, weight_decay=0.1, clip_norm=0.5),
    gd.NAdam(lr=gd.schedules.exponential(0.3, 0.97)),
    gd.SGD(lr=0.1, maximize=True),
]


@pytest.mark.parametrize(
    ("optimizer", "dtype"),
    sampled(
        zip(SPECIAL, ["float32", "float64"] * len(SPECIAL), strict=False),
        lambda row: row[1] == "float64",
    ),
    ids=lambda o: repr(o)[:50],
)
def test_schedules_and_what_stands_before_the_rule(optimizer, dtype):
    problem = PROBLEMS["quadratic6"]
    options = {"x0": start(problem), "max_iter": 300, "tol": 1e-3, "dtype": dtype}
    runs = [
        gd.minimize(problem, optimizer=optimizer, backend=b, **options) for b in ("auto", "numpy")
    ]
    sliced = gd.minimize(problem, optimizer=optimizer, callback=lambda x: None, **options)
    python = gd.minimize(
        lambda x, g: g.__setitem__(slice(None), problem.gradient(x)) or problem.loss(x),
        optimizer=optimizer, **options,
    )  # fmt: skip
    for run in (*runs, sliced, python):
        assert bits(run.x) == bits(runs[0].x)
        assert (run.nit, run.status) == (runs[0].nit, runs[0].status)
    assert_as_in_sweep(problem, optimizer, runs[0], **options)


def test_a_million_updates_take_the_fast_kernel_with_the_same_bits():
    problem, options = PROBLEMS["line"], {"tol": 0, "max_iter": 2_000_001}
    fast = gd.minimize(problem, optimizer=gd.Momentum(lr=1e-6), **options)
    ahead = gd.minimize(problem, optimizer=gd.Momentum(lr=1e-6), backend="cython", **options)
    assert (fast.backend, ahead.backend) == ("numba", "cython")
    assert bits(fast.x) == bits(ahead.x)
    assert (fast.nit, fast.status, fast.njev) == (2_000_001, 1, 2_000_002)


# --- against loops and SciPy -----------------------------------------------------------------------------


def test_naive_loop():
    x, path = np.array([3.0, -2.0]), []
    for _ in range(50):
        path.append(x.copy())
        x = x - 0.1 * np.array([1.0, 4.0]) * (x - 1)
    run = gd.minimize(bowl, [3.0, -2.0], gd.SGD(lr=0.1), max_iter=50, tol=0, record=1)
    np.testing.assert_allclose(run.history.x, [*path, x], rtol=1e-14)
    np.testing.assert_allclose(run.history.loss[:2], [bowl(p, np.zeros(2)) for p in path[:2]])
    np.testing.assert_allclose(run.history.slope[0], 12.0)


@pytest.mark.parametrize("make", ["rosenbrock", "beale", "himmelblau", "saddle", "bumpy"])
def test_scipy_finds_the_same_minimum(make):
    problem = getattr(gd.functions, make)()
    x0 = np.full(problem.n_parameters, 0.4)
    theirs = scipy.optimize.minimize(
        problem.loss, x0, jac=problem.gradient, method="BFGS", tol=1e-9
    )
    ours = gd.minimize(problem, x0, gd.Adam(lr=0.01), tol=1e-7, max_iter=200_000)
    assert ours.success, ours.message
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-5)
    assert ours.fun == pytest.approx(theirs.fun, abs=1e-10)


def test_batches():
    problem = gd.LeastSquares(WIDE, TARGETS, statistics=False, batch_size=32)
    options = {"x0": start(problem), "rng": 4, "max_iter": 45}
    swept = gd.sweep(problem, gd.SGD(lr=0.05), {"lr": [0.01, 0.05]}, **options)
    for more in ({}, {"record": 10}, {"backend": "numpy"}):
        run = gd.minimize(problem, optimizer=gd.SGD(lr=0.05), **options, **more)
        assert bits(run.x) == bits(swept.x[1])
        assert (run.nit, run.status) == (45, 1)
    whole = gd.minimize(problem, optimizer=gd.SGD(lr=0.05), tol=0.01, max_iter=2000)
    assert (whole.status, whole.nit % problem.updates_per_epoch) == (0, 0)


# --- how a run ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fun", [PROBLEMS["quadratic6"], bowl], ids=["compiled", "python"])
def test_converged_at_the_start_and_no_updates(fun):
    x0 = np.ones(6) if fun is bowl else np.linalg.solve(fun.hessian, fun.linear)
    run = gd.minimize(fun, x0, max_iter=0, tol=1e-6, record=3)
    assert (run.nit, run.status, run.success, len(run.history)) == (0, 0, True, 1)
    run = gd.minimize(fun, x0 + 1, max_iter=0, tol=1e-6)
    assert (run.nit, run.status, run.success) == (0, 1, False)
    assert "max_iter=0" in run.message


@pytest.mark.parametrize("backend", ["cython", "numba", "numpy", "python"])
def test_diverged(backend):
    problem = gd.Quadratic([[2.0]])
    fun = bowl if backend == "python" else problem
    run = gd.minimize(fun, [3.0], gd.SGD(lr=10.0), backend=None if backend == "python" else backend)
    assert (run.status, run.success, run.backend) == (2, False, backend)
    assert not abs(run.x[0]) <= 1e100
    assert "Diverged" in run.message
    assert run.fun_best == min(run.fun_best, problem.loss([3.0]))
    assert np.isfinite(run.x_best).all()
    if backend != "python":
        assert_as_in_sweep(problem, gd.SGD(lr=10.0), run, x0=[3.0])


@pytest.mark.parametrize(
    "fun", [PROBLEMS["line"], gd.functions.beale(), bowl], ids=["line", "beale", "bowl"]
)
def test_step_tol(fun):
    kept = gd.minimize(fun, [1.5, 0.4], gd.SGD(lr=0.01), tol=0, record=1, max_iter=3000)
    moves = np.abs(np.diff(kept.history.x, axis=0)).max(axis=1)
    expected = int(np.flatnonzero(moves < 1e-5)[0]) + 1
    run = gd.minimize(fun, [1.5, 0.4], gd.SGD(lr=0.01), tol=0, step_tol=1e-5, max_iter=3000)
    assert (run.nit, run.status, run.success) == (expected, 0, True)
    assert "step_tol" in run.message
    assert bits(run.x) == bits(kept.history.x[expected])
    reference = gd.minimize(
        fun, [1.5, 0.4], gd.SGD(lr=0.01), tol=0, step_tol=1e-5, max_iter=3000, backend="numpy"
    )
    assert (reference.nit, reference.status) == (expected, 0)


@pytest.mark.parametrize("fun", [PROBLEMS["line"], bowl], ids=["compiled", "python"])
def test_max_seconds(fun):
    began = time.perf_counter()
    run = gd.minimize(fun, [3.0, 2.0], gd.SGD(lr=1e-9), tol=0, max_iter=10**12, max_seconds=0.2)
    assert 0.1 < time.perf_counter() - began < 1.5
    assert (run.status, run.success) == (3, False)
    assert 0 < run.nit < 10**12
    assert np.isfinite(run.fun)


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("fun", ["problem", "lambda x, g: g.fill(1.0) or 1.0"])
def test_ctrl_c(fun):
    program = f"""
        import fastgd as gd
        problem = gd.Quadratic([[2.0]])
        for most in (9, 10**7):  # everything imported and compiled
            gd.minimize({fun}, [1.0], tol=0, max_iter=most, max_seconds=0.1)
        print("ready", flush=True)
        run = gd.minimize({fun}, [1.0], gd.SGD(lr=1e-12), tol=0, max_iter=10**12, max_seconds=20)
        print(run.status, run.nit > 0, run.message)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert out == "4 True Stopped: interrupted.\n"


def test_in_another_thread():
    found = []
    thread = threading.Thread(
        target=lambda: found.append(gd.minimize(PROBLEMS["line"], optimizer=gd.SGD(lr=0.1)))
    )
    thread.start()
    thread.join()
    assert found[0].success


# --- what is recorded -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fun", [PROBLEMS["line"], gd.functions.beale(), bowl], ids=["line", "beale", "bowl"]
)
@pytest.mark.parametrize("backend", [None, "numpy"])
def test_history(fun, backend):
    options = {"optimizer": gd.Adam(lr=0.1), "tol": 0, "backend": backend}
    every = gd.minimize(fun, [1.5, 0.4], max_iter=205, record=1, **options)
    some = gd.minimize(fun, [1.5, 0.4], max_iter=205, record=20, **options)
    assert every.history.n.tolist() == list(range(206))
    assert some.history.n.tolist() == [*range(0, 201, 20), 205]
    for field in ("x", "loss", "slope"):
        assert bits(getattr(some.history, field)) == bits(
            getattr(every.history, field)[some.history.n]
        )
    for n in (1, 64, 65, 205):
        assert bits(gd.minimize(fun, [1.5, 0.4], max_iter=n, **options).x) == bits(
            every.history.x[n]
        )
    best = np.argmin(every.history.loss)
    assert every.fun_best == every.history.loss[best]
    assert bits(every.x_best) == bits(every.history.x[best])
    assert bits(np.float64(every.fun)) == bits(every.history.loss[-1])
    assert repr(some.history) == "History(12 iterates, n = 0 ... 205)"
    assert some.history.to_pandas()["n"].tolist() == some.history.n.tolist()
    assert every.x.flags.owndata or every.x.base is None


def test_record_of_long_runs_comes_in_pieces():
    run = gd.minimize(
        PROBLEMS["quadratic1"], [1.0], gd.SGD(lr=1e-9), tol=0, max_iter=1_500_000, record=1
    )
    assert len(run.history) == 1_500_001
    assert (np.diff(run.history.x[:, 0]) < 0).all()
    assert run.history.n[-1] == 1_500_000


# --- callbacks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fun", [PROBLEMS["line"], bowl], ids=["compiled", "python"])
def test_callback(fun):
    seen = []

    def keep(intermediate_result):
        seen.append(intermediate_result)

    run = gd.minimize(fun, [3.0, 2.0], gd.SGD(lr=0.01), max_iter=20, callback=keep)
    assert [r.nit for r in seen] == list(range(1, 21))
    assert all(isinstance(r, OptimizeResult) for r in seen)
    assert bits(seen[-1].x) == bits(run.x)
    assert seen[-1].fun == run.fun
    assert bits(seen[-1].jac) == bits(run.jac)
    points = []
    gd.minimize(fun, [3.0, 2.0], gd.SGD(lr=0.01), max_iter=20, callback=points.append, record=6)
    assert [bits(p) for p in points] == [bits(seen[k].x) for k in (5, 11, 17)]


@pytest.mark.parametrize("fun", [PROBLEMS["line"], bowl], ids=["compiled", "python"])
def test_callback_that_stops(fun):
    def stop(intermediate_result):
        if intermediate_result.nit == 7:
            raise StopIteration

    run = gd.minimize(fun, [3.0, 2.0], gd.SGD(lr=0.01), callback=stop)
    assert (run.nit, run.status, run.success) == (7, 4, False)
    assert run.message == "Stopped: the callback raised StopIteration."

    def fail(x):
        raise RuntimeError("own")

    with pytest.raises(RuntimeError, match="own"):
        gd.minimize(fun, [3.0, 2.0], gd.SGD(lr=0.01), callback=fail)


# --- SciPy -------------------------------------------------------------------------------------------------


def test_not_compiled_coefficients_run_on_numpy():
    known = {1: 0.1}
    own = gd.Optimizer.from_rule(
        lambda p, g, rate: (p - rate * g,),
        coefficients=lambda t, lr: (known.get(1) * lr,),
        defaults={"lr": 1.0},
    )
    run = gd.minimize(PROBLEMS["line"], optimizer=own(), max_iter=20)
    assert run.backend == "numpy"
    with pytest.raises(ValueError, match="cannot compile"):
        gd.minimize(PROBLEMS["line"], optimizer=own(), max_iter=20, backend="numba")


def test_as_scipys_method():
    optimizer = gd.Adam(lr=0.02)
    seen = []
    theirs = scipy.optimize.minimize(
        rosen, [-1.2, 1.0], jac=rosen_der, method=optimizer, tol=1e-6, options={"maxiter": 20_000},
        callback=lambda intermediate_result: seen.append(intermediate_result.nit),
    )  # fmt: skip
    ours = gd.minimize(rosen, [-1.2, 1.0], optimizer, jac=rosen_der, tol=1e-6, max_iter=20_000)
    assert theirs.success
    assert bits(theirs.x) == bits(ours.x)
    assert seen == list(range(1, theirs.nit + 1))
    assert optimizer.t == 0


def test_scipys_ways_to_say_the_gradient():
    def scaled(x, a, b):
        return a * (x[0] - 1) ** 2 + b * x[1] ** 2

    def slope(x, a, b):
        return np.array([2 * a * (x[0] - 1), 2 * b * x[1]])

    def both(x, a, b):
        return scaled(x, a, b), slope(x, a, b)

    def solve(fun, jac, tol):
        return scipy.optimize.minimize(
            fun, [3.0, 2.0], args=(1.0, 2.0), jac=jac, method=gd.SGD(lr=0.1), tol=tol
        )

    given, paired = solve(scaled, slope, 1e-8), solve(both, True, 1e-8)
    assert given.success
    assert bits(given.x) == bits(paired.x)
    for jac in (None, "2-point"):
        differences = solve(scaled, jac, 1e-5)
        assert differences.success
        np.testing.assert_allclose(differences.x, [1.0, 0.0], atol=1e-5)
    assert differences.nfev >= 3 * differences.njev


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("constraints", {"type": "eq", "fun": lambda x: x[0]}),
        ("hess", lambda x: np.eye(2)),
        ("hessp", lambda x, p: p),
    ],
)
def test_scipy_methods_refuse_by_name(what, value):
    with pytest.raises(ValueError, match=f"Adam takes no {what}"):
        scipy.optimize.minimize(rosen, [0, 0], jac=rosen_der, method=gd.Adam(), **{what: value})


def test_scipy_options(capsys):
    with pytest.raises(TypeError, match="Adam has no option 'maxfun'"):
        scipy.optimize.minimize(
            rosen, [0, 0], jac=rosen_der, method=gd.Adam(), options={"maxfun": 3}
        )
    for option, says in [
        ("learning_rate", "the optimizer's own, as in method=gd.Adam"),
        ("betas", "the optimizer's own"),
        ("max_iters", "did you mean 'max_iter'"),
        ("nonsense", "it has max_iter, tol"),
    ]:
        with pytest.raises(TypeError, match=f"Adam has no option '{option}'; .*{says}"):
            gd.Adam()(rosen, [0, 0], jac=rosen_der, **{option: 3})
    with pytest.raises(TypeError, match="'tol' twice"):
        scipy.optimize.minimize(
            rosen, [0, 0], jac=rosen_der, method=gd.Adam(), tol=1.0, options={"gtol": 3}
        )
    run = scipy.optimize.minimize(
        rosen, [0.5, 0], jac=rosen_der, method=gd.Adam(), options={"record": 2, "maxiter": 5, "disp": True},
    )  # fmt: skip
    assert run.history.n.tolist() == [0, 2, 4, 5]
    assert "Not converged after max_iter=5" in capsys.readouterr().out


# --- a user's Python function -----------------------------------------------------------------------------


def test_exceptions_pass_unchanged():
    calls = []

    def fragile(x, grad):
        calls.append(x)
        if len(calls) == 5:
            raise ZeroDivisionError("own")
        return bowl(x, grad)

    with pytest.raises(ZeroDivisionError, match="own"):
        gd.minimize(fragile, [3.0, 2.0], gd.SGD(lr=0.01))

    def stops(x, grad):
        raise StopIteration("own")

    with pytest.raises(StopIteration, match="own"):
        gd.minimize(stops, [3.0, 2.0], gd.SGD(lr=0.01))


def test_a_function_may_keep_and_change_its_arguments():
    kept = []

    def greedy(x, grad):
        value = bowl(x, grad)
        kept.append(x)
        x += 100.0
        return value

    run = gd.minimize(greedy, [3.0, 2.0], gd.SGD(lr=0.1), max_iter=9)
    assert bits(run.x) == bits(gd.minimize(bowl, [3.0, 2.0], gd.SGD(lr=0.1), max_iter=9).x)
    assert len({id(x) for x in kept}) == 10 == run.nfev


def test_the_optimizer_and_the_start_are_left_alone():
    optimizer, x0 = gd.Adam(lr=0.1), np.array([3.0, 2.0])
    for fun in (bowl, PROBLEMS["line"]):
        gd.minimize(fun, x0, optimizer, max_iter=9)
    assert optimizer.t == 0
    assert x0.tolist() == [3.0, 2.0]
    stepped = optimizer
    stepped.step(np.ones(2), np.ones(2))
    again = gd.minimize(bowl, x0, stepped, max_iter=9)
    assert bits(again.x) == bits(gd.minimize(bowl, x0, gd.Adam(lr=0.1), max_iter=9).x)


# --- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"fun": 3}, TypeError, "fun must be a fastgd.Problem or callable, got int"),
        ({"fun": bowl, "x0": None}, TypeError, "x0 is missing"),
        ({"fun": bowl, "x0": []}, ValueError, "x0 must have shape"),
        ({"fun": bowl, "x0": [[1.0], [2.0]]}, ValueError, "x0 must have shape"),
        ({"fun": bowl, "x0": [np.nan, 1.0]}, ValueError, "x0 must be finite"),
        ({"fun": bowl, "x0": ["a"]}, TypeError, "x0 must be an array of real numbers"),
        ({"x0": [1.0]}, ValueError, r"x0 has shape \(1,\), wanted \(2,\)"),
        ({"jac": bowl}, TypeError, "jac belongs to a function"),
        ({"optimizer": "adam"}, TypeError, "optimizer must be a fastgd optimizer"),
        ({"optimizer": gd.SGD(groups={"w": {"lr": 1.0}})}, ValueError, "optimizer has groups"),
        ({"max_iter": -1}, ValueError, "max_iter must be"),
        ({"max_iter": 1.5}, TypeError, "max_iter must be"),
        ({"tol": np.nan}, ValueError, "tol must be"),
        ({"step_tol": 0}, ValueError, "step_tol must be"),
        ({"max_seconds": 0}, ValueError, "max_seconds must be"),
        ({"record": 0}, ValueError, "record must be an integer >= 1"),
        ({"record": True}, TypeError, "record must be"),
        ({"callback": 3}, TypeError, "callback must be callable"),
        ({"dtype": "int32"}, ValueError, "dtype must be"),
        ({"backend": "fortran"}, ValueError, "backend must be"),
        ({"n_threads": 0}, ValueError, "n_threads must be"),
        ({"flush_subnormals": 1}, TypeError, "flush_subnormals must be"),
        ({"fun": bowl, "x0": [1.0, 2.0], "backend": "cython"}, ValueError, "Python function"),
        ({"fun": bowl, "x0": [1.0, 2.0], "backend": "numba"}, ValueError, "Python function"),
        ({"optimizer": CLIPS, "step_tol": 1e-3, "backend": "cython"}, ValueError, "with step_tol"),
        ({"optimizer": CLIPS, "backend": "cython"}, ValueError, "backend='cython' has no descent"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, error, message):
    arguments = {"fun": PROBLEMS["line"], "x0": [0.0, 0.0]} | arguments
    with pytest.raises(error, match=message):
        gd.minimize(**arguments)
