"""A user's script that type checkers must accept, and whose types they must know."""

from typing import Any, assert_type

import numpy as np

import fastgd as gd
from fastgd.optimizers import Lion
from fastgd.schedules import cosine

rng = np.random.default_rng(0)
params = {"w": np.ones((3, 2)), "b": np.zeros(2)}
grads = {name: rng.normal(size=array.shape) for name, array in params.items()}

optimizer = gd.Adam(lr=0.1, betas=(0.9, 0.99), clip_norm=1.0, groups={"b": {"lr": 0.05}})
assert_type(optimizer, gd.Adam)
optimizer.step(params, grads)
optimizer.lr = 0.05
optimizer.lr = cosine(0.1, 100)
assert_type(optimizer.fresh(), gd.Adam)
Lion(lr=gd.schedules.warmup_cosine(0.1, 10, 100), n_threads=1).step(np.ones(2), np.ones(2))
choices: list[gd.Optimizer] = [gd.SGD(momentum=0.9), gd.NAG(), gd.RMSprop(alpha=0.9)]

problem: gd.Problem = gd.Quadratic([[2.0, 0.0], [0.0, 1.0]])
swept = gd.sweep(problem, gd.SGD(), {"lr": [0.1, 0.2]}, x0=[1.0, 1.0], max_iter=100)
assert_type(swept, gd.SweepResult)
best = swept.best()
assert_type(best, gd.BestRun)
count: int = best.iterations
converged = swept.status == gd.Status.CONVERGED
axes = gd.sample_axes({"lr": [1e-3, 1e-2, 1e-1]}, 2, rng=0)
gd.sweep(problem, gd.Momentum(), axes, progress=False)

run = gd.minimize(problem, [1.0, 1.0], gd.Adam(), max_iter=100, record=10)
history: gd.History = run.history
loss: float = run.fun
gd.minimize(lambda x: float((x**2).sum()), [1.0], jac=lambda x: 2 * x)

net = gd.MLP([3, 4, 2], activation="relu", rng=0)
net.fit(rng.normal(size=(8, 3)), [0, 1] * 4, optimizer=choices[0], epochs=2)
trained: gd.TrainingHistory | None = net.history_
networks: gd.NetworkProblem = net.problem(rng.normal(size=(8, 3)), [0, 1] * 4)
gd.sweep(networks, gd.Adam(), {"lr": [1e-3]}, max_iter=4)

model = gd.GDRegressor()
table: Any = swept.to_pandas()
gd.set_num_threads(1)
gd.show_config()
