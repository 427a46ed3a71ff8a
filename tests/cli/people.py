"""Heights, ages and weights of invented people, and a small table."""

import numpy as np

RNG = np.random.default_rng(5)
HEIGHT = np.round(RNG.normal(68, 2, 40), 3)
AGE = RNG.integers(18, 60, 40)
WEIGHT = np.round(3.2 * HEIGHT - 90 + 0.3 * AGE + RNG.normal(0, 8, 40), 2)
TALL = np.where(HEIGHT + RNG.normal(0, 1.5, 40) > 68, "tall", "short")
GOOD = {"a": [1, 2, 4, 3], "b": [2, 1, 1, 5], "y": [1.5, 2.5, 1, 3]}
