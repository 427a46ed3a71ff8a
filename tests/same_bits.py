"""What it means that two arrays have the same bits."""

import numpy as np


def bits(array):
    """Every bit counts but those that tell one NaN from another."""
    array = np.ascontiguousarray(array)
    if array.dtype.kind != "f":
        return array.tolist()
    plain = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return plain.view({4: np.uint32, 8: np.uint64}[array.dtype.itemsize]).tolist()
