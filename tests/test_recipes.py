"""The recipes: each page runs against its library, and its rules take the steps that the library's own take.

A page whose libraries are not installed is skipped; with FASTGD_EVERY_RECIPE=1, as in CI, it fails.
"""

import os
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pages import PAGES, RECIPES, adapter, imported, run
from scipy.optimize import rosen, rosen_der

import fastgd as gd

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own, of one another
EVERY = os.environ.get("FASTGD_EVERY_RECIPE", "") not in ("", "0")
PLACES = [p for p in PAGES if p.startswith(RECIPES)]
KERAS = {"betas": (0.9, 0.99), "convention": "keras"}  # PennyLane's and Qiskit's defaults
STEPS = 100


@pytest.fixture(autouse=True)
def libraries_as_they_were():
    """Pages set the precision of JAX and the threads of PyTorch; Dask's clusters set variables like OMP_NUM_THREADS."""
    jax, torch = (import_module(name) if find_spec(name) else None for name in ("jax", "torch"))
    precision, threads = jax and jax.config.jax_enable_x64, torch and torch.get_num_threads()
    surroundings = dict(os.environ)
    yield
    for name in os.environ.keys() - surroundings.keys():
        del os.environ[name]
    os.environ.update(surroundings)
    if jax:
        jax.config.update("jax_enable_x64", precision)
    if torch:
        torch.set_num_threads(threads)


def need(*modules):
    """The last of these modules; where the package of one is missing, the test is skipped."""
    missing = [name for name in modules if find_spec(name.partition(".")[0]) is None]
    if missing and not EVERY:
        pytest.skip(f"not installed: {', '.join(missing)}")
    return [import_module(name) for name in modules][-1]


@pytest.mark.parametrize("page", PLACES)
def test_page_runs_and_prints_what_is_shown(page, tmp_path, monkeypatch):
    need(*sorted(imported(page)))
    monkeypatch.chdir(tmp_path)
    run(page, tmp_path)


def slopes(shape, dtype=np.float64):
    rng = np.random.default_rng(7)
    return rng.normal(size=shape).astype(dtype), rng.normal(size=(STEPS, *shape)).astype(dtype)


# --- steps: the same numbers go to both -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("theirs", "kwargs", "ours"),
    [
        ("AdamOpt", {}, gd.Adam(convention="keras")),
        ("AdamOpt", {"l2_coeff": 0.1}, gd.Adam(l2=0.1, convention="keras")),
        ("GradientAscentOpt", {}, gd.SGD()),
    ],
)
def test_pyribs(theirs, kwargs, ours, dtype):
    opt = need("ribs.emitters.opt")
    start, all_slopes = slopes((9,), dtype)
    other = getattr(opt, theirs)(start, lr=0.05, **kwargs)
    own = adapter("docs/recipes/pyribs.md")["Ascent"](start, 0.05, optimizer=ours)
    for half in all_slopes[: STEPS // 2], all_slopes[STEPS // 2 :]:
        for slope in half:
            # As the emitter gives them, in double whatever the solutions are.
            other.step(slope.astype(np.float64))
            own.step(slope.astype(np.float64))
        assert own.theta.dtype == dtype
        rounding = {"rtol": 1e-12} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-6}
        assert_allclose(own.theta, other.theta, **rounding)
        other.reset(start)
        own.reset(start)
        assert_array_equal(own.theta, start)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("GradientDescentOptimizer", gd.SGD(lr=0.1)),
        ("MomentumOptimizer", gd.Momentum(lr=0.1, momentum=0.9)),
        ("AdagradOptimizer", gd.Adagrad(lr=0.1, eps=1e-8, initial_accumulator_value=0, convention="keras")),
        ("RMSPropOptimizer", gd.RMSprop(lr=0.1, alpha=0.9, eps=1e-8, convention="keras")),
        ("AdamOptimizer", gd.Adam(lr=0.1, **KERAS)),
    ],
)  # fmt: skip
def test_pennylane(theirs, ours):
    pnp, qml = need("pennylane.numpy"), need("pennylane")
    start, all_slopes = slopes((3, 2))
    other, own = getattr(qml, theirs)(0.1), adapter("docs/recipes/pennylane.md")["Descent"](ours)
    fixed = pnp.array([1.0], requires_grad=False)
    one = another = [fixed, pnp.array(start, requires_grad=True)]
    for slope in all_slopes:
        one, another = other.apply_grad((slope,), one), own.apply_grad((slope,), another)
    assert_allclose(another[1], one[1], rtol=1e-12)
    assert another[0] is fixed
    assert another[1].requires_grad


# --- whole descents: of the same function -----------------------------------------------------------------

START = np.array([-1.2, 1.0, 0.5])


def descended(optimizer):
    return gd.minimize(rosen, START, optimizer, jac=rosen_der, max_iter=STEPS, tol=0).x


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ADAM", gd.Adam(lr=1e-3)),
        ("NADAM", gd.NAdam(lr=1e-3)),
        ("SGD", gd.Momentum(lr=1e-4, momentum=0.9)),  # whose velocity is a mean of gradients
    ],
)
def test_quimb(theirs, ours):
    method = getattr(need("quimb.tensor.optimize"), theirs)()
    run = method(rosen, START, rosen_der, learning_rate=1e-3, maxiter=STEPS)
    assert_allclose(descended(ours), run.x, rtol=1e-12)


def test_quimb_stops_at_a_target():
    need("quimb", "jax")
    scope = adapter("docs/recipes/quimb.md")
    tree = scope["network"](gd.Adam(lr=0.01), loss_target=-4.0)
    tree.optimize(300)
    assert tree.losses[-1] < -4.0 <= min(tree.losses[:-1])
    assert tree.res.status == gd.Status.INTERRUPTED


@pytest.mark.parametrize(
    ("theirs", "kwargs", "ours"),
    [
        ("ADAM", {"lr": 1e-3}, gd.Adam(lr=1e-3, **KERAS)),
        ("ADAM", {"lr": 1e-3, "amsgrad": True}, gd.Adam(lr=1e-3, amsgrad=True, **KERAS)),
        ("GradientDescent", {"learning_rate": 1e-4}, gd.SGD(lr=1e-4)),
    ],
)
def test_qiskit(theirs, kwargs, ours):
    method = getattr(need("qiskit_algorithms.optimizers"), theirs)(maxiter=STEPS, tol=0, **kwargs)
    assert_allclose(descended(ours), method.minimize(rosen, START, rosen_der).x, rtol=1e-12)


@pytest.mark.parametrize(
    ("theirs", "kwargs", "ours"),
    [
        ("adam", {"step_size": 1e-3}, gd.Adam(lr=1e-3)),
        ("sgd", {"step_size": 1e-3, "mass": 0.9}, gd.Momentum(lr=1e-4, momentum=0.9)),
    ],
)
def test_autograd(theirs, kwargs, ours):
    method = getattr(need("autograd.misc.optimizers"), theirs)
    other = method(lambda x, step: rosen_der(x), START, num_iters=STEPS, **kwargs)
    assert_allclose(descended(ours), other, rtol=1e-12)
