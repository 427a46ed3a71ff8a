"""Hyperparameters, structure, groups and state of the optimizers; their formulas are tested apart."""

import copy
import inspect
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from cases import CASES

import fastgd as gd
from fastgd import optimizers, schedules
from fastgd.engines.native import kernels

NAMES = sorted(name for name in optimizers.__all__ if name not in {"Optimizer", "HeavyBall"})


def make(name, **options):
    return getattr(gd, name)(**options)


# --- hyperparameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_signature_shows_every_argument(name):
    parameters = inspect.signature(getattr(gd, name)).parameters
    assert next(iter(parameters)) == "lr"
    for common in ("weight_decay", "l1", "l2", "clip_value", "clip_norm", "maximize", "convention"):
        assert common in parameters
    for argument in parameters:
        assert not argument.startswith("_")
    made = make(name)
    for argument, parameter in parameters.items():
        if parameter.default is not None and argument not in {"groups"}:
            assert getattr(made, argument) == parameter.default


@pytest.mark.parametrize("name", NAMES)
def test_docstring_names_every_argument_and_a_source(name):
    doc = inspect.getdoc(getattr(gd, name))
    for argument in inspect.signature(getattr(gd, name).__init__).parameters:
        if argument not in {"self", "common"}:
            assert f"\n{argument} : " in doc, argument
    for part in ("Parameters\n", "References\n", "Examples\n", "convention"):
        assert part in doc


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_repr_makes_the_same_optimizer(case):
    made = case.make()
    again = eval(repr(made), {**vars(gd), **{n: getattr(gd, n) for n in NAMES}})
    assert type(again) is type(made)
    assert again._options.keys() == made._options.keys()
    np.testing.assert_equal(again._options, made._options)


def test_repr_names_the_schedule_and_not_the_rate_of_now():
    optimizer = gd.SGD(lr=gd.schedules.cosine(0.1, 100), groups={0: {"lr": 0.5}})
    text = "SGD(lr=cosine(peak=0.1, total=100, floor=0.0), groups={0: {'lr': 0.5}})"
    assert repr(optimizer) == text
    optimizer.step([np.ones(2)], [np.ones(2)])
    assert repr(optimizer) == text
    spent = gd.SGD(lr=lambda t: 0.1 if t < 1 else -1.0)
    spent.step(np.ones(2), np.ones(2))
    assert repr(spent).startswith("SGD(lr=")


def test_repr_of_a_rule_whose_hyperparameters_are_called_as_methods_are():
    Mine = gd.Optimizer.from_rule(
        lambda p, g, lr, a: (p - lr * g,),
        coefficients=lambda t, lr, state_dict, conventions: (lr, state_dict + conventions),
        defaults={"lr": 0.5, "state_dict": 1.0, "conventions": 2.0},
    )
    assert repr(Mine(state_dict=3.0)) == "Mine(lr=0.5, state_dict=3.0)".replace(
        "Mine", Mine.__name__
    )


