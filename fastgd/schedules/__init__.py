"""Learning rates as pure functions of the step.

Each function here returns a frozen `Schedule`: call it with a step number (from 0) or an integer array of
steps; it keeps no state, so it can be shared, compared, hashed, pickled and continued from anywhere. Update
number n of an optimizer (from 1) uses the rate of step n - 1.

>>> import numpy as np
>>> from fastgd import schedules
>>> rate = schedules.warmup_cosine(peak=0.1, warmup=5, total=105)
>>> rate(0), rate(5), rate(105)
(0.0, 0.1, 0.0)
>>> rate(np.array([[0, 5], [55, 105]]))
array([[0.  , 0.1 ],
       [0.05, 0.  ]])
"""

from fastgd.schedules.cycles import cosine_restarts, one_cycle
from fastgd.schedules.decays import (
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    linear,
    multi_step,
    polynomial,
    step,
)
from fastgd.schedules.schedule import Schedule, as_schedule
from fastgd.schedules.warmups import (
    warmup,
    warmup_constant,
    warmup_cosine,
    warmup_inverse_sqrt,
    warmup_linear,
)

__all__ = [
    "Schedule",
    "as_schedule",
    "constant",
    "cosine",
    "cosine_restarts",
    "exponential",
    "inverse_sqrt",
    "linear",
    "multi_step",
    "one_cycle",
    "polynomial",
    "step",
    "warmup",
    "warmup_constant",
    "warmup_cosine",
    "warmup_inverse_sqrt",
    "warmup_linear",
]
