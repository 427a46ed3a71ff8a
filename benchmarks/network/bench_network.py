"""Training a network of 784-500-300-10 units, ReLU and softmax cross-entropy, in float32, against the usual libraries.

The peers get their batches gathered beforehand and repeat the same stretch; ours follows the epoch's order and gathers
each batch from all the rows. `network_peers.py` has their loops, the fastest that we know. Two limits are measured
beside an update: its matrix products alone (each thread with its share, through BLAS held at one thread), and as many
multiply-adds in registers. Operations are counted as if no input were zero.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import machine
import network_peers
import numpy as np
import peers
import pytest
from comparison import LIMIT, QUICK, SETTLE, SETTLE_BLAS, Candidate, compare, threads_text
from network_data import SIZES, Data, dense, digits
from network_peers import Rule, sgd

import fastgd as gd
from fastgd.batches import GivenOrders
from fastgd.engines.config import get_num_threads
from fastgd.network.trainer import Trainer

RATE = 0.01
# Updates of a stretch, by batch size: some tens of milliseconds.
STEPS = {1: 20, 32: 4} if QUICK else {1: 400, 8: 200, 32: 100, 256: 24, 2048: 4}
BATCH = 32 if QUICK else 256  # of the dense data and of the other optimizers
MEASURED = [("MNIST", batch) for batch in STEPS if not QUICK or batch == 1] + [("dense", BATCH)]
OTHERS = ("Adam",) if QUICK else ("Momentum", "Adam", "Adadelta", "RMSprop")
ROUNDS = 9


# Ours, and the same in the peers' words. (Step sizes of which nothing diverges.)
RULES: dict[str, tuple[Callable[[], Any], Rule]] = {
    "SGD": (partial(gd.SGD, lr=RATE), sgd(RATE)),
    "Momentum": (partial(gd.SGD, lr=RATE, momentum=0.9), sgd(RATE, 0.9)),
    "Adam": (
        partial(gd.Adam, lr=1e-3),
        Rule(("Adam", {"lr": 1e-3}), (("adam", {"learning_rate": 1e-3}),)),
    ),
    "Adadelta": (
        partial(gd.Adadelta, lr=1.0),
        Rule(("Adadelta", {"lr": 1.0}), (("adadelta", {"learning_rate": 1.0}),)),
    ),
    "RMSprop": (
        partial(gd.RMSprop, lr=1e-3),
        Rule(
            ("RMSprop", {"lr": 1e-3}),
            (("rmsprop", {"learning_rate": 1e-3, "decay": 0.99, "eps_in_sqrt": False}),),
        ),
    ),
}


class Setup:
    """All candidates of one workload, and where their parameters are.

    A call of one is a stretch of `steps` updates. At the first call all have the same parameters and the same rows.
    """

    def __init__(
        self,
        data: Data,
        batch: int,
        steps: int,
        *,
        rule: str = "SGD",
        sizes: tuple[int, ...] = SIZES,
        only: tuple[str, ...] = ("fastgd", "PyTorch", "JAX", "NumPy", "scikit-learn"),
    ) -> None:
        self.data, self.batch, self.steps, self.rule, self.sizes = data, batch, steps, rule, sizes
        self.candidates: dict[str, Candidate] = {}
        self.arrays: dict[str, Callable[[], list[Any]]] = {}
        self.skipped: dict[str, str] = {}
        self.start = gd.MLP(sizes, rng=0).params
        self.order = _order(len(data.y), batch * steps)
        rows = self.order[: batch * steps]
        self.x = data.x[rows].reshape(steps, batch, -1)
        self.y = data.y[rows].reshape(steps, batch)
        self.threads = sorted({1, get_num_threads()}, reverse=True)
        build = {
            "fastgd": self._ours,
            "PyTorch": self._torch,
            "JAX": self._jax,
            "NumPy": self._numpy,
            "scikit-learn": self._sklearn,
        }
        for library in only:
            build[library]()

    def _ours(self) -> None:
        for threads in self.threads:
            net = gd.MLP(self.sizes, rng=0, n_threads=threads)
            name = "fastgd" if threads == self.threads[0] else "fastgd 1 thread"
            self._add(name, self._walk(net), lambda net=net: net.params, self.threads[0])

    def _walk(self, net: gd.MLP) -> Callable[[], None]:
        """The next updates of the epoch; after its last comes its first again."""
        optimizer = RULES[self.rule][0]()
        trainer = Trainer(net, net.rows(self.data.x, self.data.y), optimizer)
        batches = GivenOrders(np.asarray(self.order, np.int32)[None], self.batch)
        updates = len(self.order) // self.batch
        at = 0

        def call() -> None:
            nonlocal at
            at = 0 if at + self.steps > updates else at
            for stretch in trainer.stretches(batches, at, at + self.steps):
                assert not stretch.diverged
            at += self.steps

        return call

    def _torch(self) -> None:
        if why := peers.missing("torch"):
            self.skipped["torch"] = why
            return
        for threads in self.threads:
            peer = network_peers.torch_training(self.start, self.x, self.y, RULES[self.rule][1])
            self._add(f"torch {threads_text(threads)}", peer.call, peer.arrays)
            prepare = partial(peers.torch().set_num_threads, threads)
            self.candidates[f"torch {threads_text(threads)}"].prepare = prepare

    def _jax(self) -> None:
        """Its threads are as many as there are: their number is fixed when its process starts."""
        if why := peers.missing("jax", "optax"):
            self.skipped["JAX"] = why
            return
        peer = network_peers.jax_training(self.start, self.x, self.y, RULES[self.rule][1])
        self._add("JAX scan", peer.call, peer.arrays)

    def _numpy(self) -> None:
        for threads in self.threads:
            peer = network_peers.numpy_training(self.start, self.x, self.y, RATE)
            self._add(f"NumPy, {threads_text(threads)}", peer.call, peer.arrays, threads)

    def _sklearn(self) -> None:
        for threads in self.threads:
            peer = network_peers.sklearn_training(self.start, self.x, self.y, RATE)
            self._add(f"scikit-learn, {threads_text(threads)}", peer.call, peer.arrays, threads)

    def _add(self, name: str, call: Any, arrays: Any, blas: int = 0) -> None:
        """`blas` is the number of threads that NumPy's BLAS has meanwhile, 0 if it makes no difference."""
        candidate = Candidate(call, float(self.steps))
        if blas:
            candidate.prepare = partial(machine.blas_threads, blas)
            candidate.settle = SETTLE if name.startswith("fastgd") or blas == 1 else SETTLE_BLAS
        self.candidates[name], self.arrays[name] = candidate, arrays

    def add_limits(self) -> None:
        """The matrix products alone, and their multiply-adds."""
        n_threads, step = self.threads[0], machine.step_operations(self.sizes, self.batch)
        if self.batch >= 32:
            call = machine.step_products(self.sizes, self.batch, n_threads, self.steps)
            prepare = partial(machine.blas_threads, 1)
            self.candidates[LIMIT + "products"] = Candidate(call, float(self.steps), "", prepare)
        call, operations = machine.multiply_add(np.float32, n_threads)
        self.candidates[LIMIT + "multiply-adds"] = Candidate(call, operations / step)

    def disagreement(self) -> dict[str, float]:
        """The distance of each one's parameters to those of the first, over the way they have gone."""
        for candidate in self.candidates.values():
            candidate.prepare()
            candidate.call()
        machine.blas_threads(self.threads[0])
        reference = _joined(next(iter(self.arrays.values()))())
        way = np.linalg.norm(reference - _joined(self.start))
        return {
            name: float(np.linalg.norm(_joined(arrays()) - reference) / way)
            for name, arrays in self.arrays.items()
        }


