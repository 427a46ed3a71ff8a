"""
Which learning rate?
====================

Least squares with plain descent at two thousand learning rates.
"""

import numpy as np

import fastgd as gd

rng = np.random.default_rng(0)
x = rng.uniform(0, 1, 40)
line = gd.LeastSquares(x, 22 * x + 115 + rng.normal(0, 10, 40))
out = gd.sweep(line, gd.SGD(), {"lr": np.geomspace(1e-3, 4, 2000)}, max_iter=100_000, tol=1e-6)
print(out)
out.plot()
