"""`MLPClassifier`, `MLPRegressor`: networks with scikit-learn's interface.

Long because scikit-learn requires explicit constructors, and users read these docstrings.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import r2_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels

from fastgd.engines.protocol.networks import Array
from fastgd.estimators.arguments import Choice, Kind
from fastgd.estimators.base import NetworkClassifier, NetworkRegressor
from fastgd.estimators.data import class_targets, first_part, number_targets
from fastgd.estimators.held_out import HeldOut
from fastgd.estimators.multilayer_base import MultilayerEstimator
from fastgd.names import suggesting
from fastgd.network.outputs import linked

__all__ = ["MLPClassifier", "MLPRegressor"]


def _by_descent(estimator: Any) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True


class MLPClassifier(NetworkClassifier, MultilayerEstimator):
    """A network of fully connected layers that classifies: scikit-learn's `MLPClassifier`, compiled.

    Parameters, their defaults and meaning, and attributes are those of scikit-learn 1.9. The same `random_state` gives
    the same initial weights, orders of rows and batches, and so the same loss curve and predictions within rounding.
    New are more activations and solvers, `class_weight`, `dtype`, `n_threads`, callbacks and
    ``fit(..., validation=(X, y))``.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Units of each hidden layer; an empty sequence makes a linear model.
    activation : str, default "relu"
        Activation of the hidden layers: "identity", "logistic", "tanh", "relu", "leaky_relu", "gelu" or "softplus".
    solver : str or Optimizer, default "adam"
        "sgd" and "adam" with scikit-learn's formulas; "lbfgs" of SciPy; the name of any other optimizer of fastgd in
        lower case, such as "adamw", with the rate `learning_rate_init`; or a `fastgd.Optimizer`, of which a fresh copy
        is used.
    alpha : float, default 0.0001
        Penalty alpha / (2 n) Σ W² on the weights, where n is the number of rows of the batch (the sum of their
        weights).
    batch_size : int or "auto", default "auto"
        Rows of an update; "auto" is the smaller of 200 and the number of rows.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        Schedule of the rate, for named solvers except "adam". "invscaling" is learning_rate_init / (t + 1)^power_t
        where t is the number of rows seen before the epoch; "adaptive" divides the rate by 5 when training would stop,
        until it is 1e-6.
    learning_rate_init : float, default 0.001
    power_t : float, default 0.5
    max_iter : int, default 200
        Epochs, or iterations of L-BFGS.
    shuffle : bool, default True
        Permute the rows before each epoch.
    random_state : int, RandomState instance or None, default None
        Seed of the initial weights, the split for early stopping and the permutations.
    tol : float, default 1e-4
        Smallest improvement of the best loss (or validation score) that counts; for "lbfgs" the largest component of
        the gradient at the end.
    verbose : bool, default False
        Print the loss of each epoch.
    warm_start : bool, default False
        Continue `fit` from the fitted weights.
    momentum : float, default 0.9
        Momentum of "sgd", "momentum", "heavyball" and "nag".
    nesterovs_momentum : bool, default True
        Whether the momentum of "sgd" is Nesterov's.
    early_stopping : bool, default False
        Watch the accuracy on held-out rows instead of the loss, and keep the weights with the best one.
    validation_fraction : float, default 0.1
        Share of the rows that early stopping holds out.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999, 1e-8
        Hyperparameters of "adam" and its relatives.
    n_iter_no_change : int or inf, default 10
        Epochs in a row without improvement that training tolerates.
    max_fun : int, default 15000
        Largest number of evaluations of the loss by "lbfgs".
    class_weight : dict, "balanced" or None, default None
        Weights of the classes, multiplied by `sample_weight`; "balanced" makes them inversely proportional to the
        counts of the classes. For several labels, a list of dicts.
    dtype : {"float32", "float64"} or None, default None
        Precision of weights and arithmetic. None takes that of X, or float64 if X is neither; "lbfgs" then computes in
        float64.
    n_threads : int or None, default None
        Number of threads; None takes that of `fastgd.set_num_threads`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    coefs_, intercepts_ : list of ndarray
        Weights and biases of each layer. They may be written to or replaced; predictions follow.
    loss_ : float
        Loss of the last epoch, penalty included: the mean of the batches' losses, each before its update.
    loss_curve_ : list of float
        Loss of each epoch.
    best_loss_ : float or None
        Smallest loss; None with early stopping.
    validation_scores_ : list of float or None
        Accuracy on the held-out rows after each epoch; None without held-out rows.
    best_validation_score_ : float or None
        Largest of these.
    n_iter_ : int
        Number of epochs, or of iterations of L-BFGS.
    t_ : int
        Number of rows seen.
    n_layers_, n_outputs_ : int
        Number of layers, inputs and outputs included; number of outputs.
    out_activation_ : str
        "softmax", or "logistic" for two classes and for several labels.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Names of the columns, if X has any.

    See Also
    --------
    MLPRegressor : The same for numbers.
    fastgd.MLP : The network itself, with dropout, more losses and initializations.

    Notes
    -----
    A fit whose loss or weights become NaN or infinite ends at once with ValueError and changes nothing; scikit-learn
    continues to the end first. With `early_stopping` it goes on as there, keeps the weights with the best score, and
    warns.

    An optimizer object has hyperparameters of its own, and a solver by name may lack some: where `learning_rate`,
    `learning_rate_init`, `power_t`, `momentum`, `nesterovs_momentum`, `beta_1`, `beta_2` or `epsilon` has another value
    than its default but no effect, `fit` warns. Only with scikit-learn's own solvers it is silent, as there.

    With `warm_start` and `early_stopping` the best weights of earlier fits are kept;
    scikit-learn overwrites them. Sparse input is converted to dense.

    References
    ----------
    Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward neural networks.
    Kingma & Ba (2015), Adam: a method for stochastic optimization.

    Examples
    --------
    >>> from fastgd import MLPClassifier
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> X, y = load_iris(return_X_y=True)
    >>> X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=1)
    >>> clf = MLPClassifier(tol=1e-3, max_iter=1000, random_state=1).fit(X, y)
    >>> clf.predict_proba(X_test).shape
    (38, 3)
    >>> clf.score(X_test, y_test) > 0.9
    True
    """

    loss = "log_loss"

    @suggesting
    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
        dtype: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.class_weight = class_weight
        self.dtype = dtype
        self.n_threads = n_threads

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    # --- data -------------------------------------------------------------------------------------

    def _checked_data(self, X: Any, y: Any, first: bool, part: bool) -> tuple[Array, Array]:
        X, y = self._validated(X, y, first)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if first and not part:
            self._learn_classes(y)
        else:
            self._check_classes(y, part)
        return X, y

    def _learn_classes(self, y: Any) -> None:
        self._label_binarizer = LabelBinarizer().fit(y)
        self.classes_ = self._label_binarizer.classes_

    def _check_classes(self, y: Array, part: bool) -> None:
        seen = unique_labels(y)
        if not part and set(seen) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {seen}"
            )
        new = np.setdiff1d(seen, self.classes_, assume_unique=True)
        if len(new):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {seen}. New, "
                f"not among the first, are {new}"
            )

    def _begin_part(self, y: Any, classes: Any) -> None:
        if first_part(self, classes):
            self._learn_classes(y if type_of_target(y).startswith("multilabel") else classes)

    def _multilabel(self) -> bool:
        return bool(self._label_binarizer.y_type_.startswith("multilabel"))

    def _count_outputs(self, y: Array) -> int:
        classes = len(self.classes_)
        return classes if self._multilabel() or classes > 2 else 1

    def _output(self) -> tuple[str, str]:
        if self._multilabel() or len(self.classes_) <= 2:
            return "binary_cross_entropy", "logistic"
        return "cross_entropy", "softmax"

    def _targets(self, y: Array, dtype: Any) -> Array:
        if self._multilabel():
            return np.ascontiguousarray(self._label_binarizer.transform(y), dtype)
        return class_targets(self.classes_, y, dtype)

    def _stratified(self, targets: Array) -> Array | None:
        # A column of True and False, as in scikit-learn: a message that the split fails may name these.
        return targets > 0 if targets.ndim == 2 and targets.shape[1] == 1 else None

    def _counted(self, stratified: Array) -> str:
        parts = [
            f"{np.count_nonzero(stratified == truth)} rows of {label!r} ({truth!s})"
            for label, truth in zip(self.classes_.tolist(), (False, True), strict=False)
        ]
        return f"y has {' and '.join(parts)}."

    def _score_of(self, z: Array, held_out: HeldOut) -> float:
        p = linked(self._network().architecture.link, z)
        guess = p.argmax(axis=1, keepdims=True) if held_out.y.ndim == 1 else p > 0.5
        right = (guess == held_out.y.reshape(len(p), -1)).all(axis=1)
        return float(np.average(right, weights=held_out.weights))

    # --- fitting ----------------------------------------------------------------------------------

    @available_if(_by_descent)  # type: ignore[untyped-decorator]
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on these rows, continuing with the state of the solver.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`.
        classes : array_like of shape (n_classes,), optional
            All classes; required at the first call.

        Returns
        -------
        MLPClassifier
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            As in `fit`; also with `early_stopping` or class_weight="balanced".
        """
        return self._fit_part(X, y, sample_weight, classes)

    # --- predicting -------------------------------------------------------------------------------

    def predict(self, X: ArrayLike) -> Array:
        """The most probable class, or the labels with a probability above one half.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, features)

        Returns
        -------
        ndarray of shape (n,) or (n, n_classes)
        """
        self._check_fitted()
        p = self._linked(X)
        if self._multilabel():
            return self._label_binarizer.inverse_transform(p)  # type: ignore[no-any-return]
        if p.shape[1] > 1:
            return np.asarray(self.classes_[p.argmax(axis=1)])
        return np.asarray(self.classes_.take((p[:, 0] > 0.5).astype(np.intp), mode="clip"))

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities of the classes, or of each label.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, features)

        Returns
        -------
        ndarray of shape (n, n_classes)
        """
        self._check_fitted()
        p = self._linked(X)
        return np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p


class MLPRegressor(NetworkRegressor, MultilayerEstimator):
    """A network of fully connected layers that predicts numbers: scikit-learn's `MLPRegressor`, compiled.

    Parameters, their defaults and meaning, and attributes are those of scikit-learn 1.9. All parameters except `loss`
    are explained at `MLPClassifier`; there is no `class_weight`.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default "squared_error"
        Half the squared error, or half the deviance of a Poisson distribution whose mean is the exponential of the
        output (y >= 0).
    hidden_layer_sizes : int or sequence of int, default (100,)
    activation : str, default "relu"
    solver : str or Optimizer, default "adam"
    alpha : float, default 0.0001
    batch_size : int or "auto", default "auto"
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
    learning_rate_init : float, default 0.001
    power_t : float, default 0.5
    max_iter : int, default 200
    shuffle : bool, default True
    random_state : int, RandomState instance or None, default None
    tol : float, default 1e-4
    verbose : bool, default False
    warm_start : bool, default False
    momentum : float, default 0.9
    nesterovs_momentum : bool, default True
    early_stopping : bool, default False
        Watch R² on held-out rows.
    validation_fraction : float, default 0.1
    beta_1, beta_2, epsilon : float, default 0.9, 0.999, 1e-8
    n_iter_no_change : int or inf, default 10
    max_fun : int, default 15000
    dtype : {"float32", "float64"} or None, default None
    n_threads : int or None, default None

    Attributes
    ----------
    out_activation_ : str
        "identity" or "exp".
    validation_scores_ : list of float or None
        R² on the held-out rows after each epoch; None without held-out rows.
    coefs_, intercepts_, loss_, loss_curve_, best_loss_, best_validation_score_, n_iter_, t_, n_layers_, n_outputs_, \
