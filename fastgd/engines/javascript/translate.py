"""From the syntax tree of a function of `fastgd.rules` to JavaScript.

What a page computes is the source that every other backend compiles. JavaScript has one kind of number, float64, and
rounds every operation by itself, so that sums, products, quotients and roots have NumPy's bits. The functions of the
vocabulary keep their names, ``np.maximum`` and the like (`fastgd.engines.javascript.source` defines them); a choice
becomes ``?:``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, NoReturn

from fastgd.engines.parse import Parsed
from fastgd.engines.templates import indented

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
    ast.BitAnd: "&", ast.BitOr: "|", ast.LShift: "<<",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "===", ast.NotEq: "!==",
    ast.And: "&&", ast.Or: "||", ast.USub: "-", ast.UAdd: "+", ast.Not: "!",
}  # fmt: skip
_NUMBERS = {"np.inf": "Infinity", "np.nan": "NaN", "math.pi": "Math.PI"}
_MACHINE = {
    "sqrt": "Math.sqrt",
    "abs": "Math.abs",
    "floor": "Math.floor",
}  # correctly rounded everywhere
_LIBRARIES = ("np", "math", "m")  # the names under which functions of the vocabulary are called


def function_text(function: Callable[..., Any], name: str = "") -> str:
    """A whole function, to be called as in Python.

    Parameters
    ----------
    function : function
        Of assignments, loops over ``range``, branches and returns.
    name : str, optional
        Its name in JavaScript; its own by default.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it holds something else; the message quotes it.

    Examples
    --------
    >>> from fastgd.engines.javascript.translate import function_text
    >>> from fastgd.rules.updates import sgd
    >>> print(function_text(sgd))
    function sgd(p, g, lr) {
      return [(p - (lr * g))];
    }
    """
    parsed = Parsed(function)
    lines = [*declared(parsed), *body_lines(parsed.definition.body)]
    head = f"function {name or parsed.name}({', '.join(parsed.arguments)}) {{"
    return "\n".join([head, *halved(indented(lines)), "}"])


def declared(parsed: Parsed) -> list[str]:
    """The declaration of the names that a body assigns and that are not its arguments."""
    stored = (node.id for node in ast.walk(parsed.definition)
              if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))  # fmt: skip
    names = [name for name in dict.fromkeys(stored) if name not in parsed.arguments]
    return [f"let {', '.join(names)};"] if names else []


def halved(lines: list[str]) -> list[str]:
    """Lines with half of Python's indentation."""
    return [" " * ((len(line) - len(line.lstrip())) // 2) + line.lstrip() for line in lines]


def body_lines(body: list[ast.stmt]) -> list[str]:
    """The statements of a body, its docstring left out."""
    return [line for statement in body for line in _STATEMENT.visit(statement)]


def expression(node: ast.expr) -> str:
    """An expression, every operation in parentheses: Python's order of evaluation and nobody else's."""
    return str(_EXPRESSION.visit(node))


class _Statement(ast.NodeVisitor):
    """The lines of one statement."""

    def visit_Expr(self, node: ast.Expr) -> Iterator[str]:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)
        yield from ()  # a docstring

    def visit_Assign(self, node: ast.Assign) -> Iterator[str]:
        match node:
            case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)):
                yield from _several(node, targets, values)
            case ast.Assign([target], value):
                yield f"{expression(target)} = {expression(value)};"

    def visit_AugAssign(self, node: ast.AugAssign) -> Iterator[str]:
        value = ast.BinOp(node.target, node.op, node.value)
        yield f"{expression(node.target)} = {expression(value)};"

    def visit_For(self, node: ast.For) -> Iterator[str]:
        match node:
            case ast.For(ast.Name(name), ast.Call(ast.Name("range"), bounds), body):
                yield f"for ({_counted(name, *map(expression, bounds))}) {{"
                yield from indented(body_lines(body))
                yield "}"
            case _:
                self.generic_visit(node)

    def visit_If(self, node: ast.If) -> Iterator[str]:
        yield f"if {expression(node.test)} {{"
        yield from indented(body_lines(node.body))
        yield "}"
        if node.orelse:
            yield "else {"
            yield from indented(body_lines(node.orelse))
            yield "}"

    def visit_Return(self, node: ast.Return) -> Iterator[str]:
        if node.value is None:
            self.generic_visit(node)
        else:
            yield f"return {expression(node.value)};"

    def generic_visit(self, node: ast.AST) -> NoReturn:
        _refuse(node)


