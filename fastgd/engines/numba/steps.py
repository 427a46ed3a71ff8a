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
    """Numbers that share their coefficients."""
    arrays, coefficients = _counts(rule, prepared)
    lines = [
        loop_decorator(char),
        "def loop(arrays, coefficients, lo, hi):",
        # Sliced, because the compiler cannot exclude that an index that starts at `lo` is negative.
        *(f"    a{k} = carray(arrays[{k}], (hi,))[lo:]" for k in range(arrays)),
        *(f"    c{k} = coefficients[{k}]" for k in range(coefficients)),
        "    for i in range(hi - lo):",
        *(f"        {line}" for line in _update("a{}[i]", "c{}", rule, prepared)),
    ]
    return "\n".join(lines) + "\n"


def _lane_loop_text(rule: Rule, char: str, prepared: bool, width: int) -> str:
    """Vectors of numbers, and as many coefficients of each kind; `width` is hidden, or LLVM would unroll the loop."""
    arrays, _ = _counts(rule, prepared)
    place = f"coefficients[{width} * {{}} + lane]"
    lines = [
        "hidden = hidden_number()",
        loop_decorator(char),
        "def loop(arrays, coefficients, lo, hi):",
        *(f"    a{k} = arrays[{k}]" for k in range(arrays)),
        f"    width = hidden({width})",
        "    for i in range(lo, hi):",
        "        for lane in range(width):",
        f"            j = {width} * i + lane",
        *(f"            {line}" for line in _update("a{}[j]", place, rule, prepared)),
    ]
    return "\n".join(lines) + "\n"


def _counts(rule: Rule, prepared: bool) -> tuple[int, int]:
    """How many arrays and coefficients an update has."""
    shared = len(PREPARE.coefficients) if prepared else 0
    return 2 + len(rule.state), shared + len(rule.coefficients)


def _update(value: str, coefficient: str, rule: Rule, prepared: bool) -> list[str]:
    """One number's update; `value` and `coefficient` have a place for which array or coefficient it is."""
    arrays, coefficients = _counts(rule, prepared)
    values = [value.format(k) for k in range(arrays)]
    places = [coefficient.format(k) for k in range(coefficients)]
    results = [values[0], *values[2:]]
    lines, shared = [], coefficients - len(rule.coefficients)
    if prepared:
        lines.append(f"p, g = prepare({', '.join((*values[:2], *places[:shared]))})")
        values[:2] = ["p", "g"]
    call = f"rule({', '.join((*values, *places[shared:]))})"
    return [*lines, f"{', '.join(results)}{',' if len(results) == 1 else ''} = {call}"]


@cache
def _compiled(rule: Rule, prepared: bool, loop: str) -> Any:
    """The function `loop` of a text that calls `rule`, and `prepare` if it is prepared."""
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
        return int(_compiled(rule, prepared, _loop_text(rule, char, prepared)).address)


def lane_loop(rule: Rule, char: str, prepared: bool, width: int) -> int:
    """The same for networks side by side: each number and each coefficient is a vector of `width` numbers."""
    with LOCK:
        return int(_compiled(rule, prepared, _lane_loop_text(rule, char, prepared, width)).address)


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
