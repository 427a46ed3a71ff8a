"""`gd.find_lr`: its runs are those of `fit`, nothing of the model changes, and rates that rules suggest train well."""

import copy
import math

import numpy as np
import pytest

import fastgd as gd
from fastgd.finder import find_lr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(203, 4)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
T = np.sin(X[:, 0]) + 0.5 * X[:, 1]
RATES = [0.003, 0.03, 0.3]


def network(**options):
    return gd.MLP([4, 12, 2], rng=3, **options)


def state_of(net):
    """All that a fit changes, as values."""
    optimizer = None if net.optimizer_ is None else net.optimizer_.state_dict()
    counts = (net.steps_, net.epochs_, net.steps_in_epoch_, net.seed)
    return [p.copy() for p in net.params], optimizer, counts, net.__dict__.get("history_")


def assert_untouched(net, before):
    after = state_of(net)
    for p, old in zip(after[0], before[0], strict=True):
        np.testing.assert_array_equal(p, old)
    if before[1] is None:
        assert after[1] is None
    else:
        assert all(np.array_equal(after[1][name], value) for name, value in before[1].items())
    assert after[2:] == before[2:]


# --- the runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [gd.SGD(), gd.Adam(), gd.Momentum(momentum=0.8, l2=0.01)])
@pytest.mark.parametrize("options", [{}, {"dropout": 0.25}, {"l2": 0.1, "dtype": "float64"}])
def test_a_loss_is_that_of_fit_with_this_rate(optimizer, options):
    net = network(**options)
    net.fit(X, Y, optimizer=gd.Adam(lr=0.01), epochs=1, batch_size=20)
    found = find_lr(
        net, X, Y, optimizer=optimizer, rates=RATES, seeds=[0, 7], steps=37, batch_size=20
    )
    for k, rate in enumerate(RATES):
        for j, seed in enumerate([0, 7]):
            alone = network(**options, **{"backend": None}).fresh(seed)
            for p, start in zip(alone.params, net.params, strict=True):
                p[...] = start
            alone.fit(X, Y, optimizer=optimizer.with_options(lr=rate), steps=37, batch_size=20)
            assert alone.loss(X, Y) == found.losses[k, j]
    assert found.start_loss == net.loss(X, Y)


def test_the_network_is_not_touched():
    net = network()
    before = state_of(net)
    find_lr(net, X, Y, steps=5)
    assert_untouched(net, before)
    assert net.optimizer_ is None
    optimizer = gd.Momentum(lr=0.05)
    net.fit(X, Y, optimizer=optimizer, epochs=2)
    before, history = state_of(net), net.history_
    found = find_lr(net, X, Y, steps=5)
    assert_untouched(net, before)
    assert net.optimizer_ is optimizer
    assert net.history_ is history
    assert optimizer.lr == 0.05
    assert isinstance(found.base, gd.Momentum)  # that of the last fit
    assert found.base.t == 0
    twin = copy.deepcopy(net)
    for one in (net, twin):
        one.fit(X, Y, epochs=1)
    np.testing.assert_array_equal(net.params[0], twin.params[0])


def test_losses_are_those_of_validation_rows():
    net = network()
    held = (X[150:], Y[150:])
    found = find_lr(net, X[:150], Y[:150], validation=held, rates=RATES, seeds=[5], steps=20)
    alone = net.fresh(5)
    for p, start in zip(alone.params, net.params, strict=True):
        p[...] = start
    alone.fit(X[:150], Y[:150], optimizer=gd.Adam(lr=0.03), steps=20)
    assert found.losses[1, 0] == alone.loss(*held)
    assert found.start_loss == net.loss(*held)
    assert found.validated


def test_a_share_of_the_rows_validates():
    net = network()
    found = find_lr(net, X, Y, validation=0.25, rates=RATES, steps=20, sample_weight=np.ones(203))
    again = find_lr(net, X, Y, validation=0.25, rates=RATES, steps=20)
    np.testing.assert_array_equal(found.losses, again.losses)
    assert found.start_loss != net.loss(X, Y)
    assert "validation loss" in repr(found)


def test_a_network_problem_has_its_data():
    net = network()
    problem = net.problem(X, Y, batch_size=20)
    found = find_lr(problem, rates=RATES, steps=15)
    same = find_lr(net, X, Y, rates=RATES, steps=15, batch_size=20)
    np.testing.assert_array_equal(found.losses, same.losses)


