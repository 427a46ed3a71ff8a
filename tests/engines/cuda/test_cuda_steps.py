"""Steps on the GPU: the bits of the NumPy reference, whoever owns the arrays."""

import copy
import pickle

import numpy as np
import pytest
from grids import SAMPLED_CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import cuda

import fastgd as gd
from fastgd.engines.cuda import arrays, device
from fastgd.engines.cuda.launches import Launches
from fastgd.engines.protocol.steps import Group, Slot

SHAPES = ((5, 3), (9,), (0,), (1,), (2, 2, 7))
DTYPES = ("float32", "float64")
IN_SIMULATOR = pytest.mark.skipif(
    not device.simulated(), reason="addresses of the host are addresses of the GPU only there"
)


class Foreign:
    """Somebody's array, by its interface; in the simulator its address is the host's."""

    def __init__(self, host, **changes):
        self.host, self.changes = host, changes

    @property
    def __cuda_array_interface__(self):
        own = {**self.host.__array_interface__, "version": 3}
        return {**own, **self.changes}


class ByDLPack:
    """Says that it is on a GPU, and has nothing but DLPack."""

    def __init__(self, kind=2):
        self.kind = kind

    def __dlpack_device__(self):
        return self.kind, 0


def on_gpu(hosts):
    return [cuda.to_device(h) if h.size else cuda.device_array(h.shape, h.dtype) for h in hosts]


def back(ones):
    return [one.copy_to_host() for one in ones]


def draw(dtype, steps, shapes=SHAPES, seed=0, wild=False):
    rng = np.random.default_rng(seed)

    def one(shape):
        x = rng.normal(size=shape).astype(dtype)
        if wild:
            rare = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e-30, np.finfo(dtype).tiny / 8]
            return np.where(rng.random(shape) < 0.4, rng.choice(rare, shape).astype(dtype), x)
        return x

    return [one(s) for s in shapes], [[one(s) for s in shapes] for _ in range(steps)]


def stepped(optimizer, params, gradients):
    """Parameters and state after the steps, on the GPU."""
    held = on_gpu(params)
    for grads in gradients:
        optimizer.step(held, on_gpu(grads))
    return back(held) + states(optimizer)


def reference(optimizer, params, gradients):
    held = [p.copy() for p in params]
    for grads in gradients:
        optimizer.step(held, grads)
    return held + states(optimizer)


def states(optimizer):
    state = optimizer.state_dict()
    return [state[key] for key in sorted(state) if key.startswith(("state.", "carry", "t"))]


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        if a.dtype.kind == "f":
            known = ~np.isnan(a)
            np.testing.assert_array_equal(np.signbit(a[known]), np.signbit(b[known]))


# --- bits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", SAMPLED_CASES, ids=lambda case: case.id)
def test_bits_of_the_reference(case, dtype):
    params, gradients = draw(dtype, 3)
    plain = case.make(backend="numpy", flush_subnormals=False)
    assert_same(
        stepped(case.make(backend="cuda"), params, gradients),
        reference(plain, params, gradients),
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["SGD", "Adam", "AMSGrad-like", "Rprop", "Lion", "clipped"])
def test_bits_of_what_is_rare(name, dtype):
    """Infinities, NaN, zeros of both signs, subnormals."""
    kinds = {
        "AMSGrad-like": (gd.Adam, {"amsgrad": True}),
        "clipped": (gd.SGD, {"clip_value": 2.0, "l1": 0.1}),
    }
    make, options = kinds.get(name) or (getattr(gd, name), {})
    params, gradients = draw(dtype, 3, shapes=((23,), (4, 4)), wild=True)
    plain = make(**options, backend="numpy", flush_subnormals=False)
    assert_same(stepped(make(**options), params, gradients), reference(plain, params, gradients))


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    seed=st.integers(0, 99),
    dtype=st.sampled_from(DTYPES),
)
def test_any_sizes(sizes, seed, dtype):
    params, gradients = draw(dtype, 2, shapes=tuple((n,) for n in sizes), seed=seed)
    plain = gd.AdamW(backend="numpy", clip_norm=1.0, flush_subnormals=False)
    assert_same(
        stepped(gd.AdamW(clip_norm=1.0), params, gradients), reference(plain, params, gradients)
    )


