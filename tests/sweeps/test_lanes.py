"""Networks of a sweep that train side by side end as those that train one by one, in every respect."""

import itertools
import signal
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from same_bits import bits
from scipy.stats import loguniform

import fastgd as gd
from fastgd.schedules import cosine, exponential
from fastgd.sweeps import lanes, networks

RNG = np.random.default_rng(5)
X = RNG.normal(size=(45, 3)).astype(np.float32)
VALUES, CLASSES = RNG.normal(size=(45, 2)), RNG.integers(0, 3, 45)
RATES = np.geomspace(1e-3, 1.0, 19).tolist()
WAYS = "lanes", "one by one"


def problem(loss="mse", batch_size=8, **options):
    net = gd.MLP([3, 6, 2 if loss == "mse" else 3], activation="tanh", loss=loss, rng=7, **options)
    return net.problem(X, VALUES if loss == "mse" else CLASSES, batch_size=batch_size)


def swept(how, *args, **options):
    """A sweep whose networks train in one of the two ways."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "worth_it", lambda *_: how == "lanes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gd.DivergenceWarning)
            out = gd.sweep(*args, **{"max_iter": 23, "progress": False, **options})
    batched = how == "lanes" and out.backend == "numpy"
    assert out.engine == ("batched" if batched else how)
    return out


def check(*args, **options):
    together, alone = (swept(how, *args, **options) for how in WAYS)
    for name in ("iterations", "status", "regime", "loss", "metric", "x"):
        assert bits(getattr(together, name)) == bits(getattr(alone, name)), name
    if together.history is not None:
        assert bits(together.history) == bits(alone.history)
    assert together.networks.keys() == alone.networks.keys()
    for index, net in together.networks.items():
        other = alone.networks[index]
        assert all(bits(p) == bits(q) for p, q in zip(net.params, other.params, strict=True))
        assert (net.steps_, net.epochs_, net.steps_in_epoch_, net.status_) == (
            other.steps_, other.epochs_, other.steps_in_epoch_, other.status_,
        )  # fmt: skip
        states = net.optimizer_.state_dict(), other.optimizer_.state_dict()
        assert states[0].keys() == states[1].keys()
        assert all(np.array_equal(states[0][key], states[1][key]) for key in states[0])
        net.fit(X, problem_targets(net), steps=3)  # it goes on from there
        other.fit(X, problem_targets(other), steps=3)
        assert all(bits(p) == bits(q) for p, q in zip(net.params, other.params, strict=True))
    return together


def problem_targets(net):
    return CLASSES if net.architecture.classes else VALUES


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("optimizer", [gd.SGD(momentum=0.9), gd.Adam(), gd.NAdam(clip_norm=0.1)])
def test_rates(loss, optimizer):
    check(problem(loss), optimizer, {"lr": RATES}, keep="params", record=4)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_seeds_and_rates(n_threads):
    axes = {"rng": range(5), "lr": RATES}
    check(problem(dropout=0.2), gd.Adam(), axes, n_threads=n_threads)


def test_other_axes():
    axes = {
        "lr": RATES,
        "batch_size": [3, 9, 45, 100],
        "epochs": [0, 1, 3],
        "hidden": [2, (3, 4)],
    }
    check(problem(), gd.SGD(), axes)


def test_options_of_layers():
    axes = {"layers.0.lr": RATES, "layers.1.lr": RATES[::3], "momentum": [0.0, 0.9]}
    out = check(problem(bias=False), gd.SGD(), axes, keep="params")
    assert out.vector_width > 1
    check(problem(), gd.NAdam(), {"layers.0.lr": RATES, "layers.1.lr": [0.1]})


def test_schedules_optimizers_and_penalties():
    schedules = [0.1, cosine(0.1, 10), exponential(0.2, 0.9)]
    check(problem(), gd.SGD(), {"lr": schedules, "momentum": np.linspace(0, 0.9, 9).tolist()})
    optimizers = [gd.SGD(lr=0.1), gd.Adam(lr=0.1, weight_decay=0.1), gd.Rprop()]
    check(problem(), gd.SGD(), {"optimizer": optimizers, "rng": range(17)})
    check(problem(), gd.SGD(), {"l2": [0.0, 0.1], "lr": RATES})
    check(problem(), gd.NAdam(), {"l2": np.geomspace(1e-4, 1.0, 17).tolist(), "l1": [0.0, 0.1]})
    check(problem(), gd.Rprop(), {"l2": [0.1, 0.2], "lr": [schedules[1], schedules[2]]})
    check(problem(), gd.SGD(), {"layers.0.l1": [0.0, 0.1], "lr": RATES})


def test_recorded_penalties():
    """They are sums, whose order depends on how an update is made: with gradients clipped, or of many rows."""
    options = {"keep": "params", "record": 1}
    penalized = problem(l1=0.01, l2=0.1, dtype="float64")
    check(penalized, gd.SGD(), {"clip_norm": [None, 0.1], "lr": RATES}, **options)
    rng = np.random.default_rng(2)
    net = gd.MLP([20, 33, 2], activation="tanh", loss="mse", l2=0.1, dtype="float64", rng=1)
    many = net.problem(rng.normal(size=(300, 20)), rng.normal(size=(300, 2)), batch_size=280)
    together, alone = (swept(how, many, gd.SGD(), {"lr": RATES}, record=1) for how in WAYS)
    assert bits(together.history) == bits(alone.history)


@pytest.mark.parametrize("inputs", [5, 40])
@pytest.mark.parametrize("optimizer", [gd.SGD(), gd.Adam()])
def test_recorded_penalties_where_inputs_are_zero(inputs, optimizer):
    """The engine for one network leaves out inputs that are zero in a whole batch, but not their weights' penalties."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(45, inputs)) * (rng.random((45, inputs)) < 0.1)
    for dtype in ("float32", "float64"):
        net = gd.MLP([inputs, 6, 2], activation="tanh", loss="mse", l1=0.01, l2=0.1, dtype=dtype)
        sparse = net.problem(x, VALUES, batch_size=8)
        together, alone = (swept(how, sparse, optimizer, {"lr": RATES}, record=1) for how in WAYS)
        assert bits(together.history) == bits(alone.history)


