"""Tensors of other libraries, as data and in steps: in the same memory, or an error that says what to give instead."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import fastgd as gd
from fastgd.tensors import as_array, is_tensor


class Lent:
    """An array behind DLPack and nothing else, on a device of one's choice."""

    def __init__(self, array, device=(1, 0)):
        self._array, self._device = array, device

    def __dlpack__(self, **how):
        return self._array.__dlpack__(**how)

    def __dlpack_device__(self):
        return self._device


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jnp():
    return pytest.importorskip("jax.numpy")


X = np.random.default_rng(5).normal(size=(300, 4))
Y = X @ np.ones(4)


# --- memory -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [np.s_[:], np.s_[::-1], np.s_[::2, ::-1], np.s_[5:, 1]])
def test_dlpack_shares_memory_whatever_the_strides(view):
    array = X.copy()[view]
    found = as_array("X", Lent(array))
    np.testing.assert_array_equal(found, array)
    assert np.shares_memory(found, array)


@pytest.mark.parametrize("transposed", [False, True])
def test_torch_shares_memory(torch, transposed):
    tensor = torch.zeros(4, 3)
    tensor = tensor.T if transposed else tensor
    as_array("X", tensor)[1, 2] = 7
    assert tensor[1, 2] == 7


def test_what_is_no_tensor_stays():
    masked = np.ma.masked_array([1.0, 2.0])
    for value in (X, masked, [1, 2], "text", None, np.float64(3)):
        assert not is_tensor(value)
        assert as_array("X", value) is value


def test_fit_does_not_copy(torch):
    x = np.random.default_rng(0).normal(size=(20_000, 8))
    y = x @ np.ones(8)
    model = gd.GDRegressor(max_iter=2, tol=1e9)

    def peak(x, y):
        tracemalloc.start()
        model.fit(x, y)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(x, y)
    assert peak(torch.from_numpy(x), torch.from_numpy(y)) < peak(x, y) + x.nbytes / 4


