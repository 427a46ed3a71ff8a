"""Training a network of 784-500-300-10 units, ReLU and softmax cross-entropy, in float32, against what people use.

The peers get their batches gathered beforehand and go over the same stretch again and again; ours walks through the
epoch's order and gathers each batch from all the rows. `network_peers.py` has their loops, the strongest that we know.
Beside a step stand two limits: its matrix products alone (each thread with its share, through BLAS held at one
thread), and as many multiply-adds in registers. Operations are counted as if no input were zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import machine
import network_peers
import numpy as np
import peers
import pytest
from comparison import LIMIT, QUICK, SETTLE, SETTLE_BLAS, Candidate, compare
from network_peers import Course, Rule, sgd

import fastgd as gd
from fastgd.batches import checked_batches
from fastgd.engines.config import get_num_threads
from fastgd.network.trainer import Trainer

SIZES = (784, 500, 300, 10)
RATE = 0.01
# Updates of a stretch, by batch size: some tens of milliseconds.
STEPS = {1: 20, 32: 4} if QUICK else {1: 400, 8: 200, 32: 100, 256: 24, 2048: 4}
BATCH = 32 if QUICK else 256  # of the dense data and of the other optimizers
MEASURED = [("MNIST", batch) for batch in STEPS if not QUICK or batch == 1] + [("dense", BATCH)]
OTHERS = ("Adam",) if QUICK else ("Momentum", "Adam", "Adadelta", "RMSprop")
ROUNDS = 9


@dataclass(frozen=True)
class Data:
    """Rows to train on, perhaps others to test on; float32 from 0 to 1 (or of any size), int32."""

    name: str
    x: Any
    y: Any
    test_x: Any = None
    test_y: Any = None


@cache
def digits() -> Data:
    """MNIST; where it is not to be had, scikit-learn's digits, drawn as large."""
    found = gd.datasets.load_mnist(download=not QUICK)
    images = [_flat(images) for images in (found.data, found.test_data)]
    labels = [labels.astype(np.int32) for labels in (found.target, found.test_target)]
    name = "MNIST" if found.source != "stand-in" else "digits, enlarged"
    return Data(name, images[0], labels[0], images[1], labels[1])


def _flat(images: Any) -> Any:
    if images.shape[1] == 8:
        images = np.pad(images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


@cache
def dense(inputs: int = SIZES[0], rows: int = 16_384, classes: int = SIZES[-1]) -> Data:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, inputs), np.float32)
    return Data("dense", x, rng.integers(classes, size=rows, dtype=np.int32))


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
        trainer = Trainer(net, net.rows(self.data.x, self.data.y), optimizer, self.batch)
        updates = len(self.order) // self.batch
        at = 0

        def call() -> None:
            nonlocal at
            at = 0 if at + self.steps > updates else at
            for stretch in trainer.stretches(self.order, at, at + self.steps):
                assert not stretch.diverged
            at += self.steps

        return call

    def _torch(self) -> None:
        if why := peers.missing("torch"):
            self.skipped["torch"] = why
            return
        for threads in self.threads:
            peer = network_peers.torch_training(self.start, self.x, self.y, RULES[self.rule][1])
            self._add(f"torch {_threads(threads)}", peer.call, peer.arrays)
            prepare = partial(peers.torch().set_num_threads, threads)
            self.candidates[f"torch {_threads(threads)}"].prepare = prepare

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
            self._add(f"NumPy, {_threads(threads)}", peer.call, peer.arrays, threads)

    def _sklearn(self) -> None:
        for threads in self.threads:
            peer = network_peers.sklearn_training(self.start, self.x, self.y, RATE)
            self._add(f"scikit-learn, {_threads(threads)}", peer.call, peer.arrays, threads)

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


def _threads(n: int) -> str:
    return "1 thread" if n == 1 else f"{n} threads"


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


@cache
def small_digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def on_digits(make: Callable[..., Any], epochs: int) -> Any:
    """An estimator with its defaults on scikit-learn's digits, stopped after some epochs."""
    return make(max_iter=epochs, random_state=0).fit(*small_digits())


