"""From what a user gives `find_lr` to what is run: a network, an estimator or a problem, with its data."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgd.checks import as_count, as_finite_array, as_number, is_flag
from fastgd.engines.protocol.networks import Rows
from fastgd.finder.subjects import Descent, Fits, Subject, Trainings, some_rows
from fastgd.network.mlp import MLP
from fastgd.network.problem import NetworkProblem
from fastgd.optimizers import SGD, Adam, Optimizer
from fastgd.optimizers.named import not_optimizer
from fastgd.problems import Problem

__all__ = ["subject_of"]

_JUDGED = 10_000  # rows whose loss is computed at the end of each run


def subject_of(
    model: Any,
    X: Any,
    y: Any,
    *,
    optimizer: Any,
    sample_weight: Any,
    validation: Any,
    batch_size: Any,
    x0: Any,
) -> tuple[Subject, str, str]:
    """What is run, its description, and the estimator's parameter that is the rate."""
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise not_optimizer("optimizer", optimizer)
    if not isinstance(model, Problem | NetworkProblem | MLP) and not hasattr(model, "get_params"):
        raise TypeError(
            "model must be a fastgd.MLP, an estimator of fastgd, or a problem such as gd.LeastSquares or "
            f"gd.Function(f, n), got {type(model).__name__}"
        )
    data = {"X": X, "y": y, "sample_weight": sample_weight, "validation": validation}
    if isinstance(model, Problem | NetworkProblem):
        _refuse(data | {"batch_size": batch_size}, f"a {type(model).__name__}, which has its data")
    if not isinstance(model, Problem):
        _refuse({"x0": x0}, "a network or an estimator, whose parameters are where runs begin")
    if isinstance(model, Problem):
        return Descent(model, optimizer or SGD(), _start(model, x0)), repr(model), ""
    if isinstance(model, NetworkProblem):
        problem = _judged(model)
        return Trainings(problem, optimizer or _own(model.network)), repr(problem), ""
    if X is None or y is None:
        raise TypeError(f"find_lr needs X and y for a {type(model).__name__}")
    if isinstance(model, MLP):
        X, y, sample_weight, validation = _split(model.seed, X, y, sample_weight, validation)
        size = 32 if batch_size is None else as_count("batch_size", batch_size, 1)
        problem = NetworkProblem(
            model, X, y, sample_weight=sample_weight, batch_size=size, validation=validation
        )
        return Trainings(_judged(problem), optimizer or _own(model)), repr(model), ""
    own = {"optimizer": optimizer, "batch_size": batch_size}
    _refuse(own, f"a {type(model).__name__}, which has its own")
    return _of_estimator(model, X, y, weights=sample_weight, validation=validation)


def _refuse(given: dict[str, Any], of: str) -> None:
    """Refuse arguments that are not for this model."""
    for name, value in given.items():
        if value is not None:
            raise TypeError(f"{name} is not for {of}")


def _start(problem: Problem, x0: Any) -> Any:
    point = np.zeros(problem.n_parameters) if x0 is None else as_finite_array("x0", x0)
    if point.shape == () and problem.n_parameters == 1:
        point = point.reshape(1)
    if point.shape != (problem.n_parameters,):
        raise ValueError(f"x0 must have shape ({problem.n_parameters},), got {point.shape}")
    return point


def _own(network: Any) -> Optimizer:
    """The optimizer that `fit` would continue with."""
    if network.optimizer_ is None and network.loaded_state_ is not None:
        saved = network.loaded_state_["optimizer"]
        raise ValueError(
            f"optimizer must be given: the network was loaded from a file, with the state of its {saved}"
        )
    return Adam() if network.optimizer_ is None else network.optimizer_.fresh()


def _judged(problem: NetworkProblem[MLP]) -> NetworkProblem[MLP]:
    """The same, where losses are those of so many rows at most."""
    if len(problem.judged) <= _JUDGED:
        return problem
    rng = np.random.default_rng(problem.network.seed)
    own = object.__new__(NetworkProblem)
    vars(own).update(vars(problem), judged=some_rows(problem.judged, _JUDGED, rng))
    return own


# --- rows that are not trained on ---------------------------------------------------------------------


def _share(validation: Any) -> float | None:
    """`validation` as a share of the rows; None if it is none."""
    if validation is None or isinstance(validation, tuple | list):
        return None
    if is_flag(validation):
        raise TypeError(f"validation must be (X, y) or a share of the rows, got {validation!r}")
    share = as_number("validation", validation, "(X, y) or a share of the rows")
    if not 0.0 < share < 1.0:
        raise ValueError(f"validation must be a share between 0 and 1, got {share!r}")
    return share


def _split(seed: int, X: Any, y: Any, weights: Any, validation: Any) -> tuple[Any, Any, Any, Any]:
    """Rows to train on, and rows to judge by, drawn if `validation` is a share."""
    share = _share(validation)
    if share is None:
        return X, y, weights, validation
    X, y = np.asarray(X), np.asarray(y)
    n = len(X)
    out = round(share * n)
    if not 0 < out < n or len(y) != n:
        raise ValueError(f"validation={share} of {n} rows leaves none, or y has another length")
    order = np.random.default_rng(seed).permutation(n)
    held, kept = np.sort(order[:out]), np.sort(order[out:])
    weights = None if weights is None else np.asarray(weights)[kept]
    return X[kept], y[kept], weights, (X[held], y[held])


# --- estimators -----------------------------------------------------------------------------------------


def _of_estimator(
    model: Any, X: Any, y: Any, *, weights: Any, validation: Any
) -> tuple[Subject, str, str]:
    from sklearn.model_selection import train_test_split  # noqa: PLC0415  (heavy)

    from fastgd.estimators.starting import start_of_fit  # noqa: PLC0415  (needs scikit-learn)

    share = _share(validation)
    if share is not None:
        parts = [X, y] if weights is None else [X, y, weights]
        split = train_test_split(*parts, test_size=share, random_state=0)
        X, y, validation = split[0], split[2], (split[1], split[3])
        weights = None if weights is None else split[4]
    elif validation is not None and len(validation) != 2:
        raise TypeError(f"validation must be a pair (X, y), got {len(validation)} parts")
    start = start_of_fit(model, X, y, weights, validation)
    problem: NetworkProblem[MLP] = _judged(_problem_of(start, start.rows, start.judged))
    about = type(model).__name__
    if start.epochs is not None:
        fits = Fits(problem, start.optimizer, start.curvature, start.epochs)
        return fits, about, start.parameter
    return Trainings(problem, start.optimizer, start.curvature), about, start.parameter


def _problem_of(start: Any, rows: Rows, judged: Rows | None) -> NetworkProblem[MLP]:
    """The problem of a fit, whose rows are checked already."""
    own: NetworkProblem[MLP] = NetworkProblem(
        start.network, rows.x, rows.y, sample_weight=rows.weights, batch_size=start.batch_size,
        shuffle=start.shuffle,
    )  # fmt: skip
    own.judged = own.rows if judged is None else judged
    return own
