"""The compiled stepper against its NumPy twin, bit by bit, and what it refuses."""

import math
import threading

import numpy as np
import pytest

_step = pytest.importorskip("fastgd.engines.native.steps")

from fastgd.engines.native import kernels  # noqa: E402
from fastgd.engines.processor import flushed  # noqa: E402
from fastgd.engines.protocol.steps import Group, Slot  # noqa: E402
from fastgd.engines.reference import steps as reference_steps  # noqa: E402
from fastgd.engines.registry import COEFFICIENTS, RULES  # noqa: E402

# rule, coefficient function, hyperparameters (the rate first)
MACHINES = [
    ("sgd", "sgd", (0.1,)),
    ("momentum", "rate_outside", (0.1, 0.9)),
    ("momentum", "rate_outside_dampened", (0.1, 0.9, 0.5)),
    ("nesterov", "rate_inside", (0.1, 0.9)),
    ("adagrad", "adagrad", (0.1, 0.01, 0.0, 1e-10)),
    ("rmsprop", "rmsprop", (0.01, 0.99, 0.0, 1e-8)),
    ("rmsprop_momentum", "rmsprop_rate_inside", (0.01, 0.9, 0.99, 1e-8, 0.0)),
    ("rmsprop_centered", "rmsprop", (0.01, 0.99, 0.0, 1e-8)),
    ("rmsprop_centered_momentum", "rmsprop_rate_outside", (0.01, 0.9, 0.99, 0.0, 1e-8)),
    ("adadelta", "adadelta", (1.0, 0.9, 1e-6)),
    ("adam", "adam", (1e-3, 0.9, 0.999, 1e-8)),
    ("adam", "adam_uncorrected_eps", (1e-3, 0.9, 0.999, 1e-7)),
    ("amsgrad", "amsgrad", (1e-3, 0.9, 0.999, 1e-8)),
    ("nadam", "nadam", (2e-3, 0.9, 0.999, 1e-8, 0.004)),
    ("nadam", "nadam_constant_momentum", (2e-3, 0.9, 0.999, 1e-8)),
    ("radam", "radam", (1e-3, 0.9, 0.99, 1e-8)),
    ("adamax", "adamax", (2e-3, 0.9, 0.999, 1e-8, 0.0)),
    ("rprop", "rprop", (0.01, 0.5, 1.2, 1e-6, 50.0)),
    ("lion", "lion", (1e-4, 0.9, 0.99)),
]
SHAPES = [(), (1,), (0,), (7,), (3, 5), (1000,), (2, 3, 0), (4099,), (17, 61)]
SHARED = np.array([-1.0, 1.0, 0.8, 0.01, 0.003, 0.05])


def build(
    kind,
    shapes,
    machine=("adam", "adam", (1e-3, 0.9, 0.999, 1e-8)),
    dtype="f",
    *,
    prepared=False,
    n_threads=1,
    flush=True,
    **options,
):
    """A stepper of the given module with one group, and its slots."""
    name, coefficients, hyper = machine
    rule, dtype = RULES[name], np.dtype(dtype)
    loops = {}
    if kind is _step:
        form = "prepared" if prepared else "plain"
        loops = {c: kernels.address(f"{form}_{name}_{c}") for c in "fd"}
    group = Group(
        rule=rule,
        coefficients=COEFFICIENTS[coefficients],
        hyper=np.array(hyper),
        prepared=prepared,
        loops=loops,
        **({"shared": SHARED.copy()} if prepared else {}),
        **options,
    )
    slots = [
        Slot(f"params[{k}]", s, dtype, 0, tuple(np.zeros(s, dtype) for _ in rule.state))
        for k, s in enumerate(shapes)
    ]
    return kind.Stepper(slots, [group], flush, n_threads)


def draw(shapes, dtype, seed=0):
    """Arrays with ordinary numbers, zeros, infinities, NaN and subnormals."""
    rng = np.random.default_rng(seed)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(dtype).smallest_subnormal])
    arrays = []
    for shape in shapes:
        a = rng.standard_normal(shape).astype(dtype)
        flat = a.reshape(-1)
        where = rng.random(flat.shape) < 0.02
        flat[where] = rng.choice(special, where.sum())
        arrays.append(a)
    return arrays


def same_bits(a, b):
    word = {4: np.uint32, 8: np.uint64}[a.dtype.itemsize]
    a, b = np.where(np.isnan(a), a.dtype.type(0), a), np.where(np.isnan(b), b.dtype.type(0), b)
    return np.array_equal(np.ascontiguousarray(a).view(word), np.ascontiguousarray(b).view(word))


