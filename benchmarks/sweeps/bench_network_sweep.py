"""Many networks over their learning rates: plain descent in float32, all runs from the same weights, the same batches.

The peers train all runs at once: JAX by `vmap` over a scan, PyTorch and NumPy with the runs as the first dimension of
batched products, PyTorch's gradients by autograd. They return the final parameters; ours also judges every run on all
rows. The peers find their batches gathered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import peers
import pytest
from comparison import QUICK, SETTLE_BLAS, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

ROUNDS = 3 if QUICK else 7
MOMENTUM = 0.9


def limited(p: Any, g: Any, v: Any, lr: Any, mu: Any, most: Any) -> tuple[Any, Any]:
    v = mu * v + g
    return p - lr * np.where(np.abs(v) > most, np.sign(v), v), v


def numbers(t: float, lr: float, mu: float) -> tuple[float, ...]:
    return lr, mu, 1.0


RULE = gd.Optimizer.from_rule(
    limited, state=("v",), coefficients=numbers, defaults={"mu": MOMENTUM}
)


@dataclass
class Workload:
    """A network, its rows, and how many runs make how many updates."""

    name: str
    sizes: tuple[int, ...]
    rows: int
    batch: int
    updates: int
    runs: int

    @property
    def classes(self) -> bool:
        return self.sizes[-1] > 1

    @cached_property
    def network(self) -> gd.MLP:
        kind = ("relu", "cross_entropy") if self.classes else ("tanh", "mse")
        return gd.MLP(self.sizes, activation=kind[0], loss=kind[1], rng=3)

    @cached_property
    def data(self) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.rows, self.sizes[0])).astype(np.float32)
        if self.classes:
            return x, rng.integers(self.sizes[-1], size=self.rows)
        return x, rng.normal(size=(self.rows, 1)).astype(np.float32)

    @cached_property
    def rates(self) -> Any:
        return np.geomspace(1e-4, 1e-2, self.runs)

    def ours(self, n_threads: int | None = None, optimizer: Any = None) -> Callable[[], Any]:
        problem = self.network.problem(*self.data, batch_size=self.batch)
        options = {"max_iter": self.updates, "keep": "params", "n_threads": n_threads}
        how = gd.SGD() if optimizer is None else optimizer
        return lambda: gd.sweep(problem, how, {"lr": self.rates}, progress=False, **options)

    @cached_property
    def batches(self) -> tuple[Any, Any]:
        """The rows of each update, as ours uses them."""
        batches = self.network.problem(*self.data, batch_size=self.batch).batches(
            self.batch, 0, "batch_size"
        )
        rows = [batches.of_update(self.network.seed, k) for k in range(self.updates)]
        rows = np.array([row for row in rows if len(row) == self.batch])
        assert len(rows) == self.updates
        return self.data[0][rows], self.data[1][rows]

    @property
    def start(self) -> list[Any]:
        return [p.copy() for p in self.network.params]


def plain(p: Any, g: Any, v: Any, lr: Any) -> tuple[Any, Any]:
    return p - lr * g, v


def signed(p: Any, g: Any, v: Any, lr: Any) -> tuple[Any, Any]:
    """Momentum whose steps are limited: as `RULE`, in JAX."""
    import jax.numpy as jnp

    v = MOMENTUM * v + g
    return p - lr * jnp.where(jnp.abs(v) > 1, jnp.sign(v), v), v


def jax_sweep(w: Workload, rule: Callable[..., Any] = plain) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    x, y = (jnp.asarray(a) for a in w.batches)
    start, rates = [jnp.asarray(p) for p in w.start], jnp.asarray(w.rates, jnp.float32)

    def loss(params: Any, x: Any, y: Any) -> Any:
        a = x
        for k in range(0, len(params) - 2, 2):
            a = a @ params[k] + params[k + 1]
            a = jax.nn.relu(a) if w.classes else jnp.tanh(a)
        z = a @ params[-2] + params[-1]
        if w.classes:
            return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1))
        return jnp.mean((z - y) ** 2)

    def run(rate: Any) -> Any:
        def update(now: Any, batch: Any) -> Any:
            params, velocity = now
            grads = jax.grad(loss)(params, *batch)
            new = [rule(*one, rate) for one in zip(params, grads, velocity, strict=True)]
            return tuple(list(part) for part in zip(*new, strict=True)), None

        return jax.lax.scan(update, (start, [jnp.zeros_like(p) for p in start]), (x, y))[0][0]

    compiled = jax.jit(jax.vmap(run))
    return lambda: jax.block_until_ready(compiled(rates))


def torch_sweep(w: Workload) -> Callable[[], Any]:
    torch = peers.torch()
    x, y = (torch.from_numpy(a) for a in w.batches)
    y = y.long() if w.classes else y
    start = [torch.from_numpy(p) for p in w.start]
    rates = torch.as_tensor(w.rates, dtype=torch.float32)

    def call() -> Any:
        params = [p.expand(w.runs, *p.shape).clone().requires_grad_() for p in start]
        for rows, targets in zip(x, y, strict=True):
            a = rows.expand(w.runs, *rows.shape)
            for k in range(0, len(params), 2):
                a = torch.baddbmm(params[k + 1][:, None], a, params[k])
                if k < len(params) - 2:
                    a = torch.relu(a) if w.classes else torch.tanh(a)
            if w.classes:
                flat, wanted = a.reshape(-1, a.shape[-1]), targets.repeat(w.runs)
                loss = torch.nn.functional.cross_entropy(flat, wanted, reduction="sum")
            else:
                loss = ((a - targets) ** 2).sum()
            grads = torch.autograd.grad(loss / w.batch, params)
            with torch.no_grad():
                for p, g in zip(params, grads, strict=True):
                    p.sub_(rates.view(-1, *[1] * (p.ndim - 1)) * g)
        return [p.detach().numpy() for p in params]

    return call


def numpy_sweep(w: Workload) -> Callable[[], Any]:
    (x, y), rates = w.batches, w.rates.astype(np.float32)

    def call() -> Any:
        params = [np.repeat(p[None], w.runs, axis=0) for p in w.start]
        for rows, targets in zip(x, y, strict=True):
            values = [np.broadcast_to(rows, (w.runs, *rows.shape))]
            for k in range(0, len(params), 2):
                z = values[-1] @ params[k] + params[k + 1][:, None]
                if k < len(params) - 2:
                    z = np.maximum(z, 0) if w.classes else np.tanh(z)
                values.append(z)
            z = values[-1]
            if w.classes:
                delta = np.exp(z - z.max(axis=-1, keepdims=True))
                delta /= delta.sum(axis=-1, keepdims=True)
                delta[:, np.arange(w.batch), targets] -= 1
            else:
                delta = 2 * (z - targets)
            delta = delta / np.float32(w.batch)
            for k in range(len(params) - 2, -1, -2):
                a, before = values[k // 2], delta
                if k:
                    slope = a > 0 if w.classes else 1 - a * a
                    delta = (before @ params[k].transpose(0, 2, 1)) * slope
                params[k] -= rates[:, None, None] * (a.transpose(0, 2, 1) @ before)
                params[k + 1] -= rates[:, None] * before.sum(axis=1)
        return params

    return call


def rivals(w: Workload) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """For every peer its call, which returns the final parameters; and who is missing."""
    found = {"NumPy, batched": numpy_sweep(w)}
    skipped = {}
    for name, module, make in (
        ("JAX vmap+scan", "jax", jax_sweep),
        ("PyTorch, batched", "torch", torch_sweep),
    ):
        if why := peers.missing(module):
            skipped[name] = why
        else:
            found[name] = make(w)
    return found, skipped


def disagreement(w: Workload) -> dict[str, float]:
    """The largest difference of the parameters to ours, relative to the largest of them, by peer."""
    ours = w.ours()().params
    size, found = np.abs(ours).max(), {}
    for name, call in rivals(w)[0].items():
        theirs = np.concatenate([np.asarray(p).reshape(w.runs, -1) for p in call()], axis=1)
        found[name] = float(np.abs(theirs - ours).max() / size)
    return found


WORKLOADS = (
    [
        Workload("2-16-1, 64 rows, full batch", (2, 16, 1), 64, 64, 20, 64),
        Workload("64-32-10, batch 64", (64, 32, 10), 640, 64, 5, 32),
    ]
    if QUICK
    else [
        Workload("2-16-1, 64 rows, full batch", (2, 16, 1), 64, 64, 500, 512),
        Workload("16-16-1, 16 rows, full batch", (16, 16, 1), 16, 16, 500, 4096),
        Workload("64-32-10, batch 64", (64, 32, 10), 1792, 64, 280, 64),
        Workload("64-32-10, batch 64", (64, 32, 10), 1792, 64, 56, 512),
        Workload("64-100-10, 1,797 rows, full batch", (64, 100, 10), 1797, 1797, 10, 64),
        Workload("784-128-10, batch 128", (784, 128, 10), 1280, 128, 20, 64),
    ]
)


@pytest.mark.parametrize("w", WORKLOADS, ids=lambda w: f"{w.name}, {w.runs} runs")
def test_networks(benchmark: Any, w: Workload) -> None:
    difference = disagreement(w)
    assert max(difference.values()) < 1e-3, difference
    others, skipped = rivals(w)
    amount = float(w.runs * w.updates)
    found = {
        "fastgd": Candidate(w.ours(), amount),
        "fastgd 1 thread": Candidate(w.ours(1), amount),
        **{name: Candidate(call, amount, settle=SETTLE_BLAS) for name, call in others.items()},
    }
    about = {
        "table": "Sweeps of networks",
        "workload": f"{w.name}, {w.runs:,} runs x {w.updates} updates",
        "threads": get_num_threads(),
        "unit": "update of a run",
        "headline": True,
        "disagreement": difference,
        "engine": w.ours()().engine,
    }
    compare(benchmark, found, rounds=ROUNDS, about=about, skipped=skipped)


def test_a_rule_of_one_s_own(benchmark: Any) -> None:
    """Beside momentum, which is built in, and beside JAX with the same rule."""
    w, rule, skipped = WORKLOADS[0], RULE(lr=0.1), {}
    found = {
        "fastgd": Candidate(w.ours(optimizer=rule), float(w.runs * w.updates)),
        "fastgd, momentum": Candidate(
            w.ours(optimizer=gd.SGD(momentum=MOMENTUM)), float(w.runs * w.updates)
        ),
    }
    if why := peers.missing("jax"):
        skipped["JAX vmap+scan"] = why
    else:
        theirs = jax_sweep(w, signed)
        flat = [np.asarray(p).reshape(w.runs, -1) for p in theirs()]
        assert np.allclose(np.concatenate(flat, axis=1), found["fastgd"].call().params, atol=1e-3)
        found["JAX vmap+scan"] = Candidate(theirs, float(w.runs * w.updates), settle=SETTLE_BLAS)
    about = {
        "table": "Sweeps of networks",
        "workload": f"{w.name}, a rule of one's own, {w.runs:,} runs x {w.updates} updates",
        "threads": get_num_threads(),
        "unit": "update of a run",
        "headline": True,
        "engine": found["fastgd"].call().engine,
    }
    compare(benchmark, found, rounds=ROUNDS, about=about, skipped=skipped)
