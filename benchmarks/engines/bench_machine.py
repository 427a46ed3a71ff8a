"""The machine's own limits, which the other benchmarks are read against."""

from typing import Any

import machine
import numpy as np
import pytest
from comparison import QUICK, Candidate, compare

from fastgd.engines.config import get_num_threads

N = 2_000_000 if QUICK else 10_000_000


def record(benchmark: Any, call: Any, amount: float, what: str, threads: int, per: str) -> None:
    about = {
        "table": "Machine",
        "workload": what,
        "threads": threads,
        "unit": per,
        "headline": threads == get_num_threads(),
    }
    compare(benchmark, {"machine": Candidate(call, amount)}, rounds=9, about=about)


@pytest.mark.parametrize("threads", sorted({1, get_num_threads()}))
def test_rewrite(benchmark: Any, threads: int) -> None:
    """p, m and v read and written and g read, as Adam does, with hardly any arithmetic."""
    call = machine.rewrite(N, 3, np.float32, threads)
    what = f"memory, read-modify-write of {machine.ADAM_BYTES} bytes an element"
    record(benchmark, call, float(N) * machine.ADAM_BYTES, what, threads, "byte")


@pytest.mark.parametrize("threads", sorted({1, get_num_threads()}))
def test_triad(benchmark: Any, threads: int) -> None:
    record(benchmark, machine.triad(N, threads), N * 24.0, "memory, triad", threads, "byte")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_multiply_add(benchmark: Any, dtype: str) -> None:
    threads = get_num_threads()
    call, operations = machine.multiply_add(dtype, threads)
    record(benchmark, call, operations, f"fused multiply-adds, {dtype}", threads, "flop")


def test_matrix_product(benchmark: Any) -> None:
    call, operations = machine.matrix_product()
    what = "sgemm of 1024 x 1024 (NumPy's BLAS)"
    record(benchmark, call, operations, what, get_num_threads(), "flop")
