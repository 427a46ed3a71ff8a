"""A step on arrays in other orders in memory, with gaps, and nested: against contiguous arrays in a list, and PyTorch.

PyTorch's tensors share the memory of NumPy arrays of the same strides, so that all have the same work. Its fused form
takes part where arrays have no gaps and gradients have the order of their parameters: elsewhere its results are wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import peers
import pytest
from cases import CASES
from comparison import QUICK, Candidate, compare

import fastgd as gd

SIDE = 300 if QUICK else 1_000  # of a matrix
MANY, LENGTH = 200, 100  # arrays
CASE = next(case for case in CASES if case.id == "Adam-default")
ROUNDS = 15


@dataclass(frozen=True)
class Workload:
    """Arrays of some layout (`lay` copies a contiguous matrix), and what a step gets of them."""

    name: str
    params: Callable[[np.ndarray], np.ndarray]
    grads: Callable[[np.ndarray], np.ndarray]
    cut: Callable[[np.ndarray], list[np.ndarray]] = lambda matrix: [matrix]
    tree: Callable[[list[np.ndarray]], Any] = lambda arrays: arrays
    shape: tuple[int, int] = (SIDE, SIDE)


def fortran(matrix: np.ndarray) -> np.ndarray:
    return np.array(matrix, order="F")


def strided(matrix: np.ndarray) -> np.ndarray:
    """Every second column of a matrix twice as wide."""
    wide = np.zeros((len(matrix), 2 * matrix.shape[1]), matrix.dtype)
    wide[:, ::2] = matrix
    return wide[:, ::2]


def rows(matrix: np.ndarray) -> list[np.ndarray]:
    return [row.copy() for row in matrix]


def columns(matrix: np.ndarray) -> list[np.ndarray]:
    return list(matrix.T)


def as_dict(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"p{k}": array for k, array in enumerate(arrays)}


def nested(arrays: list[np.ndarray]) -> dict[str, Any]:
    """A dict of layers, each a dict of two arrays."""
    pairs = zip(arrays[::2], arrays[1::2], strict=True)
    return {f"layer{k}": {"w": w, "b": b} for k, (w, b) in enumerate(pairs)}


SMALL = partial(Workload, params=np.copy, grads=np.copy, cut=rows, shape=(MANY, LENGTH))
WORKLOADS = [
    SMALL("200 arrays of 100 in a dict", tree=as_dict),
    SMALL("200 arrays of 100 in 100 dicts in a dict", tree=nested),
    SMALL("200 columns of a matrix", cut=columns, shape=(LENGTH, MANY)),
    Workload("1 M, both in Fortran order", fortran, fortran),
    Workload("1 M, gradients in Fortran order", np.copy, fortran),
    Workload("1 M, parameters in Fortran order", fortran, np.copy),
    Workload("1 M, every second column of a matrix", strided, strided),
]


def arrays_of(workload: Workload) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(1)
    draw = partial(rng.standard_normal, workload.shape, np.float32)
    return workload.cut(workload.params(draw())), workload.cut(workload.grads(draw()))


def ours(workload: Workload) -> tuple[Callable[[], Any], list[np.ndarray]]:
    params, grads = arrays_of(workload)
    trees = workload.tree(params), workload.tree(grads)
    return partial(gd.Adam(n_threads=1).step, *trees), params


def contiguous(workload: Workload) -> tuple[Callable[[], Any], list[np.ndarray]]:
    """The same numbers as contiguous arrays in a list."""
    params, grads = ([array.copy() for array in arrays] for arrays in arrays_of(workload))
    return partial(gd.Adam(n_threads=1).step, params, grads), params


def torchs(workload: Workload, **form: bool) -> tuple[Callable[[], Any], list[np.ndarray]]:
    torch = peers.torch()
    params, grads = arrays_of(workload)
    tensors = [torch.from_numpy(p).requires_grad_() for p in params]
    for tensor, gradient in zip(tensors, grads, strict=True):
        tensor.grad = torch.from_numpy(gradient)
    return torch.optim.Adam(tensors, **form).step, params


def is_plain(workload: Workload) -> bool:
    """Whether all arrays lie in memory without gaps, gradients like their parameters."""
    pairs = zip(*arrays_of(workload), strict=True)
    return all(p.flags.forc and p.strides == g.strides for p, g in pairs)


def candidates(workload: Workload) -> dict[str, tuple[Callable[[], Any], list[np.ndarray]]]:
    found = {"fastgd": ours(workload), "fastgd, contiguous in a list": contiguous(workload)}
    if not peers.missing("torch"):
        for form in ("foreach", "fused") if is_plain(workload) else ("foreach",):
            found[f"torch {form}"] = torchs(workload, **{form: True})
    return found


def disagreement(workload: Workload, steps: int = 3) -> dict[str, float]:
    """The largest difference of the parameters to ours on contiguous arrays after some steps."""
    found = candidates(workload)
    for call, _ in found.values():
        for _ in range(steps):
            call()
    expected = found["fastgd, contiguous in a list"][1]
    return {
        name: max(float(np.abs(p - q).max()) for p, q in zip(params, expected, strict=True))
        for name, (_, params) in found.items()
    }


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_layout(benchmark: Any, workload: Workload) -> None:
    difference = disagreement(workload)
    assert difference["fastgd"] == 0
    assert max(difference.values()) < 1e-5, difference
    skipped = {}
    if why := peers.missing("torch"):
        skipped["torch"] = why
    else:
        peers.torch().set_num_threads(1)
    about = {
        "table": "Other layouts",
        "workload": f"Adam, {workload.name}",
        "threads": 1,
        "unit": "step",
        "headline": True,
    }
    found = {name: Candidate(call) for name, (call, _) in candidates(workload).items()}
    compare(benchmark, found, rounds=ROUNDS, about=about, skipped=skipped)
