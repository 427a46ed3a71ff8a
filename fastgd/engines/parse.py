"""From a rule's source to the text that a compiler reads.

`fastgd.rules` holds scalar mathematics in plain Python. This module parses it (`Rule`,
`CoefficientFunction`, `ElementaryFunction`) and hands out its lines, with the names of the
vocabulary spelled for one dtype; `fastgd.engines.native.source` pastes them into the loops that
Cython compiles. It runs when the package is built, so it needs the standard library alone.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_LIMITS = {"np.inf": "INFINITY", "np.nan": "NAN"}
COMPARISONS = {ast.Gt: "gt", ast.Lt: "lt", ast.GtE: "ge", ast.LtE: "le"}


def definition_of(function: Callable[..., Any]) -> ast.FunctionDef:
    """The syntax tree of a function."""
    definition = ast.parse(textwrap.dedent(_source(function))).body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise TypeError(f"{function!r} must be defined with `def`")
    return definition


def _source(function: Callable[..., Any]) -> str:
    """As `inspect.getsource`, whose tokenizer would take most of the first step of a process."""
    code = function.__code__
    last = max((end or 0 for _, end, _, _ in code.co_positions()), default=0)
    try:
        with open(code.co_filename, encoding="utf-8") as file:
            lines = file.readlines()[code.co_firstlineno - 1 : last]
    except OSError:
        lines = []
    text = "".join(lines)
    return text if text.startswith("def ") else inspect.getsource(function)


def statements_of(definition: ast.FunctionDef) -> tuple[list[ast.stmt], list[ast.expr]]:
    """The body without its docstring, and what the closing return returns."""
    body = definition.body[1:] if ast.get_docstring(definition) else definition.body
    *assignments, last = body
    if not isinstance(last, ast.Return) or not isinstance(last.value, ast.Tuple):
        raise ValueError(f"{definition.name}: the last statement must return a tuple")
    return assignments, last.value.elts


def assigned(statements: Iterable[ast.stmt]) -> list[str]:
    """The names that plain assignments assign, in order."""
    names: dict[str, None] = {}
    for statement in statements:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise ValueError(f"only assignments to a name are understood: {ast.unparse(statement)}")
        names[statement.targets[0].id] = None
    return list(names)


class Vocabulary(ast.NodeTransformer):
    """Rewrites ``np.f(...)`` as ``f_<suffix>(...)``, and a comparison inside `where` as part of its name.

    Float literals, which elementary functions may contain, become numbers of that suffix.
    """

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        function = node.func
        if isinstance(function, ast.Attribute) and ast.unparse(function.value) == "np":
            name, arguments = function.attr, node.args
            if name == "where" and isinstance(arguments[0], ast.Compare):
                condition = arguments[0]
                name = f"where_{COMPARISONS[type(condition.ops[0])]}"
                arguments = [condition.left, condition.comparators[0], *arguments[1:]]
            return ast.Call(ast.Name(f"{name}_{self.suffix}"), arguments, [])
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, float):
            return node
        return ast.Call(ast.Name(f"splat_{self.suffix}"), [node], [])

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        text = ast.unparse(node)
        if text not in _LIMITS:
            return node
        return ast.Call(ast.Name(f"splat_{self.suffix}"), [ast.Name(_LIMITS[text])], [])


@dataclass(frozen=True)
class Parsed:
    """A function of `fastgd.rules` and its syntax tree."""

    function: Callable[..., Any]

    @cached_property
    def definition(self) -> ast.FunctionDef:
        return definition_of(self.function)

    @property
    def name(self) -> str:
        return self.function.__name__

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        return tuple(argument.arg for argument in self.definition.args.args)


class Rule(Parsed):
    """An update rule as the compilers see it; see `fastgd.rules.updates`."""

    @cached_property
    def state(self) -> tuple[str, ...]:
        _, returned = statements_of(self.definition)
        return tuple(n for n in map(ast.unparse, returned[1:]) if n != "g")

    @cached_property
    def coefficients(self) -> tuple[str, ...]:
        names = self.arguments
        if names[2 : 2 + len(self.state)] != self.state:
            raise ValueError(f"{self.name}: state must be returned in the order of the arguments")
        return names[2 + len(self.state) :]

    @cached_property
    def locals(self) -> tuple[str, ...]:
        """Names that the body assigns and that are not arguments."""
        names = assigned(statements_of(self.definition)[0])
        return tuple(n for n in names if n not in self.arguments)

    def lines(self, suffix: str) -> list[str]:
        """The body, then ``p = ...``; the vocabulary spelled for one dtype."""
        statements, returned = statements_of(copy.deepcopy(self.definition))
        if ast.unparse(returned[0]) != "p":
            statements.append(ast.Assign([ast.Name("p")], returned[0], lineno=0))
        tree = ast.Module(statements, [])
        return ast.unparse(ast.fix_missing_locations(Vocabulary(suffix).visit(tree))).split("\n")


class ElementaryFunction(Parsed):
    """A function of one number as the compilers see it; see `fastgd.rules.elementary`."""

    @property
    def name(self) -> str:
        """Without the precision: `exp` for `exp_single`."""
        return self.function.__name__.rpartition("_")[0]

    @property
    def real(self) -> str:
        """The suffix of its precision: f or d."""
        return {"single": "f", "double": "d"}[self.function.__name__.rpartition("_")[2]]

    @cached_property
    def locals(self) -> tuple[str, ...]:
        return tuple(n for n in assigned(self.definition.body[1:-1]) if n != "x")

    def lines(self, suffix: str) -> list[str]:
        """The body after its docstring, the vocabulary spelled for one dtype."""
        tree = ast.Module(copy.deepcopy(self.definition.body[1:]), [])
        return ast.unparse(ast.fix_missing_locations(Vocabulary(suffix).visit(tree))).split("\n")


class PairFunction(Parsed):
    """A function that returns a value and a slope; see `fastgd.rules.activations` and `losses`."""

    @cached_property
    def locals(self) -> tuple[str, ...]:
        return tuple(assigned(statements_of(self.definition)[0]))

    def lines(self, suffix: str, value: str, slope: str) -> list[str]:
        """The body, then what it returns under two names; the vocabulary spelled for one dtype."""
        statements, returned = statements_of(copy.deepcopy(self.definition))
        for name, result in zip((value, slope), returned, strict=True):
            statements.append(ast.Assign([ast.Name(name)], result, lineno=0))
        tree = ast.Module(statements, [])
        return ast.unparse(ast.fix_missing_locations(Vocabulary(suffix).visit(tree))).split("\n")


class CoefficientFunction(Parsed):
    """A coefficient function as the compilers see it; see `fastgd.rules.coefficients`."""

    @property
    def carries(self) -> bool:
        return "carry" in self.arguments

    @cached_property
    def hyperparameters(self) -> tuple[str, ...]:
        """Everything after the step number (and the carry): the rate first."""
        return self.arguments[2 if self.carries else 1 :]

    @cached_property
    def _parts(self) -> tuple[list[ast.stmt], list[ast.expr]]:
        return statements_of(self.definition)

    @property
    def count(self) -> int:
        """How many coefficients come out."""
        return len(self._parts[1]) - self.carries

    def _depending(self, *names: str) -> set[str]:
        """All names whose value depends on one of `names`."""
        tainted = set(names)
        for statement in self._parts[0]:
            assert isinstance(statement, ast.Assign)
            if _names(statement.value) & tainted:
                tainted.add(ast.unparse(statement.targets[0]))
        return tainted

    @cached_property
    def steady(self) -> bool:
        """Whether the coefficients are the same at every step."""
        tainted = self._depending("t", "carry")
        return not any(_names(value) & tainted for value in self._parts[1])

    def split_by_rate(self) -> tuple[list[str], list[str], list[tuple[str, bool]]]:
        """Statements that do not see the rate, those that do, and the results with that mark."""
        tainted = self._depending("lr")
        shared: list[str] = []
        own: list[str] = []
        for statement in self._parts[0]:
            assert isinstance(statement, ast.Assign)
            sees = bool(_names(statement.value) & tainted)
            (own if sees else shared).append(_without_module(statement))
        results = [(_without_module(v), bool(_names(v) & tainted)) for v in self._parts[1]]
        return shared, own, results

    @cached_property
    def locals(self) -> tuple[str, ...]:
        return tuple(n for n in assigned(self._parts[0]) if n != "carry")


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _without_module(tree: ast.AST) -> str:
    return ast.unparse(tree).replace("math.", "")
