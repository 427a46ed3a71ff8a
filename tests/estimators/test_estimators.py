"""`MLPClassifier` and `MLPRegressor`: the same as scikit-learn's, and what they have besides."""

import copy
import pickle

import numpy as np
import pytest
from estimators.sets import digits, labels, numbers, since
from scipy import sparse
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

import fastgd as gd
from fastgd.estimators.arguments import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


X, Y10 = digits()
DATA = {
    "multiclass": (theirs.MLPClassifier, gd.MLPClassifier, X, Y10),
    "binary": (theirs.MLPClassifier, gd.MLPClassifier, X, Y10 % 2),
    "names": (theirs.MLPClassifier, gd.MLPClassifier, X, np.array([f"class {k}" for k in Y10])),
    "multilabel": (theirs.MLPClassifier, gd.MLPClassifier, *labels()),
    "one output": (theirs.MLPRegressor, gd.MLPRegressor, *numbers(1)),
    "unscaled": (
        theirs.MLPClassifier,
        gd.MLPClassifier,
        X * 16,
        Y10,
    ),  # probabilities below eps at first
    "three outputs": (theirs.MLPRegressor, gd.MLPRegressor, *numbers(3)),
}
SOLVERS = {
    "adam": {"solver": "adam", "beta_1": 0.8, "epsilon": 1e-6},
    "plain": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.02},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.01},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.2, "power_t": 0.3},
    "adaptive": {
        "solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.02, "tol": 1e-2, "n_iter_no_change": 2,
    },
}  # fmt: skip
OPTIONS = {
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2, "n_iter_no_change": 4},
    "tol": {"tol": 0.05, "n_iter_no_change": 3},
    "penalty, odd batches": {"alpha": 0.5, "batch_size": 37},
    "no shuffling, linear": {"shuffle": False, "activation": "identity"},
    "logistic": {"activation": "logistic", "learning_rate_init": 0.01},
    "tanh": {"activation": "tanh"},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "an integer": {"hidden_layer_sizes": 7},
    "three hidden layers": {"hidden_layer_sizes": [9, 8, 7]},
}
ATTRIBUTES = ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_", "out_activation_")


def assert_same(ours, peer, X, tol=1e-8):
    """Attributes, curves and predictions agree."""
    for name in ATTRIBUTES:
        assert getattr(ours, name) == getattr(peer, name), name
    assert len(ours.loss_curve_) == len(peer.loss_curve_)
    np.testing.assert_allclose(ours.loss_curve_, peer.loss_curve_, rtol=tol)
    for name in ("loss_", "best_loss_", "best_validation_score_", "validation_scores_"):
        mine, other = getattr(ours, name), getattr(peer, name)
        assert (mine is None) == (other is None), name
        if other is not None:
            np.testing.assert_allclose(mine, other, rtol=tol)
    for mine, other in zip(
        ours.coefs_ + ours.intercepts_, peer.coefs_ + peer.intercepts_, strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-9)
        assert mine.dtype == other.dtype
    _same_predictions(ours, peer, X)


def _same_predictions(ours, peer, X):
    mine, other = ours.predict(X), peer.predict(X)
    assert mine.dtype == other.dtype
    if hasattr(peer, "classes_"):
        np.testing.assert_array_equal(mine, other)
        np.testing.assert_array_equal(ours.classes_, peer.classes_)
        np.testing.assert_allclose(
            ours.predict_proba(X), peer.predict_proba(X), rtol=1e-7, atol=1e-12
        )
    else:
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-10)


def _both(kind, **options):
    peer, ours, X, y = DATA[kind]
    options = {"hidden_layer_sizes": (16, 9), "random_state": 3, "max_iter": 50, **options}
    return ours(**options), peer(**options), X, y


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", DATA)
def test_same_curve_as_scikit_learn(kind, solver):
    ours, peer, X, y = _both(kind, **SOLVERS[solver])
    assert_same(ours.fit(X, y), peer.fit(X, y), X)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", ["multiclass", "binary", "three outputs"])
