"""`GDRegressor`, `GDClassifier`: linear models fitted by gradient descent on all rows, on batches or on single rows.

Long because scikit-learn requires explicit constructors, and users read these docstrings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted

from fastgd.engines.protocol.networks import Array
from fastgd.estimators.arguments import POSITIVE, Choice, ClassWeight, Kind, Real
from fastgd.estimators.base import NetworkClassifier, NetworkRegressor
from fastgd.estimators.data import as_python, class_targets, first_part, number_targets
from fastgd.estimators.linear_base import LinearEstimator
from fastgd.names import suggesting
from fastgd.network.mlp import MLP
from fastgd.network.outputs import linked
from fastgd.problems.curvature import Curvature

__all__ = ["GDClassifier", "GDRegressor"]

_LOSSES = {
    "squared_error": "half_squares",
    "absolute_error": "mae",
    "huber": "huber",
    "poisson": "poisson",
    "epsilon_insensitive": "epsilon_insensitive",
    "squared_epsilon_insensitive": "squared_epsilon_insensitive",
    "quantile": "quantile",
}
_BENDS = {
    "squared_epsilon_insensitive": 2.0,
    "squared_hinge": 2.0,
    "modified_huber": 2.0,
}  # at most


class GDRegressor(NetworkRegressor, LinearEstimator):
    """Linear regression by gradient descent, with any optimizer, on all rows or in mini-batches.

    It minimizes the mean loss of the rows, plus l1 Σ|w| + l2/2 Σ w² over the weights but not the intercept, and keeps
    the weights with the lowest value that was seen. Training starts with weights of 0.

    Parameters
    ----------
    loss : str, default "squared_error"
        "squared_error", half the squared error; "absolute_error"; "huber"; "poisson", half the deviance of a Poisson
        distribution whose mean is the exponential of the linear model (y >= 0); "epsilon_insensitive" and
        "squared_epsilon_insensitive", the absolute error beyond `epsilon` and its square (Vapnik, 1995); "quantile",
        whose minimum has a share `quantile` of the targets below it (Koenker and Bassett, 1978).
    optimizer : str or Optimizer, default "sgd"
        The name of an optimizer in lower case, such as "sgd", "momentum" or "adam"; or a `fastgd.Optimizer`, of which a
        fresh copy is used.
    learning_rate : float, schedule or "auto", default "auto"
        Replaces the rate of the optimizer; it is one in the coordinates that `standardize` leads to. "auto" keeps that
        of an optimizer object. For "sgd", "momentum", "heavyball" and "nag" it follows from the loss's curvature by the
        rule of `fastgd.minimize`: from the eigenvalues of the inputs' second moments if every update uses all rows,
        else from the largest squared length of a row (but of Poisson losses, where shuffled
        batches without weights are standardized,
        from a mean of both that is the nearer to the first the larger the batch), and for "poisson" also from the
        largest target. "sgd" on all rows without l1 begins with that rate, and goes on, but for "poisson" and kinks,
        with those of Barzilai and Borwein (1988), which follow from the curvature along the last step. With
        `standardize`, it falls from 0.1 to 0 along a cosine for Adam and its kind (0.5 for "adagrad", 0.03 for "lion"),
        and to kinks for all: of "absolute_error", "quantile", "epsilon_insensitive" and "hinge", and of "huber" with a
        delta far below the spread of y. Else it is
        the class's default.
    batch_size : int or None, default None
        Rows of an update; None takes all.
    l1, l2 : float, default 0
        Penalties of the weights in the user's units, whatever `standardize` is. With SGDRegressor's parameters,
        l1 = alpha l1_ratio and l2 = alpha (1 - l1_ratio). A weight that an update moves through 0 under an l1 penalty
        stays at 0 until the loss's slope is larger than the penalty's; only with standardize=False and in batches,
        weights come close to 0 without becoming 0.
    huber_delta : float, default 1.0
        Residual from which on "huber" is linear.
    epsilon : float, default 0.1
        Residual up to which the losses with this name are 0.
    quantile : float, default 0.5
        Of the loss "quantile", between 0 and 1.
    fit_intercept : bool, default True
    standardize : bool, default True
        Train in coordinates in which all columns have mean 0 (with an intercept) and the objective is equally curved
        along all weights, which with l2 = 0 means standard deviation 1, and in which y has a spread of about 1. What is
        minimized is the same, `coef_` and `intercept_` are in the user's units. A constant column's weight stays 0.
        `partial_fit` goes on in the coordinates of the fit before, and without one does not standardize.
    average : bool or int, default False
        Let the model be the mean of the parameters after each update (Polyak and Juditsky, 1992), which allows a larger
        rate in batches. An integer n begins with the update that sees row number n, counted over epochs and calls of
        `partial_fit`, as in `SGDRegressor`. `tol` and the objective speak of the average; the last one is kept.
    max_iter : int, default 1000
        Epochs, passes over all rows.
    tol : float, default 1e-6
        Training stops when the objective is proved to be at most this share of itself above its minimum (or of a
        hundredth of the best constant's loss, where that is more), for each output. The proof is the gap to the
        objective of the dual problem at a point that one of Newton's steps leads to; for squared errors it is exact,
        half of g'H⁻¹g with gradient g and Hessian H. So it has no unit, and no swing of momentum is taken for the end.
        Proofs are tried where an estimate says that they can succeed, and take about a tenth of the time at most.
    n_iter_no_change : int or inf, default 20
        In batches and at kinks (see `learning_rate`) a proof of 0.001 is enough where the objective has not become
        lower by the share `tol` in so many epochs, or `max_iter` is reached; inf asks for `tol` there too. While the
        proof is missing, the fit does not end before `max_iter`, however long nothing has improved.
    shuffle : bool, default True
        Permute the rows before each epoch, if it has several batches.
    random_state : int, RandomState instance or None, default None
        Seed of these permutations.
    warm_start : bool, default False
        Continue `fit` from the fitted weights.
    verbose : bool, default False
        Print the loss of each epoch.
    dtype : {"float32", "float64"} or None, default None
        Precision of weights and arithmetic; None takes that of X, or float64 if X is neither.
    n_threads : int or None, default None
        Number of threads; None takes that of `fastgd.set_num_threads`.

    Attributes
    ----------
    coef_ : ndarray of shape (features,) or (outputs, features)
    intercept_ : float or ndarray of shape (outputs,)
    n_iter_ : int
        Number of epochs of the last fit.
    t_ : int
        Number of updates by the optimizer.
    loss_curve_ : list of float
        Loss of each epoch, penalties included: the mean of its batches' losses, each before its update. The losses of
        several outputs are summed.
    dual_gap_ : float
        How far the objective is above its minimum, at most: a bound, and the objective itself where no other is known,
        because the fit is far from its end and a proof would take too long. Where the model was rounded to float32,
        what that lost is counted.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Names of the columns, if X has any.

    See Also
    --------
    GDClassifier : The same for classes.
    fastgd.sweep : Many such descents at once.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd import GDRegressor
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> reg = GDRegressor().fit(X, X @ [2.0, -1.0] + 3.0)
    >>> reg.coef_.round(3), float(reg.intercept_.round(3))
    (array([ 2., -1.]), 3.0)
    >>> import fastgd as gd
    >>> GDRegressor(optimizer=gd.Adam(lr=0.05), batch_size=10, random_state=0).fit(X, X[:, 0]).score(X, X[:, 0]) > 0.99
    True
    """

    _kinds: ClassVar[dict[str, Kind]] = {
        **LinearEstimator._kinds,
        "loss": Choice(tuple(_LOSSES)),
        "huber_delta": POSITIVE,
        "epsilon": Real(0.0),
        "quantile": Real(0.0, 1.0, low_open=True, high_open=True),
    }

    @suggesting
    def __init__(
        self,
        loss: str = "squared_error",
        *,
        optimizer: Any = "sgd",
        learning_rate: Any = "auto",
        batch_size: int | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        huber_delta: float = 1.0,
        epsilon: float = 0.1,
        quantile: float = 0.5,
        fit_intercept: bool = True,
        standardize: bool = True,
        average: bool | int = False,
        max_iter: int = 1000,
        tol: float = 1e-6,
        n_iter_no_change: float = 20,
        shuffle: bool = True,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: Any = False,
        dtype: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.l1 = l1
        self.l2 = l2
        self.huber_delta = huber_delta
        self.epsilon = epsilon
        self.quantile = quantile
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.average = average
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.shuffle = shuffle
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.dtype = dtype
        self.n_threads = n_threads

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _checked_data(self, X: Any, y: Any, first: bool, part: bool) -> tuple[Array, Array]:
        X, y = super()._checked_data(X, y, first, part)
        if first:
            self._one_dimensional = y.ndim == 1
        return X, y

    def _targets(self, y: Array, dtype: Any) -> Array:
        return number_targets(y, dtype, self.loss)

    def _network_loss(self) -> str:
        return _LOSSES[self.loss]

    def _loss_constants(self) -> tuple[float, ...]:
        if self.loss.endswith("epsilon_insensitive"):
            return (float(self.epsilon),)
        constants = {"huber": self.huber_delta, "quantile": self.quantile}
        return (float(constants[self.loss]),) if self.loss in constants else ()

    def _curvature(self, inputs: Curvature, y: Array) -> Curvature:
        if self.loss == "squared_error":
            return inputs
        if self.loss == "huber" or self.loss in _BENDS:
            bent = inputs.scaled(_BENDS.get(self.loss, 1.0))
            return replace(bent, smallest=0.0, constant=False)
        # Of a Poisson mean the curvature is the mean itself, about that of y; an absolute error has a kink, no
        # curvature, as the others have that are left.
        bound = max(1.0, float(y.max())) if self.loss == "poisson" else 1.0
        return Curvature(bound * inputs.largest, everywhere=False)

    def _show(self, net: MLP) -> None:
        super()._show(net)
        if self._one_dimensional:
            self.coef_, self.intercept_ = self.coef_[0], self.intercept_[0]

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch on these rows, continuing with the state of the optimizer.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`. The rows of the first call determine the rate "auto". Columns are not standardized, unless
            `fit` did: then in its way. A `ConvergenceWarning` says once that their scales differ more than tenfold.

        Returns
        -------
        GDRegressor
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            As in `fit`.
        """
        return self._fit_part(X, y, sample_weight)

    def predict(self, X: ArrayLike) -> Array:
        """The predicted numbers.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, features)

        Returns
        -------
        ndarray of shape (n,) or (n, outputs)
        """
        check_is_fitted(self)
        values = self._linked(X)
        return values[:, 0] if self._one_dimensional else values


class GDClassifier(NetworkClassifier, LinearEstimator):
    """Logistic and softmax regression, and linear support vector machines, by gradient descent with any optimizer.

    It minimizes the mean loss of the rows, plus l1 Σ|w| + l2/2 Σ w² over the weights but not the intercepts, on all
    rows or in mini-batches. Two classes make one output, more classes one output each. Training starts with
    weights of 0.

    Parameters
    ----------
    loss : {"log_loss", "hinge", "squared_hinge", "modified_huber"}, default "log_loss"
        Cross-entropy, of a sigmoid or of a softmax; or a loss of margins, with which each of more than two classes is
        told from all others: "hinge" of support vector machines (Cortes and Vapnik, 1995), its square (Lee and
        Mangasarian, 2001), or the square with a line below margins of -1 (Zhang, 2004).
    optimizer, learning_rate, batch_size : default "sgd", "auto", None
        As in `GDRegressor`.
    l1, l2 : float, default 0
        Penalties. With LogisticRegression's C and n rows, l2 = 1 / (C n).
    fit_intercept, standardize, average, max_iter, tol, n_iter_no_change : default True, True, False, 1000, 1e-6, 20
        As in `GDRegressor`.
    shuffle, random_state, warm_start, verbose : default True, None, False, False
        As in `GDRegressor`.
    class_weight : dict, "balanced" or None, default None
        Weights of the classes, multiplied by `sample_weight`; "balanced" makes them inversely proportional to the
        counts of the classes.
    dtype, n_threads : default None, None
        As in `GDRegressor`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    coef_ : ndarray of shape (1, features) or (n_classes, features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    n_iter_, t_, loss_curve_, dual_gap_, n_features_in_, feature_names_in_
        As in `GDRegressor`.

    See Also
    --------
    GDRegressor : The same for numbers.

    Examples
    --------
    >>> from fastgd import GDClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = GDClassifier(optimizer="adam", l2=0.01).fit(X, y)
    >>> clf.score(X, y) > 0.95
    True
    >>> clf.predict_proba(X[:2]).shape
    (2, 3)
    """

    _kinds: ClassVar[dict[str, Kind]] = {
        **LinearEstimator._kinds,
        "loss": Choice(("log_loss", "hinge", "squared_hinge", "modified_huber")),
        "class_weight": ClassWeight(),
    }

    @suggesting
    def __init__(
        self,
        *,
        loss: str = "log_loss",
        optimizer: Any = "sgd",
        learning_rate: Any = "auto",
        batch_size: int | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        fit_intercept: bool = True,
        standardize: bool = True,
        average: bool | int = False,
        max_iter: int = 1000,
        tol: float = 1e-6,
        n_iter_no_change: float = 20,
        shuffle: bool = True,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: Any = False,
        class_weight: Any = None,
        dtype: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.l1 = l1
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.average = average
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.shuffle = shuffle
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.class_weight = class_weight
        self.dtype = dtype
        self.n_threads = n_threads

    def _checked_data(self, X: Any, y: Any, first: bool, part: bool) -> tuple[Array, Array]:
        X, y = self._validated(X, y, first)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if first and not part:
            self._learn_classes(y)
        return X, y

    def _learn_classes(self, y: Any) -> None:
        self.classes_ = unique_labels(y)
        if len(self.classes_) < 2:
            only = as_python(self.classes_[0])
            raise ValueError(f"y has only one class, {only!r}; wanted at least two")

    def _begin_part(self, y: Any, classes: Any) -> None:
        if first_part(self, classes):
            self._learn_classes(classes)

    def _targets(self, y: Array, dtype: Any) -> Array:
        targets = class_targets(self.classes_, y, dtype)
        if self.loss == "log_loss" or targets.ndim == 2:
            return targets
        return np.eye(len(self.classes_), dtype=dtype)[targets]

    def _count_outputs(self, y: Array) -> int:
        return len(self.classes_) if len(self.classes_) > 2 else 1

    def _network_loss(self) -> str:
        if self.loss != "log_loss":
            return self.loss
        return "cross_entropy" if len(self.classes_) > 2 else "binary_cross_entropy"

    def _curvature(self, inputs: Curvature, y: Array) -> Curvature:
        if self.loss == "hinge":
            return Curvature(inputs.largest, everywhere=False)
        bound = _BENDS.get(self.loss, 0.5 if len(self.classes_) > 2 else 0.25)
        return replace(inputs.scaled(bound), smallest=0.0, constant=False)

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on these rows, continuing with the state of the optimizer.

        Parameters
        ----------
        X, y : array_like
            As in `fit`. The rows of the first call determine the rate "auto". Columns are not standardized, unless
            `fit` did: then in its way. A `ConvergenceWarning` says once that their scales differ more than tenfold.
        classes : array_like of shape (n_classes,), optional
            All classes; required at the first call.
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        GDClassifier
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            As in `fit`; also with class_weight="balanced".
        """
        return self._fit_part(X, y, sample_weight, classes)

    def decision_function(self, X: ArrayLike) -> Array:
        """Values of the linear model: above 0 for the second of two classes, or one value for each class.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, features)

        Returns
        -------
        ndarray of shape (n,) or (n, n_classes)
        """
        check_is_fitted(self)
        z = self._outputs(self._inputs(X))
        return z[:, 0] if z.shape[1] == 1 else z

    def predict(self, X: ArrayLike) -> Array:
        """The most probable class.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, features)

        Returns
        -------
        ndarray of shape (n,)
        """
        z = self.decision_function(X)
        numbers: NDArray[np.intp] = z.argmax(axis=1) if z.ndim == 2 else (z > 0).astype(np.intp)
        return np.asarray(self.classes_[numbers])

    def _has_chances(self) -> bool:
        if self.loss in ("log_loss", "modified_huber"):
            return True
        raise AttributeError(
            f"loss={self.loss!r} gives no probabilities; loss='log_loss' and 'modified_huber' do, "
            "and so does sklearn.calibration.CalibratedClassifierCV"
        )

    @available_if(_has_chances)  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Logarithms of `predict_proba`.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, features)

        Returns
        -------
        ndarray of shape (n, n_classes)
        """
        return super().predict_log_proba(X)

    @available_if(_has_chances)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities of the classes; not with "hinge" and "squared_hinge", whose outputs are none.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, features)

        Returns
        -------
        ndarray of shape (n, n_classes)
        """
        z = self.decision_function(X)
        if self.loss == "modified_huber":
            return _chances(z)
        if z.ndim == 2:
            return linked("softmax", z)
        p = linked("sigmoid", z[:, None])
        return np.concatenate([1 - p, p], axis=1)


def _chances(z: Array) -> Array:
    """Of "modified_huber": margins from -1 to 1 as probabilities from 0 to 1 (Zadrozny and Elkan, 2002)."""
    inner = 0.5 * (np.clip(z, -1.0, 1.0) + 1.0)
    if z.ndim == 1:
        return np.stack([1.0 - inner, inner], axis=1)
    inner[~inner.any(axis=1)] = 1.0
    return np.asarray(inner / inner.sum(axis=1, keepdims=True))