def test_losses_of_many_rows_are_of_some_of_them():
    x = RNG.normal(size=(11_000, 2)).astype(np.float32)
    problem = gd.MLP([2, 2]).problem(x, x[:, 0] > 0)
    judged = problem.judged
    found = find_lr(problem, rates=[0.1], steps=2, optimizer=gd.SGD())
    assert problem.judged is judged
    assert abs(found.start_loss - problem.network.loss(x, x[:, 0] > 0)) < 0.02


def test_epochs_are_passes_over_the_rows():
    assert find_lr(network(), X, Y, epochs=2, rates=RATES).steps == 2 * 7
    assert find_lr(network(), X, Y, rates=RATES).steps == 200


def test_one_seed_where_nothing_is_drawn():
    whole = find_lr(network(), X, Y, rates=RATES, steps=5, batch_size=500)
    assert whole.losses.shape == (3, 1)
    assert find_lr(network(dropout=0.5), X, Y, rates=RATES, steps=5, batch_size=500).seeds == (
        0,
        1,
        2,
    )


def test_averages_over_seeds():
    found = find_lr(network(), X, Y, rates=[*RATES, 1e38], seeds=4, steps=20, optimizer=gd.SGD())
    assert found.seeds == (0, 1, 2, 3)
    np.testing.assert_allclose(found.loss[:3], found.losses[:3].mean(axis=1))
    np.testing.assert_allclose(found.standard_error[:3], found.losses[:3].std(axis=1, ddof=1) / 2.0)
    assert found.diverged.tolist() == [0, 0, 0, 1]
    assert math.isnan(found.loss[3])


# --- estimators ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        gd.GDRegressor(standardize=False, l2=0.05),
        gd.GDRegressor(standardize=False, optimizer="momentum"),
        gd.GDRegressor(standardize=False, optimizer=gd.Adam(), fit_intercept=False),
    ],
)
def test_a_linear_model_descends_as_its_fit_does(estimator):
    x = X.astype(np.float64) * [1, 2, 3, 4]
    found = find_lr(estimator, x, T, rates=[0.001, 0.01], steps=25)
    for rate, loss in zip(found.rates, found.loss, strict=True):
        own = gd.GDRegressor(**{**estimator.get_params(), "learning_rate": rate, "max_iter": 25})
        with pytest.warns(match="converge"):
            own.fit(x, T)
        assert loss == pytest.approx(0.5 * np.mean((own.predict(x) - T) ** 2), rel=1e-9)
    assert found.parameter == "learning_rate"


def test_penalties_that_differ_by_column():
    """Scaling makes one penalty several, which no sweep knows."""
    x = X.astype(np.float64) * [1, 10, 100, 1000]
    found = find_lr(gd.GDRegressor(l2=1.0), x, T, rates=[0.1, 0.3], steps=30)
    assert found.engine == "one by one"
    own = gd.GDRegressor(l2=1.0, learning_rate=0.3, max_iter=30).fit(x, T)
    spread = T.std()
    assert found.loss[1] == pytest.approx(
        0.5 * np.mean((own.predict(x) - T) ** 2) / spread**2, rel=1e-2
    )
    batches = find_lr(gd.GDClassifier(l2=1.0, batch_size=20), x, Y, rates=[0.1, 0.3], steps=30)
    assert batches.losses.shape == (2, 3)


@pytest.mark.parametrize(
    ("estimator", "y", "parameter"),
    [
        (gd.MLPClassifier((8,), random_state=0), Y, "learning_rate_init"),
        (
            gd.MLPRegressor(hidden_layer_sizes=8, random_state=0, solver="sgd"),
            T,
            "learning_rate_init",
        ),
        (gd.MLPClassifier((8,), solver=gd.Lion(), random_state=0), Y, ""),
        (gd.GDClassifier(class_weight="balanced"), Y, "learning_rate"),
        (gd.GDClassifier(), (3 * T).astype(int), "learning_rate"),
        (gd.GDRegressor(loss="quantile", optimizer="adam"), T, "learning_rate"),
    ],
)
def test_estimators(estimator, y, parameter):
    before = estimator.get_params()
    found = find_lr(estimator, X, y, steps=40)
    assert estimator.get_params() == before
    assert set(vars(estimator)) == set(before)
    assert found.parameter == parameter
    assert found.lr is not None
    assert np.nanmin(found.loss) < found.start_loss
    held = find_lr(estimator, X, y, steps=40, validation=0.3, rates=RATES)
    assert held.validated
    pair = find_lr(
        estimator, X, y, steps=40, validation=(X, y), rates=RATES, sample_weight=X[:, 0] ** 2
    )
    assert np.isfinite(pair.losses).any()