def test_same_with_options(kind, option):
    ours, peer, X, y = _both(kind, **OPTIONS[option])
    assert_same(ours.fit(X, y), peer.fit(X, y), X)


@since(1, 7)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", ["multiclass", "binary", "one output"])
def test_same_with_weights(kind, early_stopping):
    ours, peer, X, y = _both(kind, early_stopping=early_stopping, max_iter=20)
    w = np.random.default_rng(1).uniform(0.1, 3, len(X))
    assert_same(ours.fit(X, y, w), peer.fit(X, y, sample_weight=w), X)
    assert ours.fit(X, y, 2.0).loss_curve_ == pytest.approx(
        peer.fit(X, y, 2.0).loss_curve_, rel=1e-9
    )


@since(1, 7)
def test_same_poisson():
    X, Y = numbers(3)
    options = {"loss": "poisson", "random_state": 0, "max_iter": 30}
    for y in (np.floor(np.abs(Y)), np.abs(Y[:, 0])):
        ours = gd.MLPRegressor(**options).fit(X, y)
        assert_same(ours, theirs.MLPRegressor(**options).fit(X, y), X)


@pytest.mark.parametrize("kind", DATA)
def test_same_warm_start(kind):
    ours, peer, X, y = _both(kind, warm_start=True, max_iter=6)
    for _ in range(3):
        assert_same(ours.fit(X, y), peer.fit(X, y), X)


def test_the_best_weights_of_an_earlier_fit_are_kept():
    X, y = digits()
    clf = gd.MLPClassifier(random_state=0, early_stopping=True, warm_start=True, max_iter=40).fit(
        X, y
    )
    best, proba = clf.best_validation_score_, clf.predict_proba(X)
    clf.set_params(solver="sgd", learning_rate_init=0.5, max_iter=3).fit(X, y)
    assert max(clf.validation_scores_[-3:]) <= best
    np.testing.assert_array_equal(clf.predict_proba(X), proba)


@pytest.mark.parametrize("solver", ["adam", "invscaling"])
@pytest.mark.parametrize("kind", DATA)
def test_same_partial_fit(kind, solver):
    ours, peer, X, y = _both(kind, **SOLVERS[solver])
    known = {"classes": np.unique(y)} if hasattr(ours, "predict_proba") else {}
    if kind == "multilabel":
        known["classes"] = range(4)
    for part in (slice(0, 50), slice(50, 53), slice(20, 90)):
        ours.partial_fit(X[part], y[part], **known)
        peer.partial_fit(X[part], y[part], **known)
    ours.fit(X, y).partial_fit(X, y)
    assert_same(ours, peer.fit(X, y).partial_fit(X, y), X)


def test_same_in_float32():
    X, y = digits()
    options = {"random_state": 0, "max_iter": 10}
    ours = gd.MLPClassifier(**options).fit(X.astype("f4"), y)
    peer = theirs.MLPClassifier(**options).fit(X.astype("f4"), y)
    assert {a.dtype for a in ours.coefs_} == {np.dtype("f4")}
    np.testing.assert_allclose(ours.loss_curve_, peer.loss_curve_, rtol=1e-5)
    assert ours.predict_proba(X.astype("f4")).dtype == np.float32
    assert gd.MLPClassifier(dtype="float32", **options).fit(X, y).loss_curve_ == ours.loss_curve_
    wide = gd.MLPClassifier(dtype="float64", **options).fit(X.astype("f4"), y)
    assert wide.coefs_[0].dtype == np.float64


@pytest.mark.filterwarnings(
    "ignore:scipy.optimize. The `disp`:DeprecationWarning"
)  # of an older scikit-learn
@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel", "one output"])
def test_same_lbfgs(kind):
    ours, peer, X, y = _both(kind, solver="lbfgs", max_iter=15)
    ours.fit(X, y)
    peer.fit(X, y)
    assert (ours.n_iter_, ours.t_) == (peer.n_iter_, peer.t_)
    assert ours.loss_ == pytest.approx(peer.loss_, rel=1e-7)
    _same_predictions_roughly(ours, peer, X)
    assert not hasattr(ours, "partial_fit")
    assert not hasattr(ours, "loss_curve_")


