"""Checks of sweeps on executors, each in a process of its own: ``python program.py CHECK KIND FOLDER``."""

import multiprocessing
import os
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # where workers find the tables too

import numpy as np
from executors import tables

import fastgd as gd
from fastgd.sweeps import chunks
from fastgd.sweeps.executors import LostRuns


def maker(kind):
    """What makes an executor with two workers."""
    if kind in {"fork", "spawn", "forkserver"}:
        return partial(ProcessPoolExecutor, 2, mp_context=multiprocessing.get_context(kind))
    if kind == "loky":
        import loky

        return partial(loky.ProcessPoolExecutor, 2)
    if kind == "loky, reused":
        import loky

        return partial(loky.get_reusable_executor, 2)
    if kind == "mpi":  # in a program that `mpiexec -n 3 python -m mpi4py.futures` runs
        from mpi4py.futures import MPIPoolExecutor

        return MPIPoolExecutor
    return partial(ThreadPoolExecutor, 2)


def same_bits(kind, folder):
    """Every sweep, with a store, and then what the store lacks nothing of."""
    chunks._FIRST = 7
    with maker(kind)() as executor:
        for name in tables.SWEEPS:
            whole = tables.run(name, n_threads=1)
            for _ in range(2):
                out = tables.run(name, executor=executor, store=folder / name)
                tables.assert_same(whole, out, name)
            out = tables.run(name, executor=executor)
            tables.assert_same(whole, out, name)
            if whole.networks:
                one, other = whole.best().network, out.best().network
                assert all(map(np.array_equal, one.params, other.params)), name


def functions_of_the_script(kind, folder):
    """Local functions and lambdas, with cloudpickle; those of a script by name."""
    power = 4

    def local(x, grad):
        grad[0] = power * x[0] ** (power - 1)
        return x[0] ** power

    axes = {"lr": [0.01, lambda t: 0.1 / (1 + t)], "momentum": [0.0, 0.5]}
    call = partial(gd.sweep, gd.Function(local, 1), gd.Momentum(), axes, x0=1.0, max_iter=50)
    with maker(kind)() as executor:
        tables.assert_same(call(n_threads=1), call(executor=executor))
        of_script = partial(tables.one_far, defined_here)
        tables.assert_same(of_script(n_threads=1), of_script(executor=executor))


def defined_here(x, grad):
    grad[0] = x[0]
    return x[0] ** 2 / 2


def lost_once(kind, folder):
    """A worker is lost; the table is whole and the same. The user's executor is left as it is."""
    whole = tables.one_far(tables.failing, which=())
    os.environ["MARK"] = str(folder / "mark")
    (folder / "mark").touch()
    whole = tables.one_far(tables.fatal_once)
    (folder / "mark").unlink()
    with maker(kind)() as executor:
        out = tables.one_far(tables.fatal_once, executor=executor, store=folder / "s")
    assert (folder / "mark").exists(), "no worker was killed"
    tables.assert_same(whole, out)


def killing_runs(kind, folder):
    """The runs that kill their worker, and no others, are errors; they are tried again by the next call."""
    which = [3, 123, 124]
    os.environ["MARK"] = str(folder / "mark")
    (folder / "mark").touch()
    for options in ({}, {"store": folder / "s"}):
        with warnings.catch_warnings(record=True) as caught, maker(kind)() as executor:
            warnings.simplefilter("always")
            out = tables.one_far(tables.fatal, which=which, executor=executor, **options)
        assert [str(w.message)[:6] for w in caught if w.category is LostRuns] == ["3 runs"]
        assert np.flatnonzero(out.status == gd.Status.ERROR).tolist() == which
        lost = (out.regime[which] == "").all(), np.isnan(out.loss[which]).all()
        assert all(lost), lost
        whole = tables.one_far(tables.failing, which=[])
        others = np.delete(np.arange(300), which)
        for name in ("iterations", "status", "regime_codes", "loss", "x"):
            assert getattr(whole, name)[others].tobytes() == getattr(out, name)[others].tobytes()
    assert gd.SweepStore(folder / "s").status().missing == 3


def made_by_a_callable(kind, folder):
    """What the callable made is shut down; a class is one too."""
    made = []

    def make():
        made.append(maker(kind)())
        return made[-1]

    out = tables.one_far(tables.failing, which=(), executor=make)
    tables.assert_same(tables.one_far(tables.failing, which=()), out)
    assert len(made) == 1
    try:
        made[0].submit(int)
    except RuntimeError:
        pass
    else:
        raise AssertionError("it takes tasks still")


def errors_pass(kind, folder):
    """An exception of a function reaches the caller; what had ended before is stored."""
    chunks._FIRST = 10
    with maker(kind)() as executor:
        try:
            tables.one_far(tables.failing, which=[299], executor=executor, store=folder / "s")
        except ArithmeticError as error:
            assert str(error) == "too far"
        else:
            raise AssertionError("no error")
        assert executor.submit(int).result() == 0, "the executor works on"
    assert gd.SweepStore(folder / "s").status().ended["converged"] > 50


