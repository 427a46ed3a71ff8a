"""fastgd.torch where PyTorch's own optimizers are used: schedulers, hooks, closures, saving, and changes under way."""

import copy
import io
import pickle

import numpy as np
import pytest

pytest.importorskip("torch", exc_type=ImportError)

import torch
from pytorch.pairs import Pair, assert_same_state, parameters
from torch.optim import lr_scheduler, swa_utils
from torch.optim.optimizer import register_optimizer_step_post_hook

import fastgd.torch
from fastgd.torch import SGD, Adam, AdamW, NAdam

SCHEDULERS = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3, 0.5),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=30),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 1e-3, 0.1, step_size_up=4),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, total_iters=5), lr_scheduler.ExponentialLR(o, 0.9)],
        milestones=[5],
    ),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("name", ["SGD", "Adam", "Rprop"])
def test_schedulers(name, scheduler):
    if name == "Rprop" and scheduler in {"OneCycleLR", "CyclicLR"}:
        pytest.skip("they want momentum")
    options = {"momentum": 0.9} if name == "SGD" else {}
    pair = Pair(name, options)
    theirs, ours = SCHEDULERS[scheduler](pair.torch), SCHEDULERS[scheduler](pair.fastgd)
    for _ in range(25):
        pair.steps(1)
        theirs.step()
        ours.step()
    pair.check(25)
    assert theirs.get_last_lr() == ours.get_last_lr()
    assert_same_state(pair.fastgd.state_dict(), pair.torch.state_dict(), 25)


def test_plateau():
    pair = Pair("AdamW")
    both = [lr_scheduler.ReduceLROnPlateau(o, patience=1) for o in (pair.torch, pair.fastgd)]
    for _ in range(10):
        pair.steps(1)
        for scheduler in both:
            scheduler.step(1.0)
    pair.check(10)
    assert pair.fastgd.param_groups[0]["lr"] < 1e-3


def test_rates_and_betas_that_are_tensors():
    pair = Pair("Adam", {"lr": 0.01})
    for optimizer in (pair.torch, pair.fastgd):
        optimizer.param_groups[0]["lr"] = torch.tensor(0.01)
    pair.steps(5)
    for optimizer in (pair.torch, pair.fastgd):
        optimizer.param_groups[0]["lr"].fill_(0.1)
    pair.steps(5)
    pair.check(10)
    p = parameters()
    opt = Adam(p, lr=torch.tensor(0.1), betas=(torch.tensor(0.9), torch.tensor(0.99)), fused=True)
    for q in p:
        q.grad = torch.ones_like(q)
    before = p[0].detach().clone()
    opt.step()
    assert torch.allclose(before - p[0].detach(), torch.tensor(0.1), atol=1e-5)


def test_groups_with_options_of_their_own_and_one_that_is_added():
    def grouped(params):
        return [
            {"params": params[:1], "lr": 0.1},
            {"params": params[1:3], "weight_decay": 0.1, "amsgrad": True},
        ]

    pair = Pair("Adam", {"lr": 0.01}, groups=grouped)
    pair.steps(5)
    pair.torch.add_param_group({"params": pair.theirs[3:], "maximize": True})
    pair.fastgd.add_param_group({"params": pair.ours[3:], "maximize": True})
    pair.steps(5)
    pair.check(10)
    assert_same_state(pair.fastgd.state_dict(), pair.torch.state_dict(), 10)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("SGD", {}, {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9}, {"nesterov": True, "weight_decay": 0.1}),
        ("SGD", {"momentum": 0.9}, {"momentum": 0.0}),
        ("Adam", {"weight_decay": 0.1}, {"weight_decay": 0.0, "betas": [0.5, 0.9]}),
        ("Adam", {"amsgrad": True}, {"amsgrad": False}),
        ("Adam", {}, {"maximize": True, "lr": 0.5}),
        ("AdamW", {}, {"decoupled_weight_decay": False}),
    ],
)
def test_options_that_change_under_way(name, before, after):
    pair = Pair(name, before)
    pair.steps(4)
    for optimizer in (pair.torch, pair.fastgd):
        optimizer.param_groups[0].update(after)
    pair.steps(4)
    pair.check(8)


def test_a_list_in_the_place_of_a_pair_may_change_in_place():
    pair = Pair("Adam", groups=lambda params: [{"params": params, "betas": [0.9, 0.999]}])
    pair.steps(3)
    for optimizer in (pair.torch, pair.fastgd):
        optimizer.param_groups[0]["betas"][0] = 0.1
    pair.steps(3)
    pair.check(6)


