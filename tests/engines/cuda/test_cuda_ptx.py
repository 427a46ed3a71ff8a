"""What the compiler makes of the steps' kernels: no GPU is needed for that."""

import ptx
import pytest

from fastgd.engines.cuda import norm, vocabulary
from fastgd.engines.cuda.launches import update_kernels
from fastgd.engines.registry import RULES
from fastgd.engines.vocabulary import ELEMENTARY

UPDATE = ("int64",) * 6


@pytest.fixture(autouse=True)
def _compiler(monkeypatch):
    ptx.needs_compiler()
    ptx.pretend_gpu(monkeypatch)


def update_of(name, char, prepared):
    update_kernels.cache_clear()
    return ptx.ptx_of(update_kernels(RULES[name], char, prepared).update, *UPDATE)


@pytest.mark.parametrize("prepared", [False, True], ids=["plain", "prepared"])
@pytest.mark.parametrize("name", RULES)
def test_single_precision_has_no_double(name, prepared):
    text = update_of(name, "f", prepared)
    ptx.assert_single(text)
    ptx.assert_unfused(text)


@pytest.mark.parametrize("name", RULES)
def test_double_precision_is_not_fused(name):
    text = update_of(name, "d", True)
    ptx.assert_unfused(text)
    assert ".f32" not in text


@pytest.mark.parametrize(("char", "vector"), [("f", "v4.f32"), ("d", "v2.f64")])
def test_sixteen_bytes_at_once(char, vector):
    """Adam reads four arrays and writes three; the numbers stay in registers."""
    text = update_of("adam", char, False)
    assert text.count(f"ld.global.{vector}") == 4
    assert text.count(f"st.global.{vector}") == 3
    assert ".local" not in text
    assert "call" not in text.replace("callprototype", "")


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions(name):
    from numba import cuda  # noqa: PLC0415

    from fastgd.engines.cuda.memory import memory  # noqa: PLC0415

    function = getattr(vocabulary.vocabulary("f"), name)
    load, store = memory("f").load, memory("f").store

    @cuda.jit
    def kernel(place):
        store(place, 0, function(load(place, 0)))

    text = ptx.ptx_of(kernel, "int64")
    ptx.assert_single(text)
    ptx.assert_unfused(text)


@pytest.mark.parametrize("char", "fd")
def test_norm_is_summed_in_double(char):
    norm.kernels.cache_clear()
    kernels = norm.kernels(char)
    text = ptx.ptx_of(kernels.partials, *["int64"] * 4)
    assert "add.f64" in text
    ptx.assert_unfused(text)
    ptx.ptx_of(kernels.total, *["int64"] * 3)
    ptx.ptx_of(kernels.scale, *["int64"] * 7)
    norm.kernels.cache_clear()
