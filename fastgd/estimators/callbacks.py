"""Callbacks during `fit`: scikit-learn's protocol (1.9 or later), and plain functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, FitCallback, with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in where scikit-learn has no callbacks."""

    FitCallback = None

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, unchanged."""
        return method


__all__ = ["CallbackSupportMixin", "FitTasks", "as_callbacks", "with_callbacks"]


def as_callbacks(callbacks: Sequence[Any]) -> list[Any]:
    """Functions as callbacks of scikit-learn; anything else unchanged, for scikit-learn to check."""
    if FitCallback is None:
        raise ImportError("callbacks of estimators need scikit-learn 1.9 or later")
    return [_EpochFunction(one) if _is_function(one) else one for one in callbacks]


def _is_function(callback: Any) -> bool:
    return callable(callback) and not isinstance(callback, (FitCallback, type))


class _EpochFunction:
    """A function as a callback of scikit-learn: called with the estimator after each epoch."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing to do."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing to do."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing to do."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Call the function if the task is an epoch."""
        return context.max_subtasks == 0 and self.function(estimator) is True


class FitTasks:
    """Reports one `fit` to the callbacks: its beginning, each epoch, its end."""

    def __init__(self, estimator: Any, data: Mapping[str, Any], max_epochs: int) -> None:
        self.estimator, self.data = estimator, data
        self.heard = bool(getattr(estimator, "_skl_callbacks", None))
        self.context = None
        if self.heard or hasattr(estimator, "_parent_callback_ctx"):
            self.context = estimator._init_callback_context(max_subtasks=max_epochs)
            self.context.call_on_fit_task_begin(estimator=estimator, **data)

    def epoch(
        self, number: int, fitted: Callable[[], dict[str, Any]], train: Callable[[], Any]
    ) -> bool:
        """Train for one epoch; True if a callback asks to stop."""
        if self.context is None or not self.heard:
            train()
            return False
        task = self.context.subcontext(task_name=f"epoch {number}")
        task.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        train()
        stop = task.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=fitted, **self.data
        )
        return bool(stop)

    def end(self, fitted: Callable[[], dict[str, Any]]) -> None:
        """The fit is complete."""
        if self.context is not None:
            self.context.call_on_fit_task_end(
                estimator=self.estimator, reconstruction_attributes=fitted, **self.data
            )
