"""
Learning rates for your own table
=================================

A file of your own, and the question that comes first: at which learning rates does descent converge, and how fast?
"""

# %%
# The file
# --------
# It stands for yours: heights in inches and weights in pounds, as CSV.

from pathlib import Path

import numpy as np
import pandas as pd

import fastgd as gd

rng = np.random.default_rng(7)
height = rng.normal(68, 2, 200)
table = pd.DataFrame({"height": height, "weight": 3.1 * height - 83 + rng.normal(0, 10, 200)})
table.round(2).to_csv("heights.csv", index=False)
print(Path("heights.csv").read_text()[:60])

# %%
# On the command line
# -------------------
# One command reads the file, scales its columns, and makes a descent for each rate. ``main`` is the
# same as ``fastgd sweep heights.csv --target weight --rates 0.1,0.5,1.5,2.5`` in a terminal.

from fastgd.cli import main

main("sweep heights.csv --target weight --rates 0.1,0.5,1.5,2.5".split())

# %%
# In Python
# ---------
# The same problem, with all rates that could be of interest. Heights of around 68 inches would need
# tiny rates, since one direction is far steeper than the other; scaled to [0, 1], they do not.

table = pd.read_csv("heights.csv")
span = table["height"].max() - table["height"].min()
scaled = (table["height"] - table["height"].min()) / span
line = gd.LeastSquares(scaled, table["weight"])

rates = np.geomspace(1e-2, 3, 1000)
out = gd.sweep(line, gd.SGD(), {"lr": rates}, max_iter=100_000, tol=1e-6)
out.plot()

# %%
# Theory agrees: descent on a quadratic converges up to 2 / the largest eigenvalue of its Hessian,
# and :mod:`fastgd.theory` knows the number of iterations without running any.

converged = out.status == gd.Status.CONVERGED
print("largest rate that converged:", rates[converged].max().round(3))
print("the limit by theory:        ", round(gd.theory.stable_range(line.hessian)[1], 3))
best = out.best(by="iterations")
print("the fastest:", best.axes, "with", best.iterations, "iterations")
print("weight =", best.x.round(3), "for a scaled height and 1")
