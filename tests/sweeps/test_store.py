"""A sweep's store: what is kept is not run again, what differs is refused, what is damaged is named and run again."""

import errno
import json
import shutil
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd import Status, locks
from fastgd.sweeps import DamagedChunk, chunks, store
from fastgd.sweeps.fingerprint import fingerprint
from fastgd.sweeps.job import Job
from fastgd.sweeps.run_table import RunTable, about, arrays_of

LINE = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
ROWS = np.random.default_rng(0).normal(size=(60, 2))
NETS = gd.MLP([2, 4, 2], rng=0).problem(ROWS, ROWS[:, 0] > 0, batch_size=20)
RATES = np.linspace(0.01, 2.5, 200)
ARRAYS = ("iterations", "status", "regime", "loss", "slope", "x")


def same(one, other, names=ARRAYS):
    for name in (*names, "metric", "history"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b, name)
    assert one.axes == other.axes


@pytest.fixture
def ran(monkeypatch):
    """How many runs each chunk had."""
    counts = []

    def run(job, index, **how):
        counts.append(len(index))
        return run_it(job, index, **how)

    run_it = Job.run
    monkeypatch.setattr(Job, "run", run)
    return counts


def falling(t):
    return 0.5 / (1 + t)


SWEEPS = {
    "rates": (LINE, gd.Momentum(), {"lr": RATES, "momentum": [0.0, 0.9]}, {}),
    "schedules": (LINE, gd.SGD(), {"lr": [0.1, falling, gd.schedules.exponential(0.5, 0.9)]}, {}),
    "optimizers": (LINE, gd.SGD(), {"optimizer": [gd.Adam(), gd.NAG(), gd.Adam(eps=1e-3)], "lr": [0.1, 1.0]}, {}),
    "pairs": (LINE, gd.Adam(), {"betas": [(0.9, 0.99), (0.5, 0.9)], "lr": [0.01, 0.1]}, {}),
    "points": (LINE, gd.SGD(), {"x0": ROWS[:20], "lr": [0.1, 3.0]}, {}),
    "seeds": (LINE, gd.SGD(), {"rng": [3, 1, 2], "lr": [0.1, 1.0]}, {}),
    "generator": (LINE, gd.SGD(), {"lr": RATES}, {"rng": 5}),
    "sampled": (LINE, gd.Momentum(), gd.sample_axes({"lr": RATES, "momentum": [0.0, 0.5, 0.9]}, 300), {}),
    "float32": (LINE, gd.SGD(), {"lr": RATES}, {"dtype": "float32"}),
    "batches": (
        gd.LeastSquares(ROWS, ROWS[:, 0], batch_size=7), gd.SGD(), {"lr": RATES[:20], "rng": [0, 1]}, {"max_iter": 60},
    ),
    "networks": (
        NETS, gd.Adam(), {"lr": [1e-3, 0.1], "rng": [0, 1, 2], "hidden": [3, (4, 2)], "epochs": [2, 4]}, {"record": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SWEEPS)
def test_a_stored_sweep_is_the_same_and_not_run_again(name, tmp_path, ran, monkeypatch):
    monkeypatch.setattr(chunks, "_FIRST", 7)
    problem, optimizer, axes, options = SWEEPS[name]
    options = {"max_iter": 200, **options}
    plain = gd.sweep(problem, optimizer, axes, **options)
    for again in (False, True):
        same(plain, gd.sweep(problem, optimizer, axes, store=tmp_path / "s", **options))
        assert sum(ran) == plain.size, again
    kept = gd.SweepStore(tmp_path / "s").result()
    for array in ("iterations", "regime", "loss"):
        np.testing.assert_array_equal(getattr(kept, array), getattr(plain, array))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_other_values_run_only_what_is_new(data, tmp_path_factory):
    """Grids and combinations in any order, one store for all: what is there is never run again."""
    folder, done = tmp_path_factory.mktemp("s") / "s", set()
    rates, betas = st.sampled_from([0.1, 0.2, 0.5, 3.0]), st.sampled_from([0.0, 0.5, 0.9])
    for _ in range(data.draw(st.integers(1, 3))):
        if data.draw(st.booleans()):
            axes = {
                "lr": data.draw(st.lists(rates, min_size=1, unique=True)),
                "momentum": data.draw(st.lists(betas, min_size=1, unique=True)),
            }
            if data.draw(st.booleans()):
                axes = dict(reversed(axes.items()))
            points = {(r, m) for r in axes["lr"] for m in axes["momentum"]}
        else:
            pairs = data.draw(st.lists(st.tuples(rates, betas), min_size=1, max_size=6))
            axes = gd.SampledAxes({"lr": [r for r, _ in pairs], "momentum": [m for _, m in pairs]})
            points = set(pairs)
        counts = []
        run = Job.run

        def counted(job, index, run=run, counts=counts, **how):
            counts.append(len(index))
            return run(job, index, **how)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Job, "run", counted)
            out = gd.sweep(LINE, gd.Momentum(), axes, max_iter=50, store=folder)
        same(gd.sweep(LINE, gd.Momentum(), axes, max_iter=50), out)
        if points <= done:
            assert not counts
        assert sum(counts) >= len(points - done)
        done |= points


@pytest.mark.parametrize(
    ("keep", "has"),
    [("outcome", set()), ("loss", {"loss", "slope"}), ("all", {"loss", "slope", "x"}), (None, {"loss", "slope", "x"})],
)  # fmt: skip
def test_keep_says_what_a_run_leaves(keep, has, tmp_path):
    out = gd.sweep(LINE, gd.SGD(), {"lr": RATES}, keep=keep, store=tmp_path / "s")
    plain = gd.sweep(LINE, gd.SGD(), {"lr": RATES})
    same(
        plain,
        out,
        [name for name in ARRAYS if name in has or name in ("iterations", "status", "regime")],
    )
    assert np.isnan(out.loss).all() == ("loss" not in has)
    assert out.x.shape == (200, 2 if "x" in has else 0)


def test_histories_of_different_lengths(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "_FIRST", 1)
    monkeypatch.setattr(chunks, "_GROWTH", 1)
    axes = {"max_iter": [3, 8, 5], "lr": [0.1]}
    plain = gd.sweep(NETS, gd.SGD(), axes, record=2)
    same(plain, gd.sweep(NETS, gd.SGD(), axes, record=2, store=tmp_path))


def test_descents_with_a_history(tmp_path):
    plain = gd.sweep(LINE, gd.SGD(), {"lr": RATES}, record=10, max_iter=100)
    same(plain, gd.sweep(LINE, gd.SGD(), {"lr": RATES}, record=10, max_iter=100, store=tmp_path))


def test_parameters_of_networks(tmp_path):
    axes = {"lr": [1e-3, 0.1], "rng": [0, 1]}
    plain = gd.sweep(NETS, gd.Adam(), axes, max_iter=20, keep="params")
    out = gd.sweep(NETS, gd.Adam(), axes, max_iter=20, keep="params", store=tmp_path / "s")
    np.testing.assert_array_equal(plain.params, out.params)


def test_networks_are_trained_again(tmp_path):
    axes = {"lr": [1e-3, 0.1, 1e9], "rng": [0, 1, 2], "epochs": [3]}
    plain = gd.sweep(NETS, gd.SGD(), axes)
    out = gd.sweep(NETS, gd.SGD(), axes, store=tmp_path / "s")
    one, other = plain.best(), out.best()
    assert one.index == other.index
    for p, q in zip(one.network.params, other.network.params, strict=True):
        np.testing.assert_array_equal(p, q)
    assert (one.network.steps_, one.network.epochs_) == (
        other.network.steps_,
        other.network.epochs_,
    )
    assert (2, 0, 0) not in out.networks
    assert len(out.networks) == 6 == len(list(out.networks))
    with pytest.raises(KeyError):
        out.networks[2, 0, 0]


def test_networks_are_trained_again_only_when_asked_for(tmp_path, ran):
    axes = {"lr": [1e-3, 0.1], "rng": [0, 1, 2], "epochs": [3]}
    plain = gd.sweep(NETS, gd.SGD(), axes)
    out = gd.sweep(NETS, gd.SGD(), axes, store=tmp_path / "s")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "network", lambda *_: pytest.fail("a network was trained"))
        some = out.sel(rng=[2, 0])
        both = some.merge(out.sel(rng=1))
        assert len(some.networks) == 4
    chosen = plain.best().index
    network = both.networks[chosen]
    for p, q in zip(network.params, plain.networks[chosen].params, strict=True):
        np.testing.assert_array_equal(p, q)


