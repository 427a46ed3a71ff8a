"""Report of the installation: versions, processor, backends; `fastgd info` prints it."""

from __future__ import annotations

import platform
import sys
from typing import Any

from fastgd.engines.backends import missing, resolve_backend
from fastgd.engines.cache import cache_folder, fault_of
from fastgd.engines.config import BACKENDS, threads_and_source
from fastgd.extras import EXTRAS, command, missing_of

_FOR_GPUS = ("numba-cuda", "cupy-cuda12x", "cupy-cuda13x")


def config() -> dict[str, Any]:
    """What this installation has, for bug reports and benchmarks.

    Returns
    -------
    dict
        "versions" (name -> version or None), "processor" (machine, kernel target, vector width in
        bits), "gpu" (its name, or None), "backends" (name -> "" or why it is missing), "backend"
        in use by default, "extras" (name -> the packages of it that are not installed), "threads",
        "threads_source" (what limits them, such as "OMP_NUM_THREADS" or "processors"), "cache_folder",
        "cache_fault" (why nothing is cached there: somebody else could write to it; or None).

    Examples
    --------
    >>> import fastgd as gd
    >>> from fastgd.engines.installation import config
    >>> config()["versions"]["fastgd"] == gd.__version__
    True
    """
    threads, source = threads_and_source()
    backends = {name: missing(name) for name in BACKENDS if name != "auto"}
    return {
        "versions": _versions(compiled=not backends["cython"]),
        "processor": _processor(compiled=not backends["cython"]),
        "gpu": None if backends["cuda"] else _gpu_name(),
        "backends": backends,
        "backend": resolve_backend(),
        "extras": {name: missing_of(name) for name in EXTRAS},
        "threads": threads,
        "threads_source": source,
        "cache_folder": str(cache_folder()),
        "cache_fault": fault_of(cache_folder()),
    }


def _versions(*, compiled: bool) -> dict[str, str | None]:
    import importlib.metadata  # noqa: PLC0415  (30 ms)

    from fastgd import __version__  # noqa: PLC0415  (the package is still loading at our import)

    versions = {"fastgd": __version__, "python": platform.python_version()}
    found: dict[str, str | None] = {**versions}
    for package in ("numpy", "scipy", "numba", "scikit-learn", *_FOR_GPUS):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            if package not in _FOR_GPUS:
                found[package] = None
    found["compiler"] = None
    if compiled:
        from fastgd.engines._processor import compiler  # noqa: PLC0415

        found["compiler"] = compiler()
    return found


def _processor(*, compiled: bool) -> dict[str, Any]:
    """The kernel module in use and how wide its vectors are."""
    found: dict[str, Any] = {"machine": platform.machine(), "target": None, "vector_bits": None}
    if compiled:
        from fastgd.engines.native import kernels  # noqa: PLC0415

        found["target"] = kernels.target()
        found["vector_bits"] = 32 * kernels.kernels().lanes["f"]
    return found


def _gpu_name() -> str:
    from fastgd.engines.cuda import device  # noqa: PLC0415

    gpu = device.gpu()
    capability = ".".join(map(str, gpu.capability))
    return f"{gpu.name}, compute capability {capability}, {gpu.memory / 2**30:.0f} GiB"


def show_config() -> None:
    """Print `config`: versions, processor features in use, backends, threads, cache folder.

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.show_config()
    fastgd ...
    """
    found = config()
    lines = [f"{name} {version or 'not installed'}" for name, version in found["versions"].items()]
    processor = found["processor"]
    kernels = (
        f"kernels for {processor['target']}, vectors of {processor['vector_bits']} bits"
        if processor["target"]
        else "no compiled kernels"
    )
    lines.append(f"processor {processor['machine']}, {kernels}")
    if found["gpu"]:
        lines.append(f"GPU {found['gpu']}")
    lines += [
        f"backend {name}: {reason or 'present'}{' (default)' * (name == found['backend'])}"
        for name, reason in found["backends"].items()
    ]
    for name, absent in found["extras"].items():
        state = f"missing {', '.join(absent)}: {command(name)}" if absent else "present"
        lines.append(f"extra {name}: {state}")
    lines.append(f"threads {found['threads']} (by {found['threads_source']})")
    fault = found["cache_fault"]
    lines.append(
        f"cache folder {found['cache_folder']}" + (f" (not used: {fault})" if fault else "")
    )
    sys.stdout.write("\n".join(lines) + "\n")
