"""How a job gets to workers, what is refused, and how executors are told apart."""

import os
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from executors import tables

import fastgd as gd
from fastgd.descent.request import Options
from fastgd.sweeps import executors, parcel, pools
from fastgd.sweeps.chunks import Size
from fastgd.sweeps.job import Job


def job_of(name="least squares"):
    problem, optimizer, axes, _ = tables.SWEEPS[name]
    options = Options(
        x0=None, rng=None, max_iter=50, tol=None, dtype=None, max_seconds=None, backend=None, n_threads=1,
        flush_subnormals=True, progress=False, bounds=None,
    )  # fmt: skip
    return Job.of(problem, optimizer, axes, options, keep=None, record=None)


class Elsewhere(Executor):
    """Runs tasks at once, as a worker would that knows no job and cannot read the file."""

    def __init__(self, content_too=True):
        self.needed, self.content_too, self._max_workers = 0, content_too, 3

    def submit(self, function, ticket, *arguments):
        future = Future()
        known, kept = dict(parcel._jobs), parcel._jobs
        kept.clear()
        try:
            future.set_result(function(ticket._replace(path=os.devnull + "/none"), *arguments))
            self.needed += future.result() is None
        except Exception as error:
            future.set_exception(error)
        kept.clear()
        kept.update(known)
        return future


@pytest.mark.parametrize(
    "name", ["least squares", "lanes", "optimizers", "Python function", "points"]
)
def test_a_worker_that_cannot_read_the_file_asks_for_the_content(name):
    elsewhere = Elsewhere()
    tables.assert_same(tables.run(name, n_threads=1), tables.run(name, executor=elsewhere))
    assert elsewhere.needed > 0


@pytest.mark.parametrize("name", tables.SWEEPS)
def test_a_job_is_read_as_it_was_written(name):
    if name == "optimizers":
        pytest.skip("its schedule is of this process")
    job = job_of(name) if not name.startswith("known") else job_of()
    with parcel.Parcel(job, written=True) as sent:
        parts = parcel._found_in(memoryview(sent.content()))
        assert os.path.exists(sent.ticket.path)
        assert os.stat(os.path.dirname(sent.ticket.path)).st_mode & 0o077 == 0
    assert not os.path.exists(sent.ticket.path)
    written = parcel._parts(job)
    assert [bytes(part) for part in parts] == [bytes(part) for part in written]


def test_what_cannot_be_sent_is_named(monkeypatch):
    monkeypatch.setattr(parcel, "present", lambda name: False)
    call = {
        "problem": tables.SWEEPS["least squares"][0],
        "optimizer": gd.SGD(),
        "executor": Elsewhere(),
    }
    with pytest.raises(
        TypeError, match=r"axes\['lr'\] cannot be sent .*pip install 'fastgd\[executors\]'"
    ):
        gd.sweep(axes={"lr": [lambda t: 0.1]}, **call)
    call["problem"] = gd.Function(lambda x, grad: grad.fill(0.0) or 0.0, 2)
    with pytest.raises(TypeError, match=r"problem cannot be sent .*or use a ThreadPoolExecutor"):
        gd.sweep(axes={"lr": [0.1]}, **call)
    with ThreadPoolExecutor(2) as threads:  # which need no copy
        gd.sweep(axes={"lr": [0.1]}, **{**call, "executor": threads})


def test_a_worker_of_another_version_is_refused(monkeypatch):
    real = parcel.Ticket
    monkeypatch.setattr(
        parcel, "Ticket", lambda name, path, version, products: real(name, path, "0.0.1", products)
    )
    with pytest.raises(RuntimeError, match=r"has another version of fastgd: .*, not 0\.0\.1"):
        tables.run("least squares", executor=Elsewhere())


@pytest.mark.parametrize("given", [3, "processes", object()])
def test_what_is_no_executor_is_refused(given):
    with pytest.raises(TypeError, match=r"executor must be a concurrent\.futures\.Executor"):
        tables.run("float32", executor=given)
    with pytest.raises(TypeError, match="executor must make a concurrent"):
        tables.run("float32", executor=lambda: given)


def test_stopping_is_not_for_workers():
    with pytest.raises(ValueError, match="stopping and executor exclude each other"):
        tables.run("float32", executor=Elsewhere(), stopping=gd.SuccessiveHalving(10))


def test_threads_of_a_chunk_are_checked():
    with pytest.raises(ValueError, match="n_threads"):
        tables.run("float32", executor=Elsewhere(), n_threads=0)


class Broken(Elsewhere):
    def submit(self, function, *arguments):
        future = Future()
        future.set_exception(executors.BrokenExecutor("gone"))
        return future


def test_an_executor_that_cannot_be_made_again():
    with pytest.raises(
        executors.BrokenExecutor, match="how to make another Broken is not known; give a callable"
    ):
        tables.run("float32", executor=Broken())


def test_a_callable_makes_another():
    made = []

    def make():
        made.append(Broken() if not made else ThreadPoolExecutor(2))
        return made[-1]

    out = tables.run("float32", executor=make)
    tables.assert_same(tables.run("float32", n_threads=1), out)
    assert len(made) == 2


def test_workers_are_counted():
    class OfMpi(Elsewhere):
        num_workers = 7

    for given, count in ((OfMpi(), 7), (Elsewhere(), 3), (lambda: ThreadPoolExecutor(5), 5)):
        with pools.Pool(given) as pool:
            assert pool.workers() == count


@pytest.mark.parametrize("workers", [1, 2, 7, 64])
@pytest.mark.parametrize("total", [1, 5, 100, 12345])
def test_chunks_are_all_runs_in_order_and_become_smaller(workers, total):
    size = Size(16, workers)
    cuts = []
    for index in size.cut(np.arange(total)):
        cuts.append(index)
        size.took(index.size, 1e-3 * index.size)
    assert np.array_equal(np.concatenate(cuts), np.arange(total))
    if workers > 1 and total > 1000:
        assert cuts[-1].size < total / workers / 4
