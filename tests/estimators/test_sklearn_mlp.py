"""scikit-learn's own tests of its multilayer perceptrons, from the installed file, with our classes in their place."""

import importlib.util
from pathlib import Path

import pytest
import sklearn
from sklearn import neural_network

import fastgd as gd

THEIRS = Path(neural_network.__file__).parent / "tests" / "test_mlp.py"
if not THEIRS.exists():
    pytest.skip("scikit-learn is installed without its tests", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PRIVATE = {  # what reaches into scikit-learn's classes
    "test_fit": "makes a fitted network by hand, with _coef_grads, _coef_velocity and others, without a fit",
    "test_gradient": "calls the method _loss_grad_lbfgs",
    "test_learning_rate_warmstart": "reads _optimizer.learning_rate, of scikit-learn's optimizers",
    "test_adaptive_learning_rate": "reads _optimizer.learning_rate, of scikit-learn's optimizers",
}


def loaded():
    """Their module, which imports our classes by the names of theirs."""
    spec = importlib.util.spec_from_file_location("sklearn_test_mlp", THEIRS)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLPClassifier", "MLPRegressor"):
            patch.setattr(neural_network, name, getattr(gd, name))
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def global_random_seed():
    """As in scikit-learn's conftest.py, where 42 is what runs by default."""
    return 42


MODULE = loaded()
TESTS = {name: test for name, test in vars(MODULE).items() if name.startswith("test_")}
for name, test in TESTS.items():
    globals()[name] = pytest.mark.skip(PRIVATE[name])(test) if name in PRIVATE else test


def test_it_is_our_classes_that_are_tested():
    assert MODULE.MLPClassifier is gd.MLPClassifier
    assert MODULE.MLPRegressor is gd.MLPRegressor
    assert neural_network.MLPClassifier is not gd.MLPClassifier
    assert PRIVATE.keys() <= TESTS.keys()
    if sklearn.__version__ == "1.9.1":
        assert len(TESTS) == 43
