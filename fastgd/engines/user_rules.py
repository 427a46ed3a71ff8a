"""Checks of users' own rules and coefficient functions before they are compiled.

A rule is straight-line arithmetic on arguments, locals and the vocabulary `np`; its numbers are coefficients. Anything
else is refused here by name: in a compiled loop it would cause a wrong dtype, other bits or a slow loop.
"""

from __future__ import annotations

import ast
import dis
import inspect
import math
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from fastgd.engines.parse import CoefficientFunction, Rule

_LITERALS = {"LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST"}
_GLOBALS = {"LOAD_GLOBAL", "LOAD_NAME"}
_CLOSURES = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_CLOSURE", "MAKE_CELL"}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}


@dataclass(frozen=True)
class UserRule(Rule):
    """A rule whose state is named by its author; source code is not needed."""

    names: tuple[str, ...] = ()

    @property
    def state(self) -> tuple[str, ...]:
        """Names of the state variables."""
        return self.names

    @cached_property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return plain_arguments(self.function, self.name)[2 + len(self.names) :]

    @cached_property
    def text(self) -> str | None:
        """The rule as the text of a function `rule`, or None if its source is not available."""
        return _text(self.function, "rule")

    def __reduce__(self) -> Any:
        return type(self), (self.function, self.names)


@dataclass(frozen=True)
class UserCoefficients(CoefficientFunction):
    """A coefficient function, perhaps a lambda, of ``(t, lr, ...)`` or ``(t, carry, lr, ...)``."""

    results: int = 0

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """Names of the arguments."""
        return plain_arguments(self.function, "coefficients")

    @property
    def count(self) -> int:
        """How many coefficients it returns."""
        return self.results

    @property
    def steady(self) -> bool:
        """Never: whether it depends on the step is not known."""
        return False

    @cached_property
    def text(self) -> str | None:
        """The text of a function `evaluate`, or None if it uses other globals than `math` or has no source."""
        code = self.function.__code__
        known = getattr(self.function, "__globals__", {})
        if code.co_freevars or any(
            known.get(i.argval) is not math or i.argval != "math" for i in _read(code, _GLOBALS)
        ):
            return None
        return _text(self.function, "evaluate")

    def __reduce__(self) -> Any:
        return type(self), (self.function, self.results)


def checked_rule(function: Any, state: tuple[str, ...]) -> UserRule:
    """A user's rule, or an error that names what cannot be compiled."""
    if not inspect.isfunction(function):
        raise TypeError(f"rule must be a Python function, got {type(function).__name__}")
    name, code = function.__name__, function.__code__
    arguments = plain_arguments(function, f"rule {name!r}")
    if len(arguments) < 2 + len(state) or arguments[2 : 2 + len(state)] != state:
        raise ValueError(
            f"rule {name!r} must take (p, g, {', '.join((*state, 'coefficients...'))}), "
            f"got ({', '.join(arguments)})"
        )
    for literal in literals(code):
        raise ValueError(
            f"rule {name!r} contains the literal {literal!r}: a literal has no dtype of its own; "
            "pass it as a coefficient"
        )
    check_arithmetic(f"rule {name!r}", function, instead="pass it as a coefficient")
    return UserRule(function, state)


def check_arithmetic(what: str, function: FunctionType, instead: str) -> None:
    """Refuse what is not straight-line arithmetic on arguments, locals and the vocabulary.

    Parameters
    ----------
    what : str
        Name of the function in error messages.
    function : function
    instead : str
        What to use instead of a variable of an enclosing function.

    Raises
    ------
    ValueError
    """
    code = function.__code__
    for instruction in _read(code, _CLOSURES):
        raise ValueError(f"{what} uses {instruction.argval!r} of an enclosing function; {instead}")
    for instruction in dis.get_instructions(code):
        if "JUMP" in instruction.opname or instruction.opname == "FOR_ITER":
            raise ValueError(f"{what} branches or loops; write a choice as np.where(a > b, x, y)")
    for instruction in _read(code, _GLOBALS):
        if instruction.argval != "np" or function.__globals__.get("np") is not np:
            raise ValueError(
                f"{what} uses {instruction.argval!r}, which is neither an argument, a "
                "local, nor NumPy under the name `np`"
            )
    _known_functions(what, code)