def time_limit(kind, folder):
    """Runs under way end at the limit, others are not begun, and the call returns."""
    os.environ["READY"] = str(folder / "ready")
    with maker(kind)() as executor:
        executor.submit(int).result()
        out = gd.sweep(
            gd.Function(tables.bowl, 1), gd.SGD(), {"lr": np.zeros(400)}, x0=1.0, max_iter=2**40,
            max_seconds=1.0, executor=executor,
        )  # fmt: skip
    found = set(out.status.tolist())
    assert found <= {gd.Status.MAX_SECONDS, gd.Status.NOT_RUN}, found
    assert gd.Status.MAX_SECONDS in found


def interrupted(kind, folder):
    """Runs until a signal comes, when the first of those goes on that would for ever; then says what it has."""
    os.environ["READY"] = str(folder / "ready")
    chunks._FIRST = 4
    rates = np.concatenate([np.linspace(0.1, 0.9, 40), np.zeros(4000)])
    with maker(kind)() as executor:
        out = gd.sweep(
            gd.Function(tables.bowl, 1), gd.SGD(), {"lr": rates}, x0=1.0, max_iter=2**40,
            executor=executor, store=folder / "s",
        )  # fmt: skip
        try:
            ended = gd.SweepStore(folder / "s").status().ended
            counts = {s.label: int((out.status == s).sum()) for s in gd.Status if s in out.status}
            assert set(counts) == {"converged", "interrupted", "not_run"}, counts
            assert counts["converged"] == ended["converged"] >= 4, (counts, ended)
            lost = out.loss[out.status == gd.Status.NOT_RUN]
            assert np.isnan(lost).all(), lost[~np.isnan(lost)]
            print(f"passed: {counts}", flush=True)  # noqa: T201
        except Exception as error:
            print(repr(error), flush=True)  # noqa: T201
        os._exit(0)  # whatever the workers still do


def fork_after_use(kind, folder):
    """Threads, stores and compiled loops are in use, then processes are forked; and all goes on in both."""
    names = ("least squares", "lanes", "compiled function")
    whole = {name: tables.run(name, n_threads=2) for name in names}
    with ThreadPoolExecutor(2) as threads:
        for name in names:
            tables.assert_same(whole[name], tables.run(name, executor=threads))
        with maker(kind)() as executor:
            for name in names:
                for n_threads in (1, 2):
                    out = tables.run(name, executor=executor, n_threads=n_threads)
                    tables.assert_same(whole[name], out, name)
        for name in names:
            tables.assert_same(whole[name], tables.run(name, n_threads=2), name)
            tables.assert_same(whole[name], tables.run(name, executor=threads), name)


def many_threads(kind, folder):
    """Sixteen threads sweep and step at once, all on one executor."""
    names = ("least squares", "lanes", "quadratic", "own rule")
    whole = {name: tables.run(name, n_threads=1) for name in names}
    errors = []

    def work(k, executor):
        try:
            params = np.ones(1000)
            optimizer = gd.Adam(lr=0.1)
            for _ in range(3):
                for j in range(len(names)):
                    name = names[(k + j) % len(names)]
                    how = {"executor": executor} if k % 2 else {"n_threads": 2}
                    tables.assert_same(whole[name], tables.run(name, **how), name)
                    optimizer.step(params, params.copy())
            steps.append(params.tobytes())
        except BaseException as error:
            errors.append(error)

    steps = []
    with maker(kind)() as executor:
        executor.submit(int).result()  # it forks before there are threads
        threads = [threading.Thread(target=work, args=(k, executor)) for k in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors, errors
    assert len(set(steps)) == 1


def without_a_guard(kind, folder):
    """Workers that die before they run anything: the message says what may be wrong."""
    executor = partial(
        ProcessPoolExecutor, 2, multiprocessing.get_context(kind), initializer=os._exit, initargs=(3,)
    )  # fmt: skip
    for given in (executor, executor()):
        try:
            tables.one_far(tables.failing, which=(), executor=given)
        except RuntimeError as error:
            assert "die before they run anything" in str(error), error
        else:
            raise AssertionError("no error")


def dask(kind, folder):
    """Two processes of a LocalCluster; one is lost."""
    from distributed import Client, LocalCluster

    os.environ["MARK"] = str(folder / "mark")
    (folder / "mark").touch()
    whole = tables.one_far(tables.fatal_once)
    (folder / "mark").unlink()
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        for name in ("least squares", "compiled function", "own rule", "lanes"):
            one = tables.run(name, n_threads=1)
            tables.assert_same(one, tables.run(name, executor=client), name)
            executor = client.get_executor()
            out = tables.run(name, executor=executor, store=folder / name)
            tables.assert_same(one, out, name)
        tables.assert_same(whole, tables.one_far(tables.fatal_once, executor=client))
        assert (folder / "mark").exists(), "no worker was killed"


if __name__ == "__main__":
    check, kind, folder = sys.argv[1:]
    began = time.perf_counter()
    globals()[check](kind, Path(folder))
    print(f"passed in {time.perf_counter() - began:.1f} s", flush=True)  # noqa: T201
