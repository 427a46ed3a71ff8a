"""A little of everything on the GPU, for compute-sanitizer: ``python sanitized.py``."""

import numpy as np
from numba import cuda

import fastgd as gd


def run(size=70, runs=50, iterations=200, rows=64):
    """Steps of several arrays, sweeps of two kinds of problems, a network."""
    rng = np.random.default_rng(0)
    params = [cuda.to_device(rng.normal(size=n).astype("f4")) for n in (7, 71 * size, 1)]
    opt = gd.AdamW(clip_norm=1.0)
    for _ in range(3):
        opt.step(params, [cuda.to_device(rng.normal(size=p.shape).astype("f4")) for p in params])
    rates = np.geomspace(1e-3, 1, runs)
    for problem in (
        gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0]),
        gd.Quadratic(np.diag(np.arange(1.0, size))),
    ):
        gd.sweep(problem, gd.Adam(), {"lr": rates}, max_iter=iterations, backend="cuda")
    net = gd.MLP([9, 20, 3], dropout=0.2, backend="cuda")
    net.fit(
        rng.normal(size=(rows, 9)), rng.integers(0, 3, rows), optimizer=gd.Adam(), batch_size=10,
        epochs=2,
    )  # fmt: skip


if __name__ == "__main__":
    run()
