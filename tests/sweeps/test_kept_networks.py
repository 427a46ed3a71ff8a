"""Which trained networks a sweep keeps, and what its threads use again for the next run."""

import numpy as np
import pytest
from network.nets import X, Y, network, same_bits

import fastgd as gd

AXES = {
    "rates": {"lr": [0.3, 1e-3, 0.1, 0.01]},
    "seeds": {"lr": [1e-3, 0.1], "rng": [0, 1, 2]},
    "optimizers": {"optimizer": [gd.SGD(), gd.Adam(), gd.Rprop()], "lr": [0.01, 0.002]},
    "sizes": {"hidden": [3, (4, 5)], "lr": [0.01, 0.1]},
    "momentum": {"momentum": [0.0, 0.9, 0.5], "clip_norm": [1.0, 0.1]},
}


@pytest.mark.parametrize("backend", ["cython", "numpy"])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("name", AXES)
def test_runs_in_memory_used_again_are_those_of_new_networks(name, n_threads, backend):
    """The best network and every loss are those of a sweep of that run alone."""
    problem = network(backend=backend).problem(X, Y, batch_size=30)
    out = gd.sweep(problem, gd.SGD(momentum=0.5), AXES[name], max_iter=9, n_threads=n_threads)
    for index in np.ndindex(out.shape):
        alone = {n: [v[i]] for (n, v), i in zip(AXES[name].items(), index, strict=True)}
        one = gd.sweep(problem, gd.SGD(momentum=0.5), alone, max_iter=9)
        assert (out.loss[index], out.metric[index]) == (one.loss.item(), one.metric.item())
    best = out.best(over=None)
    alone = {n: [v[i]] for (n, v), i in zip(AXES[name].items(), best.index, strict=True)}
    one = gd.sweep(problem, gd.SGD(momentum=0.5), alone, max_iter=9).best(over=None)
    assert same_bits(best.network.params, one.network.params)
    np.testing.assert_equal(
        best.network.optimizer_.state_dict(), one.network.optimizer_.state_dict()
    )


@pytest.mark.parametrize("by", ["loss", "metric"])
@pytest.mark.parametrize("average", ["mean", "median"])
def test_the_network_of_the_best_combination_is_there(by, average):
    problem = network().problem(X, Y, batch_size=30)
    out = gd.sweep(problem, gd.SGD(), AXES["seeds"], max_iter=9)
    best = out.best(by=by, average=average)
    assert problem.network.engine is not best.network.engine
    assert best.network.assess(problem.judged) == (best.loss, best.metric)
