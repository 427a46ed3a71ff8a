"""Problems whose rows stay in a file: the bits of memory, little memory, and a place instead of data in a pickle."""

import json
import os
import pickle
import subprocess
import sys
import tempfile
import textwrap

import numpy as np
import pytest

import fastgd as gd
from fastgd.engines import rows
from fastgd.problems import condensed, mapped

RNG = np.random.default_rng(5)
X = np.round(RNG.normal(size=(3001, 4)), 2)
Y = X @ [1.0, -2.0, 0.5, 3.0] + 4.0 + np.round(RNG.normal(size=3001), 2)
LABELS = {"binary": (Y > 4.0).astype(np.int64), "softmax": np.digitize(Y, [2.0, 6.0])}
RATES = {"lr": [0.01, 0.1, 1.0, 50.0]}


@pytest.fixture(autouse=True)
def _nothing_is_small(monkeypatch):
    """Arrays stay in their files, and rows are condensed, however few there are."""
    monkeypatch.setattr(mapped, "READ_WHOLE", 0)
    monkeypatch.setattr(condensed, "AS_THEY_ARE", 1000)
    monkeypatch.setattr(condensed, "_BLOCK", 1000)
    monkeypatch.setattr(rows, "_BLOCKS", 2)  # so that several threads read


def on_disk(folder, name, array):
    file = folder / f"{name}.npy"
    np.save(file, array)
    return np.load(file, mmap_mode="r")


def same(out, other):
    for field in ("x", "loss", "slope", "iterations", "status", "regime"):
        np.testing.assert_array_equal(getattr(out, field), getattr(other, field), err_msg=field)


