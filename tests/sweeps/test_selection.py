"""`SweepResult.sel` and `merge`: against pandas, xarray and NumPy, and each as the other's inverse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.engines.protocol.outcomes import Status

LINE = gd.LeastSquares([0.0, 0.25, 0.5, 1.0], [1.0, 1.5, 2.25, 3.0])
ARRAYS = ("iterations", "status", "regime", "loss", "slope", "x")
AXES = {
    "lr": [-1.5, 0.0, 0.1, 0.30000000000000004, 7.0, np.inf],
    "rng": [0, 3, 2**62, 2**62 + 1],
    "nesterov": [True, False],
    "convention": ["torch", "keras", "optax"],
    "x0": [(1.0, 2.0), (0.0, 0.0), (1.0, 3.0)],
    "optimizer": [gd.SGD(), gd.Adam(betas=(0.5, 0.9))],
    "schedule": [gd.schedules.linear(0.5, 0.1, 9), 0.5, gd.schedules.cosine(0.1, 20)],
}

EIGHTHS = st.integers(-100, 100).map(lambda k: k / 8)  # whose distances are exact


def made(axes, paired=False, seed=0, **fields):
    """A result with any numbers, all of them different."""
    lengths = tuple(map(len, axes.values()))
    shape = lengths[:1] if paired else lengths
    rng = np.random.default_rng(seed)
    return gd.SweepResult(
        axes=axes, paired=paired, iterations=rng.integers(1, 10**6, shape), status=rng.integers(0, 3, shape),
        regime=rng.choice(["monotone", "slow", "diverged"], shape), loss=rng.normal(size=shape),
        slope=rng.normal(size=shape), x=rng.normal(size=(*shape, 2)), **fields,
    )  # fmt: skip


def assert_same(one, other):
    assert one.axes == other.axes
    assert one.paired == other.paired
    assert one.parameter_names == other.parameter_names
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    for name in ("metric", "history"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_array_equal(mine, theirs, name)
    assert one.networks == other.networks


@st.composite
def grids(draw, least=0):
    """Some axes, some values of each, in the order of the table."""
    names = draw(st.lists(st.sampled_from(sorted(AXES)), min_size=least, max_size=3, unique=True))
    axes = {}
    for name in names:
        values = AXES[name]
        chosen = draw(st.sets(st.integers(0, len(values) - 1), min_size=1))
        axes[name] = [values[k] for k in sorted(chosen)]
    return made(axes, seed=draw(st.integers(0, 99)))


@st.composite
def samples(draw):
    """Combinations of two or three axes, some of them more than once."""
    names = draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=3, unique=True))
    places = st.tuples(*(st.integers(0, len(AXES[name]) - 1) for name in names))
    runs = draw(st.lists(places, min_size=2, max_size=12, unique=True))
    columns = {name: [AXES[name][run[k]] for run in runs] for k, name in enumerate(names)}
    return made(columns, paired=True, seed=draw(st.integers(0, 99)))


def drawn_places(data, count):
    return data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=count, unique=True))


# --- sel ------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(out=grids(least=1), data=st.data())
def test_lists_of_values_are_places(out, data):
    """Against NumPy's indexing, one axis after the other."""
    places = {name: drawn_places(data, len(values)) for name, values in out.axes.items()}
    wanted = {name: [out.axes[name][k] for k in own] for name, own in places.items()}
    found = out.sel(wanted)
    for name in ARRAYS:
        array = getattr(out, name)
        for axis, own in enumerate(places.values()):
            array = np.take(array, own, axis)
        np.testing.assert_array_equal(getattr(found, name), array)
    assert {name: list(values) for name, values in found.axes.items()} == wanted


@settings(max_examples=100, deadline=None)
@given(out=samples(), data=st.data())
def test_values_of_paired_axes_filter_the_rows(out, data):
    """Against a filter of pandas."""
    name = data.draw(st.sampled_from(sorted(out.axes)))
    run = data.draw(st.integers(0, out.size - 1))
    found = out.sel({name: out.axes[name][run]})
    table = out.to_pandas()
    label = table[name][run]
    wanted = table[table[name] == label].reset_index(drop=True)
    assert found.to_pandas().astype(str).equals(wanted.astype(str))  # numbers among texts are texts
    assert found.paired


