"""The public names, and what can be told of them: parameters, methods, properties, fields."""

import enum
import inspect
from importlib import import_module
from typing import Any

import numpy as np

import fastgd as gd

MODULES = (
    "datasets", "estimators", "functions", "optimizers", "plotting", "problems", "schedules",
    "studies", "sweeps", "theory",
)  # fmt: skip


KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "by position",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "either",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.KEYWORD_ONLY: "by keyword",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def described() -> dict[str, Any]:
    """Module or "results" -> name -> description."""
    found: dict[str, Any] = {"fastgd": _all_of(gd)}
    for name in MODULES:
        found[f"fastgd.{name}"] = _all_of(import_module(f"fastgd.{name}"))
    found["results"] = {kind.__name__: _described(kind) for kind in _returned()}
    return found


def _all_of(module: Any) -> dict[str, Any]:
    return {name: _described(getattr(module, name)) for name in sorted(module.__all__)}


def _returned() -> list[type]:
    """Classes that have no public name and are met as results."""
    net = gd.MLP([2, 2])
    net.fit(np.eye(2), [0, 1], steps=1)
    best = gd.sweep(gd.Quadratic([[1.0]]), gd.SGD(), {"lr": [0.5]}, x0=1.0, max_iter=1).best()
    results = (net.history_, net.status_, net.problem(np.eye(2), [0, 1]), best)
    return [type(result) for result in results]


def _described(value: Any) -> dict[str, Any]:
    if isinstance(value, type):
        return _class(value)
    if callable(value):
        return {"kind": "function", "parameters": _parameters(value)}
    return {"kind": "value"}


def _class(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "class"}
    if issubclass(cls, enum.Enum):
        return found | {"members": {name: int(member) for name, member in cls.__members__.items()}}
    methods, properties = {}, set(getattr(cls, "__dataclass_fields__", ()))
    for name in sorted(_own_names(cls)):
        given = inspect.getattr_static(cls, name)
        if isinstance(given, property) or type(given).__name__ == "cached_property":
            properties.add(name)
            continue
        value = getattr(cls, name, None)
        if callable(value) and str(getattr(value, "__module__", "")).startswith("fastgd"):
            bound = isinstance(given, classmethod | staticmethod)
            methods[name] = {
                "on": type(given).__name__ if bound else "instance",
                "parameters": _parameters(value)[0 if bound else 1 :],
            }
    found["parameters"] = [] if issubclass(cls, Warning) else _parameters(cls)
    found["methods"] = methods
    found["properties"] = sorted(name for name in properties if not name.startswith("_"))
    return found


def _own_names(cls: type) -> set[str]:
    """Public names, and that of calling, which fastgd defined."""
    ours = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "fastgd"]
    names = {name for base in ours for name in vars(base)}
    return {name for name in names if name == "__call__" or not name.startswith("_")}


def _parameters(function: Any) -> list[list[Any]]:
    """[name, kind, default or None] of each."""
    return [
        [p.name, KINDS[p.kind], None if p.default is p.empty else repr(p.default)]
        for p in inspect.signature(function).parameters.values()
    ]
