"""What fastgd's optimizers for PyTorch share: everything but the update is inherited from PyTorch's class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch.optim import optimizer as torch_optimizer

from fastgd.optimizers import Optimizer
from fastgd.torch.forms import check_parameter, names_of
from fastgd.torch.options import Options
from fastgd.torch.plan import Plan
from fastgd.torch.state import as_torch_has_it, copied

_PRE_HOOKS = torch_optimizer._global_optimizer_pre_hooks
_POST_HOOKS = torch_optimizer._global_optimizer_post_hooks
_profiles = torch.autograd._profiler_enabled
_is_traced = torch.compiler.is_compiling
# What compiles the functions that are called now, or None: asked since a call out of its sight takes 0.5 us.
_tracer = getattr(torch._C._dynamo.eval_frame, "get_eval_frame_callback", bool)


class Compiled:
    """Put before a class of `torch.optim`: its steps are then those of a compiled optimizer."""

    _formula: ClassVar[type[Optimizer]]
    _plan: Plan | None = None  # not part of what is pickled: made at the first step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient, in one compiled call.

        Parameters
        ----------
        closure : callable, optional
            Evaluates the model again and returns the loss; called before the update.

        Returns
        -------
        object
            What `closure` returned, or None.

        Raises
        ------
        ValueError
            If a parameter or a gradient cannot be updated here: sparse, complex, of another precision, on another
            device, or in memory that overlaps. Nothing has changed then.
        """
        own: Any = self
        if (
            own._optimizer_step_pre_hooks
            or own._optimizer_step_post_hooks
            or _PRE_HOOKS
            or _POST_HOOKS
            or _profiles()
        ):
            return _step_with_hooks(self, closure)
        if _is_traced() or _tracer() is not None:
            return _step_untraced(self, closure)
        return self._step(closure)

    # PyTorch puts hooks and the profiler around a step unless it finds this mark. `step` above does so where there are
    # any: asking costs a tenth of a microsecond, the profiler's record takes six.
    step.hooked = True  # type: ignore[attr-defined]

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        own: Any = self
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        plan = self._plan
        if plan is None or not plan.is_of(own.param_groups, own.state):
            plan = self._plan = Plan(self._formula, own.param_groups, own.state)
        plan.step()
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Remove all gradients.

        Parameters
        ----------
        set_to_none : bool, default True
            False fills them with zeros instead.
        """
        own: Any = self
        if not set_to_none or _profiles():
            super().zero_grad(set_to_none)  # type: ignore[misc]
            return
        for group in own.param_groups:
            for p in group["params"]:
                p.grad = None

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own.

        Parameters
        ----------
        param_group : dict
            "params", and options that take the place of the constructor's.

        Raises
        ------
        TypeError, ValueError
            If the options cannot be used, or a parameter that wants a gradient cannot be updated here.
        """
        super().add_param_group(param_group)  # type: ignore[misc]
        groups: list[dict[str, Any]] = self.param_groups  # type: ignore[attr-defined]
        many = len(groups[-1]["params"])
        try:
            Options(self._formula, f"param_groups[{len(groups) - 1}]", groups[-1])
            for name, p in zip(names_of(groups)[-many:], groups[-1]["params"], strict=True):
                if p.requires_grad:
                    check_parameter(name, p)
        except BaseException:
            groups.pop()
            raise

    def state_dict(self) -> dict[str, Any]:
        """The state as PyTorch's optimizer of this name has it, which loads it.

        Returns
        -------
        dict
        """
        packed: dict[str, Any] = super().state_dict()  # type: ignore[misc]
        return {**packed, "state": as_torch_has_it(packed["state"])}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of a state that this optimizer or PyTorch's of this name has saved.

        Parameters
        ----------
        state_dict : dict
        """
        if isinstance(state_dict, dict) and isinstance(state_dict.get("state"), dict):
            state_dict = {**state_dict, "state": copied(state_dict["state"])}
        super().load_state_dict(state_dict)  # type: ignore[misc]

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """Whether a step unscales gradients itself, as PyTorch's fused ones do: a GradScaler does it here."""
        return False

    @_step_supports_amp_scaling.setter
    def _step_supports_amp_scaling(self, value: bool) -> None:
        """PyTorch's constructors set it where `fused` is given."""


_step_with_hooks: Any = torch.optim.Optimizer.profile_hook_step(Compiled._step)
_step_untraced: Any = torch.compiler.disable(Compiled._step)  # torch.compile has nothing to gain
