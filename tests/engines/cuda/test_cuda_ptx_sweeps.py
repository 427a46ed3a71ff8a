"""What the compiler makes of the sweeps' kernels: no GPU is needed for that."""

import re

import numpy as np
import ptx
import pytest
from cases import CASES
from numba import cuda, types

import fastgd as gd
from fastgd.descent.request import Options, Request
from fastgd.engines.cuda import sweep_block, sweep_text
from fastgd.engines.cuda.sweep_coefficients import Coefficients
from fastgd.engines.cuda.sweep_slopes import Shape

RNG = np.random.default_rng(0)
LINE = gd.LeastSquares(np.linspace(0, 1, 20), np.linspace(0, 3, 20) ** 2)
WIDE = RNG.normal(size=(30, 40))
REAL = {"f": "float32", "d": "float64"}


def one_of_each_kernel():
    """A case for each rule, with and without what stands before it."""
    methods = [(c, c.make()._method()) for c in CASES if c.optimizer != "NAG"]
    return {(m.rule.name, m.coefficients.name, m.prepared): c for c, m in methods}.values()


KINDS = list(one_of_each_kernel())
STEADY = [
    case
    for case in KINDS
    if case.make()._method().coefficients.steady and "clip_norm" not in case.kwargs
]


@pytest.fixture(autouse=True)
def _compiler(monkeypatch):
    ptx.needs_compiler()
    ptx.pretend_gpu(monkeypatch)


def sweep_of(problem, optimizer, char, name="sweep", block=False):
    """The code of a kernel for runs of one optimizer."""
    options = Options(
        x0=np.zeros(problem.n_parameters), rng=None, max_iter=1, tol=None, dtype=REAL[char],
        max_seconds=None, backend=None, n_threads=None, flush_subnormals=True, progress=None, bounds=None,
    )  # fmt: skip
    (group,) = Request.of(problem, optimizer, {}, options).groups()
    runs = group.part(0, 1)
    kernel = problem.kernel(REAL[char])
    shape = Shape.of(problem, runs, kernel, Coefficients(runs).layout, tested=True)
    if block:
        module = sweep_block.kernels(runs.rule, shape, char)
    else:
        module = sweep_text.kernels(runs.rule, shape, char, kernel.functions)
    real, many = getattr(types, REAL[char]), len(sweep_block.arguments(block))
    kinds = (types.int32[::1], *[types.int64] * many, real, real)
    text, _ = cuda.compile_ptx(getattr(module, name).py_func, kinds, cc=ptx.CAPABILITY)
    return text


def inner_loop(text):
    """The instructions of the shortest loop that holds a product."""
    loops = []
    for label in re.findall(r"^(\$L__BB\d+_\d+):", text, re.M):
        body = text[text.index(f"\n{label}:") :]
        back = re.search(rf"@%p\d+ bra[.a-z]*\s+{re.escape(label)};", body)
        if back and "mul.rn" in body[: back.end()]:
            loops.append([s for s in body[: back.end()].split("\n")[1:] if s.startswith("\t")])
    return min(loops, key=len)


@pytest.mark.parametrize("name", ["sweep", "observe"])
@pytest.mark.parametrize("case", STEADY, ids=lambda case: case.id)
def test_single_precision_has_no_double(case, name):
    text = sweep_of(LINE, case.make(), "f", name)
    ptx.assert_single(text)
    ptx.assert_unfused(text)
    assert ".local" not in text


@pytest.mark.parametrize("case", KINDS, ids=lambda case: case.id)
def test_double_precision_is_not_fused_and_stays_in_registers(case):
    text = sweep_of(LINE, case.make(), "d")
    ptx.assert_unfused(text)
    assert ".local" not in text


def test_the_inner_loop_is_short():
    """Twelve operations of the descent, four tests, a count; the absolute values cost nothing on the gpu."""
    loop = inner_loop(sweep_of(LINE, gd.SGD(), "f"))
    text = "\n".join(loop)
    assert len(loop) <= 30
    assert text.count("mul.rn.f32") == 6
    assert text.count("setp.") == 5
    assert ".global" not in text
    assert ".b64" not in text
    assert ".s64" not in text


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize(
    ("problem", "optimizer", "block"),
    [
        (gd.Quadratic(WIDE.T @ WIDE), gd.Adam(clip_norm=1.0), True),
        (gd.LeastSquares(WIDE, WIDE[:, 0], batch_size=7), gd.NAG(weight_decay=0.1), True),
        (gd.Logistic(WIDE, np.arange(30) % 4), gd.SGD(), True),
        (gd.Logistic(WIDE[:, :3], np.arange(30) % 4), gd.SGD(lr=lambda t: 1.0 / (t + 1)), False),
        (gd.Logistic(WIDE, WIDE[:, 0] > 0, batch_size=9), gd.NAG(clip_norm=1.0), False),
        (gd.functions.rosenbrock(60), gd.Adam(), False),
        (gd.functions.bumpy(), gd.SGD(), False),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_other_kernels_compile(problem, optimizer, block, char):
    assert ".entry" in sweep_of(problem, optimizer, char, block=block)
    if not block:
        assert ".entry" in sweep_of(problem, optimizer, char, "observe")