@settings(max_examples=100, deadline=None)
@given(
    numbers=st.lists(EIGHTHS, min_size=1, max_size=8),
    wanted=st.lists(EIGHTHS, min_size=1, max_size=4),
    ends=st.tuples(st.none() | EIGHTHS, st.none() | EIGHTHS),
)
def test_numbers_near_and_between(numbers, wanted, ends):
    """Against the definition, on axes that may be unsorted and hold a value twice."""
    out = made({"lr": numbers})
    near = [min(numbers, key=lambda v, w=w: (abs(v - w), v)) for w in wanted]
    places = [k for value in near for k, own in enumerate(numbers) if own == value]
    found = out.sel(lr=wanted, method="nearest")
    np.testing.assert_array_equal(found.loss, out.loss[places])
    low, high = (-np.inf if ends[0] is None else ends[0]), (np.inf if ends[1] is None else ends[1])
    between = [k for k, own in enumerate(numbers) if low <= own <= high]
    if between:
        found = out.sel(lr=slice(*ends))
        np.testing.assert_array_equal(found.loss, out.loss[between])
    else:
        with pytest.raises(ValueError, match="lr has no value from"):
            out.sel(lr=slice(*ends))


@pytest.mark.parametrize(
    ("wanted", "options"),
    [
        ({"lr": [0.2, 0.1]}, {}),
        ({"lr": slice(0.1, 0.25), "momentum": [0.9]}, {}),
        ({"lr": [0.13, 0.31]}, {"method": "nearest"}),
    ],
)
def test_as_xarray_selects(wanted, options):
    pytest.importorskip("xarray")
    out = made({"lr": [0.1, 0.2, 0.3], "momentum": [0.0, 0.9]})
    assert out.sel(**wanted, **options).to_xarray().equals(out.to_xarray().sel(wanted, **options))


def test_a_single_value_keeps_its_axis():
    out = made({"lr": [0.1, 0.2], "momentum": [0.0, 0.9]})
    found = out.sel(momentum=0.9)
    assert found.axes == {"lr": (0.1, 0.2), "momentum": (0.9,)}
    assert found.loss.tolist() == out.loss[:, 1:].tolist()
    assert_same(out.sel(), out)


def test_tolerance_limits_how_near():
    out = made({"lr": [0.1, 0.2]})
    assert out.sel(lr=0.1 + 1e-12, tolerance=1e-9).axes["lr"] == (0.1,)
    with pytest.raises(
        ValueError, match=r"lr has no value 0\.15 within 0\.01; the nearest is 0\.1"
    ):
        out.sel(lr=0.15, method="nearest", tolerance=0.01)


def test_numbers_are_equal_to_the_last_bit():
    out = made({"lr": [0.1 + 0.2, 1.0], "rng": [2**62, 2**62 + 1]})
    with pytest.raises(
        ValueError, match=r"no value 0\.3; the nearest is 0\.30000000000000004; method="
    ):
        out.sel(lr=0.3)
    assert out.sel(rng=2**62 + 1).axes["rng"] == (2**62 + 1,)
    with pytest.raises(ValueError, match="rng has no value"):
        out.sel(rng=2**62 + 2)


def test_values_by_their_texts_and_by_equal_objects():
    out = made({"lr": [0.1], "optimizer": AXES["optimizer"], "schedule": AXES["schedule"]})
    for wanted in ("SGD()", gd.SGD(), ["SGD()"], [gd.SGD()]):
        assert out.sel(optimizer=wanted).axes["optimizer"][0] is AXES["optimizer"][0]
    text = "cosine(peak=0.1, total=20, floor=0.0)"
    for wanted in (text, gd.schedules.cosine(0.1, 20)):
        assert out.sel(schedule=[wanted, 0.5]).axes["schedule"] == (AXES["schedule"][2], 0.5)