def _same_predictions_roughly(ours, peer, X):
    name = "predict_proba" if hasattr(peer, "predict_proba") else "predict"
    np.testing.assert_allclose(getattr(ours, name)(X), getattr(peer, name)(X), atol=1e-5)


def test_lbfgs_of_several_outputs_reports_the_mean_and_minimizes_the_sum():
    X, Y = numbers(3)
    reg = gd.MLPRegressor(
        hidden_layer_sizes=(), solver="lbfgs", random_state=0, alpha=2.0, tol=1e-8
    ).fit(X, Y)
    error = reg.predict(X) - Y
    penalty = sum(np.sum(w**2) for w in reg.coefs_) / len(X)
    assert reg.loss_ == pytest.approx(0.5 * np.mean(error**2) + penalty)
    np.testing.assert_allclose(X.T @ error + 2.0 * reg.coefs_[0], 0, atol=1e-3)  # the sum's slope
    np.testing.assert_allclose(error.sum(axis=0), 0, atol=1e-3)


# --- what scikit-learn's have not -------------------------------------------------------------------


@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_every_optimizer_by_its_name_and_as_an_object(solver):
    X, y = digits()
    options = {"hidden_layer_sizes": 12, "random_state": 0, "max_iter": 6, "tol": 0}
    named = gd.MLPClassifier(solver=solver, learning_rate_init=0.01, **options).fit(X, y)
    assert named.loss_curve_[-1] < named.loss_curve_[0]
    optimizer = OPTIMIZERS[solver](lr=0.01)
    object_ = gd.MLPClassifier(solver=optimizer, **options).fit(X, y)
    assert optimizer.t == 0  # a copy was used
    if solver not in {
        "sgd",
        "adam",
    }:  # these are scikit-learn's, with Nesterov momentum or its epsilon
        assert object_.loss_curve_ == named.loss_curve_


def test_an_optimizer_object_keeps_its_schedule():
    X, y = digits()
    rates = []

    def lr(t):
        rates.append(t)
        return 0.1 / (1 + t)

    clf = gd.MLPClassifier(
        solver=gd.SGD(lr=lr), random_state=0, max_iter=3, learning_rate="adaptive"
    )
    with pytest.warns(UserWarning, match="learning_rate='adaptive' has no effect"):
        clf.fit(X, y)
    assert max(rates) >= 5  # two updates an epoch


def test_a_users_rule_is_a_solver():
    rule = gd.Optimizer.from_rule(
        lambda p, g, lr: (p - lr * np.sign(g),),
        coefficients=lambda t, lr: (lr,),
        defaults={"lr": 0.01},
    )
    X, y = digits()
    clf = gd.MLPClassifier(solver=rule(lr=0.003), random_state=0, max_iter=10).fit(X, y)
    assert clf.loss_curve_[-1] < 0.5 * clf.loss_curve_[0]


@pytest.mark.parametrize("activation", ["leaky_relu", "gelu", "softplus", "sigmoid"])
def test_more_activations(activation):
    X, y = digits()
    clf = gd.MLPClassifier(
        activation=activation, random_state=0, learning_rate_init=0.01, max_iter=20
    ).fit(X, y)
    assert clf.score(X, y) > 0.8


def test_class_weight_is_a_sample_weight():
    X, y = digits()
    options = {"random_state": 0, "max_iter": 5}
    for class_weight in ("balanced", {k: 1.0 + k for k in range(10)}):
        ours = gd.MLPClassifier(class_weight=class_weight, **options).fit(X, y)
        weights = compute_sample_weight(class_weight, y)
        assert ours.loss_curve_ == gd.MLPClassifier(**options).fit(X, y, weights).loss_curve_
    X, Y = labels()
    gd.MLPClassifier(class_weight=[{0: 1, 1: 2}] * 4, **options).fit(X, Y)


