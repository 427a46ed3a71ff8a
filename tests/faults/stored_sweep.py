"""A sweep with a store, for tests that kill it: `python stored_sweep.py FOLDER KIND` prints "ended" at its end."""

import sys

import numpy as np

import fastgd as gd
from fastgd.sweeps import chunks

chunks.AIM = 0.02  # seconds of a chunk: many of them in a short time


def sweep(kind, **options):
    if kind == "networks":
        x = np.random.default_rng(0).normal(size=(60, 2))
        problem = gd.MLP([2, 4, 2], rng=0).problem(x, x[:, 0] > 0, batch_size=20)
        axes = {"lr": np.geomspace(1e-3, 0.5, 150), "rng": range(4)}
        return gd.sweep(problem, gd.Adam(), axes, max_iter=1_000, **options)
    line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    axes = {"lr": np.linspace(1e-4, 1e-3, 2000), "momentum": [0.0, 0.5]}
    return gd.sweep(line, gd.Momentum(), axes, tol=0, max_iter=400_000, n_threads=1, **options)


if __name__ == "__main__":
    folder, kind = sys.argv[1:]
    print("begins", flush=True)  # noqa: T201
    sweep(kind, store=folder)
    print("ended", flush=True)  # noqa: T201
