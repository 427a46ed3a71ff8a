"""A user's mistakes: type checkers must report each line that says so, and no other."""

import numpy as np

import fastgd as gd

problem = gd.Quadratic([[2.0]])
optimizer = gd.Adam()

gd.Adm(lr=0.1)  # error
gd.Adam(lrr=0.1)  # error
gd.Adam(lr="fast")  # error
gd.SGD(clip_nrom=1.0)  # error
gd.SGD(backend=3)  # error
gd.Optimizer.from_rul  # error
optimizer.lr = "slow"  # error
optimizer.step(np.ones(2), np.ones(2), rate=0.1)  # error
gd.sweep(problem, "sgd", {"lr": [0.1]})  # error
gd.sweep(problem, optimizer, {"lr": [0.1]}, x=[1.0])  # error
gd.sweep(problem, optimizer, {"lr": [0.1]}).nothing  # error
gd.sweep(problem, optimizer, {"lr": [0.1]}, max_iter="many")  # error
gd.sweep(problem, optimizer, {"lr": [0.1]}).best().nothing  # error
gd.minimize(problem, [1.0], optimizer, tolerance=1e-3)  # error
gd.MLP([3, 2], activatoin="relu")  # error
gd.MLP([3, 2]).fit(np.ones((2, 3)), [0, 1], epoch=3)  # error
gd.Status.DONE  # error
gd.schedules.cosin(0.1, 10)  # error
gd.set_num_threads("all")  # error
