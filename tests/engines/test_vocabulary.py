"""The vocabulary of rules: the same bits on every backend, exp and its kin close to the true value."""

from __future__ import annotations

import ast
import ctypes
import importlib
import inspect
import subprocess
import sys

import numpy as np
import pytest

from fastgd.engines.native import kernels
from fastgd.engines.processor import processor_level
from fastgd.engines.vocabulary import ELEMENTARY, PLAIN, bound, numba_vocabulary, numpy_vocabulary
from fastgd.rules import elementary

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
DTYPES = [SINGLE, DOUBLE]
RANGES = {  # where a function is neither saturated nor undefined
    SINGLE: {"exp": (-110, 92), "expm1": (-20, 92), "log": (0, 10), "log1p": (-1, 10)},
    DOUBLE: {"exp": (-750, 712), "expm1": (-40, 712), "log": (0, 10), "log1p": (-1, 10)},
}
TARGETS = [name for name in ("base", "v3", "v4") if kernels.available()]


def special(dtype):
    info = np.finfo(dtype)
    values = [0, 1, 2.5, np.inf, info.max, info.tiny, info.smallest_subnormal, info.tiny / 3]
    return np.array([*values, *(-v for v in values), np.nan], dtype)


def points(name, dtype, count=20_000):
    """Numbers of every magnitude, where the function is interesting, near 0 and 1, and the edges."""
    rng = np.random.default_rng(20)
    word = np.uint32 if dtype == SINGLE else np.uint64
    anything = rng.integers(0, np.iinfo(word).max, count, dtype=word, endpoint=True).view(dtype)
    low, high = RANGES[dtype].get(name, (-7, 7))
    parts = [
        anything,
        rng.uniform(low, high, count),
        rng.uniform(-1.5, 1.5, count),
        rng.normal(1, 0.3, count),
        rng.choice([-1, 1], count) * 10.0 ** rng.uniform(-12, 2, count),
        special(dtype),
    ]
    return np.concatenate([part.astype(dtype) for part in parts])


def assert_same_bits(got, want):
    """Every NaN counts as the same."""
    assert got.dtype == want.dtype
    word = np.uint32 if got.dtype == SINGLE else np.uint64
    nan = np.isnan(want)
    np.testing.assert_array_equal(np.isnan(got), nan)
    np.testing.assert_array_equal(got[~nan].view(word), want[~nan].view(word))


def in_numba(function, *arrays):
    from numba import njit  # noqa: PLC0415  (takes a second; most tests do without)

    count = len(arrays)

    @njit(nogil=True, error_model="numpy")
    def loop1(a, out):
        for i in range(out.size):
            out[i] = function(a[i])

    @njit(nogil=True, error_model="numpy")
    def loop2(a, b, out):
        for i in range(out.size):
            out[i] = function(a[i], b[i])

    @njit(nogil=True, error_model="numpy")
    def loop3(a, b, c, out):
        for i in range(out.size):
            out[i] = function(a[i] > b[i], b[i], c[i])

    out = np.empty_like(arrays[0])
    (loop1, loop2, loop3)[count - 1](*arrays, out)
    return out


def true_value(name, x):
    """In extended precision."""
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("this platform has no extended precision")
    with np.errstate(all="ignore"):
        return getattr(np, name)(x.astype(np.longdouble))


def true_erf(x):
    mp = pytest.importorskip("mpmath")
    with mp.workdps(30):
        return np.array([np.longdouble(mp.nstr(mp.erf(mp.mpf(float(v))), 25)) for v in x])


def ulps(got, want):
    """Largest error in units in the last place of the true value, where both are finite."""
    with np.errstate(all="ignore"):
        rounded = want.astype(got.dtype)
        finite = np.isfinite(rounded) & np.isfinite(got)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
        np.testing.assert_array_equal(np.isinf(got), np.isinf(rounded))
        np.testing.assert_array_equal(np.signbit(got[finite]), np.signbit(rounded[finite]))
        unit = np.spacing(np.abs(rounded[finite])).astype(np.longdouble)
        return float(np.max(np.abs(got[finite] - want[finite]) / unit))