def test_own_validation_set():
    X, y = digits()
    options = {"random_state": 0, "max_iter": 30}
    plain = gd.MLPClassifier(**options).fit(X[:150], y[:150])
    watched = gd.MLPClassifier(**options).fit(X[:150], y[:150], validation=(X[150:], y[150:]))
    assert plain.validation_scores_ is None
    assert watched.loss_curve_ == plain.loss_curve_  # recorded, no more
    assert watched.validation_scores_[-1] == watched.score(X[150:], y[150:])
    stopping = gd.MLPClassifier(early_stopping=True, n_iter_no_change=2, tol=0.3, **options)
    stopping.fit(X[:150], y[:150], validation=(X[150:], y[150:]))
    assert len(stopping.loss_curve_) < 30
    assert stopping.score(X[150:], y[150:]) == stopping.best_validation_score_
    X, Y = numbers(3)
    reg = gd.MLPRegressor(**options).fit(X[:90], Y[:90], validation=(X[90:], Y[90:]))
    assert reg.validation_scores_[-1] == pytest.approx(reg.score(X[90:], Y[90:]))


def test_sparse_inputs_are_spelled_out():
    X, y = digits()
    for kind in (sparse.csr_array, sparse.csc_matrix):
        ours = gd.MLPClassifier(random_state=0, max_iter=4).fit(kind(X), y)
        assert (
            ours.loss_curve_ == gd.MLPClassifier(random_state=0, max_iter=4).fit(X, y).loss_curve_
        )
        np.testing.assert_array_equal(ours.predict_proba(kind(X)), ours.predict_proba(X))
    X, Y = labels()
    ours = gd.MLPClassifier(random_state=0, max_iter=4).fit(X, sparse.csr_matrix(Y))
    assert sparse.issparse(ours.predict(X))


def test_fortran_order_lists_and_integers_are_as_good():
    X, y = digits()
    want = gd.MLPClassifier(random_state=0, max_iter=3).fit(X, y)
    for other in (np.asfortranarray(X), X.tolist(), np.repeat(X, 2, axis=1)[:, ::2]):
        assert (
            gd.MLPClassifier(random_state=0, max_iter=3).fit(other, list(y)).loss_curve_
            == want.loss_curve_
        )
    gd.MLPClassifier(random_state=0, max_iter=3).fit(
        (X * 16).astype(np.uint8), y
    )  # not scaled, as in scikit-learn


# --- in scikit-learn's company ----------------------------------------------------------------------


def test_one_column_of_a_frame():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"x": np.linspace(-1, 1, 30)}
    )  # its array's second stride is that of no number
    copied = frame.to_numpy().ravel()[:, None].copy()
    for model in (gd.MLPRegressor(max_iter=2, random_state=0), gd.GDRegressor()):
        values = model.fit(frame, frame["x"]).predict(frame)
        np.testing.assert_array_equal(clone(model).fit(copied, frame["x"]).predict(copied), values)


def test_in_pipelines_and_searches():
    X, y = digits()
    clf = gd.MLPClassifier(
        random_state=0, max_iter=15, hidden_layer_sizes=12, learning_rate_init=0.01
    )
    pipe = make_pipeline(StandardScaler(), clf).fit(X, y)
    assert pipe.score(X, y) > 0.8
    assert cross_val_score(clf, X, y, cv=2).shape == (2,)
    grid = {"solver": ["adam", gd.Lion(lr=0.003)], "hidden_layer_sizes": [(5,), (6, 6)]}
    with pytest.warns(UserWarning, match="learning_rate_init=0.01 has no effect on solver=Lion"):
        search = GridSearchCV(clf, grid, cv=2).fit(X, y)
    assert search.best_estimator_.predict(X).shape == y.shape
    RandomizedSearchCV(clf, {"alpha": [0, 0.1, 1]}, n_iter=2, cv=2, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    "copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy, copy.copy]
)
def test_copies_predict_and_go_on_the_same(copied):
    X, y = digits()
    clf = gd.MLPClassifier(random_state=0, max_iter=4).fit(X, y)
    other = copied(clf)
    np.testing.assert_array_equal(other.predict_proba(X), clf.predict_proba(X))
    if copied is not copy.copy:  # which shares arrays and optimizer
        assert clf.partial_fit(X, y).loss_curve_ == other.partial_fit(X, y).loss_curve_
        np.testing.assert_array_equal(other.predict_proba(X), clf.predict_proba(X))
        assert b"Reference" not in pickle.dumps(clf)  # no engine
    fresh = clone(gd.MLPClassifier(solver=gd.Adam(lr=0.1), hidden_layer_sizes=(3, 2)))
    assert fresh.get_params()["solver"].lr == 0.1


