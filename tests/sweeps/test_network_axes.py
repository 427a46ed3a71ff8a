"""Axes of sweeps of networks: in any combination, a run has the bits that `MLP.fit` gives it alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.descent.axes import Places
from fastgd.descent.request import Options
from fastgd.engines.protocol.outcomes import Status
from fastgd.plotting.common import axis_name
from fastgd.sweeps.network_runs import NetworkRuns

RNG = np.random.default_rng(5)
X = RNG.normal(size=(50, 3))
Y = np.sin(X).sum(axis=1)

NETWORK = {
    "hidden": [(), 4, (5, 3)],
    "activation": ["relu", "tanh", "leaky_relu", "identity"],
    "leak": [0.1, 0.3],
    "bias": [True, False],
    "l1": [0.0, 0.01],
    "l2": [0.0, 0.1],
    "dropout": [0.0, 0.3],
    "init": ["auto", "he", "glorot"],
    "init_scale": [1.0, 0.3],
    "init_mean": [0.0, 0.1],
}
TRAINING = {"rng": [0, 7], "batch_size": [8, 64], "max_iter": [5, 12]}
OPTIONS = {
    "lr": [0.01, 0.1, gd.schedules.step(0.1, every=3, factor=0.5)],
    "weight_decay": [0.0, 0.1],
    "clip_norm": [None, 0.5],
    "nesterov": [False, True],
    "momentum": [0.5, 0.9],
}
PARTS = {
    "layers.0.lr": OPTIONS["lr"],
    "layers.-1.weight_decay": OPTIONS["weight_decay"],
    "groups.0.momentum": OPTIONS["momentum"],
    "groups.-1.lr": OPTIONS["lr"],
    "groups.-1.nesterov": OPTIONS["nesterov"],
    "layers.0.init_scale": [2.0, 0.5],
    "layers.-1.init_mean": [0.0, -0.2],
}
EVERY = NETWORK | TRAINING | OPTIONS | PARTS
MOMENTA = [
    {"lr": 0.02, "momentum": 0.9},
    {"lr": 0.02, "momentum": 0.8, "groups": {0: {"lr": 0.05, "weight_decay": 0.2}}},
]


def network(**options):
    return gd.MLP([3, 4, 1], **{"loss": "mse", "activation": "leaky_relu", **options})


def problem(**options):
    return network(**options).problem(X, Y, batch_size=16)


def optimizer_alone(given, own, net):
    """The optimizer of one run, by its constructor: what is said of an array, else of its layer, else of all."""
    each = 2 if net.architecture.bias else 1
    arrays = len(net.params)
    groups = {k: dict(given.get("groups", {}).get(k, {})) for k in range(arrays)}
    for part in ("layers", "groups"):
        for name in own:
            kind, _, rest = name.partition(".")
            if kind == part and "init" not in name:
                number, option = rest.split(".")
                concerned = range(arrays)[int(number)] if part == "groups" else int(number)
                if part == "groups":
                    groups[concerned][option] = own[name]
                else:
                    layer = concerned % net.architecture.layers
                    for k in range(each * layer, each * (layer + 1)):
                        groups[k][option] = own[name]
    whole = {name: value for name, value in own.items() if name in OPTIONS}
    return gd.SGD(**{**given, **whole, "groups": {k: o for k, o in groups.items() if o}})


def alone(given, own):
    """The network of one run, trained by `MLP.fit`."""
    changes = {n: v for n, v in own.items() if n in NETWORK}
    net = network().fresh(own.get("rng"), **changes)
    for name, k in (("layers.0.init_scale", 0), ("layers.-1.init_mean", -1)):
        if name in own:
            option = name.rpartition(".")[2]
            each = [getattr(net, option)] * net.architecture.layers
            each[k] = own[name]
            net = net.fresh(**{option: each})
    optimizer = optimizer_alone(given, own, net)
    size, steps = own.get("batch_size", 16), own.get("max_iter", 9)
    with np.errstate(all="ignore"):
        return net.fit(X, Y, optimizer=optimizer, batch_size=size, steps=steps, record=1)


@st.composite
def axes_of_a_sweep(draw):
    names = draw(st.lists(st.sampled_from(sorted(EVERY)), min_size=1, max_size=4, unique=True))
    axes = {}
    for name in names:
        values = draw(st.permutations(EVERY[name]))[: draw(st.integers(1, 2))]
        if name == "activation" and "leaky_relu" not in values:
            values = [*values, "leaky_relu"]  # for an axis "leak"
        axes[name] = values
    return axes


@settings(max_examples=60, deadline=None)
@given(
    axes=axes_of_a_sweep(),
    given=st.sampled_from(MOMENTA),
    paired=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_axes_give_each_run_the_bits_that_it_has_alone(axes, given, paired, seed):
    if paired:
        axes = {n: [v[k % len(v)] for k in range(3)] for n, v in axes.items()}
        axes = gd.SampledAxes(axes)
    out = gd.sweep(problem(), gd.SGD(**given), axes, max_iter=9, n_threads=2)
    for index in np.ndindex(out.shape):
        places = index * len(out.axes) if paired else index
        own = {name: values[k] for (name, values), k in zip(out.axes.items(), places, strict=True)}
        net = alone(given, own)
        assert out.status[index] == net.status_ == Status.MAX_ITER
        assert out.loss[index] == net.loss(X, Y)
        if index in out.networks:
            kept = out.networks[index]
            assert kept.architecture == net.architecture
            assert all(map(np.array_equal, kept.params, net.params))
            assert all(map(np.array_equal, kept.fresh().params, net.fresh().params))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_optimizers_and_rules_that_differ_by_layer(n_threads):
    axes = {
        "optimizer": [gd.Adam(lr=0.01), gd.AdamW(lr=0.02, groups={1: {"eps": 1e-3}})],
        "layers.0.betas": [(0.9, 0.999), (0.5, 0.9)],
        "layers.-1.amsgrad": [False, True],
        "groups.1.l2": [0.0, 0.1],
    }
    out = gd.sweep(problem(), None, axes, max_iter=9, n_threads=n_threads)
    for index in np.ndindex(out.shape):
        own = out.axes_at(index)
        first = {"betas": own["layers.0.betas"]}
        second = {"amsgrad": own["layers.-1.amsgrad"]}
        eps = {"eps": 1e-3} if index[0] else {}
        groups = {0: first, 1: {**first, **eps, "l2": own["groups.1.l2"]}, 2: second, 3: second}
        kind, rate = ((gd.Adam, 0.01), (gd.AdamW, 0.02))[index[0]]
        optimizer = kind(lr=rate, groups=groups)
        alone = network().fit(X, Y, optimizer=optimizer, batch_size=16, steps=9)
        assert out.loss[index] == alone.loss(X, Y)
    assert len(np.unique(out.loss)) == out.size


# --- the columns that engines take ------------------------------------------------------------------


def runs_of(axes, optimizer, **options):
    names = ("x0", "rng", "tol", "dtype", "max_seconds", "backend", "n_threads", "bounds")
    nothing = dict.fromkeys(names)
    given = Options(**nothing, max_iter=9, flush_subnormals=True, progress=None)
    return NetworkRuns(problem(**options), optimizer, Places(axes), given)


@settings(max_examples=60, deadline=None)
@given(axes=axes_of_a_sweep(), given=st.sampled_from(MOMENTA))
def test_columns_are_the_numbers_of_each_run(axes, given):
    runs = runs_of(axes, gd.SGD(**given))
    seen = np.concatenate([group.index for group in runs.groups])
    assert sorted(seen.tolist()) == list(range(runs.total))
    for group in runs.groups:
        for place, k in enumerate(group.index.tolist()):
            net, optimizer = runs.network(k), runs.optimizer(k)
            assert net.architecture == group.architecture
            assert all(map(np.array_equal, runs.start(k), net.params))
            optimizer.step(net.params, [np.ones_like(p) for p in net.params])
            plan = optimizer._plan
            for array, slot in enumerate(plan.slots):
                mine, theirs = plan.groups[slot.group], group.numbers[group.group_of[array]]
                method = theirs.method
                assert method.rule is mine.rule
                assert method.coefficients is mine.coefficients
                assert method.prepared == mine.prepared
                hyper = mine.hyper.copy()
                if theirs.schedules is not None:
                    schedule = theirs.schedules[theirs.rate_of[place]]
                    assert schedule.values(0, 1)[0] == hyper[0]
                assert method.hyper[:, place].tolist() == hyper.tolist()
                assert method.shared[:, place].tolist() == mine.shared.tolist()
                clip = np.broadcast_to(method.clip_norm, group.index.size)
                assert clip[place] == mine.clip_norm


def test_a_million_runs_are_arrays():
    rates = np.logspace(-3, 2, 1000)
    runs = runs_of({"layers.0.lr": rates, "layers.1.lr": rates}, gd.SGD())
    assert len(runs.groups) == 1
    group = runs.groups[0]
    assert group.group_of == (1, 1, 2, 2)
    assert group.numbers[1].method.hyper[0].tolist() == np.repeat(rates, 1000).tolist()
    assert group.numbers[2].method.hyper[0].tolist() == np.tile(rates, 1000).tolist()


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        (
            {"layers.2.lr": [0.1]},
            r"axes\['layers.2.lr'\] has the number 2, but the network has 2 layers",
        ),
        ({"groups.-5.lr": [0.1]}, "but the network has 4 arrays"),
        ({"groups.2.lr": [0.1], "bias": [True, False]}, "but the network has 2 arrays"),
        ({"layers.0": [0.1]}, "is not the name of an axis"),
        ({"layers.a.lr": [0.1]}, "is not the name of an axis"),
        ({"layers.0.lr": [0.1, -1]}, r"axes\['layers.0.lr'\]: lr must be a number >= 0"),
        ({"layers.0.mu": [0.1]}, r"axes\['layers.0.mu'\]: SGD has no hyperparameter 'mu'"),
        ({"layers.0.lr": [0.1], "layers.-2.lr": [0.1]}, "both say lr of array 0"),
        ({"activation": ["rely"]}, "activation must be one of"),
        ({"bias": [1]}, "bias must be True or False"),
        ({"leak": [0.1], "activation": ["tanh"]}, "no run has the activation 'leaky_relu'"),
        ({"init": ["orthogonal"]}, "init must be"),
        ({"init_scale": [np.nan]}, "init_scale must be a finite number"),
        (
            {"init_scale": [(1, 2, 3)]},
            "init_scale must be a number or one for each of the 2 layers",
        ),
        ({"layers.0.init_scale": [None]}, r"axes\['layers.0.init_scale'\] must be a finite number"),
        ({"layers.2.init_mean": [1]}, r"axes\['layers.2.init_mean'\] has the number 2"),
        ({"groups.0.init_mean": [1]}, "SGD has no hyperparameter 'init_mean'"),
        ({"l2": [-1]}, "l2 must be a finite number >= 0"),
    ],
)
def test_refused_axes(axes, says):
    with pytest.raises((TypeError, ValueError), match=says):
        gd.sweep(problem(), gd.SGD(), axes, max_iter=1)


# --- what is told about them ------------------------------------------------------------------------


def test_tables_files_and_figures(tmp_path):
    axes = {
        "layers.0.lr": [1e-3, 0.01, 0.1],
        "layers.-1.lr": [0.01, 0.1],
        "activation": ["tanh", "relu"],
    }
    out = gd.sweep(problem(), gd.SGD(), axes, max_iter=5)
    best = out.best()
    assert set(best.axes) == set(axes)
    assert best.network.architecture.activation == best.axes["activation"]
    out.save(tmp_path / "out.npz")
    back = gd.SweepResult.load(tmp_path / "out.npz")
    assert back.axes == out.axes
    assert back.best().index == best.index
    out.to_csv(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().startswith("layers.0.lr,layers.-1.lr,activation,")
    drawn = out.plot("heatmap", x="layers.0.lr", y="layers.-1.lr").ax_
    assert drawn.get_xlabel() == "learning rate of layer 0"
    assert drawn.get_ylabel() == "learning rate of the last layer"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("lr", "learning rate"),
        ("layers.2.momentum", "momentum of layer 2"),
        ("layers.-2.lr", "learning rate of layer -2"),
        ("groups.3.weight_decay", "weight_decay of array 3"),
        ("groups.-1.lr", "learning rate of the last array"),
        ("layers.0.init_mean", "mean of the initial weights of layer 0"),
        ("a$b", r"a\$b"),
    ],
)
def test_labels(name, label):
    assert axis_name(name) == label