def test_those_that_diverge():
    rates = np.geomspace(1e-3, 1e6, 40).tolist()
    out = check(problem(), gd.SGD(), {"lr": rates}, max_iter=60, record=1, keep="params")
    assert {"diverged", "slow"} <= set(out.regime)


def test_a_random_search():
    axes = gd.sample_axes({"lr": loguniform(1e-3, 1.0), "momentum": [0.0, 0.5, 0.9]}, 50, rng=1)
    check(problem("cross_entropy"), gd.SGD(), axes)


def test_a_random_search_over_penalties():
    choices = {"lr": loguniform(1e-3, 1.0), "l2": loguniform(1e-5, 1.0), "clip_norm": [0.1, np.inf]}
    axes = gd.sample_axes(choices, 40, rng=1)
    net = gd.MLP([3, 6, 3], rng=7)
    out = gd.sweep(net.problem(X, CLASSES), gd.Adam(), axes, max_iter=3, progress=False)
    assert out.engine == "lanes"  # each l2 makes an architecture of its own
    check(net.problem(X, CLASSES), gd.Adam(), axes)


def test_the_other_rows_judge():
    net = gd.MLP([3, 6, 3], rng=7)
    held_out = X[:11] + 0.1, CLASSES[:11]
    check(net.problem(X, CLASSES, validation=held_out), gd.Adam(), {"lr": RATES})


def descend(p, g, v, lr, mu):
    v = mu * v + g
    return p - lr * v, v


FACTOR = {"of the rate": 0.5}  # Numba cannot read it


def in_numba(t, lr, mu):
    return lr * t ** (-mu), mu


def in_python(t, lr, mu):
    return lr * FACTOR["of the rate"], mu


def own_rule(coefficients):
    defaults = {"mu": 0.5}
    made = gd.Optimizer.from_rule(
        descend, state=("v",), coefficients=coefficients, defaults=defaults
    )
    return made(lr=0.1)


@pytest.mark.parametrize("backend", ["auto", "numba"])
def test_rules_of_the_user_s_own(backend):
    axes = {"lr": RATES, "mu": [0.0, 0.5], "layers.0.lr": [0.1, 0.2]}
    check(problem(), own_rule(in_numba), axes, record=1, keep="params")
    axes = {"optimizer": [own_rule(in_numba), gd.Adam(backend=backend)], "rng": range(17)}
    check(problem("cross_entropy"), gd.SGD(), axes)


def test_rules_of_one_name_stay_apart():
    def renamed(p, g, v, lr, mu):
        v = mu * v - g
        return p + lr * v, v

    renamed.__name__ = descend.__name__
    other = gd.Optimizer.from_rule(
        renamed, state=("v",), coefficients=in_numba, defaults={"mu": 0.1}
    )
    check(problem(), gd.SGD(), {"optimizer": [own_rule(in_numba), other(lr=0.3)], "rng": range(17)})


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_on_numpy_networks_are_parts_of_arrays(loss):
    axes = {"lr": RATES, "rng": range(3), "l2": [0.0, 0.1]}
    options = {"backend": "numpy", "record": 1, "keep": "params"}
    out = check(problem(loss, dropout=0.1), gd.Adam(clip_norm=0.5), axes, **options)
    assert out.vector_width == 1


def test_what_lanes_are_not_for():
    for problem_, optimizer, options in [
        (problem(), gd.SGD(backend="numpy"), {}),
        (problem(batch_size=1), gd.SGD(), {}),
        (problem(batch_size=11), gd.SGD(), {}),  # the last update of an epoch has one row
        (problem(), own_rule(in_python), {}),
    ]:
        out = gd.sweep(problem_, optimizer, {"lr": RATES}, max_iter=2, progress=False, **options)
        assert out.engine == "one by one"


