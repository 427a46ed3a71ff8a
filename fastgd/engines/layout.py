"""Sizes that C, Cython, Numba and CUDA share; `setup.py` writes the header from them."""

from __future__ import annotations

SHARED = 6  # rows of Descents.shared that are arguments of `prepare`; two more where gradients are clipped by norm
WIDTH = 256  # runs in a row of a block; as in _sweep.pyx
MEMORY = 32  # moves whose signs tell oscillating from monotone
# The global norm is a sum of squares in double: blocks of BLOCK elements of one array, left to
# right, array after array, into one running total. Within a block, element i goes to partial sum
# i % PARTIALS, and these are added left to right.
BLOCK = 4096
PARTIALS = 8
WINDOW = 64  # as in _sweep.pyx
ROW_BLOCK = 256  # rows whose sum is taken before it is added to the total
