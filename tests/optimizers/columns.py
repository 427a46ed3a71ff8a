"""The updates of many runs from whole columns of hyperparameters, as sweeps read them."""

import numpy as np

from fastgd.optimizers.loops import varied


def methods(optimizer, columns):
    """Runs whose flags select the same rule, as their indices in order, and their numbers."""
    several = varied(optimizer, columns)
    (runs,) = {column.shape[-1] for column in several.columns.values()}
    found = []
    for chosen in several.alike(runs, lambda _: np.arange(runs)):
        index = np.asarray(chosen)
        flags = several.flags(dict.fromkeys(columns, int(index[0])))
        found.append((index, several.method(flags, dict.fromkeys(columns, index), index.size)))
    return found
