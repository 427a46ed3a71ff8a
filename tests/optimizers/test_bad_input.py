"""Whatever comes in: a clear error that leaves everything as it was, or the right update."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.engines.native import kernels

BACKENDS = [
    pytest.param(
        "cython",
        marks=pytest.mark.skipif(not kernels.available(), reason="nothing is compiled"),
    ),
    "numpy",
    "numba",
]
every_backend = pytest.mark.parametrize("backend", BACKENDS)
quick = settings(max_examples=60, deadline=None)


def stepped(backend):
    """An optimizer that has done a step on two arrays."""
    optimizer = gd.NAdam(lr=0.1, backend=backend)
    params = [np.ones(3), np.ones((2, 4), "float32")]
    optimizer.step(params, [np.full(3, 0.5), np.full((2, 4), 0.5, "float32")])
    return optimizer, params


def refused(optimizer, params, grads, watched=()):
    """The step raises a clear error and changes nothing; returns the error."""
    before, state = [np.array(a) for a in watched], optimizer.state_dict()
    with pytest.raises((TypeError, ValueError)) as caught:
        optimizer.step(params, grads)
    assert "params" in str(caught.value) or "grads" in str(caught.value)
    for array, copy in zip(watched, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_equal(optimizer.state_dict(), state)
    return caught.value


# --- things that are no arrays ------------------------------------------------------------------------

THINGS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.lists(st.floats(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.floats(), max_size=2),
    st.sampled_from(
        [
            np.float64(1.0),
            np.ma.masked_array(np.ones(3), mask=[0, 1, 0]),
            np.array(["a", "b", "c"]),
            np.array([1, 2, 3]),
            np.array([1, 2, 3], object),
            np.array([True, False, True]),
            np.ones(3, complex),
            np.ones(3, ">f8" if np.little_endian else "<f8"),
            np.ones(3, np.float16),
            np.ones(3, np.longdouble) if np.longdouble(1).dtype != np.float64 else None,
            np.zeros(3, "datetime64[s]"),
            np.zeros(3, [("x", "f8")]),
            object,
            len,
        ]
    ),
)


@every_backend
@quick
@given(thing=THINGS, place=st.sampled_from(["params", "grads"]), inside=st.booleans())
@example(thing=None, place="grads", inside=True)
def test_something_that_is_no_array(backend, thing, place, inside):
    given_ = {"params": [np.ones(3), np.ones(2)], "grads": [np.ones(3), np.ones(2)]}
    watched = [*given_["params"], *given_["grads"]]
    given_[place] = [thing, given_[place][1]] if inside else thing
    refused(gd.Adam(backend=backend), given_["params"], given_["grads"], watched)
    optimizer, params = stepped(backend)
    given_ = {"params": params, "grads": [np.ones(3), np.ones((2, 4), "float32")]}
    watched = [*given_["params"], *given_["grads"]]
    given_[place] = [thing, given_[place][1]] if inside else thing
    refused(optimizer, given_["params"], given_["grads"], watched)


# --- arrays of another form -----------------------------------------------------------------------------

FORMS = st.tuples(
    st.sampled_from(["float32", "float64", "float16", "int64", "complex128", ">f8", "object"]),
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
)


@every_backend
@quick
@given(first=FORMS, second=FORMS)
def test_forms_that_do_not_match(backend, first, second):
    good = first == second and first[0] in {"float32", "float64"}
    assume(not good)
    p, g = np.zeros(first[1], first[0]), np.zeros(second[1], second[0])
    refused(gd.SGD(momentum=0.9, backend=backend), p, g, [p, g])


@every_backend
@quick
@given(form=FORMS, place=st.sampled_from(["params", "grads", "both"]))
def test_another_form_than_at_the_first_step(backend, form, place):
    assume(form != ("float64", (3,)))
    optimizer, params = stepped(backend)
    grads = [np.ones(3), np.ones((2, 4), "float32")]
    other = np.ones(form[1], form[0])
    if place in {"params", "both"}:
        params[0] = other
    if place in {"grads", "both"}:
        grads[0] = other.copy()
    error = refused(optimizer, params, grads, [*params, *grads])
    assert "[0]" in str(error)


@every_backend
def test_read_only(backend):
    optimizer, params = stepped(backend)
    grads = [np.ones(3), np.ones((2, 4), "float32")]
    for gradient in grads:
        gradient.flags.writeable = False
    optimizer.step(params, grads)  # gradients are only read
    params[1].flags.writeable = False
    error = refused(optimizer, params, grads, params)
    assert "params[1] is read-only" in str(error)
    p = np.broadcast_to(1.0, 5)
    assert "read-only" in str(refused(gd.SGD(backend=backend), p, np.ones(5)))


@every_backend
def test_a_parameter_that_repeats_its_memory(backend):
    p = np.lib.stride_tricks.as_strided(np.ones(1), (4,), (0,))
    assert "stride" in str(refused(gd.SGD(backend=backend), p, np.ones(4)))
    windows = np.lib.stride_tricks.sliding_window_view(np.ones(6), 3, writeable=True)
    assert "stride" in str(refused(gd.SGD(backend=backend), windows, np.ones((4, 3))))
    q = np.ones(4)
    gd.SGD(lr=1.0, backend=backend).step(q, np.broadcast_to(0.5, 4))  # a gradient may
    assert (q == 0.5).all()
    cube = np.ones((3, 4, 3))
    for view in (cube.T[::-1, ::2], np.einsum("iji->ij", cube), cube[:, 1], cube[..., ::-2]):
        gd.SGD(backend=backend).step(view, np.ones(view.shape))  # what indexing makes is legal


@every_backend
@quick
@given(count=st.integers(0, 5), place=st.sampled_from(["params", "grads"]))
def test_number_of_arrays(backend, count, place):
    assume(count != 2)
    optimizer, params = stepped(backend)
    trees = {"params": params, "grads": [np.ones(3), np.ones((2, 4), "float32")]}
    trees[place] = (trees[place] * 3)[:count]
    refused(optimizer, trees["params"], trees["grads"], params)


# --- memory -----------------------------------------------------------------------------------------------

SLICES = st.tuples(st.integers(0, 12), st.integers(1, 12), st.integers(1, 4))


def picked(memory, part):
    """Elements start, start + step, ... of a buffer, and which they are."""
    start, length, step = part
    chosen = slice(start, start + length * step, step)
    return memory[chosen], set(range(64)[chosen])


@every_backend
@settings(max_examples=150, deadline=None)
@given(parts=st.lists(SLICES, min_size=1, max_size=3), gradient=SLICES, own=st.booleans())
@example(parts=[(0, 4, 2), (1, 4, 2)], gradient=(0, 4, 1), own=False)
@example(parts=[(0, 4, 1)], gradient=(2, 4, 1), own=True)
def test_overlap_is_judged_by_elements(backend, parts, gradient, own):
    """Parameters are pieces of one buffer, one gradient too if it is its `own` memory's."""
    memory = np.arange(64.0)
    pieces = [picked(memory, part) for part in parts]
    params = [array for array, _ in pieces]
    grads = [np.ones(p.shape) for p in params]
    taken = [elements for _, elements in pieces]
    if own:
        grads[0], elements = picked(memory, (gradient[0], parts[0][1], gradient[2]))
        taken.append(elements)
    overlap = len(set.union(*taken)) < sum(map(len, taken))
    optimizer = gd.SGD(lr=1.0, backend=backend)
    if overlap:
        assert "overlaps" in str(refused(optimizer, params, grads, [memory]))
        return
    wanted = memory.copy()
    for (_, elements), g in zip(pieces, grads, strict=True):
        wanted[sorted(elements)] -= g.copy()
    optimizer.step(params, grads)
    np.testing.assert_array_equal(memory, wanted)


