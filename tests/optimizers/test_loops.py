"""What sweeps, descents, training and estimators ask of an optimizer: `fastgd.optimizers.loops`."""

import numpy as np
import pytest
from cases import CASES
from optimizers.columns import methods

import fastgd as gd
from fastgd.optimizers import adam, adaptive, loops, momentum, sign


def test_schedule():
    assert loops.schedule_of(gd.SGD(lr=0.1)) is None
    assert loops.schedule_of(gd.SGD(lr=lambda t: 0.5 / (t + 1)))(1) == 0.25


def test_groups_as_they_were_given():
    options = {"lr": 0.5, "clip_value": None, "initial_accumulator_value": None}
    optimizer = gd.Adagrad(groups={"w": options, ("b", 0): {"eps": 0.1}})
    groups = loops.groups_of(optimizer)
    assert groups == {("w",): options, ("b", 0): {"eps": 0.1}}
    again = loops.with_groups(optimizer, {**groups, ("c",): {"lr": 0.0}})
    assert loops.groups_of(again) == {**groups, ("c",): {"lr": 0.0}}
    assert loops.groups_of(optimizer) == groups


def test_groups_must_lead_to_parameters():
    optimizer = gd.SGD(groups={1: {"lr": 0.0}})
    assert loops.options_of(optimizer, [(0,), (1,)]) == [{}, {"lr": 0.0}]
    with pytest.raises(ValueError, match="groups has 1, but no parameter lies there"):
        loops.options_of(optimizer, [(0,)])
    with pytest.raises(ValueError, match="mu"):
        loops.with_groups(optimizer, {(1,): {"mu": 0.5}})


def test_settings_of_a_copy():
    optimizer = gd.SGD(n_threads=3)
    copy = loops.with_settings(optimizer, n_threads=1, flush_subnormals=False)
    assert (copy.n_threads, copy.flush_subnormals, copy.backend) == (1, False, "auto")
    assert optimizer.n_threads == 3


@pytest.mark.parametrize("backend", ["numpy", "cython"])
def test_updates_made_by_a_loop_are_steps(backend):
    options = {"lr": lambda t: 0.1 / (t + 1), "groups": {1: {"lr": 0.01}}, "backend": backend}
    by_step, by_loop = gd.Adam(**options), gd.Adam(**options)
    expected = [np.ones(3), np.ones(2)]
    found, grads = [p.copy() for p in expected], [np.full(3, 0.5), np.full(2, -2.0)]
    plan = loops.bound_to(by_loop, found)
    np.testing.assert_array_equal(plan.rates_ahead(2), [[0.1, 0.01], [0.05, 0.01]])
    for _ in range(4):
        by_step.step(expected, grads)
        plan.write_rates()
        plan.update(found, grads, plan.t + 1)
        plan.t += 1
    for p, q in zip(expected, found, strict=True):
        np.testing.assert_array_equal(p, q)
    assert by_loop.t == by_step.t == 4
    np.testing.assert_equal(by_loop.state_dict(), by_step.state_dict())
    assert loops.bound_to(by_loop, found) is plan
    assert loops.is_bound_by(by_loop, plan)
    by_loop.reset()
    assert not loops.is_bound_by(by_loop, plan)
    assert by_loop.t == 0