# --- tensors ------------------------------------------------------------------------------------------


def test_new_memory_for_a_parameter_and_its_gradients():
    pair = Pair("Adam")
    pair.steps(3)
    for params in (pair.theirs, pair.ours):
        params[0].data = params[0].data.clone() + 1
    pair.steps(3)
    pair.check(6)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_layouts(name):
    """Parameters and gradients in any order of axes, with gaps, or repeated."""

    def laid_out(params):
        params[0].data = params[0].data.t().contiguous().t()
        params[1].data = torch.stack([params[1].data] * 2, 1)[:, 0]
        params[2].data = params[2].data.permute(2, 0, 1).contiguous().permute(1, 2, 0)
        return params

    pair = Pair(name, {"momentum": 0.9} if name == "SGD" else {}, groups=laid_out)
    for k in range(6):
        pair.gradients()
        for params in (pair.theirs, pair.ours):
            if k % 2:
                params[0].grad = params[0].grad.t().contiguous().t()
                params[1].grad = torch.ones(1).expand(5)
                params[2].grad = torch.stack([params[2].grad] * 3, 1)[:, 1]
        pair.torch.step()
        pair.fastgd.step()
    pair.check(6)


def test_convolutions_in_channels_last_take_the_fast_way(monkeypatch):
    model = torch.nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)
    twin = copy.deepcopy(model)
    ours, theirs = Adam(model.parameters(), lr=0.1), torch.optim.Adam(twin.parameters(), lr=0.1)
    x = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last)
    with monkeypatch.context() as without:
        without.delattr("fastgd.torch.way.Way.step")
        for _ in range(3):
            for m, o in ((model, ours), (twin, theirs)):
                o.zero_grad()
                m(x).square().mean().backward()
                o.step()
    assert torch.allclose(model.weight, twin.weight, atol=1e-6)
    state = ours.state[model.weight]["exp_avg"]
    assert state.is_contiguous(memory_format=torch.channels_last)
    model.weight.grad = model.weight.grad.contiguous()  # another layout than the parameter's
    twin.weight.grad = twin.weight.grad.contiguous()
    ours.step()
    theirs.step()
    assert torch.allclose(model.weight, twin.weight, atol=1e-6)


def test_float32_beside_float64_and_a_model_that_becomes_float64():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2).double())
    twin = copy.deepcopy(model)
    ours, theirs = NAdam(model.parameters()), torch.optim.NAdam(twin.parameters())

    def step():
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            p.grad = torch.randn(p.shape, dtype=p.dtype)
            q.grad = p.grad.clone()
        ours.step()
        theirs.step()

    for _ in range(4):
        step()
    model.double()
    for q, p in zip(twin.parameters(), model.parameters(), strict=True):
        q.data = p.data.clone()
        for part, value in theirs.state[q].items():
            if value.ndim:
                theirs.state[q][part] = value.double()
    for _ in range(4):
        step()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert p.dtype == torch.float64
        assert torch.allclose(p, q, atol=1e-6)


def test_negative_gradients_that_are_not_yet_negated():
    p, q = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    ours, theirs = SGD([p], lr=0.1), torch.optim.SGD([q], lr=0.1)
    for parameter, optimizer in ((p, ours), (q, theirs)):
        for k in range(3):
            g = torch.tensor([1.0, 2.0, 3.0])
            parameter.grad = torch._neg_view(g) if k else g
            optimizer.step()
    assert torch.allclose(p, q)
    assert p[2] > 1


def test_views_of_one_buffer_that_do_not_overlap():
    """As libraries flatten parameters: side by side, and interleaved."""
    flat = torch.ones(6, 4)
    parts = [torch.nn.Parameter(part) for part in (flat[:2], flat[2:, :2], flat[2:, 2:])]
    opt = Adam(parts, lr=0.1)
    for _ in range(2):
        for p in parts:
            p.grad = torch.ones_like(p)
        opt.step()
    assert torch.allclose(flat, torch.tensor(0.8), atol=1e-5)


def test_lazy_parameters():
    model = torch.nn.LazyLinear(2)
    opt = SGD(model.parameters(), lr=0.1)
    model(torch.ones(3, 4)).sum().backward()
    before = model.weight.detach().clone()
    opt.step()
    assert not torch.equal(before, model.weight)


