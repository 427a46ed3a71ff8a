"""Estimators and a search with scikit-learn's interface: `MLPClassifier`, `GDClassifier`, ... and `SweepSearchCV`.

>>> from sklearn.datasets import load_digits
>>> from fastgd import MLPClassifier
>>> X, y = load_digits(return_X_y=True)
>>> MLPClassifier(tol=0.1, n_iter_no_change=2, random_state=0).fit(X, y).score(X, y) > 0.9
True
"""

from fastgd.extras import require

require("fastgd.estimators", "sklearn")

from fastgd.estimators.linear import GDClassifier, GDRegressor  # noqa: E402
from fastgd.estimators.multilayer import MLPClassifier, MLPRegressor  # noqa: E402
from fastgd.estimators.search import SweepSearchCV  # noqa: E402

__all__ = ["GDClassifier", "GDRegressor", "MLPClassifier", "MLPRegressor", "SweepSearchCV"]
