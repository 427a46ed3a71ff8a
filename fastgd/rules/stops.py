"""How a descent ends, each decision written once: convergence, divergence, oscillation, the status.

The loops differ by backend (columns of arrays, vector lanes, threads), but every one of them makes these decisions: it
calls the function or pastes its expression (`fastgd.engines.parse_problems`). A function is one expression that works
on numbers, on arrays and, with the comparisons spelled out, on vectors of a C compiler: so `&` and `|`, and no
literals but integers.
"""

import numpy as np


def largest(so_far, value):
    """The largest absolute value so far; NaN once one is."""
    return np.maximum(so_far, np.abs(value))


def converged(slope, tol):
    """Tested before every update and after the last; a NaN does not converge."""
    return slope < tol


def inside(p, bound):
    """Whether a parameter is within the bound after an update; neither an infinite nor a NaN one is."""
    return np.abs(p) <= bound


def turned(move, before, nought):
    """Whether an update moved a parameter against the direction of the update before it."""
    return ((move > nought) & (before < nought)) | ((move < nought) & (before > nought))


def remembered(turns, bit):
    """The turns of the last moves as the bits of an integer, the latest lowest."""
    return (turns << 1) | bit


def oscillating(count, n, memory):
    """Whether `count` of the last `memory` moves, or of the n there were, is more than half of them."""
    return 2 * count > min(memory, n)


def status(within, met, last, running, converged, max_iter, diverged):
    """Divergence comes first, then convergence, then the last iteration; the last four arguments are the statuses."""
    return np.where(within, np.where(met, converged, np.where(last, max_iter, running)), diverged)
