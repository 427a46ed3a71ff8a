"""Users' own activations and losses: checked, traced to text, compiled as a loop over arrays.

Such a function is straight-line arithmetic on its arguments, literals and the vocabulary `np`, and returns value and
derivative, as in `fastgd.rules.activations` and `losses`. It is called once with placeholders that record the
operations: so its source is not needed, and every literal gets the dtype of the arrays.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from fastgd.engines.numba import modules
from fastgd.engines.numba.steps import loop_decorator
from fastgd.engines.user_rules import check_arithmetic, plain_arguments
from fastgd.engines.vocabulary import ELEMENTARY, PLAIN, bound, numpy_vocabulary

Function = Callable[..., Any]
_FORMS = {"activation": ("f(z)", 1), "loss": ("f(z, y)", 2)}


def checked_activation(function: Any) -> Function:
    """Check that a user's activation ``f(z) -> (value, slope)`` can be compiled.

    Parameters
    ----------
    function : function
        It uses the vocabulary under the global name `np`.

    Returns
    -------
    function
        The same function.

    Raises
    ------
    TypeError
        If it is not a plain Python function.
    ValueError
        If it has another signature, or is not straight-line arithmetic.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd.engines.numba.user_functions import checked_activation
    >>> def squared_relu(z):
    ...     positive = np.maximum(z, 0)
    ...     return positive * positive, 2 * positive
    >>> checked_activation(squared_relu) is squared_relu
    True
    """
    return _checked("activation", function)


def checked_loss(function: Any) -> Function:
    """Check that a user's loss ``f(z, y) -> (value, slope by z)`` of one output can be compiled.

    Parameters
    ----------
    function : function

    Returns
    -------
    function

    Raises
    ------
    TypeError, ValueError
        As `checked_activation`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd.engines.numba.user_functions import checked_loss
    >>> def quantile(z, y):
    ...     error = y - z
    ...     return np.maximum(0.9 * error, -0.1 * error), np.where(error > 0, -0.9, 0.1)
    >>> checked_loss(quantile) is quantile
    True
    """
    return _checked("loss", function)


def _checked(kind: str, function: Any) -> Function:
    form, count = _FORMS[kind]
    if not inspect.isfunction(function):
        compiled = hasattr(function, "py_func")
        raise TypeError(
            f"{kind} must be a name or a plain Python function {form}, got {type(function).__name__}"
            + ("; give the function itself, its .py_func: it is compiled here" if compiled else "")
        )
    what = f"{kind} {function.__name__!r}"
    arguments = plain_arguments(function, what)
    if len(arguments) != count:
        raise ValueError(f"{what} must be {form}, got arguments ({', '.join(arguments)})")
    check_arithmetic(what, function, instead="write its value as a literal")
    _try_out(what, function, count)
    try:
        _traced(function)
    except Exception as error:
        raise ValueError(f"{what} cannot be compiled: {error}") from error
    return function


def _try_out(what: str, function: Function, count: int) -> None:
    """Call it once on small read-only arrays of each dtype."""
    for real in (np.float32, np.float64):
        arrays = [np.linspace(-2.0, 1.0 + k, 6, dtype=real).reshape(2, 3) for k in range(count)]
        for array in arrays:
            array.setflags(write=False)
        try:
            with np.errstate(all="ignore"):
                results = bound(function, numpy_vocabulary())(*arrays)
        except Exception as error:
            raise ValueError(f"{what} cannot be computed: {error}") from error
        if not isinstance(results, tuple) or len(results) != 2:
            got = type(results).__name__
            if isinstance(results, tuple):
                got = f"a tuple of {len(results)}"
            raise ValueError(f"{what} must return (value, slope), got {got}")
        for name, result in zip(("value", "slope"), results, strict=True):
            if np.shape(result) not in {(), (2, 3)} or np.asarray(result).dtype.kind not in "bif":
                raise ValueError(f"{what} must return as {name} one real number for each z")


# --- tracing ----------------------------------------------------------------------------------------


class _Trace:
    """The recorded lines of a function, and its literals."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.literals: dict[str, str] = {}  # name by value, as text

    def result(self, expression: str, condition: bool = False) -> _Placeholder:
        name = f"v{len(self.lines)}"
        self.lines.append(f"{name} = {expression}")
        return _Placeholder(self, name, condition)

    def placeholder(self, value: Any) -> _Placeholder:
        """For a placeholder or a literal."""
        if isinstance(value, _Placeholder):
            return value
        if isinstance(value, bool):
            return _Placeholder(self, repr(value), True)
        if not isinstance(value, int | float):
            raise TypeError(f"{value!r:.60} is not a number")
        name = self.literals.setdefault(repr(float(value)), f"c{len(self.literals)}")
        return _Placeholder(self, name)

    def number(self, value: Any) -> _Placeholder:
        """As `placeholder`; a comparison counts as 1 or 0."""
        value = self.placeholder(value)
        return self.call("where", value, 1.0, 0.0) if value.condition else value

    def call(self, name: str, *arguments: Any) -> _Placeholder:
        first, *others = arguments
        first = self.placeholder(first) if name == "where" else self.number(first)
        names = ", ".join([first.name, *(self.number(a).name for a in others)])
        return self.result(f"np.{name}({names})")

    def operation(self, a: Any, sign: str, b: Any) -> _Placeholder:
        a, b = self.placeholder(a), self.placeholder(b)
        if a.condition and b.condition:
            raise TypeError(f"two comparisons are joined with & or |, not with {sign}")
        return self.result(f"{self.number(a).name} {sign} {self.number(b).name}")

    def comparison(self, a: Any, sign: str, b: Any) -> _Placeholder:
        return self.result(f"{self.number(a).name} {sign} {self.number(b).name}", condition=True)

    def joined(self, a: Any, word: str, b: Any) -> _Placeholder:
        a, b = self.placeholder(a), self.placeholder(b)
        if not (a.condition and b.condition):
            raise TypeError("& and | are for comparisons")
        return self.result(f"{a.name} {word} {b.name}", condition=True)

    def refused(self, a: Any, sign: str, b: Any) -> _Placeholder:
        raise TypeError(f"{sign} has no derivative")


