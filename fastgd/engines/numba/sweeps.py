"""Sweep kernels made at run time: any rule on any problem, with everything that a step may have in front of it.

The functions have the ABI of the ahead-of-time kernels (`fastgd.engines.native.source`) and run in the same blocks
(`fastgd.engines.native.sweeps`). Loops over a block's runs are the inner ones, so that runs become SIMD lanes.
"""

from __future__ import annotations

from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from fastgd.engines.numba import sweep_text
from fastgd.engines.numba.modules import (
    HEADER,
    TYPES,
    coefficients_text,
    generated_module,
    in_numba,
    rule_text,
)
from fastgd.engines.numba.sweep_slopes import slopes_text
from fastgd.engines.numba.sweep_update import Sizes, Update, constants, norm
from fastgd.engines.parse import CoefficientFunction, Rule
from fastgd.engines.protocol.sweeps import Descents, Kernel
from fastgd.engines.registry import COEFFICIENTS, PREPARE
from fastgd.engines.templates import filled, indented

# --- modules of kernels ---------------------------------------------------------------------------

_FUNCTION = """
@cfunc($signature, cache=CACHE, error_model="numpy", fastmath=False)
def $name($arguments):
    $lines
"""
_WINDOW = "types.void({real}, intp, intp, intp, intp, {real}, intp, {real}, {real}, {real}, {real}, intp, intp)"
_OBSERVE = (
    "types.void({real}, intp, intp, intp, intp, types.int32, {real}, intp, {real}, REAL, REAL, "
    "{real}, {real}, {real}, {bits}, {real}, intp, intp)"
)
_FOLLOW = (
    "types.void({real}, intp, intp, types.int32, {real}, intp, {real}, REAL, REAL, REAL, "
    "types.CPointer(types.int64))"
)
_LANES = "types.void(types.double, {double}, {double}, intp, intp, types.int32, {real})"


def _function(name: str, signature: str, arguments: str, char: str, lines: list[str]) -> str:
    pointers = {
        "real": f"types.CPointer(types.{TYPES[char]})",
        "double": "types.CPointer(types.double)",
        "bits": f"types.CPointer(types.{'int32' if char == 'f' else 'int64'})",
    }
    spelled = signature.replace("intp", "types.intp").format(**pointers)
    return filled(_FUNCTION, signature=spelled, name=name, arguments=arguments, lines=lines)


def made(rule: Rule, sizes: Sizes, char: str, functions: tuple[Any, ...]) -> ModuleType:
    """The kernels for blocks of runs, or for one run where a row is one run wide."""
    update = Update(rule, sizes)
    own = rule_text(rule)
    slopes, given = slopes_text(sizes.kind, sizes.count, char, functions)
    if own is None:
        given = {**given, "rule": in_numba(rule.function)}
    parts = [
        HEADER,
        constants(char, sizes),
        slopes,
        norm() if sizes.mode == "clipped" else "",
        (rule_text(PREPARE, "prepare") or "") if sizes.n_shared else "",
        *(rule_text(rule, rule.name) or "" for rule in sizes.judging),
        own or "",
        *([_single(update, char)] if sizes.width == 1 else _blocked(update, char)),
    ]
    return generated_module("".join(parts), given or None)


def _blocked(update: Update, char: str) -> list[str]:
    # Whole vectors; what lies behind the last run is never read. A user's function sees no run that is none.
    padding = ["lanes = (lanes + 15) // 16 * 16"] if update.sizes.kind != "function" else []
    return [
        _function(
            "window",
            _WINDOW,
            "b, width, lanes, size, steps, table, stride, data, low, high, work, features, outputs",
            char,
            [*padding, *sweep_text.window(update)],
        ),
        _function(
            "observe",
            _OBSERVE,
            "b, width, lanes, size, steps, last, c, stride, data, tol, limit, status, seen, moved, turns, work, "
            "features, outputs",
            char,
            sweep_text.observe(update),
        ),
    ]