def test_norm_over_many_blocks():
    params, gradients = draw("float64", 2, shapes=((9000,), (3,), (4097,)))
    plain = gd.SGD(lr=0.1, clip_norm=0.5, backend="numpy", flush_subnormals=False)
    assert_same(
        stepped(gd.SGD(lr=0.1, clip_norm=0.5), params, gradients),
        reference(plain, params, gradients),
    )


def test_norm_that_is_no_number():
    params, gradients = draw("float32", 1, shapes=((9,),))
    for value in (np.nan, np.inf, 0.0):
        gradients[0][0][:] = value
        plain = gd.SGD(clip_norm=1.0, convention="optax", backend="numpy", flush_subnormals=False)
        mine = gd.SGD(clip_norm=1.0, convention="optax")
        assert_same(stepped(mine, params, gradients), reference(plain, params, gradients))


def test_both_dtypes_groups_and_schedules():
    rng = np.random.default_rng(0)
    params = {
        "w": rng.normal(size=(3, 2)).astype("f4"),
        "b": [rng.normal(size=5), rng.normal(size=2)],
    }
    grads = copy.deepcopy(params)

    def make(**running):
        schedule = gd.schedules.warmup_cosine(peak=0.1, warmup=2, total=10)
        groups = {"b": {"lr": 0.3, "weight_decay": 0.1}, ("b", 1): {"betas": (0.5, 0.9)}}
        return gd.Adam(lr=schedule, groups=groups, clip_norm=3.0, **running)

    def sent(tree):
        return {"w": cuda.to_device(tree["w"]), "b": [cuda.to_device(b) for b in tree["b"]]}

    mine, plain = make(), make(backend="numpy", flush_subnormals=False)
    held = sent(params)
    for k in range(4):
        mine.step(held, sent(grads), lr=0.5 if k == 2 else None)
        plain.step(params, grads, lr=0.5 if k == 2 else None)
    assert_same(
        [held["w"].copy_to_host(), *back(held["b"]), *states(mine)],
        [params["w"], *params["b"], *states(plain)],
    )


def signed(p, g, m, lr, mu, gain):  # noqa: PLR0917
    m = mu * m + gain * g
    return p - lr * np.sign(m) * np.exp(m), m


def test_rule_of_ones_own():
    own = gd.Optimizer.from_rule(
        signed,
        state=("m",),
        coefficients=lambda t, lr, mu: (lr / t, mu, 1 - mu),
        defaults={"lr": 0.1, "mu": 0.9},
    )
    params, gradients = draw("float32", 3)
    plain = own(backend="numpy", flush_subnormals=False)
    assert_same(stepped(own(), params, gradients), reference(plain, params, gradients))


def test_rule_without_source():
    names = {"np": np}
    exec("def rule(p, g, lr):\n    return (p - lr * np.tanh(g),)", names)
    own = gd.Optimizer.from_rule(
        names["rule"], coefficients=lambda t, lr: (lr,), defaults={"lr": 0.1}
    )
    params, gradients = draw("float64", 2)
    plain = own(backend="numpy", flush_subnormals=False)
    for a, b in zip(
        stepped(own(), params, gradients), reference(plain, params, gradients), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-14)  # products and sums may be fused


# --- state --------------------------------------------------------------------------------------------


def test_continues_from_the_host_and_back():
    params, gradients = draw("float32", 6)
    whole = reference(gd.NAdam(backend="numpy", flush_subnormals=False), params, gradients)
    host = gd.NAdam(backend="numpy", flush_subnormals=False)
    held = [p.copy() for p in params]
    for grads in gradients[:2]:
        host.step(held, grads)
    gpu = gd.NAdam()
    gpu.load_state_dict(host.state_dict())
    sent = on_gpu(held)
    for grads in gradients[2:4]:
        gpu.step(sent, on_gpu(grads))
    host.load_state_dict(gpu.state_dict())
    held = back(sent)
    for grads in gradients[4:]:
        host.step(held, grads)
    assert_same(held + states(host), whole)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_go_on_alone(again):
    params, gradients = draw("float32", 4)
    whole = stepped(gd.Adam(), params, gradients)
    first = gd.Adam()
    held = on_gpu(params)
    for grads in gradients[:2]:
        first.step(held, on_gpu(grads))
    second = again(first)
    for grads in gradients[2:]:
        second.step(held, on_gpu(grads))
    assert first.t == 2
    assert_same(back(held) + states(second), whole)