def test_a_fitted_estimator_begins_anew_unless_it_starts_warm():
    estimator = gd.MLPClassifier((8,), random_state=0, max_iter=300, learning_rate_init=0.02)
    fresh = find_lr(estimator, X, Y, rates=RATES, steps=5).start_loss
    estimator.fit(X, Y)
    weights = [w.copy() for w in estimator.coefs_]
    assert find_lr(estimator, X, Y, rates=RATES, steps=5).start_loss == fresh
    estimator.warm_start = True
    assert find_lr(estimator, X, Y, rates=RATES, steps=5).start_loss < 0.8 * fresh
    for w, old in zip(estimator.coefs_, weights, strict=True):
        np.testing.assert_array_equal(w, old)


def test_an_optimizer_with_the_rate_trains():
    net = network()
    found = find_lr(net, X, Y, optimizer=gd.SGD())
    assert found.optimizer.lr == found.lr
    net.fit(X, Y, optimizer=found.optimizer, epochs=60)
    assert net.score(X, Y) > 0.85
    linear = gd.GDRegressor()
    linear.set_params(learning_rate=find_lr(linear, X, T).lr).fit(X, T)
    assert linear.score(X, T) > 0.8


# --- descents -----------------------------------------------------------------------------------------


def test_runs_of_a_problem_are_those_of_minimize():
    rosenbrock = gd.functions.rosenbrock()
    found = find_lr(rosenbrock, x0=[-1.0, 1.5], rates=[1e-4, 1e-3], steps=50)
    for rate, loss in zip(found.rates, found.loss, strict=True):
        one = gd.minimize(rosenbrock, [-1.0, 1.5], gd.SGD(lr=rate), max_iter=50, tol=0)
        assert loss == one.fun


def test_the_stable_rate_of_a_quadratic_is_where_its_runs_diverge():
    bowl = gd.Quadratic(np.diag([1.0, 8.0]), [1.0, 1.0])
    for optimizer, limit in ((gd.SGD(), 0.25), (gd.Momentum(momentum=0.5), 0.375)):
        found = find_lr(bowl, optimizer=optimizer, steps=5000)
        assert found.suggestions["stable"].rate == pytest.approx(limit)
        assert found.sharpness == pytest.approx(8.0)
        assert (np.isnan(found.loss) == (found.rates > limit)).all()
        assert found.lr <= 0.95 * limit * (1 + 1e-12)


def test_batches_of_a_problem_have_seeds():
    rows = gd.LeastSquares(X, T, batch_size=10)
    assert find_lr(rows, rates=RATES, steps=30).losses.shape == (3, 3)
    assert find_lr(gd.LeastSquares(X, T), rates=RATES, steps=30).losses.shape == (3, 1)


def test_a_range_that_ends_at_its_best_rate_goes_farther():
    """The minimum is so far away that Adam's usual rates do not come near it."""
    far = gd.Quadratic(np.eye(2), [1e6, -1e6])
    found = find_lr(far, optimizer=gd.Adam(), steps=100)
    assert found.rates[-1] > 1e3
    assert found.rates.size > 48
    assert (np.diff(found.rates) > 0).all()
    given = find_lr(far, optimizer=gd.Adam(), steps=100, rates=[0.1, 1.0, 10.0])
    assert given.rates.tolist() == [0.1, 1.0, 10.0]


