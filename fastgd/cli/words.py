"""Words and numbers that several commands share."""

from __future__ import annotations

import math

from fastgd.engines.protocol.outcomes import Status

NUMBERS = {  # hyperparameters that are numbers
    "momentum": "weight of the previous velocity",
    "weight_decay": "weight decay",
    "alpha": "RMSprop: weight of the previous average",
    "rho": "Adadelta: weight of the previous average",
    "eps": "added to the root",
    "l1": "L1 penalty",
    "l2": "L2 penalty",
    "clip_norm": "largest norm of a gradient",
}
SCALES = {
    "minmax": "features scaled to [0, 1]",
    "standard": "features standardized",
    "none": "features as they are",
}
LOSSES = {
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "huber": "Huber's loss",
    "poisson": "Poisson deviance",
    "cross_entropy": "cross-entropy",
}
VARIANTS = {  # of the trainability map
    "tanh": "tanh, all rows",
    "relu": "ReLU, all rows",
    "identity": "identity, all rows",
    "minibatch": "tanh, minibatches of 16 rows",
    "single": "tanh, one row",
    "init": "tanh, initial weights",
    "small": "tanh, 16 rows",
}
ENDED = {
    Status.CONVERGED: "converged",
    Status.MAX_ITER: "not converged",
    Status.DIVERGED: "diverged",
    Status.MAX_SECONDS: "stopped at the time limit",
    Status.INTERRUPTED: "interrupted",
    Status.ERROR: "lost with its process",
    Status.STOPPED: "stopped early",
    Status.NOT_RUN: "not begun",
}
BAD_INPUT, INTERRUPTED = 2, 130  # exit codes


def count(many: float, what: str) -> str:
    """A number of things, for example ``1 row`` or ``2,000 rows``."""
    digits = f"{many:,}" if isinstance(many, int) else f"{many:,.6g}"
    return f"{digits} {what}" if many == 1 else f"{digits} {what}s"


def number(value: float, places: str = ".6g") -> str:
    """A number in a table; a dash if there is none."""
    return "-" if math.isnan(value) else format(value, places)


def several(names: list[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