# --- whose arrays -------------------------------------------------------------------------------------


@IN_SIMULATOR
@pytest.mark.parametrize("offset", [0, 1])
def test_arrays_by_their_interface(offset):
    """Also such as begin beside a multiple of 16 bytes, whose numbers are read one by one."""
    params, gradients = draw("float32", 2, shapes=((33,),))
    expected = reference(gd.Adam(backend="numpy", flush_subnormals=False), params, gradients)
    room = np.zeros(40, np.float32)
    mine = room[offset : offset + 33]
    mine[:] = params[0]
    opt = gd.Adam()
    for grads in gradients:
        opt.step(Foreign(mine), Foreign(grads[0]))
    assert_same([mine, *states(opt)], expected)
    assert not room[offset + 33 :].any()


def test_numpy_arrays_where_copies_are_asked_for():
    params, gradients = draw("float64", 3)
    opt = gd.Adam(backend="cuda", copy=True, clip_norm=1.0)
    plain = gd.Adam(backend="numpy", flush_subnormals=False, clip_norm=1.0)
    assert_same(reference(opt, params, gradients), reference(plain, params, gradients))
    assert repr(opt) == "Adam(lr=0.001, clip_norm=1.0, backend='cuda', copy=True)"


def test_numpy_arrays_are_refused_otherwise():
    p = np.ones(3)
    with pytest.raises(TypeError, match="copy=True"):
        gd.Adam(backend="cuda").step(p, p.copy())
    assert p.tolist() == [1, 1, 1]


def test_the_host_has_no_part_in_it_by_itself():
    gd.set_backend("cuda")
    try:
        opt, p = gd.Adam(), np.ones(3)
        opt.step(p, np.ones(3))
        assert opt._plan.backend != "cuda"
    finally:
        gd.set_backend(None)
    one = gd.Adam()
    one.step(cuda.to_device(np.ones(3)), cuda.to_device(np.ones(3)))
    assert one._plan.backend == "cuda"


@pytest.mark.parametrize("backend", ["numpy", "cython", "numba"])
def test_arrays_on_the_gpu_are_refused_by_others(backend):
    with pytest.raises(ValueError, match=f"params are on the GPU; backend='{backend}'"):
        gd.SGD(backend=backend).step(cuda.to_device(np.ones(3)), cuda.to_device(np.ones(3)))


def test_nothing_changes_on_an_error():
    p = cuda.to_device(np.ones((2, 3), np.float32))
    g = cuda.to_device(np.ones((2, 3), np.float32))
    opt = gd.Adam()
    opt.step(p, g)
    before = p.copy_to_host(), states(opt)
    for wrong, kind, message in (
        (
            np.ones((2, 3), np.float32),
            TypeError,
            "grads must be an array on the GPU as the others",
        ),
        (cuda.to_device(np.ones((2, 3))), ValueError, "grads must have dtype float32, got float64"),
        (
            cuda.to_device(np.ones((3, 2), np.float32)),
            ValueError,
            r"grads must have shape \(2, 3\)",
        ),
        (p, ValueError, "params overlaps grads"),
        (None, TypeError, "grads must be an array on the GPU as the others are, got None"),
    ):
        with pytest.raises(kind, match=message):
            opt.step(p, wrong)
    with pytest.raises(ValueError, match="params must hold 1 arrays, got 2"):
        opt._plan.update([p, p], [g, g], 2)
    assert_same([before[0], *before[1]], [p.copy_to_host(), *states(opt)])
    assert opt.t == 1


@IN_SIMULATOR
def test_what_cannot_be_updated():
    ones = np.ones(4, np.float32)
    for changes, kind, message in (
        ({"data": (ones.ctypes.data, True)}, ValueError, "read-only"),
        ({"strides": (8,)}, ValueError, "C-contiguous"),
        ({"typestr": "<i4"}, ValueError, "float32 or float64, got int32"),
        ({"typestr": ">f4"}, ValueError, "float32 or float64"),
    ):
        with pytest.raises(kind, match=message):
            gd.SGD().step(Foreign(ones, **changes), Foreign(np.ones(4, np.float32)))
    with pytest.raises(ValueError, match=r"params\[1\] overlaps params\[0\]"):
        gd.SGD().step(
            [Foreign(ones[:3]), Foreign(ones[1:])], [Foreign(np.ones(3, np.float32)) for _ in "ab"]
        )