# --- arguments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (network(), {}, "needs X and y for a MLP"),
        (network(), {"X": X}, "needs X and y"),
        (network(), {"X": X, "y": Y, "x0": [1.0]}, "x0 is not for a network"),
        (network(), {"X": X, "y": Y[:5]}, "y must have shape"),
        (network(), {"X": X, "y": Y, "steps": 0}, "steps must be an integer >= 1"),
        (network(), {"X": X, "y": Y, "steps": 5, "epochs": 1}, "steps and epochs both"),
        (network(), {"X": X, "y": Y, "epochs": 1.5}, "epochs must be an integer"),
        (network(), {"X": X, "y": Y, "seeds": 0}, "seeds must be an integer >= 1"),
        (network(), {"X": X, "y": Y, "seeds": []}, "seeds is empty"),
        (network(), {"X": X, "y": Y, "seeds": "012"}, "seeds must be a number"),
        (network(), {"X": X, "y": Y, "seeds": [-1]}, "seeds"),
        (network(), {"X": X, "y": Y, "rates": [0.1, -1.0]}, r"rates\[1\] is -1"),
        (network(), {"X": X, "y": Y, "rates": [0.1, np.inf]}, "rates"),
        (network(), {"X": X, "y": Y, "rates": []}, "rates must be a sequence"),
        (network(), {"X": X, "y": Y, "rates": 0.1}, "rates must be a sequence"),
        (network(), {"X": X, "y": Y, "validation": 1.0}, "between 0 and 1"),
        (network(), {"X": X, "y": Y, "validation": True}, "validation must be"),
        (network(), {"X": X, "y": Y, "validation": 1e-5}, "leaves none"),
        (network(), {"X": X, "y": Y, "validation": (X,)}, "validation must be a pair"),
        (network(), {"X": X, "y": Y, "optimizer": "sgd"}, "optimizer must be"),
        (network(), {"X": X, "y": Y, "optimizer": gd.SGD(maximize=True)}, "maximize=True"),
        (network(), {"X": X, "y": Y, "batch_size": 0}, "batch_size"),
        (network().problem(X, Y), {"X": X}, "X is not for a NetworkProblem"),
        (network().problem(X, Y), {"batch_size": 5}, "batch_size is not for"),
        (gd.LeastSquares(X, T), {"X": X, "y": T}, "X is not for a LeastSquares"),
        (gd.LeastSquares(X, T), {"x0": [1.0]}, r"x0 must have shape \(5,\)"),
        (gd.GDRegressor(), {"X": X, "y": T, "optimizer": gd.SGD()}, "optimizer is not for a GDR"),
        (gd.GDRegressor(), {"X": X, "y": T, "batch_size": 3}, "batch_size is not for a GDRegr"),
        (gd.GDRegressor(), {"X": X, "y": T, "validation": (X, T, T)}, "pair"),
        (gd.GDRegressor(l2=-1), {"X": X, "y": T}, "l2"),
        (gd.MLPClassifier(solver="lbfgs"), {"X": X, "y": Y}, "no learning rate"),
        (lambda x: x, {"x0": [1.0]}, r"gd.Function\(f, n\)"),
        (gd.SweepSearchCV(gd.GDRegressor(), {}), {"X": X, "y": Y}, "model must be a fastgd.MLP"),
    ],
)  # fmt: skip
def test_wrong_arguments(model, arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        find_lr(model, **arguments)


def test_a_name_that_is_not_known_is_corrected():
    with pytest.raises(TypeError, match="rates"):
        find_lr(network(), X, Y, rate=[0.1])


def test_a_loaded_network_needs_its_optimizer(tmp_path):
    net = network().fit(X, Y, optimizer=gd.Lion(), epochs=1)
    net.save(tmp_path / "net.npz")
    loaded = gd.MLP.load(tmp_path / "net.npz")
    with pytest.raises(ValueError, match="Lion"):
        find_lr(loaded, X, Y)
    find_lr(loaded, X, Y, optimizer=gd.Lion(), rates=RATES, steps=2)


# --- how it is shown ----------------------------------------------------------------------------------


def test_repr_and_table():
    found = find_lr(network(), X, Y, optimizer=gd.SGD(), steps=50)
    lines = repr(found).splitlines()
    assert lines[0] == (
        f"FoundRates: {len(found.rates)} rates from {found.rates[0]:.3g} to {found.rates[-1]:.3g}, 3 seeds"
    )
    assert lines[1].endswith("SGD")
    assert [line.split("  ")[1].strip() for line in lines[3:]] == list(found.suggestions)
    assert sum("<- lr" in line for line in lines) == 1
    table = found.to_pandas()
    assert table.columns.tolist() == ["lr", "loss", "standard_error", "diverged"]
    assert len(table) == len(found.rates)


def test_picture():
    found = find_lr(network(), X, Y, optimizer=gd.SGD(), steps=50)
    display = found.plot()
    names = display.ax_.get_legend_handles_labels()[1]
    marked = [s for s in found.suggestions.values() if s.rate is not None]
    for one in marked:
        assert f"{one.rule}: {one.rate:.3g}" in names
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_ylabel() == "loss after 50 updates"
    assert "<img" in found._repr_html_()
    assert "valley" in found._repr_html_()


def test_nothing_found_is_said():
    net = gd.MLP([4, 2])
    for p in net.params:
        p[...] = 0
    found = find_lr(
        net, np.zeros((50, 4)), [0, 1] * 25, optimizer=gd.Lion(), steps=5, batch_size=50
    )
    assert found.lr is None
    assert found.rule == ""
    assert all(s.reason for s in found.suggestions.values())
    with pytest.raises(ValueError, match="no rule found a learning rate"):
        _ = found.optimizer
    found.plot()
