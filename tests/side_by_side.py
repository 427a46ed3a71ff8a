"""Runs of one network at several rates, side by side and one by one, on a backend."""

import warnings

import numpy as np
from same_bits import bits

import fastgd as gd
from fastgd.batches import Batches
from fastgd.engines.networks import lanes_for
from fastgd.engines.protocol.outcomes import Status
from fastgd.engines.protocol.platoons import Numbers, Trainings
from fastgd.optimizers.loops import settings_of, varied

RATES = np.geomspace(1e-3, 0.3, 21)  # a block and a part of one
BACKENDS = "cython", "numpy"


def flat(net):
    return np.concatenate([p.ravel() for p in net.params])


def targets(rng, a, n):
    if a.classes:
        return rng.integers(a.sizes[-1], size=n)
    return rng.uniform(0, 1, size=(n, a.sizes[-1]))


class Both:
    """Runs that differ in their rates and perhaps seeds, side by side and one by one."""

    def __init__(
        self,
        net,
        optimizer,
        *,
        rows=40,
        batch=7,
        updates=12,
        seeds=(3,),
        shuffle=True,
        weighted=False,
        rates=RATES,
        ends=None,
    ):
        rng = np.random.default_rng(1)
        a = net.architecture
        x = rng.normal(size=(rows, a.sizes[0])).astype(a.dtype)
        self.weights = rng.uniform(0, 2, rows) if weighted else None
        self.data = x, targets(rng, a, rows)
        self.net, self.optimizer, self.rates, self.batch, self.shuffle = (
            net,
            optimizer,
            rates,
            batch,
            shuffle,
        )
        n = len(rates)
        self.seeds, self.seed_of = seeds, np.arange(n) % len(seeds)
        self.updates = np.full(n, updates) if ends is None else np.resize(ends, n)
        numbers = varied(optimizer, {"lr": rates})
        method = numbers.method(numbers.flags({"lr": 0}), {"lr": np.arange(n)}, n)
        self.trainings = Trainings(
            a,
            net.rows(*self.data, self.weights),
            Batches(rows, min(batch, rows), shuffle, False, 0),
            [Numbers(method, None, np.zeros(n, np.intp))],
            (0,) * len(net.params),
            seeds,
            self.seed_of,
            self.updates,
            np.full(n, a.l1),
            np.full(n, a.l2),
            history=1,
        )

    def platoon(self, capacity=None):
        updates = settings_of(self.optimizer)["backend"]
        lanes = lanes_for(self.trainings, self.net.backend, updates)
        return lanes.platoon(self.trainings, len(self.rates) if capacity is None else capacity)

    def side_by_side(self, steps=(5,), capacity=None):
        """A platoon at its end, having advanced by these numbers of updates in turn."""
        n = len(self.rates)
        starts = np.array([flat(self.net.fresh(seed)) for seed in self.seeds])
        platoon = self.platoon(capacity)
        platoon.load(np.arange(n), starts, self.seed_of)
        k = 0
        while platoon.live:
            platoon.advance(platoon.n + steps[k % len(steps)])
            k += 1
        return platoon

    def alone(self, k):
        net = self.net.fresh(self.seeds[self.seed_of[k]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gd.DivergenceWarning)
            return net.fit(
                *self.data,
                optimizer=self.optimizer.with_options(lr=float(self.rates[k])),
                batch_size=self.batch,
                steps=int(self.updates[k]),
                sample_weight=self.weights,
                shuffle=self.shuffle,
                record=1,
            )

    def check(self, platoon=None):
        platoon = self.side_by_side() if platoon is None else platoon
        for k in range(len(self.rates)):
            net = self.alone(k)
            assert net.status_ == platoon.status[k]
            assert net.steps_ == platoon.iterations[k] or net.status_ is Status.DIVERGED
            if net.status_ is not Status.DIVERGED:  # fit goes back to the last record then
                assert bits(flat(net)) == bits(platoon.final[k, : platoon.n_parameters])
                losses = platoon.history[k, : net.steps_]
                assert bits(np.asarray(net.history_.loss)) == bits(losses)
