"""Whole trainings on MNIST against the usual libraries: time, and accuracy on the test rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

import machine
import network_peers
import peers
import pytest
from comparison import QUICK, Candidate, compare, threads_text
from network_data import SIZES, Data, digits
from network_peers import Course

import fastgd as gd
from fastgd.batches import checked_batches
from fastgd.engines.config import get_num_threads

RATE = 0.01


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
        found[f"torch {threads_text(get_num_threads())}"] = partial(
            network_peers.torch_course, course
        )
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