@pytest.mark.parametrize("backend", ["numpy", "cython"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_optimizer_in_the_memory_of_another_one_is_as_new(case, backend):
    other, wanted, found = (case.make(backend=backend) for _ in range(3))
    other.lr, moving = 0.3, lambda t: 0.1 / (t + 1)
    wanted.lr = found.lr = moving
    grads = [np.array([0.5, -2.0, 0.25])]
    first, expected, params = [np.ones(3)], [np.ones(3)], [np.ones(3)]
    for _ in range(3):
        other.step(first, grads)
    plan = other._plan
    assert loops.taken_over(found, other) is plan
    assert loops.is_bound_by(found, plan)
    assert other.t == found.t == 0
    for _ in range(3):
        wanted.step(expected, grads)
        found.step(params, grads)
    np.testing.assert_array_equal(params[0], expected[0])
    np.testing.assert_equal(found.state_dict(), wanted.state_dict())


def test_memory_of_other_rules_is_not_taken_over():
    other, p = gd.SGD(momentum=0.9), [np.ones(2)]
    assert loops.taken_over(gd.SGD(), other) is None
    other.step(p, [np.ones(2)])
    for optimizer in (
        gd.SGD(),
        gd.Adam(),
        gd.SGD(momentum=0.9, n_threads=1),
        gd.SGD(momentum=0.9, clip_norm=1.0),
        gd.SGD(momentum=0.9, groups={0: {"lr": 1.0}}),
    ):
        assert loops.taken_over(optimizer, other) is None
        assert optimizer.t == 0
    assert other.t == 1


def test_what_a_saved_state_can_resume():
    trained, p = gd.Adam(), np.ones(2)
    trained.step(p, p.copy())
    state = trained.state_dict()
    assert loops.resumes(gd.Adam(lr=0.5), state)
    assert not loops.resumes(trained, state)  # has a state already
    assert not loops.resumes(gd.AdamW(), state)
    assert not loops.resumes(gd.Adam(amsgrad=True), state)


@pytest.mark.parametrize("family", [momentum, adaptive, adam, sign])
def test_every_class_of_a_family_is_listed(family):
    defined = {
        name
        for name, value in vars(family).items()
        if isinstance(value, type)
        and value.__module__ == family.__name__
        and not name.startswith("_")
    }
    assert set(family.__all__) == defined


# --- methods for sweeps -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_column_reads_as_single_optimizers_do(case):
    base = getattr(gd, case.optimizer)()
    names = [name for name in case.kwargs if name in base._kind.fields]
    columns = {name: [case.kwargs[name], getattr(base, name)] for name in names}
    columns["lr"] = [0.5, 0.25]
    seen = []
    try:
        singles = [
            base.with_options(**{n: v[k] for n, v in columns.items()})._method() for k in range(2)
        ]
    except ValueError:
        pytest.skip("not legal with the other values' defaults")
    for index, method in methods(base, columns):
        for place, run in enumerate(index):
            one = singles[run]
            assert (method.rule, method.coefficients) == (one.rule, one.coefficients)
            assert (method.hyper[:, place] == one.hyper).all()
            assert (method.shared[:, place] == one.shared).all()
            assert method.prepared == one.prepared
            assert method.norm_eps == one.norm_eps
            assert np.broadcast_to(method.clip_norm, index.size)[place] == one.clip_norm
            for variable, value in one.initial.items():
                assert np.broadcast_to(method.initial[variable], index.size)[place] == value
            seen.append(run)
    assert sorted(seen) == [0, 1]


def test_columns_are_split_where_the_rule_changes():
    base = gd.SGD(momentum=0.9)
    batches = methods(base, {"momentum": [0.0, 0.5, 0.0, 0.9], "lr": np.arange(4.0)})
    assert [(index.tolist(), method.rule.name) for index, method in batches] == [
        ([0, 2], "sgd"),
        ([1, 3], "momentum"),
    ]
    np.testing.assert_array_equal(batches[1][1].hyper, [[1, 3], [0.5, 0.9]])
    [(_, method)] = methods(base, {"lr": [0.1, lambda t: 0.5]})
    np.testing.assert_array_equal(method.hyper[0], [0.1, 0.5])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"lr": [0.1, -1.0]}, "lr"),
        ({"lr": np.array([0.1, np.nan])}, "lr"),
        ({"momentum": np.array([np.inf])}, "momentum"),
        ({"beta": [0.1]}, "beta"),
    ],
)
def test_bad_columns(columns, message):
    with pytest.raises(ValueError, match=message):
        methods(gd.SGD(), columns)
