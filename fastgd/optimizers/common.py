"""Hyperparameters and settings that every optimizer has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from fastgd.checks import as_flag
from fastgd.engines import config
from fastgd.engines.backends import resolve_backend
from fastgd.optimizers.fields import CLIP, NONNEGATIVE, Field, Flag, Rate

CONVENTIONS = ("torch", "optax", "keras", "sklearn", "paper")


class Common(TypedDict, total=False):
    """Keyword arguments that every optimizer takes besides its own."""

    l1: float
    l2: float
    clip_value: float | None
    clip_norm: float | None
    maximize: bool
    convention: str
    groups: Mapping[Any, Mapping[str, Any]] | None
    backend: str
    n_threads: int | None
    flush_subnormals: bool
    copy: bool


COMMON_DEFAULTS: dict[str, Any] = {
    "l1": 0.0,
    "l2": 0.0,
    "clip_value": None,
    "clip_norm": None,
    "maximize": False,
    "convention": None,  # the class's first
    "groups": None,
    "backend": "auto",
    "n_threads": None,
    "flush_subnormals": True,
    "copy": False,
}
COMMON_FIELDS: dict[str, Field] = {
    "lr": Rate(),
    "weight_decay": NONNEGATIVE,
    "l1": NONNEGATIVE,
    "l2": NONNEGATIVE,
    "clip_value": CLIP,
    "clip_norm": CLIP,
    "maximize": Flag(),
}
RUNNING = ("backend", "n_threads", "flush_subnormals", "copy")  # settings, not hyperparameters


def checked_running(running: Mapping[str, Any], supports: tuple[str, ...]) -> dict[str, Any]:
    """The settings of how an optimizer runs, checked."""
    flags = {name: as_flag(name, running[name]) for name in ("flush_subnormals", "copy")}
    if running["backend"] != "auto":
        resolve_backend(running["backend"], supports=(*supports, "cuda"))
    config.get_num_threads(running["n_threads"])
    return {**running, **flags}


def skips_none(none_grads: Any) -> bool:
    """Whether a step passes over gradients that are None: its argument `none_grads`, checked."""
    if none_grads not in {"error", "skip"}:
        raise ValueError(f"none_grads must be 'error' or 'skip', got {none_grads!r:.60}")
    return bool(none_grads == "skip")
