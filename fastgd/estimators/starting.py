"""`StartOfFit`: where the fit of an estimator begins: network, rows, optimizer and batches, before any update."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

from sklearn.base import clone
from sklearn.utils import check_random_state

from fastgd.engines.protocol.networks import Rows
from fastgd.estimators.arguments import check_parameters
from fastgd.estimators.base import NetworkEstimator
from fastgd.estimators.linear_base import LinearEstimator
from fastgd.estimators.linear_epochs import LinearEpochs
from fastgd.estimators.scaled_model import ScaledModel
from fastgd.network.mlp import MLP
from fastgd.optimizers import Optimizer

__all__ = ["StartOfFit", "start_of_fit"]


@dataclass(frozen=True)
class StartOfFit:
    """What `fit` would train, and how.

    Attributes
    ----------
    network : MLP
        With the initial weights, in the coordinates of training.
    rows : Rows
    judged : Rows or None
        The rows of `validation`, likewise.
    optimizer : Optimizer
    batch_size : int
    shuffle : bool
    parameter : str
        The estimator's parameter that is the learning rate; empty where the optimizer has it.
    curvature : float or None
        The largest of the objective, where it has a closed form; inf at kinks.
    epochs : callable or None
        ``epochs(network, optimizer, seed)`` trains a network of its own where sweeps cannot: with penalties that differ
        from column to column.
    """

    network: MLP
    rows: Rows
    judged: Rows | None
    optimizer: Optimizer
    batch_size: int
    shuffle: bool
    parameter: str
    curvature: float | None = None
    epochs: Any = None


def start_of_fit(estimator: Any, X: Any, y: Any, sample_weight: Any, validation: Any) -> StartOfFit:
    """Do what `fit` of an estimator does before its first update; the estimator itself is not touched.

    With `warm_start` a fitted estimator goes on from its weights, as in `fit`.

    Raises
    ------
    TypeError, ValueError
        If the estimator is none of fastgd's, has an invalid parameter or no learning rate, or the data are invalid.
    """
    if not isinstance(estimator, NetworkEstimator):
        raise TypeError(
            "model must be a fastgd.MLP, an estimator of fastgd or a problem, got "
            f"{type(estimator).__name__}"
        )
    first = not (estimator.warm_start and hasattr(estimator, estimator._weights_name))
    own = clone(estimator) if first else deepcopy(estimator)
    check_parameters(own, own._kinds)
    if getattr(own, "solver", None) == "lbfgs":
        raise ValueError("model has solver='lbfgs', which has no learning rate")
    x, targets = own._checked_data(X, y, first, False)
    weights = own._weights(sample_weight, targets, len(x))
    net = own._begin(x.shape[1], own._count_outputs(targets), x.dtype, first)
    real = net.architecture.dtype
    rows = Rows(x, own._targets(targets, real), weights)
    judged = None
    if validation is not None:
        x, targets = own._checked_data(validation[0], validation[1], False, False)
        judged = Rows(x, own._targets(targets, real))
    start = _linear if isinstance(own, LinearEstimator) else _multilayer
    return start(own, net, rows, judged)


def _multilayer(own: Any, net: MLP, rows: Rows, judged: Rows | None) -> StartOfFit:
    batch = own._rows_of_batch(len(rows))
    named = "" if isinstance(own.solver, Optimizer) else "learning_rate_init"
    return StartOfFit(net, rows, judged, own._new_optimizer(), batch, bool(own.shuffle), named)


def _linear(own: Any, net: MLP, rows: Rows, judged: Rows | None) -> StartOfFit:
    batch = len(rows) if own.batch_size is None else min(int(own.batch_size), len(rows))
    scaling = own._new_scaling(net, rows, own)
    model = ScaledModel(
        net,
        rows,
        scaling,
        intercept=own.fit_intercept,
        from_zero=not own.loss_curve_,
        in_batches=True,  # the engine adds penalties where it can
    )
    optimizer = own._new_optimizer(model, batch)
    bend = own._bend(model, model.gap.design.steepest).largest
    found = StartOfFit(
        model.network,
        model.rows,
        None if judged is None else scaling.rows(judged, net.architecture.dtype),
        optimizer,
        batch,
        bool(own.shuffle),
        "learning_rate",
        math.inf if model.kink else bend,
    )
    if model.penalties.uniform or not model.penalties:
        return found
    return StartOfFit(**{**vars(found), "epochs": partial(_epochs, found, model)})


def _epochs(
    start: StartOfFit, model: ScaledModel, network: MLP, optimizer: Optimizer, seed: int
) -> LinearEpochs:
    """The training of a network with penalties that differ from column to column."""
    shuffled = start.shuffle and start.batch_size < len(start.rows)
    return LinearEpochs(
        network,
        start.rows,
        optimizer,
        model.penalties,
        batch_size=start.batch_size,
        rng=check_random_state(seed) if shuffled else None,
    )