def test_weights_may_be_written_to_and_replaced():
    X, y = digits()
    clf = gd.MLPClassifier(random_state=0, max_iter=4).fit(X, y)
    peer = theirs.MLPClassifier(random_state=0, max_iter=4).fit(X, y)
    for estimator in (clf, peer):
        estimator.coefs_[0][:5] = 0
        estimator.coefs_[1] = np.asfortranarray(estimator.coefs_[1]) * 2
        estimator.intercepts_ = [b + 0.1 for b in estimator.intercepts_]
    np.testing.assert_allclose(clf.predict_proba(X), peer.predict_proba(X), rtol=1e-9)
    np.testing.assert_allclose(
        clf.partial_fit(X, y).predict_proba(X), peer.partial_fit(X, y).predict_proba(X), rtol=1e-8
    )
    clf.coefs_[0][...] = 0
    assert np.ptp(clf.predict_proba(X), axis=0).max() < 1e-15


def test_data_frames_keep_their_names():
    pd = pytest.importorskip("pandas")
    X, y = numbers(1)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    reg = gd.MLPRegressor(random_state=0, max_iter=3).fit(frame, pd.Series(y))
    assert list(reg.feature_names_in_) == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        reg.predict(frame[list("fedcba")])


def test_positional_arguments_are_scikit_learns():
    assert gd.MLPRegressor("poisson", (3,), "tanh").get_params()["hidden_layer_sizes"] == (3,)
    assert gd.MLPClassifier((3,), "tanh").activation == "tanh"
    for ours, peer in (
        (gd.MLPClassifier(), theirs.MLPClassifier()),
        (gd.MLPRegressor(), theirs.MLPRegressor()),
    ):
        assert peer.get_params().items() <= ours.get_params().items()
        assert ours.loss == peer.loss


def test_verbose_prints_the_losses(capsys):
    X, y = digits()
    gd.MLPClassifier(random_state=0, max_iter=2, verbose=True).fit(X, y)
    theirs.MLPClassifier(random_state=0, max_iter=2, verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == lines[2:]


# --- bad input, and failing without a trace -----------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_layer_sizes": (3, 0)}, {"hidden_layer_sizes": 0}, {"hidden_layer_sizes": (2.5,)},
        {"activation": "swish"}, {"solver": "newton"}, {"solver": 3}, {"alpha": -1.0}, {"alpha": "a"},
        {"alpha": np.nan}, {"batch_size": 0}, {"batch_size": "all"}, {"learning_rate": "falling"},
        {"learning_rate_init": 0.0}, {"power_t": -1}, {"max_iter": 0}, {"max_iter": 1.5}, {"shuffle": "no"},
        {"tol": -1e-9}, {"momentum": 1.1}, {"beta_1": 1.0}, {"beta_2": -0.1}, {"epsilon": 0},
        {"n_iter_no_change": 0}, {"max_fun": 0}, {"validation_fraction": 1.0}, {"class_weight": "even"},
        {"dtype": "float16"}, {"n_threads": 0}, {"warm_start": 1}, {"verbose": -1}, {"early_stopping": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_parameter_is_named(wrong):
    X, y = digits()
    (name,) = wrong
    clf = gd.MLPClassifier(**wrong)
    for error in (ValueError, TypeError):
        with pytest.raises(error, match=name):
            clf.fit(X, y)
    assert not hasattr(clf, "coefs_")


def test_wrong_data_change_nothing():
    X, y = digits()
    clf = gd.MLPClassifier(random_state=0, max_iter=3, warm_start=True).fit(X, y)
    before = pickle.dumps(clf)
    bad = X.copy()
    bad[3, 4] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(bad, y)
    with pytest.raises(ValueError, match="features"):
        clf.fit(X[:, :10], y)
    with pytest.raises(ValueError, match="same classes"):
        clf.fit(X[y < 5], y[y < 5])
    with pytest.raises(ValueError, match="not among"):
        clf.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match="classes"):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="sample_weight"):
        clf.fit(X, y, -np.ones(len(X)))
    with pytest.raises(TypeError, match="validation"):
        clf.fit(X, y, validation=X)
    with pytest.raises(ValueError, match=r"validation\[1\].*among"):
        clf.fit(X, y, validation=(X, y + 5))
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        clf.set_params(hidden_layer_sizes=(5,)).fit(X, y)
    clf.set_params(hidden_layer_sizes=(100,))
    assert pickle.dumps(clf) == before


