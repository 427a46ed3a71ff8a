"""What users of PyTorch, SciPy and scikit-learn write in their first hour, and what the library says to them."""

import inspect
import pickle

import numpy as np
import pytest

import fastgd as gd
from fastgd.names import nearest

LINE = gd.LeastSquares(np.linspace(0, 1, 30), np.linspace(1, 4, 30))
POINT = [0.5, 1.0]


# --- optimizers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("learning_rate", "did you mean 'lr'"),
        ("lrr", "did you mean 'lr'"),
        ("LR", "did you mean 'lr'"),
        ("beta1", "did you mean 'betas'"),
        ("epsilon", "did you mean 'eps'"),
        ("wd", "did you mean 'weight_decay'"),
        ("clip_grad_norm", "did you mean 'clip_norm'"),
        ("params", r"an argument of step\(params, grads\)"),
        ("args", r"method=gd\.Adam\(\)"),
        ("zzz", "it takes lr, betas, eps"),
    ],
)
def test_a_hyperparameter_of_another_name(given, says):
    with pytest.raises(TypeError, match=f"Adam has no argument {given!r}; .*{says}"):
        gd.Adam(**{given: 1})


@pytest.mark.parametrize(
    "params", [[np.ones(2)], {"w": np.ones(2)}, np.ones(2), iter([np.ones(2)])]
)
def test_parameters_belong_to_the_step(params):
    for options in ({}, {"lr": 0.1}):
        with pytest.raises(TypeError, match=r"give the parameters to step\(params, grads\)"):
            gd.Adam(params, **options)
    assert gd.Adam(np.array(0.1), (0.5, 0.6)).betas == (0.5, 0.6)


def test_what_is_fixed_says_how_to_have_another_value():
    opt = gd.Adam(lr=0.1)
    with pytest.raises(AttributeError, match=r"betas of Adam is fixed; with_options\(betas=...\)"):
        opt.betas = (0.5, 0.5)
    with pytest.raises(AttributeError, match="no attribute 'learning_rate'; did you mean 'lr'"):
        opt.learning_rate = 0.5
    with pytest.raises(AttributeError, match=r"no attribute 'q'$"):
        opt.q = 1
    opt.lr = 0.2
    assert pickle.loads(pickle.dumps(opt)).lr == 0.2


@pytest.mark.parametrize(
    ("given", "says"),
    [("adam", r"gd\.Adam\(\), got str: 'adam'"), (gd.Adam, r"gd\.Adam\(\), got type: the class")],
)
def test_a_name_or_a_class_in_the_place_of_an_optimizer(given, says):
    net = gd.MLP([2, 2], rng=0)
    for call in (
        lambda: gd.minimize(LINE, optimizer=given),
        lambda: gd.sweep(LINE, given, {"lr": [0.1]}),
        lambda: net.fit(np.zeros((3, 2)), [0, 1, 1], optimizer=given),
    ):
        with pytest.raises(TypeError, match=f"optimizer must be a fastgd optimizer, {says}"):
            call()


# --- minimize and sweep -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("method", "did you mean 'optimizer'"),
        ("args", r"lambda x: fun\(x, \*args\)"),
        ("options", "options are arguments here"),
        ("lr", r"optimizer=gd\.SGD\(lr=0\.1\)"),
    ],
)
def test_arguments_of_scipy(given, says):
    with pytest.raises(TypeError, match=f"minimize has no argument {given!r}; .*{says}"):
        gd.minimize(LINE, **{given: 1})


def test_rates_are_an_axis():
    with pytest.raises(TypeError, match=r"sweep has no argument 'lr'; .*axes=\{'lr': "):
        gd.sweep(LINE, gd.SGD(), lr=[0.1, 0.2])
    with pytest.raises(ValueError, match="no hyperparameter 'learning_rate'; did you mean 'lr'"):
        gd.sweep(LINE, gd.SGD(), {"learning_rate": [0.1]})


