"""PyTorch's optimizers and fastgd's of the same name, side by side on the same gradients."""

import numpy as np
import pytest

pytest.importorskip("torch", exc_type=ImportError)

import torch

import fastgd.torch

SHAPES = ((3, 4), (5,), (2, 3, 2), (), (1, 7))
#: Every class with what selects another formula, and what enters it otherwise.
CASES = [
    ("SGD", {}),
    ("SGD", {"weight_decay": 0.1, "maximize": True}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("SGD", {"momentum": 0.8, "nesterov": True, "maximize": True, "weight_decay": 0.01}),
    ("Adagrad", {}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"maximize": True, "eps": 1e-3}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "alpha": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.01, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True, "maximize": True}),
    ("Adam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"momentum_decay": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"betas": (0.8, 0.6), "weight_decay": 0.1}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"weight_decay": 0.1, "maximize": True, "eps": 1e-3}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (1e-3, 0.5), "maximize": True}),
]
IDS = [f"{name}-{'-'.join(map(str, options)) or 'plain'}" for name, options in CASES]
NAMES = fastgd.torch.__all__


def parameters(dtype=torch.float32, shapes=SHAPES, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in shapes
    ]


class Pair:
    """The same parameters twice, with an optimizer of PyTorch and one of fastgd."""

    def __init__(self, name, options=None, dtype=torch.float32, groups=None, shapes=SHAPES):
        self.theirs, self.ours = parameters(dtype, shapes), parameters(dtype, shapes)
        grouped = groups or (lambda params: params)
        self.torch = getattr(torch.optim, name)(grouped(self.theirs), **(options or {}))
        self.fastgd = getattr(fastgd.torch, name)(grouped(self.ours), **(options or {}))
        self.name, self.generator = name, torch.Generator().manual_seed(2)

    def gradients(self, missing=()):
        for k, (p, q) in enumerate(zip(self.theirs, self.ours, strict=True)):
            g = torch.randn(p.shape, generator=self.generator, dtype=p.dtype)
            p.grad = None if k in missing else g.clone()
            q.grad = None if k in missing else g.clone()

    def steps(self, many, missing=()):
        for _ in range(many):
            self.gradients(missing)
            self.torch.step()
            self.fastgd.step()

    def check(self, many=100):
        """That the parameters are PyTorch's to rounding, after so many steps."""
        for p, q in zip(self.theirs, self.ours, strict=True):
            assert_close(q, p, many, self.name)


def assert_close(ours, theirs, many=100, name=""):
    """A relative error of a unit or two in each of so many steps; where PyTorch keeps float32, of float32's."""
    single = ours.dtype == torch.float32 or name == "NAdam"  # whose product of momenta is float32
    unit = float(np.finfo("float32" if single else "float64").eps)
    scale = max(1.0, float(theirs.detach().abs().max()))
    error = float((ours.detach() - theirs.detach()).abs().max())
    assert error <= 4 * many * unit * scale, (error, scale)


def assert_same_state(ours, theirs, many=100, name=""):
    """Two state_dicts: the same keys, and the same tensors to rounding."""
    assert ours["param_groups"] == theirs["param_groups"]
    assert set(ours["state"]) == set(theirs["state"])
    for key, own in theirs["state"].items():
        assert set(ours["state"][key]) == set(own)
        for part, tensor in own.items():
            found = ours["state"][key][part]
            assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape), part
            assert_close(found, tensor, many, name)
