"""`fastgd.torch` beside PyTorch's own optimizers: a step alone, and a whole iteration of training.

Small models show what a step costs before it computes anything, ten million parameters what memory allows.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import machine
import peers
import pytest
from comparison import LIMIT, QUICK, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

LARGE = 1_000_000 if QUICK else 10_000_000
ROUNDS = 15
#: Name, options, and how many arrays a step rewrites.
OPTIMIZERS = {
    "SGD": ("SGD", {}, 1),
    "SGD with momentum": ("SGD", {"momentum": 0.9}, 2),
    "Adagrad": ("Adagrad", {}, 2),
    "RMSprop": ("RMSprop", {}, 2),
    "Adadelta": ("Adadelta", {}, 3),
    "Adam": ("Adam", {}, 3),
    "AdamW": ("AdamW", {}, 3),
    "NAdam": ("NAdam", {}, 3),
    "RAdam": ("RAdam", {}, 3),
    "Adamax": ("Adamax", {}, 3),
    "Rprop": ("Rprop", {}, 3),
}
FORMS = {
    "torch default": {},  # on a CPU a loop over the parameters
    "torch foreach": {"foreach": True},
    "torch fused": {"fused": True},
}


def dense(*sizes: int) -> Any:
    nn = peers.torch().nn
    layers = [nn.Sequential(nn.Linear(n, m), nn.Tanh()) for n, m in pairwise(sizes)]
    return nn.Sequential(*layers)


def convolutions() -> Any:
    nn = peers.torch().nn
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 24 * 24, 10)),
    )


#: Model, and the shape of a batch.
MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "one number": (partial(dense, 1, 1), (4, 1)),
    "a policy, 8-64-64-2": (partial(dense, 8, 64, 64, 2), (64, 8)),
    "50 layers of 16": (partial(dense, *[16] * 51), (16, 16)),
    "convolutions": (convolutions, (8, 1, 28, 28)),
    "784-500-10": (partial(dense, 784, 500, 10), (32, 784)),
}


class Setup:
    """One model and its optimizer in each form, all from the same start."""

    def __init__(self, name: str, model: Callable[[], Any], shape: tuple[int, ...]) -> None:
        self.made: dict[str, tuple[Any, Any]] = {}
        torch, (optimizer, options, _) = peers.torch(), OPTIMIZERS[name]
        torch.manual_seed(0)
        self.batch = torch.randn(*shape)
        for form, own in self._forms(optimizer):
            torch.manual_seed(1)
            parameters = model()
            made = own(parameters.parameters(), lr=1e-3, **options)
            self.made[form] = (parameters, made)

    @staticmethod
    def _forms(optimizer: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        from fastgd import torch as fastgd_torch

        yield "fastgd", getattr(fastgd_torch, optimizer)
        theirs = getattr(peers.torch().optim, optimizer)
        for form, options in FORMS.items():
            if form != "torch fused" or "fused" in theirs.__init__.__code__.co_varnames:
                yield form, partial(theirs, **options)

    def iterate(self, form: str) -> None:
        """Loss, gradients, step."""
        model, optimizer = self.made[form]
        optimizer.zero_grad()
        model(self.batch).square().mean().backward()
        optimizer.step()

    def candidates(self, whole: bool, threads: int) -> dict[str, Candidate]:
        """The iterations, or the steps with the gradients that the last one left."""
        found = {}
        for form, (_, optimizer) in self.made.items():
            self.iterate(form)
            call = partial(self.iterate, form) if whole else optimizer.step
            found[form] = Candidate(call, prepare=partial(peers.torch().set_num_threads, threads))
        return found

    def disagreement(self, iterations: int = 3) -> float:
        """The largest difference to PyTorch's default, over the change, after some iterations."""
        for form in self.made:
            for _ in range(iterations):
                self.iterate(form)
        worst = 0.0
        reference = list(self.made["torch default"][0].parameters())
        for model, _ in self.made.values():
            for p, q in zip(model.parameters(), reference, strict=True):
                worst = max(worst, float((p - q).abs().max()))
        return worst / (1e-3 * iterations)


def one_tensor() -> Any:
    return peers.torch().nn.Linear(1, LARGE, bias=False)


@pytest.mark.skipif(bool(peers.missing("torch")), reason=peers.missing("torch"))
@pytest.mark.parametrize("unit", ["step", "iteration"])
@pytest.mark.parametrize("name", MODELS)
def test_models(benchmark: Any, name: str, unit: str) -> None:
    setup = Setup("Adam", *MODELS[name])
    disagreement = setup.disagreement()
    assert disagreement < 0.05, disagreement
    gd.set_num_threads(1)
    try:
        compare(
            benchmark,
            setup.candidates(unit == "iteration", 1),
            rounds=ROUNDS,
            about={
                "table": "Optimizers of PyTorch",
                "workload": f"Adam, {name}" + ", whole iteration" * (unit == "iteration"),
                "threads": 1,
                "unit": unit,
                "headline": True,
                "disagreement": disagreement,
            },
        )
    finally:
        gd.set_num_threads(None)


@pytest.mark.skipif(bool(peers.missing("torch")), reason=peers.missing("torch"))
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_large(benchmark: Any, name: str) -> None:
    setup, threads = Setup(name, one_tensor, (2, 1)), get_num_threads()
    disagreement = setup.disagreement()
    assert disagreement < 0.05, disagreement
    candidates = setup.candidates(False, threads)
    bound = machine.rewrite(LARGE, OPTIMIZERS[name][2], "float32", threads)
    candidates[LIMIT + "memory"] = Candidate(bound)
    compare(
        benchmark,
        candidates,
        rounds=ROUNDS,
        about={
            "table": "Optimizers of PyTorch",
            "workload": f"{name}, {LARGE // 10**6} M",
            "threads": threads,
            "unit": "step",
            "headline": True,
            "disagreement": disagreement,
        },
    )
