"""`LinearNetwork`: a network without hidden layers that linear models' own kernels compute."""

from __future__ import annotations

from fastgd.engines.networks import linear_engine_for
from fastgd.network.mlp import MLP


class LinearNetwork(MLP):
    """An `MLP` without hidden layers, computed by the kernels of linear models.

    They are several times as fast as a network's, whose products have columns for 16 or 32 outputs, and add in another
    order. So an `MLP` has the bits of a sweep's networks side by side, and this class those of estimators.
    """

    _engine_for = staticmethod(linear_engine_for)
