"""
An optimizer of your own
========================

An update rule is five lines of NumPy. It then runs wherever the built-in ones do: steps, descents, sweeps, networks.
"""

# %%
# The rule
# --------
# It gets a parameter, its gradient, the state and the coefficients, and returns the new parameter
# and the new state. This one moves by the sign of the momentum, as Lion does in another order
# (Bernstein and others 2018 call it Signum).

import numpy as np

import fastgd as gd


def signum(p, g, m, lr, beta, gain):
    m = beta * m + gain * g
    return p - lr * np.sign(m), m


Signum = gd.Optimizer.from_rule(
    signum,
    state=("m",),
    coefficients=lambda t, lr, beta: (lr, beta, 1.0 - beta),
    defaults={"lr": 1e-3, "beta": 0.9},
)

params = np.array([1.0, -1.0])
Signum(lr=0.1).step(params, np.array([0.01, -100.0]))
print(params)

# %%
# Swept like any other
# --------------------
# Steps of one size never come closer to the minimum than that size, whatever the gradient: the
# smaller the rate, the lower the loss in the end, and the longer the way.

valley = gd.functions.rosenbrock()
axes = {"lr": np.geomspace(1e-4, 1e-1, 40), "beta": np.linspace(0.0, 0.98, 40)}
out = gd.sweep(valley, Signum(), axes, x0=[-1.2, 1.0], max_iter=3000, tol=0)
out.plot(quantity="loss")

# %%
# With a schedule
# ---------------
# A rate that falls gets both: long steps first, short ones at the end.

runs = {
    "rate 0.01": gd.minimize(valley, [-1.2, 1.0], Signum(lr=0.01), max_iter=3000, record=10),
    "rate falls from 0.01": gd.minimize(
        valley,
        [-1.2, 1.0],
        Signum(lr=gd.schedules.cosine(0.01, 3000)),
        max_iter=3000,
        record=10,
    ),
}
for name, run in runs.items():
    print(f"{name:21} loss {run.fun:.2g}")
gd.plot_history(runs)
