"""Steps without the gradients of frozen parameters: ``step(..., none_grads="skip")``, against PyTorch's optimizers."""

import copy
import pickle

import numpy as np
import pytest

import fastgd as gd

PAIRS = {
    "sgd": (lambda: gd.SGD(lr=0.1, weight_decay=0.1), "SGD", {"lr": 0.1, "weight_decay": 0.1}),
    "momentum": (
        lambda: gd.SGD(lr=0.1, momentum=0.9, dampening=0.5), "SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
    ),
    "adagrad": (lambda: gd.Adagrad(lr=0.1, lr_decay=0.1), "Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
    "rmsprop": (lambda: gd.RMSprop(lr=0.1), "RMSprop", {"lr": 0.1}),
    "adadelta": (lambda: gd.Adadelta(lr=0.1), "Adadelta", {"lr": 0.1}),
    "adam": (lambda: gd.Adam(lr=0.1), "Adam", {"lr": 0.1}),
    "amsgrad": (lambda: gd.Adam(lr=0.1, amsgrad=True), "Adam", {"lr": 0.1, "amsgrad": True}),
    "adamw": (lambda: gd.AdamW(lr=0.1), "AdamW", {"lr": 0.1}),
    "nadam": (lambda: gd.NAdam(lr=0.1), "NAdam", {"lr": 0.1}),
    "radam": (lambda: gd.RAdam(lr=0.1), "RAdam", {"lr": 0.1}),
    "adamax": (lambda: gd.Adamax(lr=0.1), "Adamax", {"lr": 0.1}),
    "rprop": (lambda: gd.Rprop(lr=0.1), "Rprop", {"lr": 0.1}),
}  # fmt: skip
#: Which of three arrays have gradients, step by step: late, now and then, never two patterns in a row, and none at all.
PATTERN = ["010", "110", "011", "111", "000", "101", "111", "110", "011", "010", "111", "111"] * 2
SHAPES = [(3,), (2, 4), (5,)]


def _gradients():
    rng = np.random.default_rng(3)
    for present in PATTERN:
        yield [
            rng.normal(size=shape) if p == "1" else None
            for shape, p in zip(SHAPES, present, strict=True)
        ]


def _start():
    rng = np.random.default_rng(4)
    return [rng.normal(size=shape) for shape in SHAPES]


FORMS = {
    "list": list,
    "dict": lambda arrays: dict(zip("abc", arrays, strict=True)),
    "nested": lambda arrays: {"a": arrays[0], "others": [arrays[1], (arrays[2],)]},
}


@pytest.fixture
def torch():
    """PyTorch, with running products in double precision."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PAIRS)
def test_against_torch(torch, name, form):
    make, theirs, options = PAIRS[name]
    params, tensors = _start(), [torch.from_numpy(p.copy()) for p in _start()]
    opt, other = make(), getattr(torch.optim, theirs)(tensors, **options)
    for grads in _gradients():
        opt.step(FORMS[form](params), FORMS[form](grads), none_grads="skip")
        for tensor, g in zip(tensors, grads, strict=True):
            tensor.grad = None if g is None else torch.from_numpy(g)
        other.step()
        for p, tensor in zip(params, tensors, strict=True):
            np.testing.assert_allclose(p, tensor.numpy(), rtol=1e-12, atol=1e-14)


def test_clipping_counts_the_gradients_there_are(torch):
    params, tensors = _start(), [torch.from_numpy(p.copy()) for p in _start()]
    opt, other = gd.Adam(lr=0.1, clip_norm=0.5), torch.optim.Adam(tensors, lr=0.1)
    for grads in _gradients():
        opt.step(params, grads, none_grads="skip")
        for tensor, g in zip(tensors, grads, strict=True):
            tensor.grad = None if g is None else torch.from_numpy(g)
        torch.nn.utils.clip_grad_norm_(tensors, 0.5)
        other.step()
    for p, tensor in zip(params, tensors, strict=True):
        np.testing.assert_allclose(p, tensor.numpy(), rtol=1e-12)


def test_schedules_go_on():
    """The rate is that of the optimizer's step, as with a scheduler of PyTorch."""
    opt, params = gd.SGD(lr=gd.schedules.step(1.0, 1, 0.5)), [np.zeros(1), np.zeros(1)]
    opt.step(params, [np.ones(1), None], none_grads="skip")
    opt.step(params, [np.ones(1), np.ones(1)], none_grads="skip")
    assert opt.t == 2
    assert [p.tolist() for p in params] == [[-1.5], [-0.5]]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("backend", ["cython", "numba"])
def test_backends_have_the_same_bits(name, backend):
    if backend == "numba":
        pytest.importorskip("numba")
    make, _, _ = PAIRS[name]
    results = []
    for one in ("numpy", backend):
        text = repr(make())
        opt = eval(f"gd.{text[:-1]}, backend={one!r})", {"gd": gd})
        params = [p.astype(np.float32) for p in _start()]
        for grads in _gradients():
            opt.step(
                params, [g if g is None else g.astype(np.float32) for g in grads], none_grads="skip"
            )
        results.append(np.concatenate([p.ravel() for p in params]))
    np.testing.assert_array_equal(*results)


def test_state_of_a_frozen_parameter_is_untouched():
    opt, params = gd.Adam(lr=0.1), [np.ones(2), np.ones(2)]
    opt.step(params, [np.ones(2), np.ones(2)])
    before, frozen = opt.state_dict(), params[1].copy()
    opt.step(params, [np.ones(2), None], none_grads="skip")
    after = opt.state_dict()
    assert np.array_equal(params[1], frozen)
    assert all(np.array_equal(before[key], after[key]) for key in ("state.m[1]", "state.v[1]"))
    assert not np.array_equal(before["state.m[0]"], after["state.m[0]"])
    assert after["behind"].tolist() == [0, 1]


@pytest.mark.parametrize("name", ["adam", "nadam", "momentum"])
@pytest.mark.parametrize("way", ["file", "deepcopy", "pickle", "load into one that has stepped"])
def test_exact_continuation(tmp_path, name, way):
    make, _, _ = PAIRS[name]
    opt, params = make(), _start()
    steps = list(_gradients())
    for grads in steps[:7]:
        opt.step(params, grads, none_grads="skip")
    if way == "deepcopy":
        other = copy.deepcopy(opt)
    elif way == "pickle":
        other = pickle.loads(pickle.dumps(opt))
    else:
        np.savez(tmp_path / "state.npz", **opt.state_dict())
        other = make()
        if way.startswith("load"):
            other.step(_start(), steps[3])
        with np.load(tmp_path / "state.npz") as state:
            other.load_state_dict(state)
    own = [p.copy() for p in params]
    for grads in steps[7:]:
        opt.step(params, grads, none_grads="skip")
        other.step(own, grads, none_grads="skip")
    for p, q in zip(params, own, strict=True):
        np.testing.assert_array_equal(p, q)


def test_a_state_without_missed_steps_unites_what_had_parted():
    opt, params, plain = gd.NAdam(lr=0.1), _start(), gd.NAdam(lr=0.1)
    whole = [np.ones(shape) for shape in SHAPES]
    plain.step(_start(), whole)
    for grads in list(_gradients())[:3]:
        opt.step(params, grads, none_grads="skip")
    opt.load_state_dict(plain.state_dict())
    ours, theirs = _start(), _start()
    opt.step(ours, whole)
    plain.step(theirs, whole)
    assert all(map(np.array_equal, ours, theirs))
    assert "behind" not in opt.state_dict()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("behind", np.array([0, 1, 99]), "between 0 and"),
        ("behind", np.array([0, -1, 0]), "between 0 and"),
        ("behind", np.array([0, 1]), "3 numbers of steps"),
        ("behind", np.array([0.0, 1.0, 0.0]), "3 numbers of steps"),
        ("carries", np.array([1.0, np.nan, 1.0]), "3 finite"),
        ("carries", None, "both 'behind' and 'carries'"),
    ],
)
def test_damaged_states(key, value, message):
    opt = gd.NAdam()
    opt.step(_start(), next(_gradients()), none_grads="skip")
    state = opt.state_dict()
    state.pop(key)
    if value is not None:
        state[key] = value
    with pytest.raises(ValueError, match=message):
        gd.NAdam().load_state_dict(state)