def test_numbers_of_tensors_without_elements():
    p = torch.nn.Parameter(torch.ones(0, 3))
    q = torch.nn.Parameter(torch.ones(2))
    opt = Adam([p, q], lr=0.1)
    for _ in range(2):
        p.grad, q.grad = torch.ones(0, 3), torch.ones(2)
        opt.step()
    assert torch.allclose(q, torch.tensor(0.8), atol=1e-5)


def test_autograd_knows_that_a_parameter_has_changed():
    p = torch.nn.Parameter(torch.ones(3))
    opt = SGD([p], lr=0.1)
    for way in ("new", "fast", "fast"):
        loss = (p * p).sum()
        version = p._version
        loss.backward(retain_graph=True)
        opt.step()
        assert p._version > version, way
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
        opt.zero_grad()


# --- state --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["save", "pickle", "deepcopy"])
def test_whole_optimizers_can_be_saved(how):
    pair = Pair("Adam", {"amsgrad": True})
    pair.steps(4)
    both = (pair.ours, pair.fastgd)
    if how == "deepcopy":
        params, opt = copy.deepcopy(both)
    elif how == "pickle":
        params, opt = pickle.loads(pickle.dumps(both))
    else:
        file = io.BytesIO()
        torch.save(both, file)
        file.seek(0)
        params, opt = torch.load(file, weights_only=False)
    pair.ours, pair.fastgd = params, opt
    pair.steps(4)
    pair.check(8)


def test_a_checkpoint_that_only_has_weights(tmp_path):
    pair = Pair("NAdam")
    pair.steps(4)
    torch.save(pair.fastgd.state_dict(), tmp_path / "state.pt")
    pair.torch.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    pair.steps(4)
    pair.check(8)


def test_a_loaded_state_is_a_copy():
    """Two optimizers that go on from one state do not share it, as two of PyTorch's would."""
    pair = Pair("Adam")
    pair.steps(3)
    saved = pair.fastgd.state_dict()
    pair.fastgd.load_state_dict(saved)
    before = copy.deepcopy(saved["state"])
    pair.steps(3)
    pair.check(6)
    for key, own in before.items():
        for part, tensor in own.items():
            assert torch.equal(saved["state"][key][part], tensor)


def test_state_that_is_cleared_replaced_or_written_to():
    pair = Pair("Adam")
    pair.steps(3)
    for params, optimizer in ((pair.theirs, pair.torch), (pair.ours, pair.fastgd)):
        del optimizer.state[params[0]]  # starts anew
        optimizer.state[params[1]]["step"].fill_(100.0)
        optimizer.state[params[2]]["exp_avg"] = torch.ones_like(params[2])
        optimizer.state[params[3]]["exp_avg"].data = torch.full((), 0.5)
        optimizer.state[params[4]] = copy.deepcopy(optimizer.state[params[4]])
    pair.steps(3)
    pair.check(6)
    assert_same_state(pair.fastgd.state_dict(), pair.torch.state_dict(), 6)
    for optimizer in (pair.torch, pair.fastgd):
        optimizer.state.clear()
    pair.steps(3)
    pair.check(9)


def test_a_parameter_that_is_replaced_in_its_group():
    pair = Pair("Adam")
    pair.steps(2)
    for params, optimizer in ((pair.theirs, pair.torch), (pair.ours, pair.fastgd)):
        params[0] = torch.nn.Parameter(torch.ones(3, 4))
        optimizer.param_groups[0]["params"][0] = params[0]
    pair.steps(2)
    pair.check(4)


def test_default_dtype_float64():
    torch.set_default_dtype(torch.float64)
    try:
        pair = Pair("NAdam", dtype=torch.float64)
        pair.steps(5)
        assert_same_state(pair.fastgd.state_dict(), pair.torch.state_dict(), 5)
    finally:
        torch.set_default_dtype(torch.float32)


def test_old_checkpoints_count_steps_in_plain_numbers():
    pair = Pair("Adam")
    pair.steps(3)
    saved = copy.deepcopy(pair.torch.state_dict())
    for own in saved["state"].values():
        own["step"] = 3
    pair.fastgd.load_state_dict(saved)
    pair.steps(3)
    pair.check(6)


def test_names_of_parameters_are_saved():
    model = torch.nn.Linear(2, 1)
    opt = AdamW(model.named_parameters())
    assert opt.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


# --- the rest of PyTorch ------------------------------------------------------------------------------


def test_closures():
    p = torch.nn.Parameter(torch.tensor([3.0]))
    opt = SGD([p], lr=0.1)
    seen = []

    def closure():
        assert torch.is_grad_enabled()
        opt.zero_grad()
        loss = p.square().sum()
        loss.backward()
        seen.append(p.item())
        return loss

    with torch.no_grad():
        loss = opt.step(closure)
    assert loss.item() == 9.0
    assert opt.step(closure=closure).item() == pytest.approx(2.4**2)
    assert seen == pytest.approx([3.0, 2.4])


