"""The peers, each set up as its makers advise, and imported only when used.

PyTorch: parameters and gradients are tensors that exist already, every implementation that the optimizer offers is
a candidate; its allocator is set to ask for huge pages, as NumPy's does by default. JAX and optax: one jitted
function with donated buffers, waited for; float64 is switched on, float32 arrays stay float32.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from cases import CASES, Case


def missing(*modules: str) -> str:
    """Why a peer cannot take part; empty if it can."""
    absent = [module for module in modules if importlib.util.find_spec(module) is None]
    return f"{' and '.join(absent)} not installed" if absent else ""


def torch() -> Any:
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    import torch

    return torch


def jax() -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


# --- one step -----------------------------------------------------------------------------------------


class Stepping(SimpleNamespace):
    """A peer's optimizer on its own copies: `step()` once, `arrays()` the parameters as NumPy has them."""

    step: Callable[[], Any]
    arrays: Callable[[], list[Any]]


def torch_steps(case: Case, params: list[Any], grads: list[Any]) -> Iterator[tuple[str, Stepping]]:
    """Every implementation in PyTorch of this optimizer, by name."""
    if case.torch is None:
        return
    forms = {
        "for-loop": {"foreach": False},
        "foreach": {"foreach": True},
        "fused": {"fused": True},
    }
    for form, options in forms.items():
        name, kwargs = case.torch
        tensors = _tensors(params, grads)
        try:
            optimizer = getattr(torch().optim, name)(tensors, **kwargs, **options)
        except TypeError:  # this optimizer has no such form
            continue
        arrays = partial(_numpy, tensors)
        yield f"torch {form}", Stepping(step=optimizer.step, arrays=arrays)


def _tensors(params: list[Any], grads: list[Any]) -> list[Any]:
    tensors = []
    for p, g in zip(params, grads, strict=True):
        tensor = torch().from_numpy(p).clone().requires_grad_()
        tensor.grad = torch().from_numpy(g).clone()
        tensors.append(tensor)
    return tensors


def _numpy(tensors: list[Any]) -> list[Any]:
    return [tensor.detach().numpy() for tensor in tensors]


def optax_twin(case: Case) -> Case | None:
    """The row with the same formula and the same numbers in optax, if the table has one."""
    method = case.make()._method()
    for row in CASES:
        if row.optimizer == case.optimizer and row.optax is not None:
            other = row.make()._method()
            same = (other.rule, other.coefficients) == (method.rule, method.coefficients)
            if same and np.array_equal(other.hyper, method.hyper):
                return row
    return None


def optax_step(twin: Case, params: list[Any], grads: list[Any]) -> Stepping:
    import optax

    transform = optax.chain(*(getattr(optax, name)(**kwargs) for name, kwargs in twin.optax or ()))
    device_put = jax().numpy.array
    state = SimpleNamespace(params=[device_put(p) for p in params])
    gradients = [device_put(g) for g in grads]
    state.own = transform.init(state.params)

    @partial(jax().jit, donate_argnums=(0, 1))
    def update(params: Any, own: Any, gradients: Any) -> Any:
        updates, own = transform.update(gradients, own, params)
        return optax.apply_updates(params, updates), own

    def step() -> None:
        state.params, state.own = update(state.params, state.own, gradients)
        jax().block_until_ready(state.params)

    return Stepping(step=step, arrays=lambda: [np.asarray(p) for p in state.params])


# --- sweeps: the rates of a two-parameter least squares, H w - b ---------------------------------------------