# --- what decides the runs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"tol": 1e-5}, "tol: None there, 1e-05 here"),
        ({"max_iter": 7}, "max_iter: 10000 there, 7 here"),
        ({"dtype": "float32"}, "dtype: None there, float32 here"),
        ({"x0": [1.0, 2.0]}, r"x0: None there, \[1.0, 2.0\]"),
        ({"keep": "loss"}, "keep: all there, loss here"),
        ({"optimizer": gd.SGD(weight_decay=0.1)}, r"optimizer: SGD\(\) there, SGD\(weight_decay=0.1\) here"),
        ({"problem": gd.LeastSquares([0.0, 0.5], [1.0, 3.5])}, r"problem: LeastSquares\(3 rows.* there, .*2 rows"),
        ({"problem": gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 4.0])}, r"problem: .*, with other contents"),
        ({"axes": {"lr": [0.1], "weight_decay": [0.1]}}, "axes: lr there, lr, weight_decay here"),
    ],
)  # fmt: skip
def test_another_sweep_is_refused(other, says, tmp_path):
    folder = tmp_path / "s"
    gd.sweep(LINE, gd.SGD(), {"lr": [0.1, 1.0]}, store=folder)
    before = sorted(f.name for f in folder.iterdir())
    call = {"problem": LINE, "optimizer": gd.SGD(), "axes": {"lr": [0.1]}, **other}
    with pytest.raises(ValueError, match=says):
        gd.sweep(store=folder, **call)
    assert sorted(f.name for f in folder.iterdir()) == before