def defaults_disagreement(epochs: int) -> float:
    """The distance of the weights, relative. (Not of the losses: scikit-learn cuts probabilities off at 2e-16.)"""
    from sklearn.neural_network import MLPClassifier

    ours, theirs = (
        _joined(on_digits(make, epochs).coefs_) for make in (gd.MLPClassifier, MLPClassifier)
    )
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def test_defaults(benchmark: Any) -> None:
    from sklearn.neural_network import MLPClassifier

    epochs = 2 if QUICK else 20
    difference = defaults_disagreement(epochs)
    assert difference < 1e-8
    steps = float(epochs * -(-1797 // 200))
    all_threads = get_num_threads()
    found = {
        "fastgd": Candidate(partial(on_digits, gd.MLPClassifier, epochs), steps),
        "fastgd 1 thread": Candidate(
            partial(on_digits, partial(gd.MLPClassifier, n_threads=1), epochs), steps
        ),
    }
    for threads in sorted({all_threads, 1}, reverse=True):
        candidate = Candidate(partial(on_digits, MLPClassifier, epochs), steps)
        candidate.prepare = partial(machine.blas_threads, threads)
        candidate.settle = SETTLE_BLAS if threads > 1 else SETTLE
        found[f"scikit-learn, {_threads(threads)}"] = candidate
    about = {
        "table": "Defaults",
        "workload": "MLPClassifier() on digits, 1,797 x 64",
        "threads": all_threads,
        "unit": "step",
        "headline": True,
        "disagreement": {"scikit-learn": difference},
    }
    try:
        compare(benchmark, found, rounds=ROUNDS, about=about)
    finally:
        machine.blas_threads(all_threads)


# --- whole trainings ------------------------------------------------------------------------------


def course(data: Data, *, batch: int, looks: int, epochs: int, goal: float = 1.0) -> Course:
    """Momentum 0.9, rate 0.01; `looks` at the test rows in an epoch."""
    batches = checked_batches(len(data.y), batch, True, False, 0)
    assert batches is not None
    return Course(
        data.x, data.y, data.test_x, data.test_y, gd.MLP(SIZES, rng=0).params,
        lambda epoch: batches.orders(0, epoch, epoch + 1)[0],
        batch, RATE, 0.9, epochs, -(-batches.updates // looks), goal,
    )  # fmt: skip


def ours(course: Course) -> float:
    net = gd.MLP(SIZES, rng=0)
    accuracy = 0.0

    def look(_: Any) -> bool:
        nonlocal accuracy
        accuracy = net.score(course.test_x, course.test_y)
        return accuracy >= course.goal

    net.fit(
        course.x, course.y, optimizer=gd.SGD(lr=course.lr, momentum=course.momentum), rng=0,
        batch_size=course.batch, epochs=course.epochs, record=course.every, callbacks=(look,),
    )  # fmt: skip
    return accuracy


def courses(
    course: Course, *, sklearn: bool
) -> tuple[dict[str, Callable[[], float]], dict[str, str]]:
    """By name a function that trains from the beginning and returns the test accuracy; and who is not here."""
    found: dict[str, Callable[[], float]] = {"fastgd": partial(ours, course)}
    skipped = {"torch": peers.missing("torch"), "JAX": peers.missing("jax", "optax")}
    if not skipped["torch"]:
        found[f"torch {_threads(get_num_threads())}"] = partial(network_peers.torch_course, course)
    if not skipped["JAX"]:
        found["JAX scan"] = network_peers.jax_course(course)
    if sklearn:
        found["scikit-learn"] = partial(network_peers.sklearn_course, course)
    return found, {name: why for name, why in skipped.items() if why}


WHOLE = {
    "to 97 % on the test rows, batch 32": {"batch": 32, "looks": 5, "epochs": 10, "goal": 0.97},
    "20 epochs, batch 256": {"batch": 256, "looks": 1, "epochs": 20},
}


@pytest.mark.skipif(QUICK, reason="minutes")
@pytest.mark.parametrize("workload", WHOLE)
def test_whole_training(benchmark: Any, workload: str) -> None:
    data = digits()
    if data.name != "MNIST":
        pytest.skip("MNIST is not here")
    runs, skipped = courses(course(data, **WHOLE[workload]), sklearn="goal" in WHOLE[workload])
    accuracy: dict[str, float] = {}
    found = {
        name: Candidate(lambda name=name, run=run: accuracy.update({name: run()}))
        for name, run in runs.items()
    }
    found["fastgd"].prepare = partial(machine.blas_threads, get_num_threads())
    if not skipped.get("torch"):
        peers.torch().set_num_threads(get_num_threads())
    info = {
        "table": "Whole trainings",
        "workload": workload,
        "threads": get_num_threads(),
        "unit": "training",
        "headline": True,
        "accuracy": accuracy,
    }
    compare(benchmark, found, rounds=2, about=info, skipped=skipped)
    assert max(accuracy.values()) - min(accuracy.values()) < 0.01, accuracy