def test_repr_is_short():
    assert repr(gd.SGD(lr=0.1)) == "SGD(lr=0.1)"
    assert repr(gd.Adam(betas=(0.8, 0.9), clip_norm=1, groups={"b": {"lr": 0.5}})) == (
        "Adam(lr=0.001, betas=(0.8, 0.9), clip_norm=1.0, groups={'b': {'lr': 0.5}})"
    )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SGD", {"lr": -1e-3}, "lr"),
        ("SGD", {"lr": float("inf")}, "lr"),
        ("SGD", {"momentum": -0.1}, "momentum"),
        ("SGD", {"weight_decay": -1}, "weight_decay"),
        ("Adam", {"betas": (0.9, 1.0)}, r"betas\[1\]"),
        ("Adam", {"betas": (-0.1, 0.9)}, r"betas\[0\]"),
        ("Adam", {"betas": (0.9,)}, "betas must be two"),
        ("Adam", {"eps": -1e-8}, "eps"),
        ("Adam", {"eps": float("inf")}, "eps"),
        ("Adam", {"eps": 10**400}, "eps"),
        ("Adam", {"clip_norm": 0.0}, "clip_norm"),
        ("Adam", {"clip_value": float("nan")}, "clip_value"),
        ("Adam", {"l1": -1.0}, "l1"),
        ("Adadelta", {"rho": 1.5}, "rho"),
        ("RMSprop", {"alpha": -0.5}, "alpha"),
        ("Rprop", {"etas": (0.5, 1.0)}, "etas"),
        ("Rprop", {"step_sizes": (2.0, 1.0)}, "step_sizes"),
        ("Adagrad", {"initial_accumulator_value": -1.0}, "initial_accumulator_value"),
        ("Adam", {"backend": "fortran"}, "backend"),
        ("Adam", {"n_threads": 0}, "n_threads"),
        ("Adam", {"amsgrad": True, "convention": "sklearn"}, "amsgrad"),
        ("SGD", {"momentum": 0.9, "dampening": 0.1, "convention": "keras"}, "dampening"),
        ("Adagrad", {"lr_decay": 0.1, "convention": "keras"}, "lr_decay"),
    ],
)
def test_bad_values(name, options, message):
    with pytest.raises(ValueError, match=message):
        make(name, **options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SGD", {"lr": "fast"}, "lr"),
        ("SGD", {"lr": True}, "lr"),
        ("SGD", {"lr": None}, "lr"),
        ("SGD", {"lr": np.ones(2)}, "lr"),
        ("SGD", {"momentum": 1j}, "momentum"),
        ("SGD", {"nesterov": 1}, "nesterov"),
        ("SGD", {"maximize": "no"}, "maximize"),
        ("Adam", {"betas": 0.9}, "betas"),
        ("Adam", {"betas": "ab"}, "betas"),
        ("Adam", {"betas": (0.9, None)}, "betas"),
        ("Adam", {"flush_subnormals": 1}, "flush_subnormals"),
        ("Adam", {"n_threads": 1.5}, "n_threads"),
        ("Adam", {"groups": [1]}, "groups"),
        ("Adam", {"groups": {"a": 3}}, "groups"),
        ("Adam", {"moment": 0.9}, "moment"),
    ],
)
def test_bad_types(name, options, message):
    with pytest.raises(TypeError, match=message):
        make(name, **options)


def test_numbers_of_any_kind():
    wanted = gd.Adam(lr=0.5, betas=(0.25, 0.5))
    for half in (np.float64(0.5), np.float32(0.5), np.array(0.5)):
        assert repr(gd.Adam(lr=half, betas=[0.25, half])) == repr(wanted)
    assert gd.SGD(lr=1).lr == 1.0
    assert gd.SGD(lr=np.int64(0)).lr == 0.0


def test_hyperparameters_are_fixed_but_for_the_rate():
    optimizer = gd.Adam()
    with pytest.raises(AttributeError):
        optimizer.eps = 1e-3
    with pytest.raises(AttributeError, match="rho"):
        optimizer.rho  # noqa: B018
    optimizer.lr = 0.5
    assert optimizer.lr == 0.5
    with pytest.raises(ValueError, match="lr"):
        optimizer.lr = -1
    assert optimizer.lr == 0.5


def test_base_class_is_no_optimizer():
    with pytest.raises(TypeError, match="from_rule"):
        gd.Optimizer(lr=0.1)


def test_a_subclass_inherits_everything():
    class Mine(gd.AdamW):
        def step(self, params, grads, *, lr=None):
            super().step(params, grads, lr=lr)

    p, q = np.ones(3), np.ones(3)
    Mine(lr=0.1, convention="keras").step(p, np.ones(3))
    gd.AdamW(lr=0.1, convention="keras").step(q, np.ones(3))
    assert (p == q).all()
    assert inspect.signature(Mine) == inspect.signature(gd.AdamW)
    assert repr(Mine(lr=0.5)) == "Mine(lr=0.5)"