def test_the_rate_of_the_optimizer_does_not_count_beside_an_axis(tmp_path):
    gd.sweep(LINE, gd.SGD(lr=0.5), {"lr": [0.1]}, store=tmp_path)
    gd.sweep(LINE, gd.SGD(lr=0.7), {"lr": [0.1]}, store=tmp_path)


def test_networks_of_other_rows_or_seeds_are_refused(tmp_path):
    gd.sweep(NETS, gd.SGD(), {"lr": [0.1]}, max_iter=3, store=tmp_path)
    NETS.network.fit(
        ROWS, ROWS[:, 0] > 0, optimizer=gd.SGD(), epochs=1
    )  # which a sweep does not begin at
    gd.sweep(NETS, gd.SGD(), {"lr": [0.1]}, max_iter=3, store=tmp_path)
    flipped = gd.MLP([2, 4, 2], rng=0).problem(ROWS, ROWS[:, 0] < 0, batch_size=20)
    with pytest.raises(ValueError, match="training rows: 60 rows, with other contents"):
        gd.sweep(flipped, gd.SGD(), {"lr": [0.1]}, max_iter=3, store=tmp_path)
    seeded = gd.MLP([2, 4, 2], rng=1).problem(ROWS, ROWS[:, 0] > 0, batch_size=20)
    with pytest.raises(ValueError, match=r"network: .*seed 0 there, .*seed 1 here"):
        gd.sweep(seeded, gd.SGD(), {"lr": [0.1]}, max_iter=3, store=tmp_path)


def test_generators_on_an_axis_are_refused(tmp_path):
    with pytest.raises(TypeError, match=r"axes\['rng'\] holds a generator"):
        gd.sweep(LINE, gd.SGD(), {"rng": [np.random.default_rng(0)]}, store=tmp_path)


def test_fingerprints():
    def made(k):
        def rule(x, grad):
            grad[:] = k * x
            return (k * x @ x) / 2

        return rule

    assert fingerprint(gd.Function(made(2), 2)) == fingerprint(gd.Function(made(2), 2))
    assert fingerprint(gd.Function(made(2), 2)) != fingerprint(gd.Function(made(3), 2))
    assert fingerprint(lambda t: t + 1) != fingerprint(lambda t: t + 2)
    values = [
        1,
        1.0,
        True,
        "1",
        None,
        (1,),
        [1],
        {1: 1},
        {1},
        np.float32(1),
        np.ones(1),
        np.ones((1, 1)),
        2,
    ]
    assert len({fingerprint(value) for value in values}) == len(values)
    circle = [1]
    circle.append(circle)
    assert fingerprint(circle) != fingerprint([1, [1]])
    problem = gd.LeastSquares(ROWS, ROWS[:, 0])
    before = fingerprint(problem)
    gd.sweep(problem, gd.SGD(), {"lr": [0.1]})  # fills its caches
    assert fingerprint(problem) == before


