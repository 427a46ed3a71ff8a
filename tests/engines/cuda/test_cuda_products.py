"""Matrix products on the GPU: our tiles, and what cuBLAS is asked for."""

import ctypes

import numpy as np
import pytest

from fastgd.engines.cuda import device, products

SHAPES = [(1, 1, 1), (5, 3, 4), (9, 17, 3)]
DTYPES = ("float32", "float64")


def drawn(form, shape, dtype):
    """A and B as the form has them, and as they lie in memory."""
    m, n, inner = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, inner)).astype(dtype), rng.normal(size=(inner, n)).astype(dtype)
    return a, b, a.T.copy() if form[0] == "t" else a, b.T.copy() if form[1] == "t" else b


def assert_right(made, a, b):
    """Within a rounding of each product and each sum."""
    exact, sizes = a.astype(np.float64) @ b, np.abs(a).astype(np.float64) @ np.abs(b)
    assert (np.abs(made - exact) <= 2 * a.shape[1] * np.finfo(a.dtype).eps * sizes).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", products.FORMS)
def test_tiles(form, shape, dtype):
    a, b, *stored = drawn(form, shape, dtype)
    places = [device.to_device(one) for one in stored]
    c = device.empty(shape[:2], dtype)
    products.Tiles(dtype).go(form, shape, tuple(map(device.address, [*places, c])))
    assert_right(device.to_host(c), a, b)


# --- cuBLAS -----------------------------------------------------------------------------------------


class Library:
    """cuBLAS on memory of the host: what its reference says of matrices that lie column by column."""

    def __init__(self, refuse=""):
        self.said, self.refuse = [], refuse

    def _say(self, name, *arguments):
        self.said.append((name, *arguments))
        return 15 if name == self.refuse else 0

    def cublasCreate_v2(self, handle):
        handle._obj.value = 77
        return self._say("create")

    def cublasDestroy_v2(self, handle):
        return self._say("destroy", handle.value)

    def cublasSetMathMode(self, handle, mode):
        return self._say("math", handle.value, mode)

    def cublasSetStream_v2(self, handle, stream):
        return self._say("stream", handle.value, stream.value)

    def cublasSetWorkspace_v2(self, handle, place, size):
        assert place.value
        return self._say("workspace", handle.value, size.value)

    def cublasSgemm_v2(self, *arguments):
        return self._gemm(np.float32, *arguments)

    def cublasDgemm_v2(self, *arguments):
        return self._gemm(np.float64, *arguments)

    def _gemm(self, real, handle, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):  # noqa: PLR0917
        def matrix(place, lead, columns):
            kind = np.ctypeslib.as_ctypes_type(real) * (lead * columns)
            return np.frombuffer(kind.from_address(place.value), real).reshape(columns, lead).T

        left = matrix(a, lda, m if transa else k)
        right = matrix(b, ldb, k if transb else n)
        left, right = left.T if transa else left, right.T if transb else right
        assert (left.shape, right.shape) == ((m, k), (k, n))
        result = matrix(c, ldc, n)
        result[:m] = alpha._obj.value * (left @ right) + beta._obj.value * np.nan_to_num(result[:m])
        return self._say("gemm", handle.value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", products.FORMS)
def test_what_cublas_is_asked_for(form, shape, dtype):
    a, b, *stored = drawn(form, shape, dtype)
    c = np.full(shape[:2], np.nan, dtype)
    one = products.CuBlas(dtype, library=Library())
    one.go(form, shape, tuple(array.ctypes.data for array in (*stored, c)))
    assert_right(c, a, b)


@pytest.mark.parametrize(
    ("dtype", "tf32", "mode"), [("float32", True, 3), ("float32", False, 0), ("float64", True, 0)]
)
def test_precision(dtype, tf32, mode):
    library = Library()
    products.CuBlas(dtype, tf32, library)
    assert ("math", 77, mode) in library.said


def test_stream_and_workspace_are_set_once():
    library = Library()
    one, c = products.CuBlas("float64", library=library), np.ones(1)
    for stream in (5, 5, 6):
        one.go("nn", (1, 1, 1), (c.ctypes.data,) * 3, stream)
    names = [said[0] for said in library.said]
    assert names == [
        "create",
        "math",
        *["stream", "workspace", "gemm"],
        "gemm",
        "stream",
        "workspace",
        "gemm",
    ]
    del one
    assert library.said[-1] == ("destroy", 77)


@pytest.mark.parametrize(("refuse", "name"), [("create", "Create"), ("math", "SetMathMode")])
def test_a_library_that_does_not_fit(monkeypatch, refuse, name):
    library = Library(refuse)
    with pytest.raises(RuntimeError, match=f"cublas{name} failed with status 15"):
        products.CuBlas("float32", library=library)
    monkeypatch.setattr(device, "simulated", lambda: False)
    monkeypatch.setattr(products, "cublas_library", lambda: library)
    monkeypatch.setattr(products, "Tiles", lambda dtype: "tiles")
    assert products.products("float32") == "tiles"


def test_which_is_taken(monkeypatch):
    assert isinstance(products.products("float32"), products.Tiles)  # there is no GPU here
    monkeypatch.setattr(ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    products.cublas_library.cache_clear()
    assert products.cublas_library() is None
    products.cublas_library.cache_clear()