def test_torch_is_not_imported():
    code = (
        "import sys, numpy as np, fastgd as gd; gd.SGD().step(np.ones(2), np.ones(2));"
        "gd.LeastSquares(np.eye(3), np.ones(3));"
        "assert not {'torch', 'jax', 'cupy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- as data ----------------------------------------------------------------------------------------


def _fits(x, y, labels):
    """What each part of the library makes of the same rows."""
    yield gd.GDRegressor(max_iter=5).fit(x, y, sample_weight=y * 0 + 1).predict(x)
    yield gd.GDClassifier(max_iter=5).fit(x, labels).predict_proba(x)
    yield gd.MLPRegressor(max_iter=2, random_state=0).fit(x, y, validation=(x, y)).predict(x)
    yield gd.LeastSquares(x, y).losses(np.ones((5, 1)))
    yield gd.Logistic(x, labels).losses(np.ones((5, 1)))
    yield gd.LeastSquares.from_blocks([(x, y)]).losses(np.ones((5, 1)))
    network = gd.MLP((4, 3, 1), loss="mse")
    yield network.fit(x, y[:, None], epochs=2, validation=(x, y[:, None])).loss(x, y[:, None])
    yield network.predict(x)
    yield gd.minimize(lambda p: p @ p, x[0], gd.SGD(lr=0.1), jac=lambda p: 2 * p, max_iter=3).x


def _same(x, y, labels):
    for found, wanted in zip(_fits(x, y, labels), _fits(X, Y, (Y > 0).astype(int)), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.filterwarnings("ignore")  # far from converged
def test_torch_as_data(torch):
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    _same(x, y, (y > 0).int())


@pytest.mark.filterwarnings("ignore")
def test_jax_as_data():
    jax = pytest.importorskip("jax")
    with jax.enable_x64():
        x, y = jax.numpy.asarray(X), jax.numpy.asarray(Y)
        _same(x, y, (y > 0).astype(int))


@pytest.mark.parametrize(
    ("device", "remedy"), [((2, 0), r"numpy\.asarray\(X\)"), ((99, 3), "memory of the host")]
)
def test_tensor_elsewhere(device, remedy):
    for call in (
        lambda x: gd.GDRegressor().fit(x, Y),
        lambda x: gd.LeastSquares(x, Y),
        lambda x: gd.MLP((4, 2)).fit(x, Y > 0),
        lambda x: gd.GDRegressor().fit(X, Y).predict(x),
    ):
        with pytest.raises(ValueError, match=f"X is a tensor of .*{remedy}"):
            call(Lent(X, device))


def test_torch_elsewhere_and_what_numpy_lacks(torch):
    x = torch.from_numpy(X)
    with pytest.raises(ValueError, match=r"X is a tensor of torch on meta.*X\.cpu\(\)"):
        gd.GDRegressor().fit(x.to("meta"), Y)
    with pytest.raises(ValueError, match=r"y requires grad: give y\.detach\(\)\.numpy\(\)"):
        gd.LeastSquares(X, torch.from_numpy(Y.copy()).requires_grad_())
    with pytest.raises(ValueError, match=r"X has dtype torch\.bfloat16"):
        gd.Logistic(x.bfloat16(), Y > 0)
    with pytest.raises(TypeError, match=r"to_dense"):
        gd.GDRegressor().fit(x.to_sparse(), Y)
    with pytest.raises(ValueError, match=r"x0 requires grad"):
        gd.minimize(lambda p: p @ p, torch.ones(2, requires_grad=True), gd.SGD())


def test_jax_bfloat16(jnp):
    with pytest.raises(ValueError, match="X has dtype bfloat16"):
        gd.LeastSquares(jnp.asarray(X).astype(jnp.bfloat16), Y)


# --- in steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["auto", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_steps_in_place(torch, backend, dtype):
    rng = np.random.default_rng(1)
    tensors = {
        "w": torch.ones(3, 5, dtype=getattr(torch, dtype)).T,
        "b": [torch.zeros(5, dtype=getattr(torch, dtype))],
    }
    arrays = {"w": np.ones((3, 5), dtype).T, "b": [np.zeros(5, dtype)]}
    ours, wanted = gd.Adam(lr=0.1, clip_norm=1.0, backend=backend), gd.Adam(lr=0.1, clip_norm=1.0)
    for _ in range(4):
        g = {"w": rng.normal(size=(5, 3)).astype(dtype), "b": [rng.normal(size=5).astype(dtype)]}
        wanted.step(arrays, g)
        ours.step(tensors, {"w": torch.from_numpy(g["w"]), "b": [torch.from_numpy(g["b"][0])]})
    np.testing.assert_array_equal(tensors["w"], arrays["w"])
    np.testing.assert_array_equal(tensors["b"][0], arrays["b"][0])


def test_torch_parameters_within_no_grad(torch):
    model = torch.nn.Linear(3, 2)
    before = model.weight.detach().clone()
    model(torch.ones(4, 3)).sum().backward()
    params, grads = list(model.parameters()), [p.grad for p in model.parameters()]
    opt = gd.SGD(lr=0.5)
    with pytest.raises(
        ValueError, match=r"params\[0\] requires grad: give params\[0\]\.detach\(\)"
    ):
        opt.step(params, grads)
    with torch.no_grad():
        opt.step(params, grads)
    np.testing.assert_array_equal(model.weight.detach(), before - 0.5 * grads[0])


def test_one_tensor_and_mixed_libraries(torch):
    p = torch.ones(3)
    gd.SGD(lr=0.5).step(p, np.ones(3, np.float32))
    assert p.tolist() == [0.5] * 3
    array = np.ones(3)
    gd.SGD(lr=0.5).step([array], [Lent(np.ones(3))])
    assert array.tolist() == [0.5] * 3


def test_lent_parameters():
    memory = np.ones((4, 6))
    opt = gd.Momentum(lr=0.5)
    for _ in range(2):
        opt.step({"w": Lent(memory[::-1, ::2])}, {"w": Lent(np.ones((4, 3)))})
    assert memory[:, ::2].max() < 0 < memory[:, 1::2].min()


def test_steps_that_cannot_be(torch):
    g = torch.ones(3)
    with pytest.raises(ValueError, match="params must have dtype float32 or float64, got float16"):
        gd.SGD().step(g.half(), g.half())
    with pytest.raises(ValueError, match=r"params\['w'\] has dtype torch\.bfloat16"):
        gd.SGD().step({"w": g.bfloat16()}, {"w": g})
    with pytest.raises(ValueError, match=r"grads is a tensor of torch on meta.*grads\.cpu\(\)"):
        gd.SGD().step(g, g.to("meta"))
    opt = gd.SGD()
    opt.step(g, torch.ones(3))
    with pytest.raises(ValueError, match="params overlaps grads"):
        opt.step(g, g)
    with pytest.raises(ValueError, match="grads must have shape"):
        opt.step(g, torch.ones(4))


def test_jax_is_immutable(jnp):
    p = jnp.ones(3)
    for opt in (gd.SGD(), gd.SGD(backend="numpy")):
        with pytest.raises(
            ValueError,
            match=r"params\['w'\] is a tensor of jax that cannot be changed in place.*numpy\.array",
        ):
            opt.step({"w": p}, {"w": jnp.ones(3)})
    mine = np.ones(3, np.float32)
    gd.SGD(lr=0.5).step({"w": mine}, {"w": jnp.ones(3)})
    assert mine.tolist() == [0.5] * 3
    assert p.tolist() == [1.0] * 3
