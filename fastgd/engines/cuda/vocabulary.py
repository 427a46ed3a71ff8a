"""The names `np.*` of rules on the GPU, for one dtype: the same formulas and bits as on the CPU.

CUDA compilers fuse products and sums by default. To keep the bits of the CPU, products are written as `mul`, which is
never fused (`fastgd.engines.cuda.source` writes it for ``*``); roots and quotients are correctly rounded in any case.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import cache
from typing import Any

from fastgd.engines import vocabulary as above
from fastgd.engines.cuda import device, source
from fastgd.engines.cuda.memory import REALS
from fastgd.engines.parse import Rule
from fastgd.engines.registry import ELEMENTARY
from fastgd.engines.vocabulary import bound


@cache
def vocabulary(char: str) -> types.ModuleType:
    """The vocabulary for numbers of one dtype, "f" or "d", inside kernels."""
    from numba import cuda  # noqa: PLC0415

    function = cuda.jit(device=True)
    real = REALS[char]
    module = types.ModuleType(f"fastgd_cuda_vocabulary_{char}")
    vars(module).update(_machine(char), REAL=real, inf=real("inf"), nan=real("nan"))
    for name, scalar in above.SCALARS.items():
        setattr(module, name, function(scalar))
    module.sign = function(above.literals_as(above.sign, real))  # type: ignore[attr-defined]
    precision = {"f": "single", "d": "double"}[char]
    for one in ELEMENTARY:
        if one.function.__name__.endswith(precision):
            text = source.elementary_text(one)
            names: dict[str, Any] = {"np": module, "REAL": real, "cuda": cuda}
            exec(compile(text, "<fastgd>", "exec"), names)
            setattr(module, one.name, names[one.name])
    return module


def _machine(char: str) -> dict[str, Callable[..., Any]]:
    """Functions of one or two machine instructions: `mul`, `sqrt`, and the bits of a number."""
    if device.simulated():
        import numpy as np  # noqa: PLC0415

        bits = above.numpy_bits(above.SINGLE if char == "f" else above.DOUBLE)
        return {"mul": lambda a, b: a * b, "sqrt": np.sqrt, "copysign": np.copysign, **bits}
    import math  # noqa: PLC0415

    from numba.cuda import libdevice  # noqa: PLC0415

    exact = {"f": libdevice.fmul_rn, "d": libdevice.dmul_rn}[char]
    return {"mul": exact, "sqrt": math.sqrt, "copysign": math.copysign, **_bits(char)}


def _bits(char: str) -> dict[str, Callable[..., Any]]:
    """`pow2`, `exponent` and `mantissa` of `fastgd.rules.elementary`, as integer instructions."""
    from numba import cuda  # noqa: PLC0415
    from numba import types as nt  # noqa: PLC0415
    from numba.cuda import libdevice  # noqa: PLC0415

    f = above.SINGLE if char == "f" else above.DOUBLE
    real = REALS[char]
    word: Any = nt.uint32 if char == "f" else nt.uint64
    signed: Any = nt.int32 if char == "f" else nt.int64
    to_bits = libdevice.float_as_int if char == "f" else libdevice.double_as_longlong
    from_bits = libdevice.int_as_float if char == "f" else libdevice.longlong_as_double
    digits, half, fraction = word(f.digits), word(f.sqrt_half), word(f.fraction)
    lift, integer = word((f.bias << f.digits) - f.sqrt_half), word(f.integer)
    offset = real(f.offset)

    @cuda.jit(device=True)
    def pow2(k: Any) -> Any:
        return from_bits(signed(word(to_bits(k)) << digits))

    @cuda.jit(device=True)
    def exponent(x: Any) -> Any:
        biased = word(word(to_bits(x)) + lift) >> digits
        return from_bits(signed(biased | integer)) - offset

    @cuda.jit(device=True)
    def mantissa(x: Any) -> Any:
        return from_bits(signed((word(word(to_bits(x)) - half) & fraction) + half))

    return {"pow2": pow2, "exponent": exponent, "mantissa": mantissa}


def rule_itself(rule: Rule, char: str) -> Any:
    """A user's rule without source as a device function, with the vocabulary as its `np`."""
    from numba import cuda  # noqa: PLC0415

    return cuda.jit(device=True)(bound(rule.function, vocabulary(char)))
