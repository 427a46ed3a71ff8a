"""Random configurations of our networks and of scikit-learn's: the same results, errors, warnings and printed lines."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from estimators.sets import since
from scipy import sparse
from sklearn import neural_network as theirs
from sklearn.exceptions import ConvergenceWarning

import fastgd as gd

ATTRIBUTES = (
    "n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_", "feature_names_in_", "out_activation_", "loss_",
    "loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_",
)  # fmt: skip
TARGETS = {
    "two": ("Classifier", lambda X, rng: X[:, 0] + rng.normal(size=len(X)) > 0),
    "two numbers": ("Classifier", lambda X, rng: 1.0 + (rng.random(len(X)) > 0.3)),
    "four": ("Classifier", lambda X, rng: rng.integers(0, 4, len(X))),
    "names": ("Classifier", lambda X, rng: np.array(["c", "a", "b"])[rng.integers(0, 3, len(X))]),
    "labels": ("Classifier", lambda X, rng: (rng.random((len(X), 3)) > 0.5).astype(int)),
    "one": ("Regressor", lambda X, rng: X.sum(axis=1) + rng.normal(size=len(X))),
    "three": ("Regressor", lambda X, rng: rng.normal(size=(len(X), 3))),
    "counts": ("Regressor", lambda X, rng: rng.poisson(2.0, len(X))),
    "two counts": ("Regressor", lambda X, rng: rng.poisson(2.0, (len(X), 2))),
}
PARAMETERS = {
    "hidden_layer_sizes": [(), 5, (6, 4), [3, 3, 3], 20],
    "activation": ["identity", "logistic", "tanh", "relu"],
    "solver": ["sgd", "adam", "sgd", "adam", "lbfgs"],
    "alpha": [0, 1e-4, 0.1, 2.0],
    "batch_size": ["auto", 1, 7, 13, 500],
    "learning_rate": ["constant", "invscaling", "adaptive"],
    "learning_rate_init": [1e-3, 1e-2, 0.05],
    "power_t": [0.5, 0.25, 0.0],
    "max_iter": [1, 2, 5, 12, 30],
    "shuffle": [True, True, False],
    "random_state": range(100),
    "tol": [0.0, 1e-4, 1e-2, 0.5],
    "momentum": [0.0, 0.5, 0.9],
    "nesterovs_momentum": [True, False],
    "early_stopping": [True, False],
    "validation_fraction": [0.1, 0.3],
    "beta_1": [0.0, 0.9],
    "beta_2": [0.9, 0.999],
    "epsilon": [1e-8, 1e-3],
    "n_iter_no_change": [1, 3, 10, np.inf],
    "max_fun": [5, 15000],
    "verbose": [True, False],
    "warm_start": [True, False],
}


def picked(rng, values):
    return values[int(rng.integers(len(values)))]


def in_some_form(X, rng):
    """The same inputs in another dtype and container."""
    X = (X * picked(rng, [1, 1, 3])).astype(picked(rng, ["f8", "f8", "f4", "f2"]))
    form = picked(rng, ["array", "sparse", "list", "frame", "fortran"])
    if form == "sparse":
        return sparse.csr_array(X.astype("f4") if X.dtype == "f2" else X)
    if form == "frame":
        return pd.DataFrame(X, columns=[f"column {k}" for k in range(X.shape[1])])
    return {"array": X, "list": X.tolist(), "fortran": np.asfortranarray(X)}[form]


def drawn(seed):
    """The kind of estimator, its parameters, data, and the calls."""
    rng = np.random.default_rng(seed)
    kind = picked(rng, list(TARGETS))
    estimator, targets = TARGETS[kind]
    options = {name: picked(rng, values) for name, values in PARAMETERS.items()}
    if kind.endswith("counts"):
        options["loss"] = "poisson"
    if kind == "three" and options["solver"] == "lbfgs":
        options["solver"] = "sgd"  # ours minimizes the sum over the outputs
    X = rng.normal(size=(int(rng.integers(12, 90)), int(rng.integers(1, 9))))
    y = targets(X, rng)
    calls = picked(
        rng, [["fit"], ["fit"], ["weighted"], ["fit"] * 2, ["part"] * 3, ["fit", "part"]]
    )
    if options["solver"] == "lbfgs" and estimator == "Regressor":
        calls = [
            "fit"
        ]  # scikit-learn shows a partial_fit, by an oversight, and trains until the end there
    if calls == ["fit"] * 2 and options["early_stopping"]:
        options["warm_start"] = False  # scikit-learn forgets the best weights of the first fit
    return estimator, options, in_some_form(X, rng), y, calls, rng.random(len(y)) + 0.1


def called(module, configuration, capsys):
    """An estimator after some calls, the error that ended them, categories of the warnings, and what was printed."""
    estimator, options, X, y, calls, weights = configuration
    model, error = getattr(module, f"MLP{estimator}")(**options), None
    parts = {}
    if estimator == "Classifier":
        parts["classes"] = np.unique(y) if y.ndim == 1 else list(range(y.shape[1]))
    capsys.readouterr()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for call in calls:
                if call == "part":
                    model.partial_fit(X, y, **parts)
                elif call == "weighted":
                    model.fit(X, y, sample_weight=weights)
                else:
                    model.fit(X, y)
        except Exception as e:
            error = e
    categories = {w.category.__name__ for w in caught}
    return model, error, categories, capsys.readouterr().out


def first_sentence(error):
    return str(error).split(".")[0]


def finite(numbers):
    """With nan for infinity: which of the two a sum is that overflows depends on its order."""
    numbers = np.asarray(numbers, float)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def assert_same_numbers(ours, peer, X, rtol):
    for name in ATTRIBUTES:
        mine, other = getattr(ours, name, "absent"), getattr(peer, name, "absent")
        if isinstance(other, str) or other is None:
            assert mine == other, name
        elif name == "feature_names_in_":
            assert list(mine) == list(other)
        else:
            np.testing.assert_allclose(
                finite(mine), finite(other), rtol=rtol, atol=1e-9, err_msg=name
            )
    weights = ours.coefs_ + ours.intercepts_, peer.coefs_ + peer.intercepts_
    assert [p.dtype for p in weights[0]] == [p.dtype for p in weights[1]]
    mine, other = ours.predict(X), peer.predict(X)
    assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
    if hasattr(peer, "classes_"):
        np.testing.assert_array_equal(mine, other)
    else:
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=max(1e-6, rtol / 10))


def assert_like(seed, capsys):
    configuration = drawn(seed)
    ours, error, warned, said = called(gd, configuration, capsys)
    peer, wanted, expected, printed = called(theirs, configuration, capsys)
    assert isinstance(error, type(wanted)) or type(error).__name__ == type(wanted).__name__
    if wanted is not None:
        assert first_sentence(wanted) in str(error)
        assert warned <= expected  # theirs goes on to max_iter, and warns of it
        return
    assert warned == expected - {"RuntimeWarning"}  # ours raises no floating-point warnings
    single = ours.coefs_[0].dtype == np.float32
    whole = (
        configuration[1]["solver"] == "lbfgs"
    )  # whose steps magnify rounding, and which prints by SciPy
    assert_same_numbers(
        ours, peer, configuration[2], rtol=2e-2 if single else 1e-4 if whole else 1e-6
    )
    if not whole:
        numbers = r"-?\d[\d.e+-]*" if single else "$^"
        assert re.sub(numbers, "#", said) == re.sub(numbers, "#", printed)


@since(1, 9)
@pytest.mark.parametrize("seed", range(100))
def test_a_random_configuration(seed, capsys):
    assert_like(seed, capsys)


# --- fits that diverge --------------------------------------------------------------------------------


def diverged(module, estimator, X, y, **options):
    """A network that was trained at far too large a rate, and the texts of the warnings."""
    model = getattr(module, f"MLP{estimator}")(
        hidden_layer_sizes=30,
        activation="identity",
        early_stopping=True,
        n_iter_no_change=60,
        random_state=0,
        **options,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    return model, [str(w.message) for w in caught if w.category is ConvergenceWarning]


@since(1, 9)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of scikit-learn
@pytest.mark.parametrize("kind", ["one", "three", "counts", "four"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_early_stopping_outlives_divergence(kind, solver):
    estimator, targets = TARGETS[kind]
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 4))
    y = targets(X, rng)
    options = {"solver": solver, "learning_rate_init": 1.0, "alpha": 1e6, "max_iter": 100}
    peer, _ = diverged(theirs, estimator, X, y, **options)
    ours, warned = diverged(gd, estimator, X, y, **options)
    assert_same_numbers(ours, peer, X, rtol=1e-6)
    falls = np.isfinite(peer.loss_curve_).all()
    assert falls == (solver == "adam")
    assert falls != any("non-finite loss" in w and "best validation score" in w for w in warned)


def test_best_weights_that_are_not_finite_are_an_error():
    rng = np.random.default_rng(3)
    X, y = 1e152 * rng.normal(size=(80, 4)), rng.random(80) > 0.5
    options = {"learning_rate_init": 1e3, "batch_size": 10, "solver": "sgd"}
    for module in (theirs, gd):
        with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            diverged(module, "Classifier", X, y, **options)


# --- messages -----------------------------------------------------------------------------------------

X2, Y2, Y3 = np.eye(12)[:, :4], np.arange(12) % 2, np.arange(12) % 3
CONDITIONS = {
    "layers": ("Classifier", {"hidden_layer_sizes": (3, 0)}, lambda m: m.fit(X2, Y2)),
    "few to validate on": ("Regressor", {"early_stopping": True}, lambda m: m.fit(X2[:4], Y2[:4])),
    "one of a class": ("Classifier", {"early_stopping": True}, lambda m: m.fit(X2, [0] * 11 + [1])),
    "parts stop early": ("Regressor", {"early_stopping": True}, lambda m: m.partial_fit(X2, Y2)),
    "no classes": ("Classifier", {}, lambda m: m.partial_fit(X2, Y2)),
    "other classes": ("Classifier", {}, lambda m: m.fit(X2, Y2).partial_fit(X2, Y2, classes=[0, 1, 2])),
    "a new class": ("Classifier", {}, lambda m: m.fit(X2, Y2).partial_fit(X2, Y3)),
    "warm start": ("Classifier", {"warm_start": True}, lambda m: m.fit(X2, Y2).fit(X2, Y3)),
    "large batch": ("Regressor", {"batch_size": 99}, lambda m: m.fit(X2, Y2)),
    "max_iter": ("Regressor", {}, lambda m: m.fit(X2, Y2)),
    "lbfgs ends": ("Regressor", {"solver": "lbfgs"}, lambda m: m.fit(X2, Y2)),
    "parts by lbfgs": ("Classifier", {"solver": "lbfgs"}, lambda m: m.partial_fit(X2, Y2)),
    "too large": ("Regressor", {}, lambda m: m.fit(1e308 * X2, Y2)),
    "nan": ("Regressor", {}, lambda m: m.fit(np.nan * X2, Y2)),
}  # fmt: skip


def messages(module, name):
    """All that is said in errors and warnings."""
    estimator, options, call = CONDITIONS[name]
    model = getattr(module, f"MLP{estimator}")(max_iter=2, random_state=0, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call(model)
        except (ValueError, AttributeError) as e:
            return [str(e), str(e.__cause__)]
    return [str(w.message) for w in caught]


@since(1, 9)
@pytest.mark.parametrize("name", CONDITIONS)
def test_messages_begin_with_scikit_learns(name):
    ours = " ".join(messages(gd, name))
    for said in messages(theirs, name):
        assert first_sentence(said) in ours


def test_labels_in_messages_are_the_users():
    names = np.array(["no"] * 11 + ["yes"])
    with pytest.raises(
        ValueError, match=r"y has 11 rows of 'no' \(False\) and 1 rows of 'yes' \(True\)"
    ):
        gd.MLPClassifier(early_stopping=True).fit(X2, names)
    clf = gd.MLPClassifier(tol=10, n_iter_no_change=1).fit(X2, np.array(["a", "b"])[Y2])
    with pytest.raises(ValueError, match=r"not among the first, are \['c'\]"):
        clf.partial_fit(X2, np.array(["a", "b", "c"])[Y3])


# --- parameters that a solver has no use for ----------------------------------------------------------

VOID = {
    "learning_rate": "adaptive",
    "learning_rate_init": 0.5,
    "power_t": 0.25,
    "momentum": 0.5,
    "nesterovs_momentum": False,
    "beta_1": 0.5,
    "beta_2": 0.5,
    "epsilon": 1e-3,
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", VOID)
@pytest.mark.parametrize("kind", [gd.MLPClassifier, gd.MLPRegressor])
def test_an_optimizer_object_makes_them_void(name, kind):
    model = kind(solver=gd.Momentum(lr=0.1), max_iter=2, **{name: VOID[name]})
    said = rf"{name}={VOID[name]!r} has no effect on solver=Momentum\(lr=0.1\), .* own"
    with pytest.warns(UserWarning, match=said) as caught:
        model.fit(X2, Y2)
    assert caught[0].filename == __file__
    assert model._optimizer.lr == 0.1
    with pytest.warns(UserWarning, match=said):
        model.partial_fit(X2, Y2)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_named_solver_warns_of_those_it_has_not():
    has = {"learning_rate", "learning_rate_init", "power_t"}
    more = {"adamw": {"beta_1", "beta_2", "epsilon"}, "nag": {"momentum"}, "adagrad": set()}
    for solver, own in more.items():
        for name, value in VOID.items():
            model = gd.MLPRegressor(solver=solver, max_iter=1, **{name: value})
            if name in has | own:
                model.fit(X2, Y2)
            else:
                with pytest.warns(
                    UserWarning, match=rf"{name}={value!r} has no effect on solver='{solver}'"
                ):
                    model.fit(X2, Y2)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_scikit_learns_solvers_are_silent_as_there(solver):
    gd.MLPRegressor(solver=solver, max_iter=1, **VOID).fit(X2, Y2)
