"""What fastgd.torch refuses: by the parameter's name, before anything has changed."""

import copy

import pytest

pytest.importorskip("torch", exc_type=ImportError)

import torch
from pytorch.pairs import NAMES, parameters

import fastgd.torch
from fastgd.torch import SGD, Adam, AdamW, Rprop


def snapshot(params, opt):
    return (
        [p.detach().clone() for p in params],
        copy.deepcopy(opt.state_dict()),
    )


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def spoil_sparse(p):
    p.grad = torch.ones_like(p).to_sparse()


def spoil_half(p):
    p.data = p.data.half()
    p.grad = torch.ones_like(p)


def spoil_complex(p):
    p.data = p.data.to(torch.complex64)
    p.grad = torch.ones_like(p)


def spoil_sign(p):
    p.data = torch._neg_view(p.data)


def spoil_shape(p):
    p.data = torch.ones(2, 2)
    p.grad = torch.ones(2, 2)


def spoil_overlap(p):
    p.grad = p.detach()


def spoil_repeated(p):
    p.data = torch.ones(1).expand(p.shape)


SPOILED = [
    (spoil_sparse, r"^grads\['b'\] is sparse .*sparse=False.*SparseAdam"),
    (spoil_half, r"^params\['b'\] has dtype torch.float16; .*\.float\(\)"),
    (spoil_complex, r"^params\['b'\] has dtype torch.complex64; .*torch\.optim"),
    (spoil_sign, r"^params\['b'\] .*negative"),
    (spoil_shape, r"^state\['exp_avg'\] of params\['b'\] must have the parameter's shape \(2, 2\)"),
    (spoil_overlap, r"^params\['b'\] overlaps grads\['b'\] in memory"),
    (spoil_repeated, r"^params\['b'\] repeats its own memory"),
]


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize(("spoil", "message"), SPOILED, ids=lambda v: getattr(v, "__name__", ""))
def test_a_step_that_is_refused_changes_nothing(spoil, message, steps):
    if spoil is spoil_shape and not steps:
        pytest.skip("there is no state yet")
    params = parameters(shapes=((3,), (4,), (2, 2)))
    opt = Adam(list(zip("abc", params, strict=True)), lr=0.1)
    for _ in range(steps):
        for p in params:
            p.grad = torch.ones_like(p)
        opt.step()
    for p in params:
        p.grad = torch.ones_like(p)
    kept = params[1].data
    spoil(params[1])
    others = [params[0], params[2]]
    before = snapshot(others, opt)
    with pytest.raises((ValueError, TypeError), match=message):
        opt.step()
    assert same(before, snapshot(others, opt))
    params[1].grad = None
    params[1].data = kept
    params[1].grad = torch.ones_like(kept)
    opt.step()  # and goes on
    assert opt.state[params[1]]["step"] == steps + 1


def test_another_device_is_refused():
    p, q = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2, device="meta"))
    with pytest.raises(ValueError, match=r"^params\[1\] is on meta; .* memory of the host"):
        Adam([p, q])
    opt = Adam([p, torch.nn.Parameter(torch.ones(2))])
    opt.param_groups[0]["params"][1] = q
    p.grad, q.grad = torch.ones(2), torch.ones(2, device="meta")
    with pytest.raises(ValueError, match=r"^params\[1\] is on meta; .* memory of the host"):
        opt.step()
    assert not opt.state


def test_shared_memory_is_refused():
    flat = torch.ones(5)
    params = [torch.nn.Parameter(flat[:3]), torch.nn.Parameter(flat[2:])]
    opt = SGD(params, momentum=0.9, dampening=0.5)
    for p in params:
        p.grad = torch.ones_like(p)
    with pytest.raises(ValueError, match=r"params\[1\] overlaps params\[0\] in memory"):
        opt.step()
    assert flat.tolist() == [1.0] * 5
    assert not opt.state


def test_one_parameter_twice_is_refused():
    p = torch.nn.Parameter(torch.ones(2))
    with pytest.warns(UserWarning, match="duplicate parameters"):
        opt = SGD([p, p])
    p.grad = torch.ones(2)
    with pytest.raises(ValueError, match="overlaps"):
        opt.step()
    with pytest.raises(ValueError, match="more than one parameter group"):
        SGD([{"params": [p]}, {"params": [p]}])


@pytest.mark.parametrize("name", NAMES)
def test_capturable_and_differentiable_are_refused(name):
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = getattr(fastgd.torch, name)
    with pytest.raises(
        ValueError, match=r"^param_groups\[0\]: differentiable=True is for gradients"
    ):
        optimizer([p], differentiable=True)
    if name not in {"SGD", "Adagrad"}:
        with pytest.raises(ValueError, match=r"^param_groups\[0\]: capturable=True is for graphs"):
            optimizer([p], capturable=True)
    optimizer([p], foreach=True)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adam", "AdamW"])