def test_wrong_data_at_the_first_fit():
    X, y = digits()
    clf = gd.MLPClassifier(max_iter=3)
    with pytest.raises(ValueError, match="label type"):
        clf.fit(X, X[:, 20] + 0.5)
    with pytest.raises(ValueError, match="classes"):
        clf.partial_fit(X, y)
    with pytest.raises(ValueError, match="early_stopping"):
        gd.MLPClassifier(early_stopping=True).partial_fit(X, y, classes=range(10))
    with pytest.raises(ValueError, match="class_weight"):
        gd.MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=range(10))
    with pytest.raises(ValueError, match="validation_fraction"):
        gd.MLPRegressor(early_stopping=True, validation_fraction=0.01).fit(X[:50], y[:50])
    with pytest.raises(ValueError, match="negative"):
        gd.MLPRegressor("poisson").fit(X, y - 1)
    with pytest.raises(ValueError, match="lbfgs"):
        gd.MLPClassifier(solver="lbfgs").fit(X, y, validation=(X, y))
    with pytest.raises(AttributeError, match="partial_fit"):
        gd.MLPClassifier(solver="lbfgs").partial_fit(X, y)
    assert not vars(clf).keys() - clf.get_params().keys()
    with pytest.warns(UserWarning, match="batch_size=500 is clipped to the 240") as caught:
        gd.MLPClassifier(batch_size=500, max_iter=1).fit(X, y)
    assert caught[0].filename == __file__
    with pytest.warns(DataConversionWarning):
        gd.MLPClassifier(max_iter=1).fit(X, y[:, None])


def test_max_iter_warns():
    X, y = digits()
    estimators = [
        gd.MLPClassifier(max_iter=2),
        gd.MLPClassifier(max_iter=2, solver="lbfgs"),
        gd.GDClassifier(max_iter=2),
    ]
    for estimator in estimators:
        with pytest.warns(ConvergenceWarning, match="max_iter=2") as caught:
            estimator.fit(X, y)
        assert caught[0].filename == __file__


def test_a_diverged_fit_is_no_fit():
    X, Y = numbers(3)
    reg = gd.MLPRegressor(
        solver="sgd", learning_rate_init=1e6, random_state=0, max_iter=100, alpha=0
    )
    with pytest.raises(
        ValueError, match=r"SGD produced a non-finite .* update \d+ with learning rate 1e\+06"
    ):
        reg.fit(X, Y)
    assert not vars(reg).keys() - reg.get_params().keys()
    reg.set_params(learning_rate_init=1e-3).fit(X, Y)
    before, curve = reg.predict(X), list(reg.loss_curve_)
    for warm_start in (True, False):
        with pytest.raises(ValueError, match="non-finite"):
            reg.set_params(learning_rate_init=1e6, warm_start=warm_start).fit(X, Y)
        np.testing.assert_array_equal(reg.predict(X), before)
        assert reg.loss_curve_ == curve
    reg.set_params(learning_rate_init=1e-3)
    reg._optimizer.lr = 1e12
    points = []

    def train_on():
        for _ in range(100):
            points.append(reg.predict(X))
            reg.partial_fit(X, Y)

    with pytest.raises(ValueError, match="non-finite"):
        train_on()
    np.testing.assert_array_equal(reg.predict(X), points[-1])