def equal(one, other):
    return len(one) == len(other) and all(
        np.array_equal(np.isnan(a), np.isnan(b)) and same_bits(a, b)
        for a, b in zip(one, other, strict=True)
    )


def states(stepper):
    return [array for slot in stepper.slots for array in slot.state]


def walk(stepper, params, dtype, steps=4):
    for t in range(1, steps + 1):
        grads = draw([p.shape for p in params], dtype, 100 + t)
        stepper.step(params, grads, t)


@pytest.fixture
def many_chunks():
    """Threads and chunks from the first element on."""
    old = _step.set_thresholds(0, 0, 0, 0.0, 64)
    yield
    _step.set_thresholds(*old)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m[0]}-{m[1]}")
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("prepared", [False, True])
def test_same_bits_as_reference(machine, dtype, prepared):
    ours, twin = (
        build(k, SHAPES, machine, dtype, prepared=prepared) for k in (_step, reference_steps)
    )
    p, q = draw(SHAPES, dtype), draw(SHAPES, dtype)
    walk(ours, p, dtype)
    walk(twin, q, dtype)
    assert equal(p, q)
    assert equal(states(ours), states(twin))
    assert ours.groups[0].carry == twin.groups[0].carry


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("clip", [math.inf, 0.3])
def test_same_bits_with_threads(many_chunks, dtype, n_threads, clip):
    shapes = [(5000,), (0,), (63,), (1,), (20_001,), (129, 3)]
    options = {"prepared": True, "clip_norm": clip, "norm_eps": 1e-6}
    ours = build(_step, shapes, dtype=dtype, n_threads=n_threads, **options)
    twin = build(reference_steps, shapes, dtype=dtype, **options)
    rng = np.random.default_rng(0)
    p = [rng.standard_normal(s).astype(dtype) for s in shapes]
    q = [a.copy() for a in p]
    for t in range(1, 4):
        grads = [rng.standard_normal(s).astype(dtype) for s in shapes]
        ours.step(p, grads, t)
        twin.step(q, grads, t)
    assert equal(p, q)
    assert equal(states(ours), states(twin))


@pytest.mark.parametrize(
    ("gradient", "norm"), [(np.inf, np.inf), (np.nan, np.nan), (0.0, 0.0), (1e-3, None)]
)
def test_clip_norm_of_odd_gradients(gradient, norm):
    ours, twin = (
        build(k, [(9,)], prepared=True, clip_norm=0.0 if norm == 0 else 0.5, norm_eps=0.0)
        for k in (_step, reference_steps)
    )
    p, q = [np.ones(9, "f")], [np.ones(9, "f")]
    g = [np.full(9, gradient, "f")]
    ours.step(p, g, 1)
    twin.step(q, g, 1)
    assert equal(p, q)


@pytest.mark.parametrize("dtype", ["f", "d"])
def test_norm_in_stated_order(dtype):
    """Blocks of 4096, eight interleaved partial sums, all left to right."""
    rng = np.random.default_rng(3)
    shapes = [(4096,), (4097,), (10_000,), (5,), (0,), (3, 1000)]
    g = [
        (rng.standard_normal(s) * np.exp(rng.standard_normal(s) * 5)).astype(dtype) for s in shapes
    ]
    total = 0.0
    for array in g:
        x = array.astype(float).reshape(-1)
        for start in range(0, x.size, 4096):
            part = [0.0] * 8
            for i, value in enumerate(x[start : start + 4096].tolist()):
                part[i % 8] += value * value
            total += sum(part[1:], part[0])
    clip = 0.25
    ours = build(
        _step, shapes, ("sgd", "sgd", (1.0,)), dtype, prepared=True, clip_norm=clip, norm_eps=1e-6
    )
    ours.groups[0].shared[:] = 1.0, 1.0, np.inf, 0.0, 0.0, 0.0
    p = [np.zeros(s, dtype) for s in shapes]
    ours.step(p, g, 1)
    scale = np.dtype(dtype).type(clip / (math.sqrt(total) + 1e-6))
    assert equal(p, [-(scale * a) + np.dtype(dtype).type(0) for a in g])