def _single(update: Update, char: str) -> str:
    return _function(
        "follow",
        _FOLLOW,
        "b, size, steps, last, c, stride, data, tol, limit, step_tol, ended",
        char,
        sweep_text.follow(update),
    )


_module_of_file = cache(made)
_module_of_functions = lru_cache(maxsize=128)(made)  # a user's may be many, and hold anything


@cache
def vector_bytes() -> int:
    """How wide LLVM makes vectors here: it keeps to 256 bits on Intel's AVX-512 processors, not on AMD's."""
    from llvmlite import binding  # noqa: PLC0415

    features = binding.get_host_cpu_features()
    if features.get("avx512f") and binding.get_host_cpu_name().startswith("znver"):
        return 64
    return 32 if features.get("avx2") else 16


def window_and_observe(kernel: Kernel, count: int, runs: Descents, char: str) -> tuple[int, int]:
    """Addresses of the kernels that advance and observe a block of runs."""
    module = _found(runs.rule, Sizes.of(kernel, count, runs), char, kernel.functions)
    return int(module.window.address), int(module.observe.address)


def follow(kernel: Kernel, count: int, runs: Descents, char: str) -> int:
    """Address of the kernel that follows a single run."""
    sizes = Sizes.of(kernel, count, runs, width=1)
    return int(_found(runs.rule, sizes, char, kernel.functions).follow.address)


def _found(rule: Rule, sizes: Sizes, char: str, functions: tuple[Any, ...]) -> ModuleType:
    if not functions:
        return _module_of_file(rule, sizes, char, functions)
    from numba.core.errors import NumbaError, UnsupportedBytecodeError  # noqa: PLC0415

    try:
        return _module_of_functions(rule, sizes, char, functions)
    except (NumbaError, UnsupportedBytecodeError) as error:
        why = [line for line in str(error).split("\n") if "Failed in nopython" not in line]
        raise TypeError(
            f"fun cannot be compiled for arrays of {TYPES[char]}, says Numba: {' '.join(why)[:300]}"
        ) from error


# --- coefficients of a block, where no ahead-of-time function has them ----------------------------


@cache
def lane_coefficients(function: CoefficientFunction, char: str) -> int:
    """Address of the function that tabulates one step's coefficients for all runs of a block."""
    arguments = ["t", *(f"h[{k} * width + l]" for k in range(len(function.hyperparameters)))]
    results = [f"c{k}" for k in range(function.count)]
    lines = [f"out[{k} * width + l] = REAL({name})" for k, name in enumerate(results)]
    if function.carries:
        arguments.insert(1, "carried[l]")
        results.insert(0, "carried[l]")
    call = (
        f"{', '.join(results)}{',' if len(results) == 1 else ''} = evaluate({', '.join(arguments)})"
    )
    return _lanes(coefficients_text(function), function, char, [call, *lines])


@cache
def clipped_coefficients(char: str) -> int:
    """`prepare`'s coefficients and, behind them, the norm to clip at and its epsilon, each in three parts."""
    prepare = COEFFICIENTS["prepare"]
    n = len(prepare.hyperparameters)
    names = ", ".join(f"c{k}" for k in range(prepare.count))
    lines = [f"{names} = evaluate(t, {', '.join(f'h[{k} * width + l]' for k in range(n))})"]
    lines += [f"out[{k} * width + l] = REAL(c{k})" for k in range(prepare.count)]
    lines += [
        f"out[{prepare.count + k} * width + l] = REAL(h[{n + k} * width + l])" for k in range(6)
    ]
    return _lanes(coefficients_text(prepare), prepare, char, lines)


def _lanes(text: str | None, function: CoefficientFunction, char: str, lines: list[str]) -> int:
    loop = ["for l in range(lanes):", *indented(lines)]
    own = f"\nREAL = types.{TYPES[char]}\n"
    own += _function("lanes", _LANES, "t, carried, h, width, lanes, uniform, out", char, loop)
    if text is None:
        module = generated_module(HEADER + own, {"evaluate": in_numba(function.function)})
    else:
        module = generated_module(HEADER + text + own)
    return int(module.lanes.address)