# --- accuracy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", [n for n in ELEMENTARY if n != "erf"])
def test_within_two_ulp(name, dtype):
    x = points(name, dtype)
    assert ulps(getattr(numpy_vocabulary(), name)(x), true_value(name, x)) < 1.6


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_erf_within_two_ulp(dtype):
    x = np.concatenate([points("erf", dtype, 300), np.linspace(-7, 7, 2001).astype(dtype)])
    x = x[np.isfinite(x)]
    assert ulps(numpy_vocabulary().erf(x), true_erf(x)) < 1.6


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_limits(dtype):
    v = numpy_vocabulary()
    inf, nan = np.inf, np.nan
    cases = {
        "exp": [(0, 1), (-0.0, 1), (inf, inf), (-inf, 0), (1e5, inf), (-1e5, 0)],
        "expm1": [(inf, inf), (-inf, -1), (1e5, inf), (-1e5, -1)],
        "log": [(0, -inf), (-0.0, -inf), (1, 0), (inf, inf), (-1, nan), (-inf, nan)],
        "log1p": [(-1, -inf), (inf, inf), (-2, nan), (-inf, nan)],
        "tanh": [(inf, 1), (-inf, -1), (50, 1), (-50, -1)],
        "erf": [(inf, 1), (-inf, -1), (50, 1), (-50, -1)],
    }
    for name, pairs in cases.items():
        x, want = np.array([*pairs, (nan, nan)], dtype).T
        assert_same_bits(getattr(v, name)(x), want.copy())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "erf"])
