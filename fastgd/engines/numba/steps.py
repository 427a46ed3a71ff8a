"""Update loops and coefficient functions compiled by Numba, with the ABI of the native kernels.

They serve users' rules, and shipped rules if there is no compiled core.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from fastgd.engines.numba.modules import (
    HEADER,
    LOCK,
    OPTIONS,
    TYPES,
    coefficients_text,
    generated_module,
    in_numba,
    rule_text,
)
from fastgd.engines.parse import CoefficientFunction, Rule
from fastgd.engines.registry import PREPARE

_SIGNATURE = (
    "types.void(types.CPointer(types.CPointer(types.{real})), types.CPointer(types.{real}), "
    "types.intp, types.intp)"
)
_COEFFICIENT_SIGNATURE = (
    "types.void(types.double, types.CPointer(types.double), types.CPointer(types.double), "
    "types.CPointer(types.double))"
)


def loop_decorator(char: str) -> str:
    """The decorator of ``def loop(arrays, coefficients, lo, hi)`` in generated text."""
    return f"@cfunc({_SIGNATURE.format(real=TYPES[char])}, cache=CACHE, {OPTIONS})"


def _loop_text(rule: Rule, char: str, prepared: bool) -> str:
    arrays = ("p", "g", *rule.state)
    shared = PREPARE.coefficients if prepared else ()
    places = [f"c{k}" for k in range(len(shared) + len(rule.coefficients))]
    own = places[len(shared) :]
    values = [f"a{k}[i]" for k in range(len(arrays))]
    results = ["a0[i]", *values[2:]]
    lines = [
        loop_decorator(char),
        "def loop(arrays, coefficients, lo, hi):",
        # Sliced, because the compiler cannot exclude that an index that starts at `lo` is negative.
        *(f"    a{k} = carray(arrays[{k}], (hi,))[lo:]" for k in range(len(arrays))),
        *(f"    {place} = coefficients[{k}]" for k, place in enumerate(places)),
        "    for i in range(hi - lo):",
    ]
    if prepared:
        lines.append(f"        p, g = prepare({', '.join((*values[:2], *places[: len(shared)]))})")
        values[:2] = ["p", "g"]
    call = f"rule({', '.join((*values, *own))})"
    lines.append(f"        {', '.join(results)}{',' if len(results) == 1 else ''} = {call}")
    return "\n".join(lines) + "\n"


@cache
def _update_loop(rule: Rule, char: str, prepared: bool) -> Any:
    loop = _loop_text(rule, char, prepared)
    prepare = (rule_text(PREPARE, "prepare") or "") if prepared else ""
    text = rule_text(rule)
    if text is None:
        module = generated_module(HEADER + prepare + loop, {"rule": in_numba(rule.function)})
    else:
        module = generated_module(HEADER + prepare + text + loop)
    return module.loop


def update_loop(rule: Rule, char: str, prepared: bool) -> int:
    """Address of ``void loop(T** arrays, const T* coefficients, Py_ssize_t lo, Py_ssize_t hi)``."""
    with LOCK:
        return int(_update_loop(rule, char, prepared).address)


# --- coefficients -----------------------------------------------------------------------------------


def _coefficients_loop_text(function: CoefficientFunction) -> str:
    results = [f"out[{k}]" for k in range(function.count)]
    arguments = ["t", *(f"h[{k}]" for k in range(len(function.hyperparameters)))]
    if function.carries:
        results.insert(0, "carry[0]")
        arguments.insert(1, "carry[0]")
    return (
        f"@cfunc({_COEFFICIENT_SIGNATURE}, cache=CACHE, {OPTIONS})\n"
        "def loop(t, carry, h, out):\n"
        f"    {', '.join(results)}{',' if len(results) == 1 else ''} = "
        f"evaluate({', '.join(arguments)})\n"
    )


@cache
def _coefficients_loop(function: CoefficientFunction) -> Any:
    text, loop = coefficients_text(function), _coefficients_loop_text(function)
    if text is None:
        return generated_module(HEADER + loop, {"evaluate": in_numba(function.function)}).loop
    return generated_module(HEADER + text + loop).loop


def coefficients_loop(function: CoefficientFunction) -> int:
    """Address of ``void f(double t, double* carry, const double* hyper, double* out)``.

    Raises
    ------
    numba.core.errors.NumbaError
        If Numba cannot compile a user's function.
    """
    with LOCK:
        return int(_coefficients_loop(function).address)