FORMS = {
    "float64": lambda a: a,
    "float32": lambda a: a.astype(np.float32),
    "big-endian": lambda a: a.astype(">f8"),
    "Fortran": np.asfortranarray,
    "integers": lambda a: (100 * a).astype(np.int16),
}
VIEWS = {
    "whole": np.s_[:],
    "rows": np.s_[5:2500],
    "every other": np.s_[::2],
    "backwards": np.s_[::-1, ::-1],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("form", FORMS)
def test_statistics_have_the_bits_of_memory(tmp_path, form, view):
    array, which = FORMS[form](X), VIEWS[view]
    inputs = on_disk(tmp_path, "X", array)[which]
    targets = on_disk(tmp_path, "y", Y)[which if view != "backwards" else np.s_[::-1]]
    there = gd.LeastSquares(inputs, targets)
    here = gd.LeastSquares(np.array(inputs), np.array(targets))
    np.testing.assert_array_equal(there.hessian, here.hessian)
    np.testing.assert_array_equal(there.solution, here.solution)
    same(gd.sweep(there, gd.SGD(), RATES), gd.sweep(here, gd.SGD(), RATES))
    again = pickle.loads(pickle.dumps(gd.LeastSquares(inputs, targets, statistics=False)))
    np.testing.assert_array_equal(again.gradient(np.ones(5)), here_by_rows(inputs, targets))


def here_by_rows(inputs, targets):
    return gd.LeastSquares(np.array(inputs), np.array(targets), statistics=False).gradient(
        np.ones(5)
    )


def test_the_triangle_keeps_what_products_lose():
    """Nearly collinear columns and a small residual far from 0, against NumPy's lstsq on all rows."""
    x = np.linspace(0, 1, 4000)
    inputs = np.column_stack([x, x + 1e-6 * np.sin(50 * x)])
    y = 1e6 + x + 1e-3 * np.cos(40 * x)
    problem = gd.LeastSquares(inputs, y)
    assert len(problem.condensed.X) == 4
    both = np.column_stack([inputs, np.ones(4000)])
    wanted = np.linalg.lstsq(both, y)[0]
    np.testing.assert_allclose(problem.solution, wanted, rtol=1e-4)
    assert problem.loss(problem.solution) == pytest.approx(
        0.5 * np.mean((both @ wanted - y) ** 2), rel=1e-6
    )
    np.testing.assert_allclose(problem.hessian, both.T @ both / 4000, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", LABELS)
def test_sweeps_over_a_file_have_the_bits_of_memory(tmp_path, kind, dtype):
    there = gd.Logistic(on_disk(tmp_path, "X", X), on_disk(tmp_path, "y", LABELS[kind]))
    here = gd.Logistic(X, LABELS[kind])
    axes = {**RATES, "momentum": [0.0, 0.9]}
    options = {"max_iter": 70, "dtype": dtype, "tol": 1e-2}
    out = gd.sweep(here, gd.Momentum(), axes, **options)
    same(gd.sweep(there, gd.Momentum(), axes, **options), out)
    point = out.best().x
    assert there.accuracy(point) == here.accuracy(point)
    np.testing.assert_array_equal(there.predict(point), here.predict(point))
    assert there.curvature().largest == pytest.approx(here.curvature().largest, rel=1e-12)
    assert there.local_curvature(point).largest == pytest.approx(
        here.local_curvature(point).largest, rel=1e-12
    )


@pytest.mark.parametrize("flush", [True, False])
def test_subnormal_numbers_are_flushed_by_every_thread(tmp_path, flush):
    tiny = X * 1e-160
    there = gd.LeastSquares(on_disk(tmp_path, "X", tiny), Y * 1e-160, statistics=False, cost="sum")
    here = gd.LeastSquares(tiny, Y * 1e-160, statistics=False, cost="sum")
    options = {"max_iter": 3, "tol": 0, "flush_subnormals": flush}
    outs = [gd.sweep(p, gd.SGD(), {"lr": [1.0]}, **options) for p in (there, here)]
    np.testing.assert_array_equal(outs[0].x, outs[1].x)
    assert (outs[0].x[0, :-1] == 0).all() == flush


@pytest.mark.parametrize(
    "options", [{}, {"shuffle": False}, {"drop_last": True}, {"shuffle": "blocks"}]
)
@pytest.mark.parametrize("tol", [None, 0.05])
def test_batches_have_the_bits_of_memory(tmp_path, options, tol):
    options = {"batch_size": 700, "rng": 3, **options}
    there = gd.LeastSquares(on_disk(tmp_path, "X", X), on_disk(tmp_path, "y", Y), **options)
    here = gd.LeastSquares(X, Y, **options)
    axes = {**RATES, "rng": [0, 1]}
    outs = [gd.sweep(p, gd.Adam(), axes, max_iter=20, tol=tol) for p in (there, here)]
    same(*outs)
    assert there.curvature() == here.curvature()
    assert gd.minimize(there, max_iter=7).fun == gd.minimize(here, max_iter=7).fun


def test_one_pass_serves_all_runs(tmp_path, monkeypatch):
    there = gd.Logistic(on_disk(tmp_path, "X", X), LABELS["binary"])
    read = []
    part = type(there._rows).part
    monkeypatch.setattr(
        type(there._rows), "part", lambda self, which: read.append(which) or part(self, which)
    )
    gd.sweep(there, gd.SGD(), {"lr": np.geomspace(1e-3, 1, 50)}, max_iter=10, tol=0)
    found = sum(len(range(*which.indices(len(X)))) for which in read)
    # 10 updates and the last test, the slope at the end, and three losses by one pass
    assert found / len(X) <= 13


# --- pickles ------------------------------------------------------------------------------------------


def test_a_worker_maps_the_file_again(tmp_path):
    problem = gd.Logistic(on_disk(tmp_path, "X", X), on_disk(tmp_path, "y", LABELS["binary"]))
    data = pickle.dumps(problem)
    assert len(data) < 10_000 < X.nbytes
    code = (
        "import pickle, sys, numpy; problem = pickle.load(sys.stdin.buffer); "
        "print(problem.gradient(numpy.ones(problem.n_parameters)).tolist())"
    )
    ran = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert ran.stdout.decode().strip() == str(
        problem.gradient(np.ones(problem.n_parameters)).tolist()
    )


def test_a_file_that_changed_is_refused(tmp_path):
    inputs = on_disk(tmp_path, "X", X)
    data = pickle.dumps(gd.LeastSquares(inputs, Y, statistics=False))
    file = tmp_path / "X.npy"
    os.utime(file, ns=(1, 1))
    with pytest.raises(ValueError, match=r"^X lies in the file .*X.npy, which was changed after"):
        pickle.loads(data)
    with file.open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(ValueError, match=r"which had [\d,]+ bytes .* and has [\d,]+ now$"):
        pickle.loads(data)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="which is not there"):
        pickle.loads(data)


def test_a_file_without_a_name_cannot_be_pickled():
    with tempfile.TemporaryFile() as stream:
        inputs = np.memmap(stream, np.float64, "w+", shape=X.shape)
        inputs[:] = X
        problem = gd.LeastSquares(inputs, Y, statistics=False)
        with pytest.raises(ValueError, match=r"^X is mapped from a file without a name"):
            pickle.dumps(problem)


# --- errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [gd.LeastSquares, gd.Logistic])
def test_the_row_that_is_not_finite_is_named(tmp_path, kind, bad):
    inputs = X.copy()
    inputs[2345, 1] = bad
    with pytest.raises(
        ValueError, match=f"^X holds {bad} in row 2,345; wanted finite numbers only"
    ):
        kind(on_disk(tmp_path, "X", inputs), LABELS["binary"])


def test_targets_that_are_not_finite_are_named(tmp_path):
    y = Y.copy()
    y[17] = np.nan
    for inputs in (X, on_disk(tmp_path, "X", X)):
        with pytest.raises(ValueError, match=r"^y holds nan"):
            gd.LeastSquares(inputs, on_disk(tmp_path, "y", y))


def test_shapes_and_engines_that_do_not_fit(tmp_path):
    inputs = on_disk(tmp_path, "X", X)
    with pytest.raises(ValueError, match=r"^y has shape \(5,\), wanted \(3001,\)"):
        gd.LeastSquares(inputs, Y[:5])
    problem = gd.Logistic(inputs, LABELS["binary"])
    with pytest.raises(ValueError, match=r"^backend='numba' cannot read rows from a file"):
        gd.sweep(problem, gd.SGD(), RATES, backend="numba")
    with pytest.raises(AttributeError, match="does not hold its rows in memory"):
        _ = problem.X
    huge = gd.Logistic(on_disk(tmp_path, "huge", 1e300 * X), LABELS["binary"])
    with pytest.raises(ValueError, match="numbers beyond float32"):
        gd.sweep(huge, gd.SGD(), RATES, dtype="float32")


def test_a_file_that_was_cut_is_not_read(tmp_path):
    problem = gd.LeastSquares(on_disk(tmp_path, "X", X), Y, statistics=False)
    os.truncate(tmp_path / "X.npy", 1000)
    with pytest.raises(ValueError, match=r"^X is mapped from a file that has been cut"):
        problem.gradient(np.zeros(5))


# --- memory -------------------------------------------------------------------------------------------

CHILD = """
    import json, re, resource, sys
    import numpy as np
    import fastgd as gd
    folder, rows, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    X = np.memmap(folder + "/X", np.float64, "r", shape=(rows, 20))
    y = np.memmap(folder + "/y", np.float64, "r", shape=(rows,))
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))  # private memory that may be asked for
    problem = gd.LeastSquares(X, y)
    out = gd.sweep(problem, gd.SGD(), {"lr": np.geomspace(1e-3, 1, 1000)})
    status = open("/proc/self/smaps_rollup").read()
    dirty = int(re.search(r"Private_Dirty: *(\\d+)", status)[1]) * 1024
    anon = int(re.search(r"RssAnon:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024
    print(json.dumps([dirty, anon, problem.n_rows, float(np.abs(out.x).max())]))
"""


def private_memory(folder, many, limit):
    """Private memory of a process that sweeps over this many rows of 20 zeros in a sparse file."""
    for name, width in (("X", 20), ("y", 1)):
        with (folder / name).open("wb") as stream:
            stream.truncate(many * width * 8)
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(folder), str(many), str(limit)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    dirty, anon, found, largest = json.loads(done.stdout)
    assert found == many
    assert largest == 0
    return max(dirty, anon)


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@LINUX
def test_two_gigabytes_are_not_copied(tmp_path):
    assert private_memory(tmp_path, 2_000_000_000 // 168, 1 << 30) < 300e6


@LINUX
@pytest.mark.slow
def test_fifty_gigabytes_are_not_copied(tmp_path):
    assert private_memory(tmp_path, 50_000_000_000 // 168, 1 << 30) < 1e9
