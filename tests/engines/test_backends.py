"""The same bits from every backend, for any number of threads and any layout in memory."""

import subprocess
import sys

import numpy as np
import pytest
from cases import BACKENDS, CASES
from grids import in_sample, sampled

import fastgd as gd
from fastgd.engines.native import kernels
from fastgd.engines.numba import modules
from fastgd.engines.numba.steps import coefficients_loop, update_loop
from fastgd.engines.registry import COEFFICIENTS, PREPARE, RULES

BY_ID = {case.id: case for case in CASES}
SIZES = (0, 1, 7, 1000, 100_003)
UNSIGNED = {"float32": "uint32", "float64": "uint64"}
AHEAD_OF_TIME = pytest.mark.skipif(not kernels.available(), reason="nothing is compiled")


@pytest.fixture(autouse=True)
def _needs_what_it_compares(request):
    backend = getattr(request.node, "callspec", None) and request.node.callspec.params.get(
        "backend"
    )
    if backend == "cython" and not kernels.available():
        pytest.skip(kernels.reason())


def tame(rng, size, dtype, scale=1.0):
    """Normal numbers and zeros of both signs."""
    x = rng.normal(scale=scale, size=size).astype(dtype)
    x[rng.random(size) < 0.05] = 0.0
    x[rng.random(size) < 0.05] = -0.0
    return x


def wild(rng, size, dtype):
    """All of the format: its bits drawn at random, and what is rare among those."""
    info = np.finfo(dtype)
    unsigned = np.dtype(UNSIGNED[dtype])
    x = rng.integers(0, np.iinfo(unsigned).max, size, unsigned, endpoint=True).view(dtype)
    rare = [
        0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        info.tiny,
        -info.tiny,
        info.max,
        info.smallest_subnormal,
    ]
    x = np.where(rng.random(size) < 0.4, rng.choice(np.array(rare, dtype), size), x)
    return np.where(rng.random(size) < 0.3, tame(rng, size, dtype), x).astype(dtype)


def draw(make, dtype, steps, seed=0, sizes=SIZES):
    """Parameters and, for each step, gradients."""
    rng = np.random.default_rng(seed)
    params = [make(rng, size, dtype) for size in sizes]
    return params, [[make(rng, size, dtype) for size in sizes] for _ in range(steps)]


def run(case, backend, params, gradients, **options):
    """Parameters and state after all steps."""
    params = [p.copy() for p in params]
    optimizer = case.make(backend=backend, **options)
    for grads in gradients:
        optimizer.step(params, grads)
    state = optimizer.state_dict()
    return params + [state[key] for key in sorted(state) if key.startswith("state.")]


def assert_same_bits(first, second):
    """Equal bits, but for the payload of NaN."""
    assert len(first) == len(second)
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        assert a.dtype == b.dtype
        unsigned = UNSIGNED[a.dtype.name]
        same = (a.view(unsigned) == b.view(unsigned)) | (np.isnan(a) & np.isnan(b))
        if not same.all():
            k = np.argmin(same.ravel())
            pytest.fail(
                f"array {number}, {np.count_nonzero(~same)} of {same.size} elements, first {k}: "
                f"{a.ravel()[k]!r} and {b.ravel()[k]!r}"
            )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case_id", sampled(BY_ID, lambda case_id: in_sample(BY_ID[case_id])))
