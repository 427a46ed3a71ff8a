"""The processor: its x86-64 level, and a mode in which subnormal numbers count as zero."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def processor_level() -> int:
    """x86-64 level of this processor: 1, 3 or 4; 0 for another family.

    Raises
    ------
    ImportError
        If the extensions were not built.
    """
    from fastgd.engines import _processor  # noqa: PLC0415  (missing where nothing is compiled)

    level: int = _processor.processor_level()
    return level


def flushed() -> AbstractContextManager[Any]:
    """A context in which subnormal numbers count as zero, if the compiled core is there to set the mode."""
    try:
        from fastgd.engines import _processor  # noqa: PLC0415
    except ImportError:
        return nullcontext()
    guard: AbstractContextManager[Any] = _processor.flushed()
    return guard