def test_dlpack_needs_a_helper_and_a_gpu():
    assert arrays.is_device_array(ByDLPack())
    assert not arrays.is_device_array(ByDLPack(kind=1))
    assert not arrays.is_device_array(np.ones(3))
    with pytest.raises(TypeError, match="that NumPy cannot read"):
        gd.SGD().step(ByDLPack(kind=1), ByDLPack(kind=1))


@pytest.mark.parametrize("stream", [None, 1])
def test_streams_that_are_the_default_one(stream):
    one = arrays.Found(0, (1,), np.dtype("f4"), stream)
    assert arrays.stream_of([object()], [one]) == 0


def test_one_launch_for_all_arrays_of_a_rule():
    method = gd.Adam()._method()
    slots = [Slot(f"params[{k}]", (n,), np.dtype("f4"), 0, ()) for k, n in enumerate((3, 0, 70))]
    launches = Launches(slots, [Group(method.rule, method.coefficients, method.hyper)])
    assert len(launches.launches) == 1
    assert launches.launches[0].slots == [0, 2]


@IN_SIMULATOR
@pytest.mark.parametrize("by_interface", ["quickly", "one by one"])
def test_tensors_by_their_own_word(monkeypatch, by_interface):
    """Also those that autograd trains; here the host's stand for a GPU's."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(arrays, "is_device_array", lambda value: isinstance(value, torch.Tensor))
    monkeypatch.setattr(arrays, "stream_of", lambda *given: 0)
    monkeypatch.setattr(torch.Tensor, "is_cuda", by_interface == "quickly")
    for module in ("fastgd.optimizers.tree", "fastgd.optimizers.base"):
        monkeypatch.setattr(f"{module}.is_device_array", arrays.is_device_array)
    params, gradients = draw("float32", 2)
    expected = reference(gd.Adam(backend="numpy", flush_subnormals=False), params, gradients)
    held = [torch.tensor(p, requires_grad=True) for p in params]
    opt = gd.Adam()
    for grads in gradients:
        opt.step(held, [torch.tensor(g) for g in grads])
    assert_same([p.detach().numpy() for p in held] + states(opt), expected)
    with pytest.raises(
        ValueError, match=r"grads\[0\] must have dtype float32 or float64, got torch.int64"
    ):
        opt.step(held, [torch.ones(p.shape, dtype=torch.int64) for p in params])
    with pytest.raises(ValueError, match=r"params must be C-contiguous"):
        gd.SGD().step(torch.ones(3, 2).T, torch.ones(2, 3))


# --- on a GPU only -------------------------------------------------------------------------------------


@pytest.mark.gpu
def test_torch_tensors_on_their_stream():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU")
    params, gradients = draw("float32", 3)
    expected = reference(gd.Adam(backend="numpy", flush_subnormals=False), params, gradients)
    with torch.cuda.stream(torch.cuda.Stream()):
        held = [torch.tensor(p, device="cuda", requires_grad=True) for p in params]
        opt = gd.Adam()
        for grads in gradients:
            opt.step(held, [torch.tensor(g, device="cuda") for g in grads])
        mine = [p.detach().cpu().numpy() for p in held]
    assert_same(mine + states(opt), expected)


@pytest.mark.gpu
def test_a_step_whose_numbers_do_not_change_can_be_captured():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU")
    p, g = torch.zeros(5, device="cuda"), torch.ones(5, device="cuda")
    opt = gd.SGD(lr=1.0)
    opt.step(p, g)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        opt.step(p, g)
    for _ in range(3):
        graph.replay()
    torch.cuda.synchronize()
    assert p.tolist() == [-4.0] * 5


@pytest.mark.gpu
def test_cupy_arrays_on_their_stream():
    cupy = pytest.importorskip("cupy")
    params, gradients = draw("float64", 3)
    expected = reference(gd.AdamW(backend="numpy", flush_subnormals=False), params, gradients)
    with cupy.cuda.Stream(non_blocking=True):
        held = [cupy.asarray(p) for p in params]
        opt = gd.AdamW()
        for grads in gradients:
            opt.step(held, [cupy.asarray(g) for g in grads])
        mine = [p.get() for p in held]
    assert_same(mine + states(opt), expected)