def test_a_pair_asks_for_jac():
    with pytest.raises(TypeError, match=r"if that is \(value, gradient\), say jac=True"):
        gd.minimize(lambda x: (x @ x, 2 * x), POINT)


def test_two_arguments_are_the_point_and_the_gradient():
    with pytest.raises(TypeError, match=r"as fun\(x, grad\), where x holds all parameters"):
        gd.minimize(lambda a, b: a * a + b * b, POINT)


def test_differences_do_not_reach_every_tolerance():
    run = gd.minimize(lambda x: (x[0] - 3) ** 2, [0.0], gd.SGD(), max_iter=10_000)
    assert "differences of values give no finer slopes: give jac" in run.message
    close = gd.minimize(lambda x: (x[0] - 3) ** 2, [0.0], gd.SGD(lr=0.1), max_iter=10)
    assert "the largest slope is 0.64, tol is 1e-08; raise max_iter" in close.message


def test_a_best_run_shows_what_is_known_of_it():
    best = gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}).best()
    assert repr(best).startswith("BestRun(index=(0,), axes={'lr': 0.1}, x=array([")
    assert "None" not in repr(best)
    assert "seeds" not in repr(best)


def test_the_nearest_name_is_found_in_capitals_too():
    assert nearest("adamw", ("Adam", "AdamW")) == "AdamW"
    assert nearest("zzz", ("Adam", "AdamW")) is None


# --- scikit-learn -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("C", r"l2 = 1 / \(C n\)"),
        ("alpha", "l2 = alpha"),
        ("penalty", "the penalties are l1 and l2"),
        ("l1_ratio", "l1 = alpha l1_ratio"),
        ("solver", "did you mean 'optimizer'"),
        ("eta0", "did you mean 'learning_rate'"),
        ("max_iters", "did you mean 'max_iter'"),
    ],
)
def test_parameters_of_linear_models(given, says):
    pytest.importorskip("sklearn")
    for kind in (gd.GDClassifier, gd.GDRegressor):
        with pytest.raises(TypeError, match=f"{kind.__name__} has no argument {given!r}; .*{says}"):
            kind(**{given: 1})
    assert "l2" in inspect.signature(gd.GDClassifier).parameters


def test_a_misspelt_parameter_of_a_network():
    pytest.importorskip("sklearn")
    with pytest.raises(TypeError, match="MLPClassifier has no argument 'hidden_layers'; did you"):
        gd.MLPClassifier(hidden_layers=(3,))
    with pytest.raises(ValueError, match=r"hidden_layer_sizes must be > 0, got \['100'\]"):
        gd.MLPClassifier("100").fit([[0.0], [1.0]], [0, 1])


def test_labels_are_shown_as_python_shows_them():
    pytest.importorskip("sklearn")
    X = [[0.0], [1.0]]
    with pytest.raises(ValueError, match=r"y has only one class, 'a'; wanted"):
        gd.GDClassifier().fit(X, np.array(["a", "a"]))
    model = gd.GDClassifier().partial_fit(X, ["a", "b"], classes=["a", "b"])
    with pytest.raises(ValueError, match=r"y has the label 'c', which"):
        model.partial_fit(X, ["a", "c"])


def test_a_loss_without_probabilities_says_what_has_them():
    pytest.importorskip("sklearn")
    model = gd.GDClassifier(loss="hinge")
    assert not hasattr(model, "predict_proba")
    with pytest.raises(AttributeError) as caught:
        model.predict_proba  # noqa: B018
    assert "loss='hinge' gives no probabilities" in str(caught.value.__cause__)


@pytest.mark.parametrize("network", [[3, 5, 2], gd.MLP, None])
def test_what_is_no_network(network):
    with pytest.raises(TypeError, match=r"network must be a gd\.MLP, got "):
        gd.NetworkProblem(network, np.ones((4, 3)), np.ones((4, 2)))