# --- damage ---------------------------------------------------------------------------------------------


def chunk_files(folder):
    return sorted(folder.glob("runs-*.npz"))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "swapped"])
def test_a_damaged_chunk_is_named_and_run_again(damage, tmp_path, ran, monkeypatch):
    monkeypatch.setattr(chunks, "_FIRST", 40)
    monkeypatch.setattr(chunks, "_GROWTH", 1)
    plain = gd.sweep(LINE, gd.SGD(), {"lr": RATES})
    gd.sweep(LINE, gd.SGD(), {"lr": RATES}, store=tmp_path)
    one, other, *_ = chunk_files(tmp_path)
    content = one.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 4
    one.write_bytes(
        {"truncated": content[:-9], "flipped": bytes(flipped), "empty": b"", "swapped": other.read_bytes()}[damage]
    )  # fmt: skip
    assert gd.SweepStore(tmp_path).status().damaged == (one.name,)
    ran.clear()
    with pytest.warns(DamagedChunk, match=f"{one.name} is damaged"):
        same(plain, gd.sweep(LINE, gd.SGD(), {"lr": RATES}, store=tmp_path))
    assert ran == [40]
    status = gd.SweepStore(tmp_path).status()
    assert (status.damaged, status.missing) == ((), 0)


def test_what_is_missing_is_run_again(tmp_path, ran):
    plain = gd.sweep(LINE, gd.SGD(), {"lr": RATES})
    gd.sweep(LINE, gd.SGD(), {"lr": RATES[:50]}, store=tmp_path)
    gd.sweep(LINE, gd.SGD(), {"lr": RATES}, store=tmp_path)
    chunk_files(tmp_path)[0].unlink()
    assert gd.SweepStore(tmp_path).status().missing in (50, 150)
    same(plain, gd.sweep(LINE, gd.SGD(), {"lr": RATES}, store=tmp_path))


def test_without_its_axes_nobody_knows_which_runs_a_chunk_has(tmp_path, ran):
    plain = gd.sweep(LINE, gd.SGD(), {"lr": RATES})
    gd.sweep(LINE, gd.SGD(), {"lr": RATES[:50]}, store=tmp_path)
    (tmp_path / "axes-0.npz").write_bytes(b"")
    with pytest.warns(DamagedChunk):
        same(plain, gd.sweep(LINE, gd.SGD(), {"lr": RATES}, store=tmp_path))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not a store"),
        ("[]", "another version"),
        (
            '{"format": "fastgd store 99"}',
            "another version: 'fastgd store 99', wanted 'fastgd store 1'",
        ),
    ],
)
def test_a_foreign_manifest_is_refused(text, says, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    for call in (
        lambda: gd.SweepStore(tmp_path),
        lambda: gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, store=tmp_path),
    ):
        with pytest.raises(ValueError, match=says):
            call()


def test_a_store_of_another_version_is_refused(tmp_path):
    gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, store=tmp_path)
    file = tmp_path / "manifest.json"
    told = json.loads(file.read_text())
    told["identity"]["version"] = "0.0.1"
    file.write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"version: 0\.0\.1 there, .* here"):
        gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, store=tmp_path)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(ValueError, match=r"holds 'letters.txt'; give an empty folder"):
        gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, store=tmp_path)
    with pytest.raises(ValueError, match="is not a store"):
        gd.SweepStore(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, store=tmp_path / "file")