def test_fused_is_accepted(name):
    p = torch.nn.Parameter(torch.ones(2))
    opt = getattr(fastgd.torch, name)([p], fused=True)
    p.grad = torch.ones(2)
    opt.step()
    assert opt.param_groups[0]["fused"] is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "Invalid learning rate: -1.0"),  # PyTorch's own
        ({"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        (
            {"lr": float("inf")},
            r"^param_groups\[0\]: lr must be a number >= 0 or a schedule, got inf",
        ),
        ({"eps": float("inf")}, r"^param_groups\[0\]: eps must be a number >= 0, got inf"),
        ({"amsgrad": 2}, r"^param_groups\[0\]: amsgrad must be"),
    ],
)
def test_options_of_the_constructor(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Adam([torch.nn.Parameter(torch.ones(2))], **options)


def test_options_that_become_wrong_under_way():
    p = torch.nn.Parameter(torch.ones(2))
    opt = Adam([p], lr=0.1)
    p.grad = torch.ones(2)
    opt.step()
    before = p.detach().clone()
    opt.param_groups[0]["lr"] = -1.0
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^param_groups\[0\]: lr must be a number >= 0"):
            opt.step()
    opt.param_groups[0].update(lr=0.1, capturable=True)
    with pytest.raises(ValueError, match="capturable"):
        opt.step()
    opt.param_groups[0]["capturable"] = False
    opt.param_groups[0]["lr"] = lambda t: 0.1
    with pytest.raises(TypeError, match=r"lr must be a number; give a schedule as one of lr_sch"):
        opt.step()
    assert torch.equal(p, before)
    assert opt.state[p]["step"] == 1
    opt.param_groups[0]["lr"] = 0.1
    opt.step()
    assert opt.state[p]["step"] == 2


def test_one_group_gets_another_rule_while_another_is_wrong():
    p, q = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    opt = SGD([{"params": [p]}, {"params": [q]}], lr=0.1)
    p.grad = q.grad = torch.ones(2)
    opt.step()
    opt.param_groups[0]["momentum"] = 0.9
    opt.param_groups[1]["lr"] = -1.0
    with pytest.raises(ValueError, match=r"param_groups\[1\]: lr"):
        opt.step()
    opt.param_groups[1]["lr"] = 0.1
    opt.step()
    assert torch.equal(opt.state[p]["momentum_buffer"], torch.ones(2))
    assert q not in opt.state


def test_a_group_that_is_refused_is_not_added():
    p = torch.nn.Parameter(torch.ones(2))
    opt = AdamW([p])
    for group, message in [
        ({"params": [torch.nn.Parameter(torch.ones(1).half())]}, r"^params\[1\] has dtype"),
        ({"params": [torch.nn.Parameter(torch.ones(1))], "eps": -1.0}, r"^param_groups\[1\]: eps"),
        ({"params": [torch.nn.Parameter(torch.ones(1, device="meta"))]}, r"^params\[1\] is on"),
    ]:
        with pytest.raises(ValueError, match=message):
            opt.add_param_group(group)
    assert len(opt.param_groups) == 1


def test_frozen_parameters_may_be_of_any_kind():
    frozen = torch.nn.Parameter(torch.ones(2).bfloat16(), requires_grad=False)
    p = torch.nn.Parameter(torch.ones(2))
    opt = SGD([frozen, p], lr=0.5)
    p.grad = torch.ones(2)
    opt.step()
    assert p.tolist() == [0.5, 0.5]


def test_a_state_of_other_shapes():
    a, b = (Adam([torch.nn.Parameter(torch.ones(n))]) for n in (2, 3))
    for opt in (a, b):
        opt.param_groups[0]["params"][0].grad = torch.ones_like(opt.param_groups[0]["params"][0])
        opt.step()
    a.load_state_dict(b.state_dict())
    with pytest.raises(ValueError, match=r"shape \(2,\), got \(3,\)"):
        a.step()
    with pytest.raises(ValueError, match="different number of parameter groups"):
        a.load_state_dict({"state": {}, "param_groups": []})


def test_what_is_wrong_with_gradients_of_another_precision():
    p = torch.nn.Parameter(torch.ones(2))
    opt = Rprop([p])
    p.grad_dtype = torch.bfloat16
    p.grad = torch.ones(2).bfloat16()
    with pytest.raises(ValueError, match=r"^grads\[0\] has dtype torch.bfloat16; .*torch.float32"):
        opt.step()


def test_an_error_in_a_closure_leaves_all_as_it_is():
    p = torch.nn.Parameter(torch.ones(2))
    opt = Adam([p])
    p.grad = torch.ones(2)

    def closure():
        raise KeyError("loss")

    with pytest.raises(KeyError):
        opt.step(closure)
    assert p.tolist() == [1.0, 1.0]
    assert not opt.state