def test_hooks():
    p = torch.nn.Parameter(torch.ones(1))
    opt, seen = SGD([p], lr=0.5), []
    p.grad = torch.ones(1)
    before = opt.register_step_pre_hook(lambda o, args, kwargs: seen.append(("pre", p.item())))
    after = opt.register_step_post_hook(lambda o, args, kwargs: seen.append(("post", p.item())))
    opt.step()
    before.remove()
    after.remove()
    everywhere = register_optimizer_step_post_hook(
        lambda o, args, kwargs: seen.append(("global", p.item()))
    )
    opt.step()
    everywhere.remove()
    opt.step()
    assert seen == [("pre", 1.0), ("post", 0.5), ("global", 0.0)]
    loads = []
    opt.register_load_state_dict_post_hook(loads.append)
    opt.register_state_dict_pre_hook(loads.append)
    opt.load_state_dict(opt.state_dict())
    assert loads == [opt, opt]


def test_the_profiler_sees_steps():
    p = torch.nn.Parameter(torch.ones(1))
    opt = Adam([p])
    p.grad = torch.ones(1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        opt.step()
        opt.zero_grad()
    names = {event.key for event in profile.key_averages()}
    assert {"Optimizer.step#Adam.step", "Optimizer.zero_grad#Adam.zero_grad"} <= names


def test_zero_grad():
    p, q = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    opt = SGD([p, q])
    p.grad = torch.ones(2)
    opt.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    assert q.grad is None
    opt.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("options", [{}, {"fused": True}])
def test_a_grad_scaler(options):
    pair = Pair("SGD", {"lr": 0.1, **options})
    for params, optimizer in ((pair.theirs, pair.torch), (pair.ours, pair.fastgd)):
        scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        for k in range(3):
            optimizer.zero_grad()
            loss = sum(p.square().sum() for p in params) * (float("inf") if k == 1 else 1.0)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    pair.check(3)


def test_clipping_and_averaged_models():
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    twin = copy.deepcopy(model)
    for m, o in ((model, AdamW(model.parameters())), (twin, torch.optim.AdamW(twin.parameters()))):
        average = swa_utils.AveragedModel(m)
        for _ in range(5):
            o.zero_grad()
            m(torch.ones(4, 3)).square().mean().backward()
            torch.nn.utils.clip_grad_norm_(m.parameters(), 0.1)
            o.step()
            average.update_parameters(m)
        m.averaged = average.module.weight.detach().clone()
    assert torch.allclose(model.weight, twin.weight, atol=1e-7)
    assert torch.allclose(model.averaged, twin.averaged, atol=1e-7)


def test_a_subclass_with_a_step_of_its_own():
    class Twice(Adam):
        def step(self, closure=None):
            super().step()
            return super().step()

    p = torch.nn.Parameter(torch.ones(2))
    opt = Twice([p], lr=0.1)
    p.grad = torch.ones(2)
    opt.step()
    assert opt.state[p]["step"] == 2
    assert isinstance(opt, torch.optim.Adam)


@pytest.mark.filterwarnings("ignore")  # of torch.compile itself
def test_a_step_within_what_is_compiled():
    pair = Pair("Adam", {"lr": 0.1})

    def iterate(params, optimizer):
        optimizer.zero_grad()
        sum(p.square().sum() for p in params).backward()
        optimizer.step()

    compiled = torch.compile(iterate, backend="eager")
    for _ in range(3):
        compiled(pair.ours, pair.fastgd)
        iterate(pair.theirs, pair.torch)
    pair.check(3)


def test_large_parameters_on_several_threads():
    big = Pair("Adam", shapes=((700, 900), (3,)))
    fastgd.set_num_threads(2)
    try:
        big.steps(3)
    finally:
        fastgd.set_num_threads(None)
    big.check(3)


def test_repr_is_pytorchs():
    p = torch.nn.Parameter(torch.ones(1))
    assert repr(Adam([p])) == repr(torch.optim.Adam([p]))


def test_numpy_numbers_as_options():
    p = torch.nn.Parameter(torch.ones(1))
    opt = SGD([p], lr=np.float64(0.5), momentum=np.float32(0.5))
    p.grad = torch.ones(1)
    opt.step()
    opt.step()
    assert p.item() == 1 - 0.5 - 0.75
