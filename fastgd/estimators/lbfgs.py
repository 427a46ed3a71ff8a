"""Training of a whole network by SciPy's L-BFGS-B."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.protocol.networks import Rows
from fastgd.network.mlp import MLP

__all__ = ["minimize_by_lbfgs"]


def minimize_by_lbfgs(
    net: MLP,
    rows: Rows,
    after_iteration: Callable[[], bool] | None,
    *,
    max_fun: int,
    max_iter: int,
    tol: float,
) -> Any:
    """Minimize loss and penalties over the network's parameters, in place.

    Parameters
    ----------
    net : MLP
    rows : Rows
    after_iteration : callable, optional
        Called when the network has the parameters of an iteration; True stops.
    max_fun, max_iter : int
        Most evaluations and iterations.
    tol : float
        Largest component of the gradient at the end.

    Returns
    -------
    scipy.optimize.OptimizeResult
        Its status is 99 if `after_iteration` stopped it.
    """
    from scipy.optimize import minimize  # noqa: PLC0415

    arrays = [*net.params[::2], *net.params[1::2]]  # scikit-learn's order: all weights, all biases
    ends = np.cumsum([p.size for p in arrays])[:-1]

    def put(point: NDArray[np.float64]) -> None:
        for p, part in zip(arrays, np.split(point, ends), strict=True):
            p[...] = part.reshape(p.shape)

    def loss_and_gradient(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        put(point)
        loss, penalty, g = net.engine.loss_and_grad(net.params, rows, None)
        gradient = np.concatenate([a.ravel() for a in (*g[::2], *g[1::2])]).astype(np.float64)
        return loss + penalty, gradient

    def callback(intermediate_result: Any) -> None:
        assert after_iteration is not None
        put(intermediate_result.x)
        if after_iteration():
            raise StopIteration

    result = minimize(
        loss_and_gradient,
        np.concatenate([p.ravel() for p in arrays]).astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol},
        callback=callback if after_iteration is not None else None,
    )
    put(result.x)
    return result
