"""From the source of a test function (`fastgd.rules.functions`) to the text of a kernel for one run or for vectors."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator

from fastgd.engines.parse import Parsed

Read = Callable[[str], str]  # a component's number -> how it is read
Write = Callable[[str, str], str]  # a component's number and a value -> how it is written
_LIBRARY = {"math.sin": "sin", "math.cos": "cos"}


class TestFunction(Parsed):
    """A test function as the compilers see it."""

    def lines(self, suffix: str, read: Read, write: Write, value: str) -> list[str]:
        """The body for numbers ("d") or vectors ("vd") of double.

        `read` and `write` spell how a component of the point is read and one of the gradient written, by its number;
        `value` gets the value. The number of parameters is `n`.
        """
        spelled = _Spelled(suffix, read, write, value)
        body = [s for s in copy.deepcopy(self.definition.body) if not isinstance(s, ast.Expr)]
        tree = ast.Module(
            [part for statement in body for part in spelled.statements(statement)], []
        )
        return ast.unparse(ast.fix_missing_locations(tree)).split("\n")

    @property
    def locals(self) -> tuple[str, ...]:
        """The names of numbers that the body assigns."""
        targets = (node for node in ast.walk(self.definition) if isinstance(node, ast.Assign))
        names = (name.id for node in targets for name in ast.walk(node.targets[0])
                 if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store))  # fmt: skip
        return tuple(dict.fromkeys(names))


class _Spelled(ast.NodeTransformer):
    """Reading, writing and library functions as a kernel spells them."""

    def __init__(self, suffix: str, read: Read, write: Write, value: str) -> None:
        self.suffix, self.read, self.write, self.value = suffix, read, write, value

    def statements(self, node: ast.stmt) -> Iterator[ast.stmt]:
        """What stands for a statement; of several assignments at once one after the other."""
        if isinstance(node, ast.For):
            node.iter = self.visit(node.iter)
            node.body = [part for inner in node.body for part in self.statements(inner)]
            yield node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            assert isinstance(node.value, ast.Tuple)
            assigned = {ast.unparse(target) for target in node.targets[0].elts}
            for target, value in zip(node.targets[0].elts, node.value.elts, strict=True):
                used = {name.id for name in ast.walk(value) if isinstance(name, ast.Name)}
                if used & assigned:
                    raise ValueError(f"{ast.unparse(node)}: values that use names assigned beside")
                yield self._assigned(target, value)
        elif isinstance(node, ast.Assign):
            yield self._assigned(node.targets[0], node.value)
        elif isinstance(node, ast.AugAssign):
            left = copy.deepcopy(node.target)
            yield self._assigned(node.target, ast.BinOp(left, node.op, node.value))
        elif isinstance(node, ast.Return) and node.value is not None:
            yield ast.Assign([ast.Name(self.value)], self.visit(node.value), lineno=0)
        else:
            raise ValueError(f"not understood in a test function: {ast.unparse(node)}")

    def _assigned(self, target: ast.expr, value: ast.expr) -> ast.stmt:
        found = self.visit(value)
        if isinstance(target, ast.Subscript):
            place = ast.unparse(self.visit(target.slice))
            return ast.Expr(_parsed(self.write(place, ast.unparse(found))))
        return ast.Assign([target], found, lineno=0)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """``1.0 * float(x[i])`` reads a component."""
        match node:
            case ast.BinOp(
                ast.Constant(1.0),
                ast.Mult(),
                ast.Call(ast.Name("float"), [ast.Subscript() as read]),
            ):
                return _parsed(self.read(ast.unparse(self.visit(read.slice))))
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, float):
            return ast.Call(ast.Name(f"splat_{self.suffix}"), [node], [])
        return node  # of an index

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = ast.unparse(node.func)
        if name == "len":
            return ast.Name("n")
        if name in _LIBRARY:
            return ast.Call(ast.Name(f"{_LIBRARY[name]}_{self.suffix}"), node.args, [])
        return node


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