def test_same_bits(case_id, dtype):
    case = BY_ID[case_id]
    for make, steps in ((tame, 6), (wild, 2)):
        params, gradients = draw(make, dtype, steps)
        wanted = run(case, "numpy", params, gradients)
        if kernels.available():
            for n_threads in (1, 2):
                actual = run(case, "cython", params, gradients, n_threads=n_threads)
                assert_same_bits(actual, wanted)
        for n_threads in (1, 2):
            assert_same_bits(run(case, "numba", params, gradients, n_threads=n_threads), wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case_id", ["Adam-default", "SGD-l1", "Rprop-default", "RMSprop-centered"])
def test_same_bits_with_subnormals_kept(case_id, dtype):
    params, gradients = draw(wild, dtype, 2)
    present = [b for b in BACKENDS if b != "cython" or kernels.available()]
    runs = [run(BY_ID[case_id], b, params, gradients, flush_subnormals=False) for b in present]
    for actual in runs[1:]:
        assert_same_bits(actual, runs[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_subnormal_parameters(backend):
    """Flushed by default, kept on request."""
    tiny = np.full(3, 1e-40, "float32")
    for flush, wanted in ((True, 0.0), (False, np.float32(1e-40))):
        p = tiny.copy()
        gd.SGD(lr=0.1, backend=backend, flush_subnormals=flush).step(p, np.zeros(3, "float32"))
        if kernels.available() or not flush:  # it is what sets the processor's mode
            assert (p == wanted).all()


def layouts(x):
    """The same numbers laid out in four ways."""
    wide = np.zeros((x.shape[0], 2 * x.shape[1]), x.dtype)
    wide[:, ::2] = x
    raw = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype)
    raw[:] = x.ravel()
    return {
        "C": x.copy(),
        "F": np.asfortranarray(x),
        "strided": wide[:, ::2],
        "reversed": np.ascontiguousarray(x[::-1])[::-1],
        "misaligned": raw.reshape(x.shape),
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case_id", ["Adam-default", "SGD-momentum", "SGD-clip-norm"])
def test_layout_does_not_matter(case_id, backend):
    rng = np.random.default_rng(3)
    p, g = (
        tame(rng, 12_000, "float32").reshape(40, 300),
        tame(rng, 12_000, "float32").reshape(40, 300),
    )
    optimizer, wanted = BY_ID[case_id].make(backend=backend), p.copy()
    optimizer.step(wanted, g)
    for actual in layouts(p).values():
        for gradient in layouts(g).values():
            before = gradient.copy()
            actual[...] = p
            BY_ID[case_id].make(backend=backend).step(actual, gradient)
            assert_same_bits([np.ascontiguousarray(actual)], [wanted])
            assert (gradient == before).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_dimension(backend):
    p, wanted = np.array(2.0), np.array([2.0])
    optimizer, other = gd.Adam(lr=0.1, backend=backend), gd.Adam(lr=0.1, backend=backend)
    for _ in range(3):
        optimizer.step(p, np.array(1.5))
        other.step(wanted, np.array([1.5]))
    assert p.shape == ()
    assert p == wanted[0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_call_for_all_arrays_is_a_call_for_each(backend):
    """Clipping by norm apart, arrays do not know of each other."""
    params, gradients = draw(tame, "float32", 4)
    together = run(BY_ID["Adam-default"], backend, params, gradients)[: len(params)]
    alone = [
        run(BY_ID["Adam-default"], backend, [p], [[g[k]] for g in gradients])[0]
        for k, p in enumerate(params)
    ]
    assert_same_bits(together, alone)


# --- every backend has every rule ---------------------------------------------------------------------


@AHEAD_OF_TIME
def test_kernels_hold_every_rule():
    addresses = kernels.kernels().addresses
    for char in "fd":
        for rule in RULES:
            assert f"plain_{rule}_{char}" in addresses
            assert f"prepared_{rule}_{char}" in addresses
    for function in COEFFICIENTS:
        assert f"coefficients_{function}" in addresses


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("char", ["f", "d"])
def test_numba_compiles_every_rule(char, prepared):
    addresses = {update_loop(rule, char, prepared) for rule in RULES.values()}
    assert len(addresses) == len(RULES)
    assert 0 not in addresses


def test_numba_compiles_every_coefficient_function():
    for function in COEFFICIENTS.values():
        assert coefficients_loop(function)


@AHEAD_OF_TIME
@pytest.mark.parametrize("name", sorted(COEFFICIENTS))
def test_coefficients_have_the_same_bits(name):
    import ctypes  # noqa: PLC0415

    function = COEFFICIENTS[name]
    form = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 3)
    compiled = [
        form(kernels.address(f"coefficients_{name}")),
        form(coefficients_loop(function)),
    ]
    rng = np.random.default_rng(1)
    for t in (*range(1, 40), 1000, 12_345, 10**7):
        hyper = rng.uniform(0.01, 0.999, len(function.hyperparameters))
        carry = rng.uniform(0.1, 1.0)
        arguments = (float(t), *([carry] if function.carries else []), *hyper.tolist())
        wanted = np.array(function.function(*arguments))
        for call in compiled:
            carried, out = np.array([carry]), np.empty(function.count)
            call(t, carried.ctypes.data, hyper.ctypes.data, out.ctypes.data)
            got = np.concatenate([carried, out]) if function.carries else out
            assert (got == wanted).all()


def test_rules_have_no_literals():
    """A number in a rule would have a dtype of its own; see fastgd.rules.updates."""
    from fastgd.engines.user_rules import literals  # noqa: PLC0415

    for rule in (*RULES.values(), PREPARE):
        assert list(literals(rule.function.__code__)) == []


# --- compilation ----------------------------------------------------------------------------------------


def test_nothing_is_compiled_twice(monkeypatch):
    texts = []
    original = modules.generated_module
    monkeypatch.setattr(
        modules, "generated_module", lambda t, *a: texts.append(t) or original(t, *a)
    )
    p, g = np.ones(4, "float32"), np.ones(4, "float32")
    gd.Lion(backend="numba").step(p, g)
    first = len(texts)
    for _ in range(3):
        optimizer = gd.Lion(lr=0.5, backend="numba")
        optimizer.step(p, g)
        optimizer.step(p, g)
    assert len(texts) == first


CACHED = """
import numpy as np
import fastgd as gd
p = np.ones(4)
gd.Lion(lr=0.5, backend="numba").step(p, np.ones(4))
assert (p == 0.5).all()
from numba.core import event
"""


def in_new_process(code, folder, **environment):
    import os  # noqa: PLC0415

    variables = {**os.environ, "XDG_CACHE_HOME": str(folder), **environment}
    variables.pop("NUMBA_CACHE_DIR", None)
    return subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False
    )


def test_a_second_process_finds_the_compiled_code(tmp_path):
    results = [in_new_process(CACHED, tmp_path, NUMBA_DEBUG_CACHE="1") for _ in range(2)]
    assert all(result.returncode == 0 for result in results), results[0].stderr
    assert "data saved" in results[0].stdout
    assert "data loaded" in results[1].stdout
    assert "data saved" not in results[1].stdout


def test_a_damaged_cache_costs_only_time(tmp_path):
    assert in_new_process(CACHED, tmp_path).returncode == 0
    for path in tmp_path.rglob("*.nb?"):
        path.write_bytes(b"damaged")
    result = in_new_process(CACHED, tmp_path)
    assert result.returncode == 0, result.stderr


def test_no_cache_folder_costs_only_time(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("where the folder would be")
    result = in_new_process(CACHED, blocked)
    assert result.returncode == 0, result.stderr


# --- without the compiled core ------------------------------------------------------------------------


def test_numba_without_the_compiled_stepper(monkeypatch):
    """Its loops are called by address from the NumPy stepper."""
    params, gradients = draw(tame, "float32", 3, sizes=(0, 7, 1000))
    case = BY_ID["NAdam-decay"]
    wanted = run(case, "numpy", params, gradients)
    monkeypatch.setattr(kernels, "available", lambda: False)
    assert_same_bits(run(case, "numba", params, gradients), wanted)
