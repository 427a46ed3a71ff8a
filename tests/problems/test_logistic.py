"""Logistic regression against scikit-learn, SciPy, PyTorch and itself on other backends."""

import numpy as np
import pytest
from grids import SAMPLED_DTYPES

import fastgd as gd
from fastgd.engines import sweeps
from fastgd.engines.native import kernels

COMPILED = pytest.mark.skipif(not kernels.available(), reason="nothing is compiled")
RNG = np.random.default_rng(3)
X = RNG.normal(size=(300, 3))  # more rows than are summed at once
NOISE = RNG.gumbel(size=(300, 4))
LABELS = {
    "binary": np.where(X[:, 0] - 0.5 * X[:, 1] + RNG.logistic(size=300) > 0, "yes", "no"),
    "softmax": (X @ RNG.normal(size=(3, 4)) + NOISE).argmax(axis=1),
}
KINDS = tuple(LABELS)


def problem(kind, **options):
    return gd.Logistic(X, LABELS[kind], **options)


def point(p, seed=0):
    return np.random.default_rng(seed).normal(size=p.n_parameters)


@pytest.mark.parametrize("cost", ["1/m", "sum"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_by_differences(kind, intercept, cost):
    approx_fprime = pytest.importorskip("scipy.optimize").approx_fprime

    p = problem(kind, intercept=intercept, cost=cost)
    x = point(p)
    wanted = approx_fprime(x, p.loss)
    np.testing.assert_allclose(p.gradient(x), wanted, atol=1e-4 if cost == "sum" else 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradient_in_torch(kind):
    torch = pytest.importorskip("torch")
    p = problem(kind)
    x = torch.tensor(point(p), requires_grad=True)
    inputs = torch.tensor(np.column_stack([X, np.ones(len(X))]))
    codes = torch.tensor(np.unique(LABELS[kind], return_inverse=True)[1])
    if kind == "binary":
        loss = torch.nn.functional.binary_cross_entropy_with_logits(inputs @ x, codes.double())
    else:
        loss = torch.nn.functional.cross_entropy(inputs @ x.reshape(4, 4), codes)
    loss.backward()
    assert p.loss(x.detach().numpy()) == pytest.approx(loss.item(), rel=1e-13)
    np.testing.assert_allclose(p.gradient(x.detach().numpy()), x.grad.numpy(), atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_optimum_of_scikit_learn(kind):
    linear_model = pytest.importorskip("sklearn.linear_model")
    p = problem(kind)
    model = linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
    model.fit(X, LABELS[kind])
    out = gd.sweep(p, gd.Momentum(), {"lr": [1.0]}, max_iter=20_000, tol=1e-9)
    assert out.status[0] == 0
    np.testing.assert_allclose(p.predict_proba(out.x[0]), model.predict_proba(X), atol=1e-5)
    assert p.predict(out.x[0]).tolist() == model.predict(X).tolist()
    assert p.accuracy(out.x[0]) == model.score(X, LABELS[kind])
    if kind == "binary":
        np.testing.assert_allclose(out.x[0, :3], model.coef_[0], atol=1e-5)
        np.testing.assert_allclose(out.x[0, 3], model.intercept_[0], atol=1e-5)


def test_penalties_are_the_optimizers():
    linear_model = pytest.importorskip("sklearn.linear_model")
    p = problem("binary", intercept=False)
    model = linear_model.LogisticRegression(C=1 / (0.1 * len(X)), fit_intercept=False, tol=1e-12)
    model.fit(X, LABELS["binary"])
    out = gd.sweep(p, gd.SGD(l2=0.1), {"lr": [1.0]}, max_iter=2000, tol=0)
    np.testing.assert_allclose(out.x[0], model.coef_[0], atol=1e-6)
    sparse = gd.sweep(p, gd.SGD(l1=10.0), {"lr": [1e-3]}, max_iter=2000)
    assert np.abs(sparse.x).max() < 0.02


@COMPILED
@pytest.mark.parametrize("dtype", SAMPLED_DTYPES)
@pytest.mark.parametrize(
    "optimizer",
    [gd.SGD(), gd.Adam(), gd.NAG(), gd.SGD(l1=0.01, l2=0.1, clip_norm=0.5)],
    ids=["SGD", "Adam", "NAG", "penalties"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_same_bits(kind, optimizer, dtype):
    p, axes = problem(kind), {"lr": np.geomspace(1e-2, 1e3, 19)}
    found = [
        gd.sweep(p, optimizer, axes, max_iter=80, tol=1e-2, dtype=dtype, backend=b, n_threads=n)
        for b, n in (("numpy", 1), ("numba", 1), ("numba", 2))
    ]
    alone = gd.sweep(p, optimizer, {"lr": [axes["lr"][7]]}, max_iter=80, tol=1e-2, dtype=dtype)
    for field in ("iterations", "status", "regime", "x", "loss", "slope"):
        for other in found[1:]:
            np.testing.assert_array_equal(getattr(found[0], field), getattr(other, field))
        assert getattr(alone, field)[0].tolist() == getattr(found[0], field)[7].tolist()


@COMPILED
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 3, 64, 65, 256, 300])
def test_compiled_slopes_are_the_reference(rows, dtype):
    x = np.random.default_rng(rows)
    inputs = x.normal(size=(rows + 4, 5))
    problems = [
        gd.LeastSquares(inputs, inputs[:, 0] ** 2, statistics=False),
        gd.Logistic(inputs, np.arange(rows + 4) % 2),
        gd.Logistic(inputs, np.arange(rows + 4) % 3),
    ]
    for p in problems:
        for runs in (1, 15, 16, 17, 33, 100):
            points = x.normal(scale=3, size=(p.n_parameters, runs)).astype(dtype)
            points.flat[:: 3 * runs + 1] = [np.inf, -0.0, 1e30][runs % 3]
            np.testing.assert_array_equal(sweeps.slopes(p, points), p.slopes(points))


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_odds(kind):
    p = problem(kind)
    for scale in (1e3, 1e150):
        assert np.isfinite(p.loss(scale * point(p)))
        assert np.isfinite(p.gradient(scale * point(p))).all()
    far = p.loss(1e3 * point(p))
    assert far == pytest.approx(p.loss(1e6 * point(p)) / 1e3, rel=1e-2)
    assert p.predict_proba(1e3 * point(p)).sum(axis=1) == pytest.approx(1.0)


def test_names_and_labels():
    binary = gd.Logistic(X, LABELS["binary"], names=["a", "b", "c"])
    assert binary.parameter_names == ("a", "b", "c", "b")
    assert binary.classes.tolist() == ["no", "yes"]
    soft = gd.Logistic(X[:6, :1], ["u", "v", "w"] * 2)
    assert soft.parameter_names == ("w:u", "w:v", "w:w", "b:u", "b:v", "b:w")
    weights = [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]
    assert set(soft.predict(weights)) == {"w"}
    assert gd.Logistic(X[:, 0], X[:, 0] > 0).classes.tolist() == [False, True]
    assert gd.Logistic(X[:2], np.array([7, 5])).classes.tolist() == [5, 7]


def test_predict_on_new_rows():
    p = problem("softmax")
    x = point(p)
    np.testing.assert_array_equal(p.predict_proba(x, X[:5]), p.predict_proba(x)[:5])
    assert p.accuracy(x, X[:50], LABELS["softmax"][:50]) == pytest.approx(
        np.mean(p.predict(x)[:50] == LABELS["softmax"][:50])
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(300)}, "y holds one label only"),
        ({"y": np.arange(299)}, "y has shape"),
        ({"y": np.zeros((300, 1), int)}, "y has shape"),
        ({"y": np.linspace(0, 1, 300)}, "y holds 0.003"),
        ({"y": np.full(300, np.nan)}, "y holds nan"),
        ({"y": [None] * 300}, "y must be an array of labels"),
        ({"y": 1j * np.arange(300)}, "y must be an array of labels"),
        ({"X": np.full((300, 2), np.inf)}, "X holds inf"),
        ({"X": np.zeros((300, 0))}, "X has shape"),
        ({"X": "a"}, "X must be an array"),
        ({"cost": "1/2m"}, "cost is '1/2m', wanted one of '1/m', 'sum'"),
        ({"intercept": 1}, "intercept must be True or False"),
        ({"names": ["a"]}, "names is"),
        ({"batch_size": 301}, "batch_size must be an integer from 1 to 300"),
    ],
)
def test_bad_input(change, message):
    arguments = {"X": X, "y": LABELS["softmax"]} | change
    with pytest.raises((TypeError, ValueError), match=message):
        gd.Logistic(**arguments)


def test_bad_predictions():
    p = problem("binary")
    with pytest.raises(ValueError, match="x has shape"):
        p.predict([1.0])
    with pytest.raises(ValueError, match=r"X has shape \(300, 2\), wanted \(rows, 3\)"):
        p.predict(point(p), X[:, :2])
    with pytest.raises(ValueError, match="belong together"):
        p.accuracy(point(p), X)
