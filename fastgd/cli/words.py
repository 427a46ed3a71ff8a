"""Lists of words that several commands share."""

from __future__ import annotations

from fastgd.engines.protocol.outcomes import Status

OPTIMIZERS = (
    "SGD", "Momentum", "HeavyBall", "NAG", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW", "NAdam", "RAdam",
    "Adamax", "Rprop", "Lion",
)  # fmt: skip
NUMBERS = {
    "momentum": "weight of the old velocity",
    "weight_decay": "weight decay",
    "alpha": "RMSprop: weight of the old average",
    "rho": "Adadelta: weight of the old average",
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
ENDED = {
    Status.CONVERGED: "converged",
    Status.MAX_ITER: "not converged",
    Status.DIVERGED: "diverged",
    Status.MAX_SECONDS: "stopped at the time limit",
    Status.INTERRUPTED: "interrupted",
    Status.NOT_RUN: "not begun",
}
BAD_INPUT, INTERRUPTED = 2, 130  # exit codes