@pytest.mark.parametrize("dtype", ["f", "d"])
def test_any_layout(dtype):
    def layouts(base):
        buffer = np.zeros(2 * base.size + 1, dtype)
        packed = np.zeros(base.nbytes + 1, np.uint8)
        yield np.asfortranarray(base.copy())
        yield np.ascontiguousarray(base[::-1])[::-1]
        yield buffer[: 2 * base.size : 2].reshape(base.shape)
        yield packed[1:].view(dtype).reshape(base.shape)
        yield base.T.copy().T

    rng = np.random.default_rng(0)
    start = rng.standard_normal((6, 7)).astype(dtype)
    gradient = rng.standard_normal((6, 7)).astype(dtype)
    expected = [start.copy()]
    twin = build(_step, [(6, 7)], dtype=dtype)
    for t in (1, 2):
        twin.step(expected, [gradient], t)
    for p in layouts(start):
        for g in layouts(gradient):
            p[...], g[...] = start, gradient
            ours = build(_step, [(6, 7)], dtype=dtype)
            for t in (1, 2):
                ours.step([p], [g], t)
            assert equal([p], expected)
            assert equal([g], [gradient])
            assert equal(states(ours), states(twin))


def test_interleaved_views_are_legal():
    whole, slopes = np.ones((50, 6), "f"), np.full((50, 6), 0.5, "f")
    p, g = [whole[:, :3], whole[:, 3:]], [slopes[:, :3], slopes[:, 3:]]
    build(_step, [(50, 3)] * 2, ("sgd", "sgd", (1.0,))).step(p, g, 1)
    assert (whole == 0.5).all()


def test_gradients_may_share_memory():
    g = np.ones(5)
    p = [np.zeros(5), np.zeros(5)]
    build(_step, [(5,)] * 2, ("sgd", "sgd", (1.0,)), "d").step(p, [g, g], 1)
    assert (p[0] == -1).all()
    assert (p[1] == -1).all()


def test_memmap_and_subclasses(tmp_path):
    p = np.memmap(tmp_path / "p", np.float64, "w+", shape=(10,))
    build(_step, [(10,)], ("sgd", "sgd", (1.0,)), "d").step([p], [np.ones(10)], 1)
    assert (np.asarray(p) == -1).all()


def bad_inputs():
    """(label, params, grads, error, words of the message) for slots of shapes (4,) and (2, 3)."""

    def good():
        return [np.zeros(4), np.zeros((2, 3))], [np.ones(4), np.ones((2, 3))]

    def case(label, where, array, error, words):
        lists = good()
        lists[where[0]][where[1]] = array
        return pytest.param(*lists, error, words, id=label)

    frozen = np.zeros(4)
    frozen.flags.writeable = False
    big = np.zeros(20)
    p, g = good()
    yield pytest.param(p[:1], g, ValueError, "params", id="few-params")
    yield pytest.param(p, [*g, g[0]], ValueError, "grads", id="many-grads")
    yield pytest.param([], [], ValueError, "params", id="empty")
    yield pytest.param([p[0], p[0].reshape(4)], g, ValueError, r"params\[1\]", id="shape-first")
    yield case("none", (1, 1), None, TypeError, r"grads\[1\].*None")
    yield case("list", (1, 0), [1.0] * 4, TypeError, r"grads\[0\].*list")
    yield case("masked", (0, 0), np.ma.zeros(4), TypeError, r"params\[0\].*MaskedArray")
    yield case("object", (0, 0), np.zeros(4, object), ValueError, r"params\[0\].*object")
    yield case("integer", (0, 0), np.zeros(4, int), ValueError, r"params\[0\].*int64")
    yield case("float32", (1, 0), np.zeros(4, "f"), ValueError, r"grads\[0\].*float32")
    yield case("swapped", (1, 0), np.zeros(4, ">f8"), ValueError, r"grads\[0\]")
    yield case("structured", (1, 0), np.zeros(4, "d,d"), ValueError, r"grads\[0\]")
    yield case("shape", (0, 0), np.zeros(5), ValueError, r"params\[0\].*\(5,\)")
    yield case("dimensions", (1, 1), np.zeros(6), ValueError, r"grads\[1\].*\(6,\)")
    yield case("read-only", (0, 0), frozen, ValueError, r"params\[0\].*read-only")
    yield case("gradient-is-param", (1, 0), p[0], ValueError, "overlap")
    yield case("repeats", (0, 0), np.lib.stride_tricks.as_strided(big, (4,), (0,)), ValueError, "0")


