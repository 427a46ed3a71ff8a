"""
Momentum on a contour
=====================

In a narrow valley plain descent swings from side to side, or creeps. Momentum remembers where it was going.
"""

# %%
# Three ways down
# ---------------
# The valley is 25 times as steep across as along. All start at the same point. Plain descent and
# the heavy ball have the best rate of plain descent; Nesterov's momentum, whose stable range is
# narrower, has one that :mod:`fastgd.theory` proposes.

import numpy as np

import fastgd as gd

valley = gd.Quadratic([[25.0, 0.0], [0.0, 1.0]])
rate = gd.theory.best_rate(valley.hessian)
optimizers = {
    "plain": gd.SGD(lr=rate),
    "momentum 0.5": gd.Momentum(lr=rate, momentum=0.5),
    "Nesterov 0.5": gd.NAG(lr=gd.theory.steady_rate(1, 25, 0.5, nesterov=True), momentum=0.5),
}
runs = {
    name: gd.minimize(valley, [4.0, 2.0], optimizer, record=1, tol=1e-6)
    for name, optimizer in optimizers.items()
}
for name, run in runs.items():
    print(f"{name:12}  {run.nit:3} updates")
gd.plot_paths(valley, runs, window=[(-4.5, 4.5), (-2.5, 2.5)])

# %%
# The loss on the way
# -------------------

gd.plot_history(runs)

# %%
# Every rate and every momentum
# -----------------------------
# A sweep over both shows where the few updates are. The best pair has a closed form (Polyak 1964).

axes = {"lr": np.linspace(0.005, 0.16, 120), "momentum": np.linspace(0, 0.98, 100)}
out = gd.sweep(valley, gd.Momentum(), axes, x0=[4.0, 2.0], max_iter=2000, tol=1e-6)
out.plot()

# %%
best = out.best(by="iterations")
print("found:     ", {name: round(value, 3) for name, value in best.axes.items()}, best.iterations)
lr, momentum = gd.theory.best_momentum(valley.hessian)
print("by theory: ", {"lr": round(lr, 3), "momentum": round(momentum, 3)})
