"""A step on any layout gives the bits of a step on contiguous copies, and looks again at arrays that changed."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from same_bits import bits

import fastgd as gd
from fastgd.engines.native import kernels

if kernels.available():
    from fastgd.engines.native import steps as native_steps

compiled = pytest.mark.skipif(not kernels.available(), reason="nothing is compiled")
OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "Momentum": {"lr": 0.1},
    "Adam": {"amsgrad": True, "weight_decay": 0.1, "clip_norm": 0.5},
    "Adamax": {},
    "Rprop": {"lr": 0.1},
    "NAdam": {"clip_norm": 1.0},
}

# --- layouts in words: the order of the axes in memory, the step along each, an odd address -------------

AXES = st.integers(1, 4).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "order": st.permutations(range(n)),
            "steps": st.lists(st.sampled_from([1, 1, 1, -1, 2, -3]), min_size=n, max_size=n),
            "odd": st.booleans(),
        }
    )
)
SHAPES = {
    1: st.tuples(st.integers(0, 2500)),
    2: st.tuples(st.integers(0, 130), st.integers(0, 130)),
    3: st.tuples(*[st.integers(0, 30)] * 3),
    4: st.tuples(*[st.integers(1, 9)] * 4),
}
KEPT_AS_C = {"order": [0, 1, 2, 3], "steps": [1, 1, 1, 1], "odd": False}


def laid_out(values, layout):
    """A copy of values, in C order, that lies in memory as a layout says."""
    order = [axis for axis in layout["order"] if axis < values.ndim]
    order += [axis for axis in range(values.ndim) if axis not in order]
    steps = [*layout["steps"], *[1] * values.ndim][: values.ndim]
    room = [values.shape[axis] * abs(steps[axis]) for axis in order]
    memory = np.zeros(int(np.prod(room)) * values.itemsize + 1, np.uint8)
    memory = memory[1:] if layout["odd"] else memory[:-1]
    array = memory.view(values.dtype).reshape(room).transpose(np.argsort(order))
    array = array[(*(slice(None, None, step) for step in steps), ...)]
    array[...] = values
    return array


def broadcast(values, axis):
    """The first numbers along an axis, for all of it, with stride 0."""
    return np.broadcast_to(np.take(values, [0], axis), values.shape) if values.size else values


def states(optimizer):
    return {name: a for name, a in optimizer.state_dict().items() if name != "hyperparameters"}


def assert_same(params, optimizer, expected, twin):
    for p, q in zip(params, expected, strict=True):
        assert bits(np.array(p, order="C")) == bits(q)
    found, wanted = states(optimizer), states(twin)
    assert found.keys() == wanted.keys()
    for name, array in found.items():
        assert array.flags.c_contiguous, name
        assert array.tobytes() == wanted[name].tobytes(), name


@st.composite
def cases(draw):
    ndim = draw(st.integers(1, 4))
    layout = st.one_of(st.just(KEPT_AS_C), AXES)
    return {
        "shape": draw(SHAPES[ndim]),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "optimizer": draw(st.sampled_from(sorted(OPTIMIZERS))),
        # a parameter and a gradient for each step: the layouts may change between steps
        "layouts": draw(st.lists(st.tuples(layout, layout), min_size=1, max_size=3)),
        "broadcast": draw(st.sampled_from([None, 0, ndim - 1])),
        "threads": draw(st.booleans()),
    }


def check(case, backend):
    rng = np.random.default_rng(1)
    name = case["optimizer"]
    make = getattr(gd, name)
    options = {**OPTIMIZERS[name], "n_threads": 2 if case["threads"] else 1}
    optimizer, twin = make(**options, backend=backend), make(**options, backend="numpy")
    first = rng.standard_normal(case["shape"]).astype(case["dtype"])
    p, q = None, first.copy()
    for layout, gradient_layout in case["layouts"]:
        p = laid_out(first if p is None else np.array(p, order="C"), layout)
        values = rng.standard_normal(case["shape"]).astype(case["dtype"])
        g = laid_out(values, gradient_layout)
        if case["broadcast"] is not None:
            values, g = (broadcast(a, case["broadcast"]) for a in (values, g))
        before = bits(np.array(g, order="C"))
        optimizer.step([p, np.ones(3)], [g, np.ones(3)])
        twin.step([q, np.ones(3)], [np.array(values, order="C"), np.ones(3)])
        assert bits(np.array(g, order="C")) == before
        assert_same([p], optimizer, [q], twin)


F = {"order": [3, 2, 1, 0], "steps": [1] * 4, "odd": False}
GAPS = {"order": [0, 1, 2, 3], "steps": [1, 2, 1, 1], "odd": False}


def large(shape, *layouts, **more):
    base = {"dtype": "float32", "optimizer": "Adam", "broadcast": None, "threads": False}
    return {**base, "shape": shape, "layouts": list(layouts), **more}


@compiled
@settings(max_examples=300, deadline=None)
@given(case=cases())
@example(case=large((300, 500), (F, KEPT_AS_C), (KEPT_AS_C, F), (F, F)))
@example(case=large((1030, 70), (F, KEPT_AS_C), (GAPS, F), dtype="float64"))
@example(case=large((70, 1030), (KEPT_AS_C, F), threads=True))
@example(case=large((40, 41, 42), (F, KEPT_AS_C), (KEPT_AS_C, F)))
@example(case=large((3, 40, 300), (KEPT_AS_C, F), (GAPS, GAPS), optimizer="SGD"))
@example(case=large((500, 40, 3), (KEPT_AS_C, F), (F, GAPS), broadcast=0))
@example(case=large((30, 20, 3, 3), (KEPT_AS_C, {**F, "order": [0, 2, 3, 1]}), optimizer="NAdam"))
def test_any_layout_compiled(case):
    old = native_steps.set_thresholds(0, 0, 0, 0.0, 64) if case["threads"] else None
    try:
        check(case, "cython")
    finally:
        if old:
            native_steps.set_thresholds(*old)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_any_layout_elsewhere(backend, case):
    check(case, backend)


@compiled
@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3), (3, 0), (1, 1), (1, 5), (5, 1)])
def test_few_elements(shape):
    for layout in (F, GAPS, {**KEPT_AS_C, "odd": True}):
        check(large(shape, (layout, layout), (KEPT_AS_C, layout), (layout, KEPT_AS_C)), "cython")


@compiled
def test_many_axes():
    shape = (2,) * 13
    check(large(shape, (KEPT_AS_C, {**F, "order": list(range(12, -1, -1))})), "cython")
    fields = np.zeros((50, 3), [("a", "u1"), ("p", "f4")])["p"]  # no stride is a multiple of 4
    twin = np.zeros((50, 3), "f4")
    for p in (fields, twin):
        gd.Adam().step(p, np.full((50, 3), 0.5, "f4", order="F"))
    assert (fields == twin).all()


@compiled
def test_the_state_follows_the_parameter():
    p, g = np.zeros((20, 30, 4)).transpose(2, 0, 1), np.ones((20, 30, 4)).transpose(2, 0, 1)
    optimizer = gd.Adam()
    optimizer.step([p], [g])
    for array in optimizer._plan.slots[0].state:
        assert array.strides == p.strides
    assert all(a.flags.c_contiguous for a in optimizer.state_dict().values())
    copy = gd.Adam()
    copy.load_state_dict(optimizer.state_dict())
    q = np.array(p, order="C")
    optimizer.step([p], [g])
    copy.step([q], [np.array(g, order="C")])
    assert_same([p], optimizer, [q], copy)


def test_a_network_trains_on_with_a_state_in_another_order():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 5)).astype("f4"), rng.standard_normal((60, 1)).astype("f4")
    found = []
    for order in "CF":
        net, optimizer = gd.MLP([5, 4, 1], loss="mse", rng=0), gd.Adam(lr=0.01)
        params = [np.array(p, order=order) for p in net.params]
        optimizer.step(params, [np.array(0.1 * p, order=order) for p in params])
        net.fit(X, y, optimizer=optimizer, epochs=2, batch_size=10)
        found.append(([p.copy() for p in net.params], states(optimizer)))
    for one, other in zip(*[[*params, *state.values()] for params, state in found], strict=True):
        assert one.tobytes() == other.tobytes()


# --- arrays that change between steps ---------------------------------------------------------------------


class Walk:
    """An optimizer that has made steps on two matrices with gaps, and knows how they lie."""

    def __init__(self, backend="auto"):
        self.memory, self.slopes = np.zeros((40, 60)), np.ones((40, 60))
        self.optimizer = gd.SGD(lr=1.0, backend=backend)
        for _ in range(2):
            self.step()

    def arrays(self):
        params = [self.memory[:, :20:2], self.memory[:, 1:20:2]]  # they interleave
        return params, [self.slopes[:, :20:2], self.slopes[:, 1:20:2]]

    def step(self, params=None, grads=None):
        p, g = self.arrays()
        self.optimizer.step(params or p, grads or g)

    def refused(self, words, params=None, grads=None):
        before, t = self.memory.copy(), self.optimizer.t
        for _ in range(2):
            with pytest.raises(ValueError, match=words):
                self.step(params, grads)
        assert (self.memory == before).all()
        assert self.optimizer.t == t
        self.step()  # as if nothing had happened
        assert (self.memory[:, :20] == before[:, :20] - 1).all()


@pytest.fixture(params=["numpy", pytest.param("cython", marks=compiled)])
def walk(request):
    return Walk(request.param)


def test_other_arrays_at_the_same_address(walk):
    (p, _), (g, _) = walk.arrays()
    walk.refused("overlap", params=[p, walk.memory[:, 0:40:4]])  # the address of p, and its memory
    walk.refused("overlap", params=[p, p])
    walk.refused("overlap", grads=[g, walk.memory[:, 1:20:2]])
    walk.refused("overlap", grads=[g, walk.memory[:, 20:30]], params=[p, walk.memory[:, 10:30:2]])
    walk.refused("shape", params=[p, walk.memory[:20, 1:20:2]])
    walk.refused("dtype", params=[p, walk.memory.view("i8")[:, 1:20:2]])
    walk.step(params=[p, walk.memory[:, 20:30]])  # another stride, which is legal


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")  # by NumPy 2.4
def test_strides_that_were_assigned(walk):
    (p, q), grads = walk.arrays()
    walk.optimizer.step([p, q], grads)
    q.strides = (q.strides[0], 8)
    walk.refused("overlap", params=[p, q])
    view = np.lib.stride_tricks.as_strided(q, q.shape, (0, 16))
    walk.refused("repeats its own memory", params=[p, view])


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_a_shape_dtype_or_flag_that_was_set(walk):
    params, grads = walk.arrays()
    params[1].flags.writeable = False
    walk.refused(r"params\[1\] is read-only", params=params)
    grads[0].flags.writeable = False
    walk.step(grads=grads)  # gradients are only read
    wide = np.zeros((40, 10))
    walk.step(params=[params[0], wide])
    wide.dtype = np.int64
    walk.refused("dtype", params=[params[0], wide])
    other = np.zeros((40, 10))
    walk.step(params=[params[0], other])
    other.resize((10, 10), refcheck=False)
    walk.refused("shape", params=[params[0], other])


def test_gradients_elsewhere_are_judged_alone(walk):
    params, _ = walk.arrays()
    for _ in range(3):
        fresh = np.ones((40, 20))
        walk.optimizer.step(params, [fresh[:, ::2], fresh[:, 1::2]])
    walk.refused("overlap", grads=[fresh[:, ::2], walk.memory[:, 19:29]])
    assert (walk.memory[:, :20] == -6).all()


@compiled
def test_subclasses_and_files_of_any_layout(tmp_path):
    class Named(np.ndarray):
        pass

    mapped = np.memmap(tmp_path / "p", np.float32, "w+", shape=(30, 40))
    named = np.zeros((30, 40), "f4").view(Named)
    optimizer = gd.Adam(lr=0.5)
    params, grads = [mapped.T, named[:, ::2]], [np.ones((40, 30), "f4"), np.ones((30, 20), "f4")]
    for _ in range(3):
        optimizer.step(params, grads)
    twin, expected = gd.Adam(lr=0.5), [np.zeros((40, 30), "f4"), np.zeros((30, 20), "f4")]
    for _ in range(3):
        twin.step(expected, grads)
    assert (np.asarray(mapped.T) == expected[0]).all()
    assert (np.asarray(named[:, ::2]) == expected[1]).all()
    assert (np.asarray(named[:, 1::2]) == 0).all()


@compiled
def test_threads_step_side_by_side():
    """The buffers of tiles belong to a thread."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    def run(seed):
        rng = np.random.default_rng(seed)
        p, optimizer = np.zeros((400, 500)).T, gd.Adam(n_threads=2)
        q, twin = np.zeros((500, 400)), gd.Adam(n_threads=1)
        for _ in range(20):
            g = rng.standard_normal((500, 400))
            optimizer.step(p, g)
            twin.step(q, g)
        return np.array_equal(p, q)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(run, range(4)))
