"""A coefficient function taken apart: what the host computes for all rates, and the rest, which sees the rate.

Whatever does not depend on the rate is evaluated on the host, in double and with libm's powers, once for all runs that
share their other hyperparameters. The rest, quotients and products with the rate, is computed on the GPU in double, in
the order of the formula. So the bits are the CPU's.
"""

from __future__ import annotations

import ast
import copy
from typing import Any

from fastgd.engines.parse import CoefficientFunction
from fastgd.engines.user_rules import UserCoefficients

_ARITHMETIC = (ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Compare, ast.BoolOp)


class NotApart(Exception):
    """The function is not straight-line code, or does more with the rate than a GPU can do exactly."""


class _OnDevice(ast.NodeTransformer):
    """An expression that sees the rate: products spelled out, parts that do not see it replaced by terms."""

    def __init__(self, part: Part) -> None:
        self.part = part

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Constant) or not isinstance(node, ast.expr):
            return node
        if not _names(node) & self.part.sees_rate:
            return ast.Name(self.part.term(node))
        if isinstance(node, ast.Name):
            return ast.Name("lr" if node.id == "lr" else f"{self.part.prefix}{node.id}")
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "math.sqrt":
            node.args = [self.visit(argument) for argument in node.args]
            return node
        if not isinstance(node, _ARITHMETIC):
            raise NotApart
        self.generic_visit(node)
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Mult):
                return ast.Call(ast.Name("wide.mul"), [node.left, node.right], [])
            if not isinstance(node.op, ast.Add | ast.Sub | ast.Div):
                raise NotApart
        return node


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


class Part:
    """One coefficient function taken apart; coefficients and terms are counted on from those of the part before."""

    def __init__(
        self, function: CoefficientFunction, *, first: int, first_term: int, scheduled: bool
    ) -> None:
        self.function, self.first_term = function, first_term
        self.prefix = f"v{first}_"
        self.terms: list[str] = []
        self.host: list[str] = []  # statements of the host
        self.lines: list[str] = []  # those of the GPU
        *assignments, last = _body(function)
        results = _results(last, function.count + function.carries)
        self.sees_rate = _depending(assignments, {"lr"})
        moving = _depending(assignments, {"t", "carry"} | ({"lr"} if scheduled else set()))
        for statement in assignments:
            self._statement(statement)
        self.carry = ast.unparse(results.pop(0)) if function.carries else "carry"
        if "carry" in self.sees_rate:
            raise NotApart
        self.fixed: list[int] = []
        self.tabled: list[int] = []
        self.columns: list[str] = []
        on_device = []
        for k, value in enumerate(results, first):
            if not _names(value) & moving:
                self.fixed.append(k)
            elif _names(value) & self.sees_rate:
                on_device.append(f"c{k} = REAL({self._on_device(value)})")
            else:
                self.tabled.append(k)
                self.columns.append(ast.unparse(value))
        self.lines += on_device
        if not on_device:  # then nobody reads what was prepared for it
            self.lines, self.terms = [], []

    def _statement(self, statement: ast.stmt) -> None:
        target, value = _assignment(statement)
        if target in self.sees_rate:
            self.lines.append(f"{self.prefix}{target} = {self._on_device(value)}")
        else:
            self.host.append(ast.unparse(statement))

    def _on_device(self, value: ast.expr) -> str:
        return ast.unparse(ast.fix_missing_locations(_OnDevice(self).visit(copy.deepcopy(value))))

    def term(self, node: ast.expr) -> str:
        """The name under which the GPU finds a value that the host computes at this point."""
        name = f"term{self.first_term + len(self.terms)}"
        self.host.append(f"{name} = {ast.unparse(node)}")
        self.terms.append(name)
        return name

    @property
    def text(self) -> str:
        """The host's share as a function ``terms(t, carry, others...)``."""
        arguments = ", ".join(["t", "carry", *self.function.hyperparameters[1:]])
        results = ", ".join([self.carry, *self.terms, *self.columns])
        body = "\n".join(f"    {line}" for line in [*self.host, f"return {results},"])
        return f'@njit(error_model="numpy")\ndef terms({arguments}):\n{body}\n'


def _body(function: CoefficientFunction) -> list[ast.stmt]:
    if not isinstance(function, UserCoefficients):
        definition = copy.deepcopy(function.definition)
    elif function.text is None:
        raise NotApart
    else:
        found = ast.parse(function.text).body[0]
        assert isinstance(found, ast.FunctionDef)
        definition = found
    return definition.body[1:] if ast.get_docstring(definition) else definition.body


def _results(last: ast.stmt, count: int) -> list[ast.expr]:
    if not (isinstance(last, ast.Return) and isinstance(last.value, ast.Tuple)):
        raise NotApart
    if len(last.value.elts) != count or any(isinstance(e, ast.Starred) for e in last.value.elts):
        raise NotApart
    return list(last.value.elts)


def _assignment(statement: ast.stmt) -> tuple[str, ast.expr]:
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        raise NotApart
    (target,) = statement.targets
    if not isinstance(target, ast.Name):
        raise NotApart
    return target.id, statement.value


def _depending(assignments: list[ast.stmt], names: set[str]) -> set[str]:
    """All names whose value depends on one of `names` somewhere."""
    found, before = set(names), set[str]()
    while found != before:
        before = set(found)
        for target, value in map(_assignment, assignments):
            if _names(value) & found:
                found.add(target)
    return found
