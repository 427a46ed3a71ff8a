"""What ends a training: its length, callbacks and early stopping, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastgd.batches import Batches
from fastgd.checks import as_count, as_nonnegative
from fastgd.engines.protocol.networks import Rows
from fastgd.network.history import EarlyStopping, TrainingHistory

Callback = Callable[[TrainingHistory], Any]


def checked_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """The callbacks, checked."""
    if callable(callbacks) or not isinstance(callbacks, Sequence):
        raise TypeError(f"callbacks must be a sequence of functions, got {callbacks!r:.60}")
    for k, callback in enumerate(callbacks):
        if not callable(callback):
            raise TypeError(f"callbacks[{k}] must be a function, got {callback!r:.60}")
    return tuple(callbacks)


def goal_of(epochs: Any, steps: Any, batches: Batches) -> int:
    """Number of updates."""
    if steps is None:
        return as_count("epochs", 10 if epochs is None else epochs, 0) * batches.updates
    if epochs is not None:
        raise ValueError("epochs and steps both set the length of training; give one of them")
    return as_count("steps", steps, 0)


def checked_early_stopping(
    patience: Any, min_delta: Any, monitor: Any, held_out: Rows | None
) -> EarlyStopping | None:
    """What `patience` asks for, checked."""
    delta = as_nonnegative("min_delta", min_delta)
    if not isinstance(monitor, str) or monitor not in ("val_loss", "val_metric", "loss"):
        raise ValueError(f"monitor must be 'val_loss', 'val_metric' or 'loss', got {monitor!r:.60}")
    if patience is None:
        return None
    records = as_count("patience", patience, 1)
    if held_out is None and monitor != "loss":
        raise ValueError(f"patience watches {monitor!r}, which needs validation=(X, y)")
    return EarlyStopping(records, delta, monitor)