LIGHT = """
import sys
import numpy as np
import fastgd as gd
p = np.ones(3)
gd.Adam(groups={}).step(p, np.ones(3))
heavy = {"numba", "scipy", "sklearn", "pandas", "matplotlib", "rich", "pooch", "numpy.ma"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


@pytest.mark.skipif(not kernels.available(), reason="nothing is compiled")
def test_a_step_imports_nothing_heavy():
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


def test_with_options():
    optimizer = gd.SGD(lr=0.1, momentum=0.9, groups={0: {"lr": 0.5}})
    p = [np.ones(2)]
    optimizer.step(p, [np.ones(2)])
    other = optimizer.with_options(momentum=0.5, nesterov=True)
    assert (other.t, other.momentum, other.nesterov, other.lr) == (0, 0.5, True, 0.1)
    assert (optimizer.t, optimizer.momentum) == (1, 0.9)
    assert "groups={0: {'lr': 0.5}}" in repr(other)
    with pytest.raises(ValueError, match="nesterov"):
        optimizer.with_options(momentum=0.0, nesterov=True)
    with pytest.raises(ValueError, match="beta"):
        optimizer.with_options(beta=0.5)


# --- the rate -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_update_n_uses_the_rate_of_step_n_minus_1(backend):
    optimizer, p = gd.SGD(lr=lambda t: 10.0**-t, backend=backend), np.zeros(1)
    seen = []
    for _ in range(4):
        seen.append(optimizer.lr)
        optimizer.step(p, np.array([-1.0]))
    np.testing.assert_allclose(seen, [1, 0.1, 0.01, 0.001])
    np.testing.assert_allclose(p, [1.111])
    assert optimizer.t == 4


def test_rate_of_one_step():
    optimizer, p = gd.SGD(lr=1.0), np.zeros(1)
    optimizer.step(p, np.array([-1.0]), lr=0.5)
    optimizer.step(p, np.array([-1.0]), lr=0.25)
    optimizer.step(p, np.array([-1.0]))
    assert p == [1.75]
    for bad in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="lr"):
            optimizer.step(p, np.array([-1.0]), lr=bad)
    with pytest.raises(TypeError, match="lr"):
        optimizer.step(p, np.array([-1.0]), lr=schedules.constant(0.1))
    assert (p, optimizer.t) == ([1.75], 3)


def test_a_schedule_can_be_set_later():
    optimizer, p = gd.SGD(lr=1.0), np.zeros(1)
    optimizer.step(p, np.array([-1.0]))
    optimizer.lr = lambda t: 0.5**t
    optimizer.step(p, np.array([-1.0]))
    optimizer.lr = 2.0
    optimizer.step(p, np.array([-1.0]))
    assert p == [3.5]


def test_rprop_starts_with_the_first_rate():
    p, q = np.zeros(1), np.zeros(1)
    gd.Rprop(lr=0.5).step(p, np.array([-1.0]))
    gd.Rprop(lr=0.1).step(q, np.array([-1.0]), lr=0.5)
    assert p == q == [0.5]


# --- structure ----------------------------------------------------------------------------------------

STRUCTURES = {
    "array": lambda a, b, c: a,
    "list": lambda a, b, c: [a, b, c],
    "tuple": lambda a, b, c: (a, b, c),
    "dict": lambda a, b, c: {"x": a, 3: b, ("y", 1): c},
    "nested": lambda a, b, c: {"layer": [a, {"w": b}], "last": (c,), "none": []},
    "list of one": lambda a, b, c: [a],
}


@pytest.mark.parametrize("backend", ["numpy", "auto"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures(structure, backend):
    build = STRUCTURES[structure]
    arrays = [np.ones(3), np.ones((2, 2), "float32"), np.array(1.0)]
    grads = [np.full(a.shape, 2.0, a.dtype) for a in arrays]
    optimizer = gd.SGD(lr=0.25, backend=backend)
    for _ in range(3):
        optimizer.step(build(*arrays), build(*grads))
    used = str(build(*["@"] * 3)).count("@")
    for array in arrays[:used]:
        assert (array == -0.5).all()
    for array in arrays[used:]:
        assert (array == 1.0).all()
    assert all((g == 2.0).all() for g in grads)


def test_order_of_keys_does_not_matter():
    p = {"a": np.zeros(1), "b": np.zeros(1)}
    optimizer = gd.SGD(lr=1.0)
    optimizer.step(p, {"b": np.array([2.0]), "a": np.array([1.0])})
    optimizer.step({"b": p["b"], "a": p["a"]}, {"a": np.array([1.0]), "b": np.array([2.0])})
    assert (p["a"], p["b"]) == ([-2.0], [-4.0])


@pytest.mark.parametrize(
    ("params", "grads", "error", "message"),
    [
        ({"a": 1}, {"a": 1, "b": 1}, ValueError, r"grads\['b'\] was not there"),
        ({"a": 1, "b": 1}, {"a": 1}, ValueError, r"params\['b'\] was not there"),
        ({}, {"a": 1}, ValueError, r"params\['a'\] is missing"),
        ({"a": 1}, {}, ValueError, r"grads\['a'\] is missing"),
        ([1], {"a": 1}, TypeError, "params must be a dict"),
        ({"a": 1}, 1, TypeError, "grads must be a dict"),
        ({"a": 1}, None, TypeError, "grads must be a dict"),
        ({"a": 1}, {"a": None}, TypeError, r"grads\['a'\] must be a NumPy array, got None"),
        ({"a": [1]}, {"a": 1}, TypeError, r"params\['a'\] must be a NumPy array, got list"),
    ],
)
def test_structure_is_fixed_by_the_first_step(params, grads, error, message):
    def filled(tree):
        if isinstance(tree, dict):
            return {key: filled(value) for key, value in tree.items()}
        if isinstance(tree, list):
            return [filled(value) for value in tree]
        return np.ones(2) if tree == 1 else tree

    for backend in ("numpy", "auto"):
        optimizer = gd.Momentum(backend=backend)
        optimizer.step({"a": np.ones(2)}, {"a": np.ones(2)})
        before = optimizer.state_dict()
        with pytest.raises(error, match=message):
            optimizer.step(filled(params), filled(grads))
        np.testing.assert_equal(optimizer.state_dict(), before)


def test_nested_structure_names_what_is_wrong():
    def tree():
        return {"w": [np.ones(2), {"b": np.ones(1)}]}

    optimizer = gd.SGD()
    optimizer.step(tree(), tree())
    wrong = tree()
    wrong["w"][1]["b"] = np.ones(3)
    with pytest.raises(ValueError, match=r"grads\['w'\]\[1\]\['b'\] must have shape \(1,\)"):
        optimizer.step(tree(), wrong)
    wrong = tree()
    wrong["w"].append(np.ones(1))
    with pytest.raises(ValueError, match=r"grads\['w'\] must have 2 entries"):
        optimizer.step(tree(), wrong)
    wrong = tree()
    del wrong["w"][1]["b"]
    with pytest.raises(ValueError, match=r"params\['w'\]\[1\]\['b'\] is missing"):
        optimizer.step(wrong, tree())


def test_a_failed_first_step_fixes_nothing():
    optimizer = gd.Adam()
    with pytest.raises(ValueError, match="shape"):
        optimizer.step(np.ones(2), np.ones(3))
    optimizer.step({"a": np.ones(4)}, {"a": np.ones(4)})
    assert optimizer.t == 1


@pytest.mark.parametrize("empty", [[], {}, (), {"a": []}])
def test_nothing_to_update(empty):
    with pytest.raises(ValueError, match="no array"):
        gd.SGD().step(empty, empty)


def test_a_list_that_holds_itself():
    loop = [np.ones(2)]
    loop.append(loop)
    with pytest.raises(ValueError, match="nested deeper"):
        gd.SGD().step(loop, loop)


# --- groups -------------------------------------------------------------------------------------------


def params_and_grads():
    params = {"w": [np.zeros(1), np.zeros(1)], "b": np.zeros(1)}
    return params, {"w": [-np.ones(1), -np.ones(1)], "b": -np.ones(1)}


def test_the_longest_path_wins():
    params, grads = params_and_grads()
    groups = {"w": {"lr": 2.0}, ("w", 1): {"lr": 3.0}, ("b",): {"lr": 4.0}}
    gd.SGD(lr=1.0, groups=groups).step(params, grads)
    assert (params["w"][0], params["w"][1], params["b"]) == ([2.0], [3.0], [4.0])


@pytest.mark.parametrize("backend", ["numpy", "numba", "auto"])
def test_groups_may_have_other_rules(backend):
    groups = {1: {"amsgrad": True}, 2: {"weight_decay": 0.5, "eps": 1e-3, "betas": (0.5, 0.9)}}
    optimizer = gd.Adam(lr=0.1, groups=groups, backend=backend)
    rng = np.random.default_rng(0)
    together = [np.ones(5) for _ in range(3)]
    alone = [np.ones(5) for _ in range(3)]
    each = [gd.Adam(lr=0.1, **groups.get(k, {})) for k in range(3)]
    for _ in range(5):
        grads = [rng.normal(size=5) for _ in range(3)]
        optimizer.step(together, grads)
        for one, p, g in zip(each, alone, grads, strict=True):
            one.step(p, g)
    for p, q in zip(together, alone, strict=True):
        assert (p == q).all()


def test_groups_keep_their_own_rate():
    params, grads = params_and_grads()
    optimizer = gd.SGD(lr=1.0, groups={"b": {"lr": lambda t: 10.0 * (t + 1)}})
    optimizer.step(params, grads, lr=5.0)
    optimizer.lr = 2.0
    optimizer.step(params, grads)
    assert (params["w"][0], params["b"]) == ([7.0], [30.0])


@pytest.mark.parametrize("key", ["v", 0, ("w", 2), ("w", 0, "x")])
def test_a_group_must_lead_somewhere(key):
    params, grads = params_and_grads()
    optimizer = gd.SGD(groups={key: {"lr": 0.1}})
    with pytest.raises(ValueError, match="no parameter lies there"):
        optimizer.step(params, grads)
    assert params["b"] == [0.0]


@pytest.mark.parametrize(
    "options", [{"rho": 0.5}, {"groups": {}}, {"lr": -1.0}, {"nesterov": True}]
)
def test_a_group_of_bad_options(options):
    with pytest.raises(ValueError, match="groups"):
        gd.SGD(groups={"a": options})


def test_a_group_named_twice():
    with pytest.raises(ValueError, match="twice"):
        gd.SGD(groups={"a": {"lr": 0.1}, ("a",): {"lr": 0.2}})


# --- state --------------------------------------------------------------------------------------------

GROUPED = {"b": {"lr": 0.5, "weight_decay": 0.1}}


def descend(optimizer, params, steps, seed):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        optimizer.step(params, {key: rng.normal(size=p.shape) for key, p in params.items()})


def start():
    return {"w": np.linspace(-1, 1, 6).reshape(2, 3), "b": np.ones(2)}


def saved(state):
    """Through a file, as a user would."""
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    return np.load(file, allow_pickle=False)


@pytest.mark.parametrize("convention", ["before", "after"])
@pytest.mark.parametrize("name", NAMES)
def test_continuation_has_the_same_bits(name, convention):
    whole, params = make(name, groups=GROUPED), start()
    descend(whole, params, 4, seed=1)
    state, middle = whole.state_dict(), {key: p.copy() for key, p in params.items()}
    descend(whole, params, 4, seed=2)
    other = make(name, groups=GROUPED)
    if convention == "after":
        descend(other, start(), 2, seed=3)
    other.load_state_dict(saved(state))
    assert other.t == 4
    np.testing.assert_equal(other.state_dict(), state)
    descend(other, middle, 4, seed=2)
    np.testing.assert_equal(middle, params)
    np.testing.assert_equal(other.state_dict(), whole.state_dict())


def test_state_is_a_copy():
    optimizer, params = gd.Momentum(), start()
    descend(optimizer, params, 1, seed=0)
    state = optimizer.state_dict()
    for array in state.values():
        assert isinstance(array, np.ndarray)
        if array.dtype.kind == "f":
            array[...] += 1
    assert not np.array_equal(optimizer.state_dict()["state.buf['b']"], state["state.buf['b']"])
    before = optimizer.state_dict()
    other = gd.Momentum()
    other.load_state_dict(before)
    descend(other, start(), 1, seed=0)
    np.testing.assert_equal(before, optimizer.state_dict())


def broken(state, **changes):
    changed = {**state, **changes}
    return {key: value for key, value in changed.items() if value is not None}


@pytest.mark.parametrize("loaded", ["before the first step", "after"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": np.array("Adam")}, "Adam"),
        ({"optimizer": None}, "optimizer"),
        ({"rules": np.array(["sgd, sgd"])}, "sgd"),
        ({"t": None}, "'t'"),
        ({"t": np.array(-1)}, "'t'"),
        ({"t": np.array(1.5)}, "'t'"),
        ({"carry": None}, "carry"),
        ({"carry": np.ones(5)}, "carry"),
        ({"carry": None, "params": None}, "lost its arrays"),
        ({"params": np.array(["params['w']"])}, "params"),
        ({"state.buf['b']": None}, r"state.buf\['b'\]"),
        ({"state.buf['b']": np.ones(3)}, "shape"),
        ({"state.buf['b']": np.ones(2, "float32")}, "float32"),
        ({"state.buf['b']": np.array([None, None])}, "object"),
        ({"state.other": np.ones(3)}, "state.other"),
    ],
)
def test_a_state_that_does_not_fit(change, message, loaded):
    optimizer, params = gd.Momentum(), start()
    descend(optimizer, params, 2, seed=0)
    state = optimizer.state_dict()
    if loaded == "after":
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(broken(state, **change))
        np.testing.assert_equal(optimizer.state_dict(), state)
        return
    other, q = gd.Momentum(), start()

    def use():
        other.load_state_dict(broken(state, **change))
        descend(other, q, 1, seed=0)

    with pytest.raises(ValueError, match=message):
        use()
    np.testing.assert_equal(q, start())


def test_a_state_without_steps_has_no_arrays():
    state = gd.Momentum().state_dict()
    with pytest.raises(ValueError, match="belongs to no parameter"):
        gd.Momentum().load_state_dict({**state, "state.v": np.ones(3)})


def test_state_of_another_flag_or_convention():
    state = gd.Adam(amsgrad=True).state_dict()
    with pytest.raises(ValueError, match="amsgrad"):
        gd.Adam().load_state_dict(state)
    with pytest.raises(ValueError, match=r"saved with convention='keras', but .*'torch'"):
        gd.Adam().load_state_dict(gd.Adam(convention="keras").state_dict())
    with pytest.raises(ValueError, match="adam_uncorrected_eps"):
        gd.Adam().load_state_dict(
            gd.Adam(convention="keras").state_dict(), hyperparameters="ignore"
        )
    with pytest.raises(TypeError, match="dict"):
        gd.Adam().load_state_dict([1])


@pytest.mark.parametrize("backends", [("numpy", "numba"), ("auto", "numpy")])
def test_state_passes_between_backends(backends):
    first, params = gd.NAdam(backend=backends[0]), start()
    descend(first, params, 3, seed=0)
    second = gd.NAdam(backend=backends[1])
    second.load_state_dict(first.state_dict())
    q = {key: p.copy() for key, p in params.items()}
    descend(first, params, 3, seed=1)
    descend(second, q, 3, seed=1)
    np.testing.assert_equal(q, params)


def test_reset_and_fresh():
    optimizer, params = gd.Adam(lr=0.1), start()
    descend(optimizer, params, 2, seed=0)
    fresh = optimizer.fresh()
    assert (fresh.t, optimizer.t) == (0, 2)
    assert repr(fresh) == repr(optimizer)
    optimizer.reset()
    assert optimizer.t == 0
    p = [np.ones(7)]
    optimizer.step(p, [np.ones(7)])
    np.testing.assert_allclose(p[0], 0.9)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))]
)
@pytest.mark.parametrize("name", ["NAdam", "SGD", "Rprop"])
def test_copies_go_on_alone(name, duplicate):
    optimizer, params = make(name, groups=GROUPED), start()
    assert repr(duplicate(optimizer)) == repr(optimizer)
    descend(optimizer, params, 3, seed=0)
    other, q = duplicate(optimizer), {key: p.copy() for key, p in params.items()}
    descend(optimizer, params, 3, seed=1)
    descend(other, q, 3, seed=1)
    np.testing.assert_equal(q, params)
    assert other.t == optimizer.t == 6