def test_zero_and_subnormals_pass_through(name, dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([0.0, -0.0, tiny, -tiny], dtype)
    got = getattr(numpy_vocabulary(), name)(x)
    assert_same_bits(got, x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_odd_functions_are_odd(name, dtype):
    function, x = getattr(numpy_vocabulary(), name), points(name, dtype, 1000)
    assert_same_bits(function(-x), -function(x))


def test_exp_underflows_gradually():
    got = numpy_vocabulary().exp(np.array([-740.0, -745.0, -746.0]))
    np.testing.assert_array_equal(got, np.array([4.2e-322, 5e-324, 0.0]))


# --- the same bits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", PLAIN)
def test_plain_functions_in_numba(name, dtype):
    x = special(dtype)
    arrays = [a.ravel() for a in np.meshgrid(x, x, x)]
    with np.errstate(all="ignore"):
        if name == "where":
            want = np.where(arrays[0] > arrays[1], arrays[1], arrays[2])
        else:
            arrays = arrays[: 2 if name in {"maximum", "minimum"} else 1]
            want = getattr(np, name)(*arrays)
    assert_same_bits(in_numba(getattr(numba_vocabulary(), name), *arrays), want)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions_in_numba(name, dtype):
    x = points(name, dtype)
    want = getattr(numpy_vocabulary(), name)(x)
    assert_same_bits(in_numba(getattr(numba_vocabulary(), name), x), want)


def aligned(count, dtype):
    raw = np.empty(count * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + count * dtype.itemsize].view(dtype)


def compiled(target, name, suffix, x):
    """What the loop of a kernel module gives."""
    level = {"base": 0, "v3": 3, "v4": 4}
    if level[target] > processor_level():
        pytest.skip(f"this processor lacks x86-64-{target}")
    try:
        kernels = importlib.import_module(f"fastgd.engines.native.kernels_{target}")
    except ImportError:
        pytest.skip(f"no kernels for {target}")
    source, out = aligned(x.size, x.dtype), aligned(x.size, x.dtype)
    source[:] = x
    size = ctypes.c_ssize_t
    form = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, size, size)
    arrays = (ctypes.c_void_p * 2)(source.ctypes.data, out.ctypes.data)
    form(kernels.addresses[f"map_{name}_{suffix}"])(ctypes.addressof(arrays), None, 0, x.size)
    return out


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions_in_c(name, dtype, target):
    x = points(name, dtype)
    x = x[x.size % 64 :]
    want = getattr(numpy_vocabulary(), name)(x)
    suffix = "f" if dtype == SINGLE else "d"
    assert_same_bits(compiled(target, name, suffix, x), want)
    assert_same_bits(compiled(target, name, f"v{suffix}", x), want)


# --- in rules ---------------------------------------------------------------------------------------


def rule_of_everything(p, g, m, lr, beta):
    m = beta * m + np.tanh(g) * np.exp(-np.abs(g)) + np.erf(g)
    m = m + np.expm1(-g * g)
    return p - lr * m * np.log(np.sqrt(g * g + beta)) + np.log1p(np.abs(m)), m


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_users_rule_may_use_them(dtype):
    gd = pytest.importorskip("fastgd")
    kind = gd.Optimizer.from_rule(
        rule_of_everything,
        state=("m",),
        coefficients=lambda t, lr, beta: (lr, beta),
        defaults={"lr": 0.1, "beta": 0.9},
    )
    rng = np.random.default_rng(3)
    start = rng.normal(size=501).astype(dtype)
    gradients = rng.normal(scale=2, size=(20, 501)).astype(dtype)
    results = {}
    for backend in ("numpy", "numba"):
        optimizer, p = kind(backend=backend), start.copy()
        for g in gradients:
            optimizer.step(p, g)
        results[backend] = p
    assert not np.array_equal(results["numpy"], start)
    assert np.isfinite(results["numpy"]).all()
    assert_same_bits(results["numba"], results["numpy"])


def test_bound_replaces_the_vocabulary_and_nothing_else():
    def rule(p, g, lr):
        """Doc."""
        return (p - lr * np.sign(g),)

    module = numpy_vocabulary()
    again = bound(rule, module)
    assert again.__globals__["np"] is module
    assert rule.__globals__["np"] is np
    assert (again.__name__, again.__doc__) == ("rule", "Doc.")
    with pytest.raises(TypeError, match="must be a Python function, got <built-in"):
        bound(abs, module)


@pytest.mark.parametrize("x", [0.5, np.float32(0.5), np.array(0.5), np.full((2, 3), 0.5)[:, ::2]])
def test_numpy_takes_scalars_and_any_array(x):
    got = numpy_vocabulary().exp(x)
    assert np.shape(got) == np.shape(x)
    assert got.dtype == np.asarray(x).dtype
    np.testing.assert_allclose(got, np.exp(x), rtol=1e-6)


def test_numpy_takes_empty_arrays():
    assert numpy_vocabulary().tanh(np.empty((0, 3), np.float32)).shape == (0, 3)


# --- the source -------------------------------------------------------------------------------------


def definitions():
    return [
        n for n in ast.parse(inspect.getsource(elementary)).body if isinstance(n, ast.FunctionDef)
    ]


def test_each_function_has_both_precisions():
    names = {d.name for d in definitions()}
    assert names == {f"{n}_{precision}" for n in ELEMENTARY for precision in ("single", "double")}


def is_literal(node):
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.UnaryOp) and is_literal(node.operand)
    )


@pytest.mark.parametrize("definition", definitions(), ids=lambda d: d.name)
def test_elementary_source_is_straight_line_arithmetic(definition):
    # Arithmetic of literals would be done in double by Python and in the dtype by a compiler.
    for node in ast.walk(definition):
        if isinstance(node, ast.BinOp):
            assert isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div)
            assert not (is_literal(node.left) and is_literal(node.right)), ast.unparse(node)
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            assert isinstance(node.value, float), ast.unparse(node)
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func).startswith("np.")
        assert not isinstance(node, ast.If | ast.For | ast.While | ast.IfExp)


def test_the_numpy_vocabulary_does_not_load_numba():
    code = (
        "import sys; from fastgd.engines.vocabulary import numpy_vocabulary as v; v().exp(1.0); "
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