def test_points_are_values_as_lists_tuples_or_arrays():
    out = made({"x0": AXES["x0"]})
    for wanted in ([1.0, 3.0], (1, 3), np.array([1.0, 3.0]), [(1.0, 3.0)], np.array([[1.0, 3.0]])):
        assert out.sel(x0=wanted).axes["x0"] == ((1.0, 3.0),)
    assert out.sel(x0=out.axes["x0"][1:]).axes["x0"] == out.axes["x0"][1:]
    kept_as_rows = made({"x0": np.array(AXES["x0"])})
    assert kept_as_rows.sel(x0=[[1, 3], [1, 2]]).axes["x0"] == ((1.0, 3.0), (1.0, 2.0))


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        ({"rate": 1}, ValueError, r"'rate' is not an axis of the sweep, which has \['lr', 'convention'\]"),
        ({"lr": "fast"}, TypeError, "lr must be a number, a list of numbers or a slice, got 'fast'"),
        ({"lr": True}, TypeError, "lr must be a number"),
        ({"lr": []}, TypeError, "lr must be a number"),
        ({"lr": np.nan}, ValueError, "lr has no value nan"),
        ({"lr": slice(0, 1, 2)}, ValueError, "lr must be a slice without a step"),
        ({"lr": slice("a", None)}, TypeError, r"lr\.start must be a real number"),
        ({"lr": slice(3, 4)}, ValueError, r"lr has no value from 3\.0 to 4\.0; its values go from 0\.1 to 0\.2"),
        ({"convention": slice(None)}, TypeError, "convention is not an axis of numbers"),
        ({"convention": ["torch", "caffe"]}, ValueError, "convention has no value 'caffe'; it has torch, keras"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused(wanted, error, says):
    out = made({"lr": [0.1, 0.2], "convention": ["torch", "keras"]})
    with pytest.raises(error, match=says):
        out.sel(wanted)


def test_options_are_checked():
    out = made({"lr": [0.1, 0.2]})
    with pytest.raises(ValueError, match="method must be"):
        out.sel(lr=0.1, method="pad")
    with pytest.raises(ValueError, match="tolerance must be a number >= 0"):
        out.sel(lr=0.1, tolerance=-1)
    with pytest.raises(TypeError, match="values must be a dict"):
        out.sel(0.1)
    with pytest.raises(ValueError, match="no run has all of"):
        made({"lr": [0.1, 0.2], "rng": [0, 1]}, paired=True).sel(lr=0.1, rng=1)


# --- networks -------------------------------------------------------------------------------------------


def networks(rates, seeds=(0, 1), **options):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 2))
    problem = gd.MLP([2, 3, 1], loss="mse", rng=1).problem(x, x.sum(axis=1))
    axes = {"layers.0.lr": rates, "rng": list(seeds)}
    return gd.sweep(problem, gd.SGD(), axes, max_iter=9, keep="params", record=3, **options)


def test_networks_histories_and_parameters_come_along():
    out = networks([0.01, 0.1, 1.0])
    part = out.sel({"layers.0.lr": [1.0, 0.1], "rng": 1})
    np.testing.assert_array_equal(part.history, out.history[2:0:-1, 1:])
    np.testing.assert_array_equal(part.metric, out.metric[2:0:-1, 1:])
    assert part.networks == {
        (2 - i, 0): net for (i, j), net in out.networks.items() if i and j == 1
    }
    for k in range(2):
        for one, other in zip(part.network(k, 0).params, out.network(2 - k, 1).params, strict=True):
            np.testing.assert_array_equal(one, other)


def test_networks_merged_are_those_of_one_sweep():
    """But for the networks that are kept: the best of each part."""
    whole = networks([0.01, 0.1, 1.0])
    merged = networks([1.0]).merge(
        networks([0.01, 0.1], seeds=[1]), networks([0.01, 0.1], seeds=[0])
    )
    for name in (*ARRAYS, "metric", "history"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(whole, name))
    assert merged.axes == whole.axes
    assert set(merged.networks) > set(whole.networks)
    assert merged.network(1, 1).loss([[1.0, 2.0]], [3.0]) == whole.network(1, 1).loss(
        [[1.0, 2.0]], [3.0]
    )
    assert merged.best(over=None).network is not None


def test_histories_of_longer_runs_are_padded():
    rng = np.random.default_rng(0)
    problem = gd.MLP([2, 1], loss="mse").problem(rng.normal(size=(20, 2)), rng.normal(size=20))
    whole, short, long = (
        gd.sweep(problem, gd.SGD(), {"max_iter": lengths}, record=2)
        for lengths in ([3, 9], [3], [9])
    )
    np.testing.assert_array_equal(short.merge(long).history, whole.history)
    np.testing.assert_array_equal(long.merge(short).history, whole.history)