def _several(node: ast.stmt, targets: list[ast.expr], values: list[ast.expr]) -> Iterator[str]:
    """Assignments side by side, one after the other: none may read what another one assigns."""
    names = {ast.unparse(target) for target in targets}
    read = {name.id for value in values for name in ast.walk(value) if isinstance(name, ast.Name)}
    if names & read:
        raise ValueError(f"{ast.unparse(node)}: values that use names assigned beside")
    for target, value in zip(targets, values, strict=True):
        yield f"{expression(target)} = {expression(value)};"


def _counted(name: str, *bounds: str) -> str:
    """The head of a loop over ``range(*bounds)``."""
    first, last, step = {1: ("0", *bounds, "1"), 2: (*bounds, "1"), 3: bounds}[len(bounds)]
    if step == "1":
        return f"{name} = {first}; {name} < {last}; {name}++"
    if step == "(-1)":
        return f"{name} = {first}; {name} > {last}; {name}--"
    raise ValueError(f"range counts by 1 or -1, got {step}")


class _Expression(ast.NodeVisitor):
    """The text of an expression."""

    def visit_Constant(self, node: ast.Constant) -> str:
        return str(node.value).lower() if isinstance(node.value, bool) else repr(node.value)

    def visit_Name(self, node: ast.Name) -> str:
        return node.id

    def visit_Attribute(self, node: ast.Attribute) -> str:
        text = ast.unparse(node)
        return _NUMBERS[text] if text in _NUMBERS else _refuse(node)

    def visit_BinOp(self, node: ast.BinOp) -> str:
        return f"({expression(node.left)} {_sign(node.op, node)} {expression(node.right)})"

    def visit_UnaryOp(self, node: ast.UnaryOp) -> str:
        return f"({_sign(node.op, node)}{expression(node.operand)})"

    def visit_BoolOp(self, node: ast.BoolOp) -> str:
        return f"({f' {_sign(node.op, node)} '.join(map(expression, node.values))})"

    def visit_Compare(self, node: ast.Compare) -> str:
        if len(node.ops) > 1:
            _refuse(node)
        return f"({expression(node.left)} {_sign(node.ops[0], node)} {expression(node.comparators[0])})"

    def visit_IfExp(self, node: ast.IfExp) -> str:
        test, yes, no = map(expression, (node.test, node.body, node.orelse))
        return f"({test} ? {yes} : {no})"

    def visit_Subscript(self, node: ast.Subscript) -> str:
        indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return expression(node.value) + "".join(f"[{expression(index)}]" for index in indices)

    def visit_Tuple(self, node: ast.Tuple) -> str:
        return f"[{', '.join(map(expression, node.elts))}]"

    def visit_Call(self, node: ast.Call) -> str:
        given = [expression(argument) for argument in node.args]
        match node.func:
            case ast.Name("float"):
                return given[0]
            case ast.Name("len"):
                return f"{given[0]}.length"
            case ast.Attribute(ast.Name(module), "where") if module in _LIBRARIES:
                test, yes, no = given
                return f"({test} ? {yes} : {no})"
            case ast.Name(name):
                called = name
            case ast.Attribute(ast.Name(module), name) if module in _LIBRARIES and name in _MACHINE:
                called = _MACHINE[name]
            case ast.Attribute(value, name):
                called = f"{expression(value)}.{name}"
            case _:
                _refuse(node)
        return f"{called}({', '.join(given)})"

    def generic_visit(self, node: ast.AST) -> NoReturn:
        _refuse(node)


def _sign(operator: ast.AST, node: ast.AST) -> str:
    """An operator in JavaScript; of a node to quote where there is none."""
    return _OPERATORS[type(operator)] if type(operator) in _OPERATORS else _refuse(node)


def _refuse(node: ast.AST) -> NoReturn:
    raise ValueError(f"not understood in JavaScript: {ast.unparse(node)}")


_STATEMENT, _EXPRESSION = _Statement(), _Expression()


def helpers(function: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The plain functions of the same module that a function calls, and those that they call, by name."""
    found: dict[str, Callable[..., Any]] = {}
    for name in function.__code__.co_names:
        other = function.__globals__.get(name)
        if isinstance(other, FunctionType) and other.__module__ == function.__module__:
            found |= {**helpers(other), name: other}
    return found
