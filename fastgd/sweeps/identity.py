"""What decides the outcome of a job, as texts that can be compared: between two calls, and between two versions.

Values that are no short text are given by a hash of their contents (`fastgd.sweeps.fingerprint`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from fastgd import __version__
from fastgd.descent.axes import Column
from fastgd.engines.native.kernels import kernels
from fastgd.engines.networks import chosen_backend
from fastgd.network.mlp import MLP
from fastgd.network.problem import NetworkProblem
from fastgd.optimizers import Optimizer
from fastgd.optimizers.loops import described
from fastgd.sweeps.axis_values import kind_of
from fastgd.sweeps.fingerprint import fields_of, fingerprint
from fastgd.sweeps.job import Job

_SHORT = 60  # characters up to which a value is shown itself
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def identity(job: Job) -> dict[str, str]:
    """By name, each part of a job that decides its outcomes, except for the axes' values."""
    options = job.options
    settings = {
        name: getattr(options, name)
        for name in ("max_iter", "tol", "x0", "rng", "flush_subnormals")
    }
    parts = {
        "version": __version__,
        **_of_problem(job.problem),
        "optimizer": "" if "optimizer" in job.axes else _of_optimizer(job.optimizer, job.axes),
        **{name: _named(value) for name, value in settings.items()},
        **({} if options.bounds is None else {"bounds": _named(options.bounds)}),
        "dtype": str(None if options.dtype is None else np.dtype(options.dtype)),
        "record": repr(job.record),
        "axes": ", ".join(sorted(job.axes)),
    }
    if isinstance(job.problem, NetworkProblem):
        backend = chosen_backend(options.backend or job.problem.network.backend)
        parts["engine"] = f"{backend}, {products()} products"
    return parts


def difference(stored: Mapping[str, str], now: Mapping[str, str]) -> str:
    """In which parts two identities differ, in words; empty if in none."""
    lines = []
    for name in {**stored, **now}:
        one, other = stored.get(name, "nothing"), now.get(name, "nothing")
        if one != other:
            lines.append(f"{name}: {_without_hash(one, other)}")
    return "; ".join(lines)


def _without_hash(one: str, other: str) -> str:
    first, second = (text.partition(" #")[0] for text in (one, other))
    return f"{first} there, {second} here" if first != second else f"{first}, with other contents"


# --- the parts ----------------------------------------------------------------------------------------


def _of_problem(problem: Any) -> dict[str, str]:
    if not isinstance(problem, NetworkProblem):
        return {"problem": f"{problem!r:.200} #{fingerprint(problem)}"}
    network = problem.network
    form = fields_of(network.architecture), fields_of(network.initialization), network.seed
    rows = {"training rows": problem.rows, "evaluation rows": problem.judged}
    return {
        "problem": repr(problem),
        "network": f"{network!r}, seed {network.seed} #{fingerprint(form)}",
        "shuffle": repr((problem.shuffle, problem.drop_last)),
        **{
            name: f"{len(value)} rows #{fingerprint(fields_of(value))}"
            for name, value in rows.items()
        },
    }


def _of_optimizer(optimizer: Optimizer, axes: Collection[str]) -> str:
    """Class, rule and hyperparameters, without those that the axes vary."""
    reduced: Any = optimizer.fresh().__reduce_ex__(2)
    make, arguments, (options, _, groups, _), *_ = reduced
    own = {name: value for name, value in options.items() if name not in axes}
    return f"{described(optimizer, axes)} #{fingerprint((make, arguments, own, groups))}"


def products() -> str:
    """Whether products are rounded before they are added, which decides the bits of networks."""
    try:
        return "unfused" if kernels("network_kernels").__name__.endswith("base") else "fused"
    except ImportError:
        return "unfused"


def _named(value: Any) -> str:
    """A short value itself, a longer one with the hash of its contents."""
    if isinstance(value, MLP):
        return f"{value!r} #{fingerprint(value.params)}"
    if isinstance(value, _PLAIN) and len(repr(value)) <= _SHORT:
        return repr(value)
    return f"{value!r:.60} #{fingerprint(value)}"


def keys_of(values: Column) -> np.ndarray[Any, Any]:
    """The values of an axis as an array whose entries are equal where the values decide the same."""
    if isinstance(values, np.ndarray):
        return values
    if kind_of(values) == "label":
        return np.array([f"{v!r:.60} #{fingerprint(v)}" for v in values])
    return np.array(values)