@every_backend
def test_overlap_after_the_first_step(backend):
    """The arrays may be others at every step, and are looked at again."""
    memory = np.ones(10)
    optimizer = gd.SGD(backend=backend)
    optimizer.step([memory[:5], memory[5:]], [np.ones(5), np.ones(5)])
    error = refused(optimizer, [memory[:5], memory[4:9]], [np.ones(5), np.ones(5)], [memory])
    assert "overlaps" in str(error)
    refused(optimizer, [memory[:5], memory[5:]], [np.ones(5), memory[:5]], [memory])
    refused(optimizer, [memory[:5], memory[:5]], [np.ones(5), np.ones(5)], [memory])
    p = np.ones(5)
    refused(gd.SGD(backend=backend), p, p, [p])


@every_backend
def test_gradients_may_be_one_array(backend):
    p, q, g = np.ones(3), np.ones(3), np.ones(3)
    gd.SGD(lr=0.5, backend=backend).step([p, q], [g, g])
    assert (p == 0.5).all()
    assert (q == 0.5).all()


@every_backend
def test_columns_of_one_matrix(backend):
    matrix, wanted = np.ones((50, 6), "float32"), np.ones((50, 6), "float32")
    wanted[:, :2] -= 0.5
    wanted[:, 2:] -= 0.25
    params = [matrix[:, :2], matrix[:, 2:]]
    grads = [np.full((50, 2), 1, "float32"), np.full((50, 4), 0.5, "float32")]
    gd.SGD(lr=0.5, backend=backend).step(params, grads)
    assert (matrix == wanted).all()