def _joined(arrays: list[Any]) -> Any:
    return np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays])


def _order(rows: int, least: int) -> Any:
    """An epoch's order of the rows; of a small set as many epochs as it takes."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.permutation(rows) for _ in range(-(-least // rows))])


def measure(benchmark: Any, setup: Setup, **about: Any) -> None:
    try:
        compare(
            benchmark, setup.candidates, rounds=ROUNDS, about={"unit": "step", "headline": True, **about},
            skipped=setup.skipped,
        )  # fmt: skip
    finally:
        machine.blas_threads(get_num_threads())


# --- steps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "batch"), MEASURED)
def test_training(benchmark: Any, kind: str, batch: int) -> None:
    data = digits() if kind == "MNIST" else dense()
    disagreement = Setup(data, batch, steps=3).disagreement()
    assert max(disagreement.values()) < 1e-2, disagreement
    setup = Setup(data, batch, STEPS[batch])
    setup.add_limits()
    about = {
        "table": "Training",
        "workload": f"batch {batch:,}, {data.name}",
        "threads": get_num_threads(),
        "operations": machine.step_operations(SIZES, batch),
        "disagreement": disagreement,
    }
    measure(benchmark, setup, **about)


@pytest.mark.parametrize("library", ["fastgd", "PyTorch", "JAX"])
def test_optimizer(benchmark: Any, library: str) -> None:
    """What an update by another rule than SGD costs, each library beside itself."""
    found: dict[str, Candidate] = {}
    skipped: dict[str, str] = {}
    for rule in ("SGD", *OTHERS):
        setup = Setup(dense(), BATCH, STEPS[BATCH], rule=rule, only=(library,))
        skipped |= setup.skipped
        if setup.candidates:
            found[rule] = next(iter(setup.candidates.values()))
    if not found:
        pytest.skip(", ".join(skipped.values()))
    about = {
        "table": "Optimizers of a network",
        "workload": library,
        "threads": get_num_threads(),
        "unit": "step",
        "headline": True,
    }
    compare(benchmark, found, rounds=ROUNDS, about=about)


# --- scikit-learn's own defaults ------------------------------------------------------------------


@dataclass(frozen=True)
class Small:
    """A small data set, and for how many epochs an estimator with its defaults is trained on it."""

    text: str
    load: Callable[[], tuple[Any, Any]]
    epochs: int
    kind: str = "MLPClassifier"

    @property
    def rows(self) -> int:
        return len(self.load()[1])

    @property
    def updates(self) -> int:
        return self.epochs * -(-self.rows // min(200, self.rows))

    @property
    def sizes(self) -> tuple[int, int, int]:
        x, y = self.load()
        classes = len(np.unique(y)) if self.kind == "MLPClassifier" else 2
        return (x.shape[1], 100, classes if classes > 2 else 1)

    def fit(self, module: Any, **options: Any) -> Any:
        make = getattr(module, self.kind)
        options = {"max_iter": self.epochs, "n_iter_no_change": self.epochs} | options
        return make(random_state=0, **options).fit(*self.load())

    def disagreement(self) -> float:
        """The distance of the weights, relative. (Not of the losses: scikit-learn cuts probabilities off at 2e-16.)"""
        import sklearn.neural_network

        ours, theirs = (_joined(self.fit(module).coefs_) for module in (gd, sklearn.neural_network))
        return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def _from_sklearn(name: str) -> Callable[[], tuple[Any, Any]]:
    @cache
    def load() -> tuple[Any, Any]:
        import sklearn.datasets

        return getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)

    return load


@cache
def _random_rows() -> tuple[Any, Any]:
    x = np.random.default_rng(0).standard_normal((1_000 if QUICK else 20_000, 8))
    return x, x @ np.arange(8.0)


SMALL = {
    "digits": Small("digits, 1,797 x 64", _from_sklearn("digits"), 2 if QUICK else 20),
    "breast_cancer": Small(
        "breast_cancer, 569 x 30", _from_sklearn("breast_cancer"), 2 if QUICK else 60
    ),
    "diabetes": Small(
        "diabetes, 442 x 10", _from_sklearn("diabetes"), 2 if QUICK else 60, "MLPRegressor"
    ),
    "random": Small("random, 20,000 x 8", _random_rows, 2, "MLPRegressor"),
}


def defaults_disagreement() -> float:
    """The largest over the small data sets, after the epochs of a quick run."""
    return max(replace(small, epochs=2).disagreement() for small in SMALL.values())


@pytest.mark.parametrize("name", SMALL)
def test_defaults(benchmark: Any, name: str) -> None:
    import sklearn.neural_network

    small = SMALL[name]
    difference = replace(small, epochs=2).disagreement()
    assert difference < 1e-8
    steps, all_threads = float(small.updates), get_num_threads()
    found = {
        "fastgd": Candidate(partial(small.fit, gd), steps),
        "fastgd 1 thread": Candidate(partial(small.fit, gd, n_threads=1), steps),
    }
    for threads in sorted({all_threads, 1}, reverse=True):
        candidate = Candidate(partial(small.fit, sklearn.neural_network), steps)
        candidate.prepare = partial(machine.blas_threads, threads)
        candidate.settle = SETTLE_BLAS if threads > 1 else SETTLE
        found[f"scikit-learn, {threads_text(threads)}"] = candidate
    call, operations = machine.multiply_add(np.float64, 1)
    rows = small.rows * small.epochs / small.updates
    step = machine.step_operations(small.sizes, 1) * rows
    found[LIMIT + "multiply-adds, 1 thread"] = Candidate(call, operations / step)
    about = {
        "table": "Defaults",
        "workload": f"{small.kind}() on {small.text}",
        "threads": all_threads,
        "unit": "step",
        "headline": True,
        "disagreement": {"scikit-learn": difference},
    }
    try:
        compare(benchmark, found, rounds=ROUNDS, about=about)
    finally:
        machine.blas_threads(all_threads)
