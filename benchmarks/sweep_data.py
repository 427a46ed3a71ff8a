"""What the benchmarks of sweeps descend: least squares of two parameters, at rates from tiny to almost unstable."""

import numpy as np

import fastgd as gd

RULES = {"SGD": gd.SGD, "Momentum": gd.Momentum, "Adam": gd.Adam}


def line(rows: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.0, 1.0, rows)
    return x, 22.0 * x + 117.0 + rng.standard_normal(rows)


def rates(n: int) -> np.ndarray:
    return np.geomspace(1e-3, 1.4, n)