def _known_functions(what: str, code: CodeType) -> None:
    from fastgd.engines.vocabulary import numpy_vocabulary  # noqa: PLC0415

    vocabulary = vars(numpy_vocabulary())
    for instruction in _read(code, _ATTRIBUTES):
        if instruction.argval not in vocabulary:
            known = ", ".join(sorted(n for n in vocabulary if not n.startswith("_")))
            raise ValueError(
                f"{what} uses {instruction.argval!r}, which the vocabulary of rules does "
                f"not have; it has {known}"
            )


def checked_coefficients(function: Any, results: int) -> UserCoefficients:
    """A user's coefficient function, which must return `results` numbers."""
    if not inspect.isfunction(function):
        raise TypeError(f"coefficients must be a Python function, got {type(function).__name__}")
    coefficients = UserCoefficients(function, results)
    arguments = coefficients.arguments
    rate = 2 if coefficients.carries else 1
    if coefficients.carries and arguments[1] != "carry":
        raise ValueError("coefficients must take `carry` as its second argument")
    if len(arguments) <= rate or arguments[0] != "t" or arguments[rate] != "lr":
        raise ValueError(
            f"coefficients must take (t, lr, ...) or (t, carry, lr, ...), got "
            f"({', '.join(arguments)})"
        )
    return coefficients


def try_out(rule: UserRule) -> None:
    """Call the rule once on small arrays; check the number of results and their dtype."""
    from fastgd.engines.vocabulary import bound, numpy_vocabulary  # noqa: PLC0415

    function = bound(rule.function, numpy_vocabulary())
    count = 2 + len(rule.state) + len(rule.coefficients)
    one = np.float32(0.5)
    arrays = [np.full(2, one) for _ in range(2 + len(rule.state))]
    with np.errstate(all="ignore"):
        results = function(*arrays, *[one] * (count - len(arrays)))
    wanted = 1 + len(rule.state)
    if not isinstance(results, tuple) or len(results) != wanted:
        raise ValueError(
            f"rule {rule.name!r} must return a tuple of {wanted}: "
            f"({', '.join(('p', *rule.state))}{',' if wanted == 1 else ''})"
        )
    for name, result in zip(("p", *rule.state), results, strict=True):
        if np.shape(result) != (2,) or result.dtype != np.float32:
            raise ValueError(
                f"rule {rule.name!r} must return {name} with the shape and dtype of the arguments"
            )


def plain_arguments(function: Callable[..., Any], what: str) -> tuple[str, ...]:
    """Names of the arguments, which may have no defaults and no stars."""
    parameters = inspect.signature(function).parameters.values()
    if any(
        p.kind not in {p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY} or p.default is not p.empty
        for p in parameters
    ):
        raise ValueError(f"{what} must have plain arguments, without defaults and stars")
    return tuple(p.name for p in parameters)


def _read(code: CodeType, opnames: set[str]) -> Iterator[dis.Instruction]:
    return (i for i in dis.get_instructions(code) if i.opname in opnames)


def literals(code: CodeType) -> Iterator[Any]:
    """The numbers that a function contains."""
    for instruction in _read(code, _LITERALS):
        value = instruction.argval
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, int | float | complex):
                yield part


def _text(function: Callable[..., Any], name: str) -> str | None:
    """The source of a function or lambda as a definition called `name`; None if it is not found."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            found = ast.FunctionDef(name, node.args, [ast.Return(node.body)], [])
        elif isinstance(node, ast.FunctionDef):
            found = ast.FunctionDef(name, node.args, node.body, [])
        else:
            continue
        for argument in found.args.args:
            argument.annotation = None
        text = ast.unparse(ast.fix_missing_locations(found))
        if _compiles_to(text, name, function.__code__):
            return text
    return None


def _compiles_to(text: str, name: str, code: CodeType) -> bool:
    """Whether the text is that of this function (a line may hold two lambdas)."""
    names: dict[str, Any] = {}
    exec(compile(text, "<rule>", "exec"), names)
    other = names[name].__code__

    return _content(other) == _content(code)


def _content(code: CodeType) -> list[tuple[str, Any]]:
    """Instructions, except what depends on the surrounding text."""
    return [
        (i.opname.replace("LOAD_METHOD", "LOAD_ATTR"), i.argval)
        for i in dis.get_instructions(code)
        if i.opname not in {"PUSH_NULL", "PRECALL", "CACHE", "RESUME", "NOP"}
    ]