# --- merge ----------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(out=grids(least=1), data=st.data())
def test_parts_of_a_grid_are_the_whole(out, data):
    """Parts that may overlap; and what `sel` takes from the whole is the part again."""
    name = data.draw(st.sampled_from(sorted(out.axes)))
    values = out.axes[name]
    first = drawn_places(data, len(values))
    rest = sorted({*range(len(values))} - {*first}) or [0]
    rest += data.draw(st.lists(st.sampled_from(first), unique=True)) if rest != [0] else []
    parts = [out.sel({name: [values[k] for k in own]}) for own in (first, rest)]
    merged = parts[0].merge(parts[1])
    assert not merged.paired
    in_order = {n: list(v) for n, v in out.axes.items()}
    assert_same(merged.sel(in_order), out)
    assert_same(merged.sel({name: list(parts[1].axes[name])}), parts[1])


@settings(max_examples=100, deadline=None)
@given(out=samples(), data=st.data())
def test_parts_of_sampled_runs_are_the_whole(out, data):
    name = data.draw(st.sampled_from(sorted(out.axes)))
    own = list(dict.fromkeys(out.axes[name]))
    if len(own) < 2:
        return
    cut = data.draw(st.integers(1, len(own) - 1))
    merged = out.sel({name: own[:cut]}).merge(out.sel({name: own[cut:]}))
    assert_same_rows(merged, out)


def assert_same_rows(one, other):
    names = list(one.axes)
    tables = [
        out.to_pandas().sort_values([*names, "loss"]).reset_index(drop=True) for out in (one, other)
    ]
    assert tables[0].equals(tables[1])


@settings(max_examples=50, deadline=None)
@given(out=grids(least=1), seed=st.integers(0, 99))
def test_scattered_runs_of_a_grid_are_the_grid(out, seed):
    """A grid as two sets of paired runs, in any order."""
    index = np.random.default_rng(seed).permutation(out.size)
    places = np.unravel_index(index, out.shape)
    columns = {n: [v[k] for k in own] for (n, v), own in zip(out.axes.items(), places, strict=True)}
    arrays = {name: getattr(out, name).reshape(out.size, *getattr(out, name).shape[len(out.shape):])[index]
              for name in ARRAYS}  # fmt: skip
    runs = gd.SweepResult(axes=columns, paired=True, **arrays)
    merged = runs.merge(runs)
    assert not merged.paired
    assert_same(merged.sel({n: list(v) for n, v in out.axes.items()}), out)


def test_extended_axes_that_leave_gaps_are_paired():
    coarse = gd.sweep(LINE, gd.Momentum(), {"lr": [0.1, 1.0], "momentum": [0.0, 0.5]}, max_iter=30)
    finer = gd.sweep(LINE, gd.Momentum(), {"momentum": [0.5, 0.9], "lr": [0.5]}, max_iter=30)
    merged = coarse.merge(finer)
    assert merged.paired
    assert merged.axes == {
        "lr": (0.1, 0.1, 1.0, 1.0, 0.5, 0.5),
        "momentum": (0.0, 0.5, 0.0, 0.5, 0.5, 0.9),
    }
    assert merged.iterations.tolist() == [*coarse.iterations.ravel(), *finer.iterations.ravel()]
    rest = gd.sweep(
        LINE, gd.Momentum(), {"lr": [0.1, 0.5, 1.0], "momentum": [0.0, 0.9]}, max_iter=30
    )
    whole = gd.sweep(
        LINE, gd.Momentum(), {"lr": [0.1, 0.5, 1.0], "momentum": [0.0, 0.5, 0.9]}, max_iter=30
    )
    assert_same(merged.merge(rest), whole)


def test_order_of_the_merged_axis():
    def merged(*lists):
        first, *others = (made({"lr": list(values)}, seed=k) for k, values in enumerate(lists))
        return first.merge(*others).axes["lr"]

    assert merged([1.0, 3.0], [2.0]) == (1.0, 2.0, 3.0)
    assert merged([3.0, 1.0], [2.0]) == (3.0, 2.0, 1.0)
    assert merged([3.0, 1.0], [2.0, 4.0]) == (3.0, 1.0, 2.0, 4.0)
    assert merged([1, 3], [2.5]) == (1.0, 2.5, 3.0)
    assert all(type(value) is int for value in merged([1, 3], [2]))