def jax_sweep(
    rule: str, hessian: Any, linear: Any, rates: Any, iterations: int
) -> Callable[[], Any]:
    """vmap over rates of a scan over iterations, compiled; returns w of shape (rates, 2)."""
    np_ = jax().numpy
    h, b = np_.asarray(hessian), np_.asarray(linear)
    zero = np_.zeros(2)

    def gradient(w: Any) -> Any:
        return np_.stack(
            [
                h[0, 0] * w[0] + h[0, 1] * w[1] - b[0],
                h[1, 0] * w[0] + h[1, 1] * w[1] - b[1],
            ]
        )

    def sgd(rate: Any, w: Any, t: Any) -> Any:
        return w - rate * gradient(w), None

    def momentum(rate: Any, carry: Any, t: Any) -> Any:
        w, v = carry
        v = 0.9 * v + rate * gradient(w)
        return (w - v, v), None

    def adam(rate: Any, carry: Any, t: Any) -> Any:
        w, m, v = carry
        g = gradient(w)
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        m_hat, v_hat = m / (1.0 - 0.9**t), v / (1.0 - 0.999**t)
        return (w - rate * m_hat / (np_.sqrt(v_hat) + 1e-8), m, v), None

    body, start = {
        "SGD": (sgd, zero),
        "Momentum": (momentum, (zero, zero)),
        "Adam": (adam, (zero, zero, zero)),
    }[rule]

    @jax().jit
    def run(rates: Any) -> Any:
        def one(rate: Any) -> Any:
            steps = np_.arange(1.0, iterations + 1.0)
            last, _ = jax().lax.scan(partial(body, rate), start, steps)
            return last if rule == "SGD" else last[0]

        return jax().vmap(one)(rates)

    on_device = np_.asarray(rates)
    return lambda: run(on_device).block_until_ready()


def numpy_sweep(
    rule: str, hessian: Any, linear: Any, rates: Any, iterations: int
) -> Callable[[], Any]:
    """All rates in one array operation, without temporaries: NumPy as a careful user writes it."""
    (h00, h01), (h10, h11) = hessian
    b0, b1 = linear

    def run() -> Any:
        w0, w1, g0, g1, u = np.zeros((5, len(rates)))
        m0, m1, v0, v1 = np.zeros((4, len(rates)))

        def gradients() -> None:
            for a, c, b, g in ((h00, h01, b0, g0), (h10, h11, b1, g1)):
                np.multiply(w0, a, out=g)
                np.multiply(w1, c, out=u)
                np.add(g, u, out=g)
                np.subtract(g, b, out=g)

        for t in range(1, iterations + 1):
            gradients()
            for w, g, m, v in ((w0, g0, m0, v0), (w1, g1, m1, v1)):
                if rule == "Adam":
                    _numpy_adam(w, g, m, v, u, rates, t)
                    continue
                np.multiply(g, rates, out=g)
                if rule == "Momentum":
                    np.multiply(m, 0.9, out=m)
                    np.add(m, g, out=m)
                    np.subtract(w, m, out=w)
                else:
                    np.subtract(w, g, out=w)
        return np.stack([w0, w1], axis=1)

    return run


def _numpy_adam(w: Any, g: Any, m: Any, v: Any, u: Any, rates: Any, t: int) -> None:
    np.multiply(m, 0.9, out=m)
    np.multiply(g, 0.1, out=u)
    np.add(m, u, out=m)
    np.multiply(g, g, out=g)
    np.multiply(g, 0.001, out=g)
    np.multiply(v, 0.999, out=v)
    np.add(v, g, out=v)
    np.sqrt(v, out=u)
    np.multiply(u, 1.0 / np.sqrt(1.0 - 0.999**t), out=u)
    np.add(u, 1e-8, out=u)
    np.divide(m, u, out=u)
    np.multiply(u, rates, out=u)
    np.multiply(u, 1.0 / (1.0 - 0.9**t), out=u)
    np.subtract(w, u, out=w)


def rows_sweep(rule: str, x: Any, y: Any, rates: Any, iterations: int) -> Callable[[], Any]:
    """One rate after the other, over the rows, in a loop of Python: what a study's script does."""

    def run() -> Any:
        found = np.empty((len(rates), 2))
        for k, rate in enumerate(rates.tolist()):
            w, b = 0.0, 0.0
            m, v = np.zeros(2), np.zeros(2)
            for t in range(1, iterations + 1):
                residual = w * x + b - y
                g = np.array([np.mean(residual * x), np.mean(residual)])
                if rule == "Adam":
                    m = 0.9 * m + 0.1 * g
                    v = 0.999 * v + 0.001 * g * g
                    step = rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
                elif rule == "Momentum":
                    m = 0.9 * m + rate * g
                    step = m
                else:
                    step = rate * g
                w, b = w - step[0], b - step[1]
            found[k] = w, b
        return found

    return run