def test_a_full_disk_loses_no_finished_chunk(tmp_path, ran, monkeypatch):
    monkeypatch.setattr(chunks, "_FIRST", 40)
    monkeypatch.setattr(chunks, "_GROWTH", 1)
    written = []

    def failing(path):
        if (
            len(written) == 4
        ):  # the manifest is written otherwise; the axes and three chunks are there
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path)
        return atomic_write(path)

    with monkeypatch.context() as patch:
        atomic_write = store.atomic_write
        patch.setattr(store, "atomic_write", failing)
        with pytest.raises(OSError, match=r"No space left on device: .*runs-0-3-"):
            gd.sweep(LINE, gd.SGD(), {"lr": RATES}, store=tmp_path)
    assert gd.SweepStore(tmp_path).status().missing == 80
    ran.clear()
    same(
        gd.sweep(LINE, gd.SGD(), {"lr": RATES}),
        gd.sweep(LINE, gd.SGD(), {"lr": RATES}, store=tmp_path),
    )
    assert sum(ran) == 80


# --- one writer -----------------------------------------------------------------------------------------


def test_two_sweeps_on_one_store_are_refused(tmp_path):
    gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, store=tmp_path)
    with locks.FolderLock(tmp_path):
        assert gd.SweepStore(tmp_path).status().owner == "this process"
        with pytest.raises(locks.Locked, match="in use by another sweep of this process"):
            gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, store=tmp_path)
    gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, store=tmp_path)
    assert gd.SweepStore(tmp_path).status().owner == ""


def test_an_owner_on_another_machine_is_believed_while_its_heart_beats(tmp_path, monkeypatch):
    (tmp_path / "lock").write_text(json.dumps({"host": "elsewhere", "pid": 7}))
    with pytest.raises(locks.Locked, match="process 7 on elsewhere"):
        gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, store=tmp_path)
    monkeypatch.setattr(locks, "DEAD", -1.0)
    gd.sweep(LINE, gd.SGD(), {"lr": [0.1]}, store=tmp_path)


def test_threads_have_a_store_each(tmp_path):
    plain = gd.sweep(LINE, gd.SGD(), {"lr": RATES})
    found = [None] * 4

    def work(k):
        found[k] = gd.sweep(LINE, gd.SGD(), {"lr": RATES}, store=tmp_path / str(k), n_threads=1)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for out in found:
        same(plain, out)


def test_a_copied_store_goes_on(tmp_path, ran):
    gd.sweep(LINE, gd.SGD(), {"lr": RATES[:100]}, store=tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    ran.clear()
    same(
        gd.sweep(LINE, gd.SGD(), {"lr": RATES}),
        gd.sweep(LINE, gd.SGD(), {"lr": RATES}, store=tmp_path / "b"),
    )
    assert sum(ran) == 100


# --- ends -----------------------------------------------------------------------------------------------


def test_runs_that_a_time_limit_broke_off_are_run_again(tmp_path):
    axes = {"lr": [1e-9] * 3 + [1.0] * 40}
    out = gd.sweep(
        LINE,
        gd.SGD(),
        axes,
        tol=1e-12,
        max_iter=2**40,
        max_seconds=0.5,
        store=tmp_path,
        n_threads=1,
    )
    assert set(out.status[:3]) == {gd.Status.MAX_SECONDS}
    assert gd.SweepStore(tmp_path).status().ended == {"converged": 40}


def test_runs_that_never_began_are_as_if_they_had_not_come():
    """As of a worker that Ctrl-C reaches, too, in the middle of its chunk."""
    line = gd.LeastSquares([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    part = gd.sweep(line, gd.SGD(), {"lr": [0.1, 0.2, 0.3]}, max_iter=5)
    arrays = arrays_of("all", part)
    arrays["status"] = np.array([Status.MAX_ITER, Status.NOT_RUN, Status.INTERRUPTED], np.int8)
    table = RunTable(part.axes, part.shape, paired=False)
    table.put(np.arange(3), arrays, about("all", part))
    assert table.status.tolist() == arrays["status"].tolist()
    assert np.isnan(table.arrays["loss"]).tolist() == [False, True, False]
    assert np.isnan(table.arrays["x"]).all(axis=1).tolist() == [False, True, False]
    assert table.arrays["iterations"].tolist() == [5, 0, 5]


def test_a_status_is_readable(tmp_path):
    gd.sweep(LINE, gd.SGD(), {"lr": RATES}, store=tmp_path)
    text = str(gd.SweepStore(tmp_path).status())
    assert f"{tmp_path}: 200 of 200 runs over lr (200)" in text
    assert "LeastSquares(3 rows" in text
    assert "not in use" in text
