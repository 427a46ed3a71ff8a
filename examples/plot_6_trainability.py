"""
Where networks train
====================

Two learning rates, one for each layer of a small network. Which pairs train it, and which make it diverge? The boundary
between them is a fractal (Sohl-Dickstein 2024).
"""

# %%
# A training for every pixel
# --------------------------
# The rates of the two layers are the axes of a sweep. 200 x 200 trainings of 200 updates each
# advance side by side.

import numpy as np

import fastgd as gd

rng = np.random.default_rng(0)
X, y = rng.normal(size=(16, 8)), rng.normal(size=(16, 1))
net = gd.MLP([8, 8, 1], activation="tanh", loss="mse", bias=False, dtype="float64", rng=0)
problem = net.problem(X, y)

axes = {"layers.0.lr": np.geomspace(0.05, 30, 200), "layers.1.lr": np.geomspace(0.05, 3, 200)}
out = gd.sweep(problem, gd.SGD(), axes, max_iter=200, record=1)
print(out)

# %%
# Blue has converged and red has diverged, the darker the slower.

gd.plotting.fractal(out)

# %%
# How rough the boundary is
# -------------------------
# :mod:`fastgd.fractals` counts the boxes that the boundary touches, at several sizes. A smooth
# curve has the dimension 1.

found = gd.fractals.trainability(out.history)
edge = gd.fractals.boundary(found.converged)
counted = gd.fractals.box_dimension(edge)
print(f"dimension {counted.dimension:.2f}, standard error {counted.standard_error:.2f}")
