"""
Optimizers on digits
====================

One training says little: another seed may turn the order round. Here each optimizer trains the
same network from five seeds.
"""

# %%
# 25 trainings in one call
# ------------------------
# Optimizers and seeds are two axes of a sweep. The seed decides the initial weights and the order
# of the rows.

import numpy as np
from sklearn.datasets import load_digits

import fastgd as gd

X, y = load_digits(return_X_y=True)
X = X.astype(np.float32) / 16
net = gd.MLP([64, 32, 10], activation="relu", loss="cross_entropy", rng=0)
problem = net.problem(X[:1500], y[:1500], batch_size=64, validation=(X[1500:], y[1500:]))

optimizers = [
    gd.SGD(lr=0.1),
    gd.SGD(lr=0.1, momentum=0.9),
    gd.RMSprop(lr=3e-3),
    gd.Adam(lr=3e-3),
    gd.Lion(lr=1e-3),
]
axes = {"optimizer": optimizers, "rng": [0, 1, 2, 3, 4]}
out = gd.sweep(problem, gd.SGD(), axes, max_iter=600, record=10)
print(out)

# %%
# Mean and standard error
# -----------------------
# The line is the mean over the seeds, the band its standard error.

out.plot_curves()

# %%
# The accuracy on rows that were not trained on, again over the seeds:

for optimizer, accuracy in zip(optimizers, out.metric, strict=True):
    print(f"{accuracy.mean():.3f} ± {accuracy.std(ddof=1) / 5**0.5:.3f}  {optimizer}")
