"""
A tour
======

One step, one descent, thousands of descents, and a network: what fastgd does, on one page.
"""

# %%
# A step
# ------
# An optimizer updates arrays in place. Parameters and gradients may be one array, a list, or a
# dict.

import numpy as np

import fastgd as gd

params = {"w": np.ones((2, 3)), "b": np.zeros(3)}
grads = {"w": np.full((2, 3), 0.5), "b": np.array([1.0, -1.0, 0.0])}
gd.Adam(lr=0.1).step(params, grads)
print(params)

# %%
# A descent
# ---------
# :func:`fastgd.minimize` takes such steps until the slope is small. Here it fits a line to 40
# points; ``record=1`` keeps every iterate, so that the way can be drawn.

rng = np.random.default_rng(0)
x = rng.uniform(0, 1, 40)
line = gd.LeastSquares(x, 22 * x + 115 + rng.normal(0, 10, 40))

run = gd.minimize(line, optimizer=gd.SGD(lr=1.0), record=1)
print(run.message)
print("slope and intercept:", run.x, "after", run.nit, "updates")
gd.plot_paths(line, {"rate 1.0": run})

# %%
# Thousands of descents
# ---------------------
# Which rate would have been the best? :func:`fastgd.sweep` makes a descent for each of 2,000 rates,
# with three momenta each.

axes = {"lr": np.geomspace(1e-3, 4, 2000), "momentum": [0.0, 0.5, 0.9]}
out = gd.sweep(line, gd.Momentum(), axes, max_iter=100_000, tol=1e-6)
print(out)
out.plot()

# %%
best = out.best(by="iterations")
print(best.axes, "takes", best.iterations, "iterations")

# %%
# A network
# ---------
# The same optimizers train networks. A training keeps its losses.

from sklearn.datasets import load_digits

X, y = load_digits(return_X_y=True)
X = X.astype(np.float32) / 16
net = gd.MLP([64, 100, 10], activation="relu", loss="cross_entropy", rng=0)
net.fit(X[:1500], y[:1500], optimizer=gd.Adam(lr=1e-3), epochs=40, validation=(X[1500:], y[1500:]))
print(f"{net.score(X[1500:], y[1500:]):.1%} of the digits that it has not seen")
net.history_.plot()
