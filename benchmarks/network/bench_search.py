"""A search over 100 candidates of a network on scikit-learn's digits, and who else does it.

The peers are `GridSearchCV` around the same estimator and around scikit-learn's own, with as many worker processes as
ours has threads. All find the same best candidate: the estimators train alike.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparison import QUICK, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

ROUNDS = 1 if QUICK else 3
RATES = np.geomspace(1e-3, 0.1, 2 if QUICK else 20).tolist()
GRID = {"learning_rate_init": RATES, "alpha": [1e-5, 1e-3, 0.1, 1.0, 10.0][: 1 if QUICK else 5]}
WORKLOADS = [
    (8, 32, "float32"),
    (16, 32, "float64"),
    (32, 200, "float64"),
]  # units, rows of a batch


def data(dtype: str) -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(dtype), y


def searches(units: int, batch: int, dtype: str) -> dict[str, Callable[[], Any]]:
    from sklearn.model_selection import GridSearchCV
    from sklearn.neural_network import MLPClassifier

    threads, (x, y) = get_num_threads(), data(dtype)
    options = {"hidden_layer_sizes": (units,), "batch_size": batch, "random_state": 0}
    options |= {"max_iter": 3 if QUICK else 30}
    ours, theirs = gd.MLPClassifier(**options), MLPClassifier(**options)
    single = gd.MLPClassifier(**options, n_threads=1)  # every worker has a process
    how = {"cv": 2 if QUICK else 5, "n_jobs": threads}
    return {
        "fastgd": lambda: gd.SweepSearchCV(ours, GRID, **how).fit(x, y),
        "GridSearchCV, fastgd": lambda: GridSearchCV(single, GRID, **how).fit(x, y),
        "GridSearchCV, scikit-learn": lambda: GridSearchCV(theirs, GRID, **how).fit(x, y),
    }


@pytest.mark.parametrize(("units", "batch", "dtype"), WORKLOADS)
def test_search(benchmark: Any, units: int, batch: int, dtype: str) -> None:
    calls = searches(units, batch, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name: call() for name, call in calls.items()}
        scores = found["fastgd"].cv_results_["mean_test_score"]
        same = found["GridSearchCV, fastgd"].cv_results_["mean_test_score"]
        np.testing.assert_allclose(scores, same, rtol=1e-12)
        about = {
            "table": "Searches",
            "workload": f"digits, 64-{units}-10, batch {batch}, {dtype}, {len(scores)} candidates",
            "threads": get_num_threads(),
            "unit": "fit",
            "headline": True,
            "together": found["fastgd"].fits_together_,
        }
        amount = float(len(scores) * found["fastgd"].n_splits_)
        candidates = {name: Candidate(call, amount) for name, call in calls.items()}
        compare(benchmark, candidates, rounds=ROUNDS, about=about)
