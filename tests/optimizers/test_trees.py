"""Nested parameters: whatever they are built of, the same leaves in the same order, and clear errors."""

import sys
from collections import OrderedDict, defaultdict, namedtuple
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.engines.native import kernels
from fastgd.optimizers.tree import Tree

Layer = namedtuple("Layer", "w b")


class Backwards(tuple):
    """A tuple that has its items in another order than its memory."""

    __slots__ = ()

    def __getitem__(self, k):
        return super().__getitem__(len(self) - 1 - k)


class Loud:
    """A key that runs Python code when it is compared."""

    def __init__(self, name, act=lambda: None):
        self.name, self.act = name, act

    def __hash__(self):
        return hash(self.name)

    def __eq__(self, other):
        self.act()
        return self.name == getattr(other, "name", other)


LEAVES = st.integers(0, 999).map(lambda k: np.full(2, float(k)))
KEYS = st.one_of(
    st.text(max_size=3), st.integers(-5, 10**12), st.tuples(st.integers()), st.text().map(Loud)
)
TREES = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        st.lists(below, max_size=4),
        st.lists(below, max_size=4).map(tuple),
        st.tuples(below, below).map(lambda pair: Layer(*pair)),
        st.tuples(below, below).map(Backwards),
        st.dictionaries(KEYS, below, max_size=4),
        st.dictionaries(KEYS, below, max_size=4).map(OrderedDict),
        st.dictionaries(KEYS, below, max_size=4).map(lambda pairs: defaultdict(list, pairs)),
        st.dictionaries(KEYS, below, max_size=4).map(MappingProxyType),
    ),
    max_leaves=12,
)


def is_leaf(value):
    return isinstance(value, np.ndarray)


def leaves_of(value):
    """The leaves, read in the simplest way."""
    if is_leaf(value):
        return [value]
    keys = range(len(value)) if isinstance(value, list | tuple) else list(value)
    return [leaf for key in keys for leaf in leaves_of(value[key])]


def rebuilt(value, data):
    """The same structure of other objects: keys that are equal but not the same, perhaps in another order."""
    if is_leaf(value):
        return value
    if isinstance(value, Backwards):
        return Backwards(reversed([rebuilt(value[k], data) for k in range(len(value))]))
    if isinstance(value, list | tuple):
        items = [rebuilt(value[k], data) for k in range(len(value))]
        return Layer(*items) if isinstance(value, Layer) else type(value)(items)
    keys = data.draw(st.permutations(list(value)))
    pairs = {_equal(key): rebuilt(value[key], data) for key in keys}
    if isinstance(value, OrderedDict):
        pairs = OrderedDict(pairs)
        if pairs:
            pairs.move_to_end(next(iter(pairs)))
    return pairs if isinstance(value, dict) else MappingProxyType(pairs)


def _equal(key):
    if isinstance(key, str):
        return "".join([*key])
    return Loud(key.name) if isinstance(key, Loud) else key


@settings(max_examples=300, deadline=None)
@given(value=TREES, data=st.data())
def test_leaves_of_any_structure(value, data):
    wanted = leaves_of(value)
    if not wanted:
        with pytest.raises(ValueError, match="contains no array"):
            Tree(value)
        return
    tree = Tree(value)
    for _ in range(2):
        for same in (value, rebuilt(value, data), rebuilt(value, data)):
            found = tree.leaves(same, "grads")
            assert [id(leaf) for leaf in found] == [id(leaf) for leaf in wanted]


def built():
    return {"a": [np.ones(2), (np.ones(2), np.ones(2))], "b": {"w": np.ones(2), 7: np.ones(2)}}


@pytest.mark.parametrize("backend", ["numpy", "cython"] if kernels.available() else ["numpy"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t["a"].append(np.ones(2)), r"grads\['a'\] must have 2 entries .* got 3"),
        (lambda t: t["a"].__setitem__(1, (np.ones(2),)), r"grads\['a'\]\[1\] must have 2 entries"),
        (lambda t: t["b"].pop(7), r"grads\['b'\]\[7\] is missing"),
        (lambda t: t["b"].update(x=np.ones(2)), r"grads\['b'\]\['x'\] was not there"),
        (lambda t: t.update(b=[np.ones(2)] * 2), r"grads\['b'\] must be a dict .* got list"),
        (lambda t: t.update(a={0: 1, 1: 2}), r"grads\['a'\] must be a list or tuple .* got dict"),
        (lambda t: t.update(a=None), r"grads\['a'\] must be a list or tuple .* got None"),
        (lambda t: t["b"].update(w=None), r"grads\['b'\]\['w'\] must be a NumPy array, got None"),
        (lambda t: t["b"].update({"v": t["b"].pop("w")}), r"grads\['b'\]\['w'\] is missing"),
    ],
)
def test_a_structure_that_changed(backend, change, words):
    optimizer, params, grads = gd.SGD(lr=1.0, backend=backend), built(), built()
    optimizer.step(params, grads)
    change(grads)
    with pytest.raises((TypeError, ValueError), match=words):
        optimizer.step(params, grads)
    optimizer.step(params, built())
    assert all((leaf == -1).all() for leaf in leaves_of(params))


def test_keys_that_run_code_when_they_are_compared():
    """What they do to the tree meanwhile is an error or an update, never a crash."""
    params = {Loud("a"): np.ones(2), Loud("b"): {"c": np.ones(2)}}
    optimizer = gd.SGD(lr=1.0)
    optimizer.step(params, {Loud("a"): np.ones(2), Loud("b"): {"c": np.ones(2)}})
    grads = {}
    grads.update({Loud("a", grads.clear): np.ones(2), Loud("b"): {"c": np.ones(2)}})
    with pytest.raises((ValueError, KeyError, RuntimeError)):
        optimizer.step(params, grads)
    assert all((leaf == 0).all() for leaf in leaves_of(params))


def test_trees_keep_no_references():
    tree = Tree({"a": np.ones(1), "b": [np.ones(1)]})
    leaf, key = np.ones(1), "".join(["aa"])[:1] + "!"
    value = {"a": leaf, "b": [leaf]}
    before = sys.getrefcount(leaf), sys.getrefcount(key)
    for _ in range(100):
        tree.leaves(value, "params")
        with pytest.raises(ValueError, match="missing"):
            tree.leaves({key: leaf, "b": [leaf]}, "params")
    assert (sys.getrefcount(leaf), sys.getrefcount(key)) == before