@every_backend
def test_overlap_that_is_hard_to_judge(backend):
    """Too many candidates to look at count as overlap, in bounded time."""
    memory = np.ones(300_000)
    shape, item = (30, 30, 30, 30), 8
    a = np.lib.stride_tricks.as_strided(memory, shape, [k * item for k in (1663, 953, 311, 71)])
    b = np.lib.stride_tricks.as_strided(memory[1:], shape, [k * item for k in (1657, 947, 307, 73)])
    refused(gd.SGD(backend=backend), [a, b], [np.ones(shape), np.ones(shape)])


# --- subclasses -------------------------------------------------------------------------------------------


class Named(np.ndarray):
    pass


@every_backend
def test_subclasses(backend, tmp_path):
    p = np.memmap(tmp_path / "p", "float32", "w+", shape=(6,))
    p[:] = 1.0
    optimizer = gd.SGD(lr=0.5, backend=backend)
    optimizer.step(p, np.ones(6, "float32"))
    q = np.ones(6, "float32").view(Named)
    optimizer.step(q, np.ones(6, "float32").view(Named))
    assert (np.asarray(p) == 0.5).all()
    assert (np.asarray(q) == 0.5).all()
    masked = np.ma.masked_array(np.ones(6, "float32"), mask=[1] * 6)
    refused(optimizer, masked, np.ones(6, "float32"))


# --- hyperparameters --------------------------------------------------------------------------------------

OPTIMIZERS = ["SGD", "Momentum", "Adagrad", "RMSprop", "Adadelta", "Adam", "NAdam", "Rprop", "Lion"]
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.tuples(st.floats(), st.floats()),
    st.lists(st.integers(), max_size=3),
    st.just(np.ones(2)),
    st.just(10**400),
)


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(OPTIMIZERS), value=ANYTHING, data=st.data())
def test_hyperparameters_are_legal_or_refused(name, value, data):
    """What a constructor accepts makes finite steps from finite numbers."""
    cls = getattr(gd, name)
    argument = data.draw(st.sampled_from(sorted({*cls._kind.fields} - {"convention"})))
    try:
        optimizer = cls(**{argument: value})
    except (TypeError, ValueError) as error:
        assert argument in str(error) or "nesterov" in str(error)  # noqa: PT017
        return
    p = np.array([0.5, -0.25])
    optimizer.step(p, np.array([0.125, 0.0]))
    assert not np.isnan(p[0])


@settings(max_examples=100, deadline=None)
@given(rate=st.one_of(st.floats(), st.none(), st.text(max_size=2), st.complex_numbers()))
def test_a_schedule_that_returns_nonsense(rate):
    optimizer, p = gd.SGD(lr=lambda t: 0.5 if t == 0 else rate), np.ones(2)
    optimizer.step(p, np.ones(2))
    if isinstance(rate, float) and 0 <= rate < float("inf"):
        optimizer.step(p, np.ones(2))
        return
    with pytest.raises((TypeError, ValueError), match="lr"):
        optimizer.step(p, np.ones(2))
    assert (p == 0.5).all()
    assert optimizer.t == 1


# --- no crash, no leak ------------------------------------------------------------------------------------


@every_backend
def test_errors_keep_no_references(backend):
    import sys  # noqa: PLC0415

    optimizer, params = stepped(backend)
    wrong = np.ones(4)
    grads = [wrong, np.ones((2, 4), "float32")]
    before = sys.getrefcount(wrong)
    for _ in range(50):
        with pytest.raises(ValueError, match="shape"):
            optimizer.step(params, grads)
    assert sys.getrefcount(wrong) == before
    grads[0] = np.ones(3)
    optimizer.step(params, grads)  # and goes on


@every_backend
def test_trees_that_change_while_they_are_read(backend):
    class Grows(dict):
        def __getitem__(self, key):
            self[len(self)] = np.ones(1)
            return super().__getitem__(key)

    p = {"a": np.ones(2), "b": np.ones(2)}
    optimizer = gd.SGD(backend=backend)
    optimizer.step(p, {"a": np.ones(2), "b": np.ones(2)})
    before = {key: value.copy() for key, value in p.items()}
    with pytest.raises((ValueError, RuntimeError)):
        optimizer.step(p, Grows(a=np.ones(2), b=np.ones(2)))
    np.testing.assert_equal(p, before)