def test_a_time_limit_keeps_what_is_finished(monkeypatch):
    looks = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: time.perf_counter() + 1e6 * (next(looks) > 5))
    monkeypatch.setattr(networks, "time", clock)
    options = {"max_iter": 10**9, "max_seconds": 1e5, "n_threads": 1}
    out = swept("lanes", problem(), gd.SGD(lr=0.01), {"rng": range(5)}, **options)
    assert out.status.tolist() == [3] * 5
    assert (out.iterations > 0).all()
    assert np.isfinite(out.loss).all()


def test_ctrl_c_keeps_what_is_finished(monkeypatch):
    seen = []

    class Look:
        """Stands for the progress bar."""

        def __init__(self, *args, **options):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def look(self, standing):
            seen.append(standing())
            if seen[-1].ended == 2 and seen[-1].updates > 10:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(networks, "Progress", Look)
    axes = {"max_iter": [3, 10**9, 10**9, 5]}
    out = swept("lanes", problem(), gd.SGD(lr=0.01), axes)
    assert out.status.tolist() == [1, 4, 4, 1]
    assert out.iterations[[0, 3]].tolist() == [3, 5]
    assert (out.iterations[1:3] > 10).all()
    assert np.isfinite(out.loss).all()
    assert (seen[-1].running, 2 < seen[-1].work < 2.1) == (2, True)


class Watched(lanes.SideBySide):
    """Notes what is asked of platoons."""

    def __init__(self, *args):
        super().__init__(*args)
        self.calls, self.most_spare = [], 0
        Watched.last = self

    def train(self, task, judged, look):
        ended = super().train(task, judged, look)
        self.most_spare = max(self.most_spare, len(self._spare))
        return ended

    def _stretch(self, task):
        self.calls.append((task.own.size, super()._stretch(task)))
        return self.calls[-1][1]


def test_calls_are_short_where_updates_are_long(monkeypatch):
    """So that a time limit or Ctrl-C is looked at."""
    monkeypatch.setattr(networks, "SideBySide", Watched)
    net = gd.MLP([3, 40, 40, 2], activation="tanh", loss="mse")
    many = net.problem(np.tile(X, (200, 1)), np.tile(VALUES, (200, 1)), batch_size=9000)
    swept("lanes", many, gd.SGD(), {"lr": RATES}, max_iter=2, n_threads=1)
    networks_of_a_call, updates = Watched.last.calls[0]
    assert networks_of_a_call < len(RATES)
    assert updates == 1
    swept("lanes", problem(), gd.SGD(), {"lr": RATES}, n_threads=1)
    assert Watched.last.calls[0] == (19, 64)


def test_updates_that_would_take_seconds_are_made_one_by_one(monkeypatch):
    monkeypatch.setattr(lanes, "_LONGEST", 1e-9)
    assert gd.sweep(problem(), gd.SGD(), {"lr": RATES}, max_iter=1).engine == "one by one"


def test_platoons_of_other_architectures_are_let_go(monkeypatch):
    monkeypatch.setattr(networks, "SideBySide", Watched)
    swept("lanes", problem(), gd.SGD(), {"hidden": range(1, 9), "lr": RATES}, n_threads=2)
    assert 1 <= Watched.last.most_spare <= 2


@pytest.mark.parametrize("held", [0, 1 << 28])
def test_few_networks_wait_for_other_seeds(held, monkeypatch):
    """Where those of all combinations would not fit into the memory, one combination ends after the other."""
    monkeypatch.setattr(lanes, "_HELD", held)
    monkeypatch.setattr(lanes, "_BLOCKS", 1)
    waiting = []
    take = networks.NetworkOutcomes.take

    def noted(outcomes, *args):
        take(outcomes, *args)
        waiting.append(sum(map(len, outcomes.kept._waiting.values())))

    monkeypatch.setattr(networks.NetworkOutcomes, "take", noted)
    axes = {"rng": range(4), "lr": np.geomspace(1e-3, 0.1, 64).tolist()}
    check(problem(), gd.Adam(), axes, n_threads=1)
    assert max(waiting) == 3 * 64 if held else max(waiting) < 4


def test_size_decides():
    assert lanes.worth_it(161, 512, 16)
    assert not lanes.worth_it(161, 1, 16)
    assert not lanes.worth_it(101_770, 512, 16)


@settings(deadline=None, max_examples=25)
@given(
    batch_size=st.integers(2, 50).filter(lambda size: 45 % size != 1),
    max_iter=st.integers(0, 40),
    seeds=st.integers(1, 4),
    rates=st.lists(st.floats(1e-4, 1e3), min_size=1, max_size=40, unique=True),
    record=st.sampled_from([None, 1, 7]),
    n_threads=st.integers(1, 2),
)
def test_any_sweep(batch_size, max_iter, seeds, rates, record, n_threads):  # noqa: PLR0917
    check(
        problem(batch_size=batch_size),
        gd.Adam(),
        {"lr": rates, "rng": range(seeds)},
        max_iter=max_iter,
        record=record,
        n_threads=n_threads,
        keep="params",
    )
