"""The processes and machines that `fastgd sweep` runs on."""

from __future__ import annotations

import multiprocessing
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastgd.extras import require


@contextmanager
def executor_of(options: Namespace) -> Iterator[Any]:
    """The executor that was asked for; None if none was."""
    if options.dask is not None and options.processes is not None:
        raise ValueError("--dask and --processes: wanted one of them")
    if options.dask is not None:
        with _client(options.dask) as client:
            yield client
    elif options.processes is not None:
        if options.processes < 1:
            raise ValueError(f"--processes must be at least 1, got {options.processes}")
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(options.processes, mp_context=context) as executor:
            yield executor
    else:
        yield None


def _client(scheduler: str) -> Any:
    """A client of a Dask scheduler, which is given by its address or the file that it wrote."""
    require("--dask", "distributed")
    import distributed  # noqa: PLC0415  (optional)

    connected: Any = distributed.Client
    is_file = Path(scheduler).is_file()
    try:
        return connected(scheduler_file=scheduler) if is_file else connected(scheduler, timeout=30)
    except (OSError, ValueError) as error:
        raise ValueError(f"--dask: no scheduler of Dask at {scheduler!r} ({error})") from error