def test_a_loaded_sweep_is_merged_with_a_new_one(tmp_path):
    axes = {"optimizer": [gd.SGD(), gd.Momentum(momentum=0.5)], "lr": [0.1, 0.5]}
    out = gd.sweep(LINE, None, axes, max_iter=20)
    out.save(tmp_path / "sweep.npz")
    loaded = gd.SweepResult.load(tmp_path / "sweep.npz")
    more = gd.sweep(LINE, None, {**axes, "lr": [0.5, 1.0]}, max_iter=20)
    merged = loaded.merge(more)
    assert merged.shape == (2, 3)
    np.testing.assert_array_equal(merged.loss[:, :2], out.loss)
    np.testing.assert_array_equal(merged.loss[:, 1:], more.loss)


def test_what_the_sweeps_say_is_summed_up():
    one, other = (
        made({"lr": [0.1]}, seconds=1.5, backend="cython"),
        made({"lr": [0.2]}, seconds=2.0, backend="numba+cython"),
    )
    merged = one.merge(other)
    assert (merged.seconds, merged.backend) == (3.5, "cython+numba")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"problem": "q"}, "problem is 'q', here 'p'"),
        ({"optimizer": "SGD()"}, r"optimizer is 'SGD\(\)', here ''"),
        ({"dtype": "float32"}, "dtype is 'float32', here 'float64'"),
        ({"tol": 1e-6, "max_iter": 7}, "tol is 1e-06, here 1e-08; max_iter is 7, here 9"),
        ({"parameter_names": ("a", "b")}, r"parameter_names is \('a', 'b'\), here \('p0', 'p1'\)"),
        ({"history": np.zeros((1, 3)), "record": 5}, "record is 5, here 0; history is kept, here not kept"),
        ({"metric": np.zeros(1)}, "metric is kept, here not kept"),
    ],
)  # fmt: skip
def test_other_settings_are_refused_by_name(fields, says):
    about = {"problem": "p", "tol": 1e-8, "max_iter": 9}
    one, same = made({"lr": [0.1]}, **about), made({"lr": [0.2]}, **about)
    with pytest.raises(ValueError, match=rf"others\[1\] is a sweep with other settings: {says}"):
        one.merge(same, made({"lr": [0.3]}, **about | fields))


def test_other_axes_are_refused():
    with pytest.raises(
        ValueError, match=r"others\[0\] has the axes \['momentum'\], wanted .* \['lr'\]"
    ):
        made({"lr": [0.1]}).merge(made({"momentum": [0.1]}))
    with pytest.raises(TypeError, match=r"others\[0\] must be a SweepResult, got 3"):
        made({"lr": [0.1]}).merge(3)


def test_contradictions_are_refused():
    one = made({"lr": [0.1, 0.2]})
    other = made({"lr": [0.2]}, seed=1)
    with pytest.raises(
        ValueError,
        match=r"run of others\[0\] at \{'lr': 0\.2\} ended differently: iterations is \d+, and \d+ in "
        r"the run of this sweep at \{'lr': 0\.2\}",
    ):
        one.merge(other)


def test_a_run_that_was_stopped_is_replaced():
    """Ctrl-C, then the same sweep again: whatever the order, runs that ended are taken, else the longest."""
    whole = made({"lr": [0.1, 0.2, 0.3, 0.4]})
    lost = made({"lr": [0.1, 0.2, 0.3, 0.4]}, seed=1)
    status = [Status.NOT_RUN, Status.INTERRUPTED, Status.MAX_SECONDS, Status.STOPPED]
    lost.status[...] = status
    lost.iterations[...] = [0, 5, 5, 5]
    for merged in (lost.merge(whole), whole.merge(lost)):
        assert_same(merged, whole)
    longer = made({"lr": [0.1, 0.2, 0.3, 0.4]}, seed=2)
    longer.status[...] = status[::-1]
    longer.iterations[...] = [3, 6, 4, 0]
    assert lost.merge(longer).iterations.tolist() == [3, 6, 5, 5]


def test_a_sweep_of_one_run_without_axes():
    out = made({})
    assert_same(out.merge(out), out)
    assert_same(out.sel(), out)
