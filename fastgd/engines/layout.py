"""Sizes and codes that C, Cython, Numba and CUDA share.

They are written here once. `setup.py` makes a C header and a Cython include file of them (`c_header`,
`cython_include`); generated kernels take them from here as their text is written.
"""

from __future__ import annotations

# --- sweeps -----------------------------------------------------------------------------------------

WIDTH = 256  # runs in a row of a block
WINDOW = 64  # updates between two looks at a block's runs
MEMORY = 32  # moves whose signs tell an oscillating run from a monotone one
ROW_BLOCK = 256  # rows of data whose sum is taken before it is added to the total
MATRIX = (
    12  # parameters from which on the gradient of a quadratic is a product of matrices in tiles
)

# --- what stands before a rule ------------------------------------------------------------------------

SHARED = 6  # arguments of `prepare` after (t, lr), and the number of its coefficients
CLIP_PARTS = 6  # where norms are clipped: limit and eps, each as three numbers with the exact sum

# --- when a run with penalties has converged ----------------------------------------------------------

PENALTIES = 5  # numbers of a run by which `steepness` adds its penalties to the objective's slope

# --- the global norm ----------------------------------------------------------------------------------
# A sum of squares in double: blocks of BLOCK elements of one array, left to right, array after array,
# into one running total. Within a block, element i goes to partial sum i % PARTIALS, and these are
# added left to right.

BLOCK = 4096
PARTIALS = 8

# --- how a run ends: see `fastgd.engines.protocol.outcomes.Status` ------------------------------------

RUNNING = -1  # under way, or not yet begun
CONVERGED = 0
MAX_ITER = 1
DIVERGED = 2
MAX_SECONDS = 3
INTERRUPTED = 4
ERROR = 5  # its process ended: killed, or out of memory
STOPPED = 6  # waiting at the end of a rung, or not among those that went on from there
SMALL_STEP = 7  # shorter than `step_tol`; `minimize` reports such a run as converged


def constants() -> dict[str, int]:
    """All of the above by name."""
    return {name: value for name, value in globals().items() if name.isupper()}


def c_header() -> str:
    """The text of ``layout.h``: each constant with the prefix ``FGD_``."""
    lines = [f"#define FGD_{name} ({value})" for name, value in constants().items()]
    return "\n".join(
        [
            "/* Written by fastgd.engines.layout. */",
            "#ifndef FASTGD_LAYOUT_H",
            "#define FASTGD_LAYOUT_H",
            *lines,
            "#endif",
            "",
        ]
    )


def cython_include() -> str:
    """The text of ``layout.pxi``: the constants as a C enum."""
    lines = [f"    {name} = {value}" for name, value in constants().items()]
    return "\n".join(["# Written by fastgd.engines.layout.", "cdef enum:", *lines, ""])