@pytest.mark.parametrize(("params", "grads", "error", "words"), list(bad_inputs()))
def test_refused_with_nothing_changed(params, grads, error, words):
    if words == "overlap":
        params[0] = grads[0]
    ours = build(_step, [(4,), (2, 3)], dtype="d", prepared=True, clip_norm=1.0)
    ours.step([np.zeros(4), np.zeros((2, 3))], [np.ones(4), np.ones((2, 3))], 1)
    before = [a.copy() for a in states(ours)], ours.groups[0].carry.copy()
    copies = [np.array(a, copy=True) for a in [*params, *grads] if isinstance(a, np.ndarray)]
    with pytest.raises(error, match=words):
        ours.step(params, grads, 2)
    assert equal(states(ours), before[0])
    assert ours.groups[0].carry == before[1]
    arrays = [a for a in [*params, *grads] if isinstance(a, np.ndarray)]
    assert all(np.array_equal(a, b) for a, b in zip(arrays, copies, strict=True))
    good = [np.zeros(4), np.zeros((2, 3))], [np.ones(4), np.ones((2, 3))]
    ours.step(*good, 2)  # still in order


@pytest.mark.parametrize("shift", [0, 1, 3, -3])
@pytest.mark.parametrize("role", ["gradient", "parameter"])
def test_overlap_is_found_after_ordinary_steps(shift, role):
    big = np.zeros(40)
    ours = build(_step, [(4,), (4,)], dtype="d")
    p, g = [big[8:12], big[20:24]], [np.ones(4), np.ones(4)]
    ours.step(p, g, 1)
    other = big[8 + shift : 12 + shift]
    wrong = ([p[0], other], g) if role == "parameter" else (p, [g[0], other])
    kept = big.copy()
    for _ in range(2):
        with pytest.raises(ValueError, match="overlap"):
            ours.step(*wrong, 2)
    assert (big == kept).all()
    ours.step(p, g, 2)
    neighbour = [big[12:16], big[4:8]]
    ours.step(p, neighbour, 3)


def test_python_coefficients_may_raise():
    def evaluate(t, carry, hyper, out):
        carry[0] *= 2
        out[:] = hyper[0] * t
        if t == 2:
            raise ZeroDivisionError

    ours = build(_step, [(3,)], ("sgd", "sgd", (1.0,)), "d", evaluate=evaluate)
    p = [np.zeros(3)]
    ours.step(p, [np.ones(3)], 1)
    with pytest.raises(ZeroDivisionError):
        ours.step(p, [np.ones(3)], 2)
    ours.groups[0].hyper[0] = 10.0
    ours.step(p, [np.ones(3)], 3)
    assert (p[0] == -31).all()
    assert ours.groups[0].carry[0] == 4


def test_rate_is_read_at_every_step():
    ours = build(_step, [(3,)], ("sgd", "sgd", (1.0,)), "d")
    p, g = [np.zeros(3)], [np.ones(3)]
    ours.step(p, g, 1)
    ours.groups[0].hyper[0] = 2.0
    ours.step(p, g, 2)
    ours.groups[0].hyper[0] = 4.0
    ours.step(p, g, 3)
    ours.groups[0].hyper[0] = 2.0
    ours.step(p, g, 4)
    assert (p[0] == -9).all()


def test_subnormals_are_flushed_on_request_only():
    tiny = np.full(100, 1e-40, "f")
    for flush, expected in ((True, 0.0), (False, tiny[0] * np.float32(0.5))):
        ours = build(_step, [(100,)], ("sgd", "sgd", (0.5,)), flush=flush)
        p = [np.zeros(100, "f")]
        ours.step(p, [tiny.copy()], 1)
        assert (p[0] == -expected).all()
        assert np.float64(5e-324) * 1.0 != 0.0  # the mode is back
    with flushed():
        inside = (tiny * np.float32(0.5)).max()
    assert inside == 0.0
    assert (tiny * np.float32(0.5)).max() > 0.0


def test_wrong_setup_is_refused():
    with pytest.raises(ValueError, match="coefficients"):
        build(_step, [(3,)], ("adam", "sgd", (0.1,)))
    with pytest.raises(ValueError, match="numbers"):
        build(_step, [(3,)], ("adam", "adam", (0.1,)))
    with pytest.raises(ValueError, match="prepared"):
        build(_step, [(3,)], clip_norm=1.0)
    ours = build(_step, [(3,)])
    slot = ours.slots[0]
    slot.state = (np.zeros(3, "f"), np.zeros(4, "f"))
    with pytest.raises(ValueError, match="state"):
        _step.Stepper([slot], ours.groups)


def test_concurrent_steps_of_one_stepper_do_not_crash(many_chunks):
    ours = build(_step, [(200_000,)], n_threads=2)
    p, g = [np.zeros(200_000, "f")], [np.ones(200_000, "f")]
    unexpected = []

    def run():
        for t in range(1, 50):
            try:
                ours.step(p, g, t)
            except RuntimeError:
                continue
            except Exception as error:
                unexpected.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not unexpected
    assert np.isfinite(p[0]).all()