n_features_in_, feature_names_in_
        As in `MLPClassifier`.

    See Also
    --------
    MLPClassifier : The same for classes.

    Notes
    -----
    For several outputs scikit-learn reports the mean of their losses but uses the gradient of the sum. Training here
    uses the same gradient, and `loss_` reports the same mean. "lbfgs" minimizes the sum, which agrees with the
    gradient, so its result may differ from scikit-learn's.

    Examples
    --------
    >>> from fastgd import MLPRegressor
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> reg = MLPRegressor(hidden_layer_sizes=50, solver="lbfgs", random_state=1, max_iter=100, tol=1.0)
    >>> reg.fit(X, y).score(X, y) > 0.99
    True
    """

    _kinds: ClassVar[dict[str, Kind]] = {
        **MultilayerEstimator._kinds,
        "loss": Choice(("squared_error", "poisson")),
    }

    @suggesting
    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dtype: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dtype = dtype
        self.n_threads = n_threads

    # --- data -------------------------------------------------------------------------------------

    def _output(self) -> tuple[str, str]:
        return ("poisson", "exp") if self.loss == "poisson" else ("half_squares", "identity")

    def _targets(self, y: Array, dtype: Any) -> Array:
        if (columns := self._count_outputs(y)) != self.n_outputs_:
            raise ValueError(f"y must have {self.n_outputs_} columns, got {columns}")
        return number_targets(y, dtype, self.loss)

    def _loss_scale(self) -> float:
        return 1.0 if self.loss == "poisson" else 1.0 / self.n_outputs_

    def _score_of(self, z: Array, held_out: HeldOut) -> float:
        guess = linked(self._network().architecture.link, z)
        if not np.isfinite(guess).all():
            return float("nan")
        return float(r2_score(held_out.y, guess, sample_weight=held_out.weights))

    # --- fitting and predicting ---------------------------------------------------------------------

    @available_if(_by_descent)  # type: ignore[untyped-decorator]
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch on these rows, continuing with the state of the solver.

        Parameters
        ----------
        X, y, sample_weight : array_like
            As in `fit`.

        Returns
        -------
        MLPRegressor
            The estimator itself.

        Raises
        ------
        TypeError, ValueError
            As in `fit`; also with `early_stopping`.
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
        self._check_fitted()
        values = self._linked(X)
        return values[:, 0] if values.shape[1] == 1 else values
