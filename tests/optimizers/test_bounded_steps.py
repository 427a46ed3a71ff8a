"""Steps within bounds: of all arrays, of some, of elements; nothing changes where they are wrong."""

import numpy as np
import pytest
from same_bits import bits

import fastgd as gd
from fastgd.rules import updates

OPEN = (-np.inf, np.inf)
RNG = np.random.default_rng(3)


def made():
    return {
        "w": RNG.normal(size=(3, 4)),
        "b": RNG.normal(size=4).astype(np.float32),
        "c": [np.ones(2)],
    }


def like(params):
    return {"w": np.ones((3, 4)), "b": np.ones(4, np.float32), "c": [np.full(2, -1.0)]}


@pytest.mark.parametrize("backend", ["cython", "numba", "numpy"])
def test_a_pair_for_all(backend):
    params = made()
    free = {"w": params["w"].copy(), "b": params["b"].copy(), "c": [params["c"][0].copy()]}
    opt, other = gd.Adam(lr=0.3, backend=backend), gd.Adam(lr=0.3, backend=backend)
    for _ in range(3):
        opt.step(params, like(params), bounds=(-0.5, 1.1))
        other.step(free, like(free))
        for part in (free["w"], free["b"], free["c"][0]):
            part[part < -0.5], part[part > 1.1] = -0.5, 1.1
    assert bits(params["w"]) == bits(free["w"])
    assert bits(params["b"]) == bits(free["b"])
    assert bits(params["c"][0]) == bits(free["c"][0])
    assert opt.t == 3


def test_some_arrays_and_elements():
    params = made()
    before = params["b"].copy()
    highest = np.linspace(-1, 1, 12).reshape(3, 4)
    gd.SGD(lr=1.0).step(params, like(params), bounds={"w": (None, highest), "c": [(0, 1.5)]})
    assert (params["w"] <= highest).all()
    assert params["c"][0].tolist() == [1.5, 1.5]
    assert bits(params["b"]) == bits(before - np.float32(1.0))
    one = np.ones((4, 2)).T  # not contiguous
    gd.SGD(lr=1.0).step(one, np.ones((2, 4)), lr=3.0, bounds=(np.array([[-1.0], [0.5]]), None))
    assert one.tolist() == [[-1.0] * 4, [0.5] * 4]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pair", [(0.0, 1.0), (-1.0, -0.0), (None, 0.0), (-0.0, None), (0.0, 0.0)])
def test_the_projection_is_that_of_sweeps(dtype, pair):
    low, high = (np.dtype(dtype).type(v) for v in np.where([v is None for v in pair], OPEN, pair))
    edges = np.array([-0.0, 0.0, np.nan, -np.nan, 0.5, -0.5, 2, -2, np.inf, -np.inf], dtype)
    for n in (1, 3, 17, 1000, 5000):
        for cut in (slice(None), slice(None, None, 2), slice(None, None, -1)):
            x = RNG.choice(edges, n)[cut]
            (wanted,) = updates.project(x, low, high)
            gd.SGD(lr=0.0).step(x, np.zeros_like(x), bounds=tuple(pair))
            assert bits(x) == bits(wanted)


def test_nan_stays_and_no_bound_is_none():
    x = np.array([1.0, 2.0])
    gd.SGD(lr=1.0).step(x, np.array([np.nan, 5.0]), bounds=(0, 1))
    assert np.isnan(x[0])
    assert x[1] == 0
    for free in ((None, None), [None, None], {}):
        x = (
            [np.array([1.0]), np.array([-1.0])]
            if isinstance(free, list)
            else {"a": np.array([1.0])}
        )
        g = [np.array([1.0]), np.array([1.0])] if isinstance(free, list) else {"a": np.array([1.0])}
        gd.SGD(lr=3.0).step(x, g, bounds=free)
        assert (x[0] if isinstance(x, list) else x["a"]).tolist() == [-2.0]


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (3, "bounds must be a pair"),
        ((1, 0), "low <= high"),
        ({"v": (0, 1)}, r"bounds\['v'\] belongs to no array"),
        ({"w": 1}, r"bounds\['w'\] must be a pair"),
        ({"w": (np.zeros(5), None)}, r"bounds\['w'\] must have numbers, None, or arrays that fit"),
        (
            {"w": (np.full((3, 4), np.nan), None)},
            r"bounds\['w'\] must have low <= high in every place",
        ),
        ({"c": [(0, 1), (0, 1)]}, r"bounds\['c'\] must be"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_refused_and_unchanged(bounds, words, first):
    params, opt = made(), gd.Adam()
    if not first:
        opt.step(params, like(params))
    before, t = params["w"].copy(), opt.t
    with pytest.raises((TypeError, ValueError), match=words):
        opt.step(params, like(params), bounds=bounds)
    assert bits(params["w"]) == bits(before)
    assert opt.t == t


def test_frozen_parameters_stay():
    params = {"a": np.array([5.0]), "b": np.array([5.0])}
    opt = gd.SGD(lr=1.0)
    opt.step(params, {"a": np.ones(1), "b": None}, bounds=(0, 1), none_grads="skip")
    assert (params["a"][0], params["b"][0]) == (1.0, 5.0)
    with pytest.raises(TypeError, match="None"):
        opt.step(params, {"a": np.ones(1), "b": None}, bounds=(0, 1))


def test_tensors_of_torch():
    torch = pytest.importorskip("torch")
    x = torch.ones(3)
    gd.SGD(lr=1.0).step(x, torch.tensor([5.0, -5.0, 0.0]), bounds=(-1, 2))
    assert x.tolist() == [-1.0, 2.0, 1.0]