def test_whole_parts_may_be_frozen():
    params = {"body": {"w": np.ones(2), "b": [np.ones(1)]}, "head": np.ones(2)}
    gd.SGD(lr=0.5).step(params, {"body": None, "head": np.ones(2)}, none_grads="skip")
    assert params["head"].tolist() == [0.5, 0.5]
    assert params["body"]["w"].tolist() == [1.0, 1.0]


def test_groups_and_a_rate_of_one_step():
    opt = gd.Adam(lr=0.1, groups={1: {"lr": 1.0}})
    params = [np.zeros(1), np.zeros(1)]
    opt.step(params, [np.ones(1), None], none_grads="skip")
    opt.step(params, [None, np.ones(1)], lr=0.5, none_grads="skip")
    np.testing.assert_allclose([p[0] for p in params], [-0.1, -1.0], rtol=1e-6)


def test_the_default_is_an_error_that_names_the_option():
    opt, params = gd.Adam(), _start()
    grads = [np.ones(shape) for shape in SHAPES]
    for _ in range(2):  # before and after the first step
        with pytest.raises(
            TypeError, match=r"grads\[1\] must be a NumPy array, got None; .*none_grads='skip'"
        ):
            opt.step(params, [grads[0], None, grads[2]])
        opt.step(params, grads)
    opt.step(params, [None, None, grads[2]], none_grads="skip")
    before = opt.t, [p.copy() for p in params]
    with pytest.raises(TypeError, match=r"grads\[0\] must be a NumPy array, got None"):
        opt.step(params, [None, *grads[1:]])
    with pytest.raises(TypeError, match=r"params\[0\] must be a NumPy array, got None"):
        opt.step([None, *params[1:]], grads, none_grads="skip")
    for value in ("all", None, True):
        with pytest.raises(ValueError, match="none_grads must be 'error' or 'skip'"):
            opt.step(params, grads, none_grads=value)
    with pytest.raises(ValueError, match="grads must"):
        opt.step(params, grads[:2], none_grads="skip")
    assert opt.t == before[0]
    assert all(map(np.array_equal, params, before[1]))


def test_an_error_changes_nothing():
    opt, params = gd.Adam(lr=0.1), _start()
    for grads in list(_gradients())[:3]:
        opt.step(params, grads, none_grads="skip")
    before, state = [p.copy() for p in params], opt.state_dict()
    with pytest.raises(ValueError, match=r"grads\[2\] must have shape"):
        opt.step(params, [np.ones(3), None, np.ones(4)], none_grads="skip")
    assert all(map(np.array_equal, params, before))
    after = opt.state_dict()
    assert all(np.array_equal(state[key], after[key]) for key in state)


def test_many_patterns():
    """Each step another half of the arrays: more patterns than are kept."""
    rng, opt, params = np.random.default_rng(0), gd.Adam(lr=0.1), [np.zeros(1) for _ in range(8)]
    single = [gd.Adam(lr=0.1) for _ in params]
    alone = [np.zeros(1) for _ in params]
    for _ in range(200):
        grads = [rng.normal(size=1) if rng.random() < 0.5 else None for _ in params]
        opt.step(params, grads, none_grads="skip")
        for one, p, g in zip(single, alone, grads, strict=True):
            if g is not None:
                one.step(p, g)
    assert np.array_equal(params, alone)
