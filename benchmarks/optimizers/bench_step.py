"""One step of every optimizer, against the NumPy reference, PyTorch and optax.

The optimizers are rows of the table of cases in `tests/cases.py`, so what is timed is what is tested.
"""

from functools import partial
from typing import Any

import machine
import numpy as np
import peers
import pytest
from cases import CASES, Case
from comparison import LIMIT, QUICK, Candidate, compare

from fastgd.engines.config import get_num_threads

SMALL, MEDIUM, LARGE = (1_000,), (100_000,), (1_000_000 if QUICK else 10_000_000,)
MANY = (100,) * 60
ROUNDS = 15
BY_ID = {case.id: case for case in CASES}
#: An optimizer is measured by its first row in the table of cases, with these exceptions: other rows have the same
#: numbers in more libraries, and some optimizers make the update of SGD with momentum.
INSTEAD = {
    "SGD": ("SGD-fast", "SGD-momentum"),
    "AdamW": ("AdamW-decay",),
    **dict.fromkeys(("Momentum", "HeavyBall", "NAG"), ()),
}
FIRST = {case.optimizer: case.id for case in reversed(CASES)}
OPTIMIZERS = tuple(
    id
    for optimizer in dict.fromkeys(case.optimizer for case in CASES)
    for id in INSTEAD.get(optimizer, (FIRST[optimizer],))
)


def _headline(id: str, sizes: tuple[int, ...], dtype: str, threads: int) -> bool:
    """What the README shows: Adam in every size, the others where memory limits them."""
    return dtype == "float32" and not threads and (id == "Adam-default" or sizes == LARGE)


def workloads() -> list[Any]:
    """Optimizer, sizes of its arrays, dtype, and the threads (0: all)."""
    rows = [(id, sizes, "float32", 0) for id in OPTIMIZERS for sizes in (SMALL, MEDIUM, LARGE)]
    for id in ("SGD-fast", "Adam-default"):
        rows += [(id, MANY, "float32", 0), (id, MEDIUM, "float32", 1), (id, LARGE, "float32", 1)]
    rows += [("Adam-default", sizes, "float32", 1) for sizes in (SMALL, MANY)]
    rows += [("Adam-default", sizes, "float64", 0) for sizes in (SMALL, MEDIUM, LARGE)]
    return [
        pytest.param(*row, id=f"{row[0]}-{size_name(row[1])}-{row[2]}-{row[3]}") for row in rows
    ]


def size_name(sizes: tuple[int, ...]) -> str:
    if len(sizes) > 1:
        return f"{len(sizes)} arrays of {sizes[0]}"
    return f"{sizes[0] // 10**6} M" if sizes[0] >= 10**6 else f"{sizes[0] // 1000} k"


class Setup:
    """All candidates of one workload, and where their parameters are."""

    def __init__(self, case: Case, sizes: tuple[int, ...], dtype: str, n_threads: int) -> None:
        rng = np.random.default_rng(1)
        self.case, self.dtype = case, np.dtype(dtype)
        self.params = [rng.standard_normal(n, dtype) for n in sizes]  # type: ignore[call-overload]
        self.grads = [rng.standard_normal(n, dtype) for n in sizes]  # type: ignore[call-overload]
        self.candidates: dict[str, Candidate] = {}
        self.arrays: dict[str, Any] = {}
        self.skipped: dict[str, str] = {}
        self._ours("fastgd", n_threads=n_threads)
        self._ours("NumPy reference", backend="numpy")
        self._torch(n_threads)
        self._optax(n_threads)

    def _ours(self, name: str, **options: Any) -> None:
        params = [p.copy() for p in self.params]
        step = self.case.make(**options).step
        lists = len(params) > 1
        call = (
            partial(step, params, self.grads) if lists else partial(step, params[0], self.grads[0])
        )
        self._add(name, call, lambda: params)

    def _torch(self, n_threads: int) -> None:
        if self.case.torch is None:
            return
        if why := peers.missing("torch"):
            self.skipped["torch"] = why
            return
        few = n_threads > 1 and sum(p.size for p in self.params) < LARGE[0]
        for threads in (n_threads, 1) if few else (n_threads,):
            label = "" if threads == n_threads else ", 1 thread"  # which may be faster: let it be
            for name, peer in peers.torch_steps(self.case, self.params, self.grads):
                self._add(name + label, peer.step, peer.arrays)
                set_threads = partial(peers.torch().set_num_threads, threads)
                self.candidates[name + label].prepare = set_threads

    def _optax(self, n_threads: int) -> None:
        twin = peers.optax_twin(self.case)
        if twin is None:
            return
        if why := peers.missing("jax", "optax"):
            self.skipped["optax"] = why
        elif n_threads != get_num_threads():
            self.skipped["optax"] = "its number of threads cannot be set within a process"
        else:
            peer = peers.optax_step(twin, self.params, self.grads)
            self._add("optax", peer.step, peer.arrays)

    def _add(self, name: str, step: Any, arrays: Any) -> None:
        self.candidates[name], self.arrays[name] = Candidate(step), arrays

    def disagreement(self, steps: int = 3) -> dict[str, float]:
        """The largest difference to the reference after some steps, over what may be expected of rounding."""
        for candidate in self.candidates.values():
            candidate.prepare()
            for _ in range(steps):
                candidate.call()
        reference = self.arrays["NumPy reference"]()
        found = {}
        for name in self.candidates:
            worst = 0.0
            for start, p, q in zip(self.params, reference, self.arrays[name](), strict=True):
                moved = float(np.max(np.abs(p - start)))
                # optax forms 1 - beta^t in the dtype: 7e-6 of a step in float32
                allowed = 8 * float(np.finfo(p.dtype).eps) * (float(np.max(np.abs(p))) + 32 * moved)
                worst = max(worst, float(np.max(np.abs(p - q))) / allowed)
            found[name] = worst
        return found


@pytest.mark.parametrize(("id", "sizes", "dtype", "threads"), workloads())
def test_step(benchmark: Any, id: str, sizes: tuple[int, ...], dtype: str, threads: int) -> None:
    case, n_threads = BY_ID[id], threads or get_num_threads()
    setup = Setup(case, sizes, dtype, n_threads)
    disagreement = setup.disagreement()
    assert max(disagreement.values()) <= 1, disagreement
    assert disagreement["fastgd"] == 0
    if sizes == LARGE:
        written = 1 + len(case.make()._method().rule.state)
        bound = machine.rewrite(sizes[0], written, dtype, n_threads)
        setup.candidates[LIMIT + "memory"] = Candidate(bound)
    name = {"SGD-momentum": "SGD with momentum"}.get(id, case.optimizer)
    about = {
        "table": "One step",
        "workload": f"{name}, {size_name(sizes)}" + (", float64" if dtype == "float64" else ""),
        "threads": n_threads,
        "unit": "step",
        "headline": _headline(id, sizes, dtype, threads),
        "disagreement": disagreement,
    }
    compare(benchmark, setup.candidates, rounds=ROUNDS, about=about, skipped=setup.skipped)
