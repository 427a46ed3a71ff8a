"""scikit-learn's own checks of estimators, all of them."""

import pytest
import sklearn
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

import fastgd as gd

ESTIMATORS = [
    gd.MLPClassifier(max_iter=100),
    gd.MLPClassifier(hidden_layer_sizes=10, max_iter=50, solver="lbfgs"),
    gd.MLPRegressor(max_iter=100),
    gd.GDClassifier(max_iter=200),
    gd.GDClassifier(max_iter=50, optimizer="adam", learning_rate=0.1, batch_size=16),
    gd.GDRegressor(),
]
IN_BATCHES = {  # what must fail where updates see some of the rows only; on all rows nothing does
    "check_sample_weight_equivalence_on_dense_data": "in batches a row twice is not a row of weight 2",
    "check_sample_weight_equivalence_on_sparse_data": "in batches a row twice is not a row of weight 2",
    "check_class_weight_classifiers": "a batch's loss is a weighted mean, so a batch of light rows only is a full step",
}
COUNTS = {"MLPClassifier": 68, "MLPRegressor": 60, "GDClassifier": 64, "GDRegressor": 61}


def expected_failures(estimator):
    """The failures that are expected of an estimator with its parameters."""
    return IN_BATCHES if estimator.batch_size == 16 else {}


# Few epochs are enough for what is checked. The array API check skips itself where it is not switched on.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_how_many_checks_there_are(estimator):
    names = [check.func.__name__ for _, check in estimator_checks_generator(estimator)]
    assert expected_failures(estimator).keys() <= set(names)
    if sklearn.__version__.startswith("1.9."):
        assert len(names) == COUNTS[type(estimator).__name__]
