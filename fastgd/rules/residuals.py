"""Residuals of linear models: the derivative of one row's loss by the model's outputs for that row.

A model with one output takes ``(z, y)``, its output and the row's target, and returns ``(residual,)``. Where a loss of
`fastgd.rules.losses` has that slope with the same bits, the loss itself is used (`fastgd.engines.registry`). A model
with several outputs takes ``(k, z, y)``, their number, the outputs, which it replaces by the residuals, and the target:
1 for the row's own output, 0 for the others. Loops over the outputs add from first to last.
"""

import numpy as np


def logistic(z, y):
    """The sigmoid of z less y; other bits than `losses.binary_cross_entropy`, which distinguishes the sign of z."""
    return (1.0 / (1.0 + np.exp(-z)) - y,)


def softmax(k, z, y):
    """exp(z) / sum(exp(z)) - y, without large exponentials."""
    peak = z[0]
    for c in range(1, k):
        peak = np.maximum(z[c], peak)
    for c in range(k):
        z[c] = np.exp(z[c] - peak)
    total = z[0]
    for c in range(1, k):
        total = total + z[c]
    for c in range(k):
        z[c] = z[c] / total - y[c]