class _Placeholder:
    """A number or the result of a comparison, by its name in the trace."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, trace: _Trace, name: str, condition: bool = False) -> None:
        self.trace, self.name, self.condition = trace, name, condition

    def __bool__(self) -> bool:
        raise TypeError("a choice is written as np.where(a > b, x, y)")

    def __neg__(self) -> _Placeholder:
        return self.trace.result(f"-{self.trace.number(self).name}")

    def __pos__(self) -> _Placeholder:
        return self

    def __abs__(self) -> _Placeholder:
        return self.trace.call("abs", self)

    def __invert__(self) -> _Placeholder:
        if not self.condition:
            raise TypeError("~ is for comparisons")
        return self.trace.result(f"not {self.name}", condition=True)


def _add_operators() -> None:
    def add(name: str, sign: str, method: str, reflected: bool) -> None:
        def forward(self: _Placeholder, other: Any) -> Any:
            return getattr(self.trace, method)(self, sign, other)

        def backward(self: _Placeholder, other: Any) -> Any:
            return getattr(self.trace, method)(other, sign, self)

        setattr(_Placeholder, f"__{name}__", forward)
        if reflected:
            setattr(_Placeholder, f"__r{name}__", backward)

    for name, sign in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**"}.items():
        add(name, sign, "operation", True)
    for name, sign in {
        "lt": "<",
        "le": "<=",
        "gt": ">",
        "ge": ">=",
        "eq": "==",
        "ne": "!=",
    }.items():
        add(name, sign, "comparison", False)
    for name, word in {"and": "and", "or": "or"}.items():
        add(name, word, "joined", True)
    for name, sign in {"floordiv": "//", "mod": "%"}.items():
        add(name, sign, "refused", True)


_add_operators()


def _traced(function: Function) -> tuple[int, _Trace]:
    """The number of arguments and the operations on them; they are named x0, x1, ..."""
    trace = _Trace()
    vocabulary = ModuleType("fastgd_tracing_vocabulary")
    for name in (*PLAIN, *ELEMENTARY):
        setattr(vocabulary, name, lambda *arguments, name=name: trace.call(name, *arguments))
    count = function.__code__.co_argcount
    arguments = [_Placeholder(trace, f"x{k}") for k in range(count)]
    results = [trace.number(result).name for result in bound(function, vocabulary)(*arguments)]
    trace.lines.append(f"return {', '.join(results)}")
    return count, trace


def function_text(function: Function, char: str, name: str = "function") -> str:
    """A function of `fastgd.rules.activations` or `losses`, or a user's, as text for Numba, to follow `HEADER`.

    Parameters
    ----------
    function : function
    char : {"f", "d"}
        The dtype that its literals are rounded to.
    name : str
        Its name in the text.

    Returns
    -------
    str
    """
    count, trace = _traced(function)
    real = modules.TYPES[char]
    return "\n".join(
        [
            f"from numpy import {real}",
            *(f"{c} = {real}(float({value!r}))" for value, c in trace.literals.items()),
            f'@njit(error_model="numpy", fastmath=False, forceinline=True)\n'
            f"def {name}({', '.join(f'x{k}' for k in range(count))}):",
            *(f"    {line}" for line in trace.lines),
            "",
        ]
    )


# --- compiled ---------------------------------------------------------------------------------------


def function_loop(function: Function, char: str) -> int:
    """Address of ``void loop(T** arrays, const T* constants, Py_ssize_t lo, Py_ssize_t hi)``, as of update loops.

    The arrays are (z, value, slope) of an activation and (z, y, value, slope) of a loss; there are no constants.

    Parameters
    ----------
    function : function
        Checked by `checked_activation` or `checked_loss`.
    char : {"f", "d"}
        float32 or float64.

    Returns
    -------
    int

    Raises
    ------
    RuntimeError
        If Numba is not installed.
    """
    if reason := modules.missing():
        raise RuntimeError(
            f"a function of your own is compiled by Numba, and {reason}; backend='numpy' computes "
            "without it"
        )
    text = function_text(function, char)
    return int(_compiled(text, function.__code__.co_argcount, char).address)


@cache
def _compiled(text: str, inputs: int, char: str) -> Any:
    """Kept for the life of the process, since addresses may be in use."""
    arrays = [f"a{k}" for k in range(inputs + 2)]
    arguments = ", ".join(f"{a}[i]" for a in arrays[:inputs])
    loop = [
        loop_decorator(char),
        "def loop(arrays, constants, lo, hi):",
        *(f"    {a} = carray(arrays[{k}], (hi,))[lo:]" for k, a in enumerate(arrays)),
        "    for i in range(hi - lo):",
        f"        {arrays[-2]}[i], {arrays[-1]}[i] = function({arguments})",
        "",
    ]
    return modules.generated_module(modules.HEADER + text + "\n".join(loop)).loop
