"""From the source of gradients, residuals and stopping decisions to the text that a compiler reads.

The functions are those of `fastgd.rules.gradients`, `residuals`, `losses` and `stops`. A backend says how it spells
what they name: an array's number, a parameter of the point, an output, a product. As `fastgd.engines.parse`, this runs
when the package is built.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product as combinations
from typing import Any

from fastgd.engines.parse import COMPARISONS, Parsed, Vocabulary, assigned, statements_of

Number = Callable[[str, tuple[str, ...]], str]  # array and indices -> how a backend reads it
Point = Callable[[str], str]  # a parameter's index -> how a backend reads it


def _expression(text: str) -> ast.expr:
    """A backend's spelling; text that is not Python, such as a Cython cast, is kept as it is, like a name."""
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return ast.Name(text)


def _text(tree: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(tree))


class _Spelled(ast.NodeTransformer):
    """Names and subscripts as a backend spells them, products by a function where it wants one.

    Indices are integers, whose products stay as they are.
    """

    def __init__(
        self,
        names: dict[str, str],
        arrays: dict[str, Callable[[tuple[str, ...]], str]] | None = None,
        times: str | None = None,
    ) -> None:
        self.names, self.arrays, self.times = names, arrays or {}, times

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        spelled = (_text(_Spelled(self.names).visit(copy.deepcopy(k))) for k in indices)
        return _expression(self.arrays[ast.unparse(node.value)](tuple(spelled)))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return _expression(self.names[node.id]) if node.id in self.names else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if self.times and isinstance(node.op, ast.Mult):
            return ast.Call(_expression(self.times), [node.left, node.right], [])
        return node


# --- gradients ------------------------------------------------------------------------------------


class _Term:
    """A number of a gradient that is unrolled: arithmetic with it writes an expression."""

    def __init__(self, node: ast.expr, times: str | None) -> None:
        self.node, self.times = node, times

    def _with(self, operator: ast.operator, other: _Term) -> _Term:
        return _Term(ast.BinOp(self.node, operator, other.node), self.times)

    def __add__(self, other: _Term) -> _Term:
        return self._with(ast.Add(), other)

    def __sub__(self, other: _Term) -> _Term:
        return self._with(ast.Sub(), other)

    def __truediv__(self, other: _Term) -> _Term:
        return self._with(ast.Div(), other)

    def __mul__(self, other: _Term) -> _Term:
        if self.times:
            call = ast.Call(_expression(self.times), [self.node, other.node], [])
            return _Term(call, self.times)
        return self._with(ast.Mult(), other)


class _Terms:
    """An array of a gradient that is unrolled."""

    def __init__(self, read: Callable[[tuple[str, ...]], str], times: str | None) -> None:
        self.read, self.times = read, times

    def __getitem__(self, index: int | tuple[int, ...]) -> _Term:
        indices = index if isinstance(index, tuple) else (index,)
        return _Term(_expression(self.read(tuple(map(str, indices)))), self.times)


@dataclass(frozen=True)
class Fold:
    """One component of a gradient as a running total: three expressions, and the loop's head around the second."""

    start: str
    loop: str
    step: str
    result: str


class Gradient(Parsed):
    """A problem's gradient as the compilers see it; see `fastgd.rules.gradients`."""

    @cached_property
    def each(self) -> bool:
        """Whether there is a component for each of n parameters; else there is one parameter."""
        return self.arguments[0] == "i"

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the problem's arrays of numbers, in the order in which its data holds them."""
        return self.arguments[2 if self.each else 1 : -1]

    @cached_property
    def dimensions(self) -> dict[str, int]:
        """By how many indices each array is read."""
        found = {}
        for node in ast.walk(self.definition):
            if isinstance(node, ast.Subscript):
                many = len(node.slice.elts) if isinstance(node.slice, ast.Tuple) else 1
                found[ast.unparse(node.value)] = many
        return found

    @cached_property
    def matrix(self) -> bool:
        """Whether the total is a row of a matrix times the point; the matrix is the first array of the data."""
        if not self.each:
            return False
        matrix, *_ = self.arrays
        fold = self.fold(lambda array, at: f"{array}[{', '.join(at)}]", "x[{}]".format, "n")
        sums = f"{matrix}[i, 0] * x[0]", "for j in range(1, n):", f"total + {matrix}[i, j] * x[j]"
        return (fold.start, fold.loop, fold.step) == sums

    def length(self, n: int) -> int:
        """How many numbers the data holds."""
        return sum(n ** self.dimensions[array] for array in self.arrays)

    def numbers(self, n: int) -> list[tuple[str, tuple[str, ...]]]:
        """Array and indices of every number of the data, in its order."""
        return [
            (array, tuple(map(str, indices)))
            for array in self.arrays
            for indices in combinations(range(n), repeat=self.dimensions[array])
        ]

    def place(self, array: str, indices: tuple[str, ...], n: str) -> str:
        """Where the data holds a number: the sizes of the arrays before its own, then its place in the array."""
        before = [self.dimensions[name] for name in self.arrays[: self.arrays.index(array)]]
        terms = [" * ".join([n] * many) for many in before]
        for k, index in enumerate(indices):
            factors = [index, *[n] * (len(indices) - 1 - k)]
            terms += [] if index == "0" and len(indices) > 1 else [" * ".join(factors)]
        return " + ".join(terms) or "0"

    def unrolled(
        self, number: Number, point: Point, n: int, i: int = 0, times: str | None = None
    ) -> str:
        """Component i of n as one expression; `number` and `point` get indices that are literals."""

        def terms(array: str) -> _Terms:
            return _Terms(lambda indices: number(array, indices), times)

        own = (i, n) if self.each else (n,)
        x = _Terms(lambda indices: point(indices[0]), times)
        result: _Term = self.function(*own, *map(terms, self.arrays), x)
        return _text(result.node)

    def fold(  # noqa: PLR0917
        self,
        number: Number,
        point: Point,
        n: str,
        i: str = "i",
        total: str = "total",
        times: str | None = None,
    ) -> Fold:
        """Component i of n as a loop over j."""
        *_, first, loop, last = self.definition.body
        if not isinstance(first, ast.Assign) or not isinstance(loop, ast.For):
            raise ValueError(f"{self.name}: wanted a running total, a loop over j and a return")
        step = loop.body[0]
        if len(loop.body) > 1 or not isinstance(step, ast.Assign):
            raise ValueError(f"{self.name}: wanted one assignment to the total in the loop")
        assert isinstance(last, ast.Return)
        assert last.value is not None

        def reader(array: str) -> Callable[[tuple[str, ...]], str]:
            return lambda indices: number(array, indices)

        arrays = {array: reader(array) for array in self.arrays}
        arrays["x"] = lambda indices: point(indices[0])
        names = {"i": i, "n": n, ast.unparse(first.targets[0]): total}

        def spelled(tree: ast.AST) -> str:
            return _text(_Spelled(names, arrays, times).visit(copy.deepcopy(tree)))

        head = f"for {ast.unparse(loop.target)} in {spelled(loop.iter)}:"
        return Fold(spelled(first.value), head, spelled(step.value), spelled(last.value))


# --- residuals ------------------------------------------------------------------------------------


class Residual(Parsed):
    """A linear model's residual as the compilers see it: a loss's slope, or see `fastgd.rules.residuals`."""

    @property
    def coupled(self) -> bool:
        """Whether it takes all outputs of a row together."""
        return self.arguments[0] == "k"

    @cached_property
    def body(self) -> list[ast.stmt]:
        """The statements; of a loss those that its slope needs, and the slope as the new z."""
        if self.coupled:
            return [s for s in self.definition.body if not isinstance(s, ast.Expr)]
        statements, returned = statements_of(self.definition)
        kept: list[ast.stmt] = [ast.Assign([ast.Name("z")], returned[-1], lineno=0)]
        needed = _names(returned[-1])
        for statement in reversed(statements):
            assert isinstance(statement, ast.Assign)
            if ast.unparse(statement.targets[0]) in needed:
                kept.insert(0, statement)
                needed |= _names(statement.value)
        return kept

    @cached_property
    def locals(self) -> tuple[str, ...]:
        """Names that the body assigns; loops count with c."""
        names = assigned(s for s in self.body if not isinstance(s, ast.For) and not _at_output(s))
        return tuple(n for n in names if n != "z")

    def lines(
        self,
        vocabulary: ast.NodeTransformer,
        z: Callable[[str], str],
        y: Callable[[str], str],
        k: str = "",
    ) -> list[str]:
        """From the outputs in z to the residuals there.

        `z` and `y` spell output and target, of a coupled model by the output's index, else by the index "0"; `k` is
        the number of outputs.
        """
        if self.coupled:
            spelled = _Spelled({"k": k}, {"z": lambda c: z(c[0]), "y": lambda c: y(c[0])})
        else:
            spelled = _Spelled({"z": z("0"), "y": y("0")})
        module = ast.Module(copy.deepcopy(self.body), [])
        return _text(spelled.visit(vocabulary.visit(module))).split("\n")

    def on_arrays(self, vocabulary: Any) -> Callable[..., Any]:
        """As a function of NumPy arrays whose `np` is the vocabulary: of z and y, or of k, z and y in place."""
        definition = copy.deepcopy(self.definition)
        definition.body = [*copy.deepcopy(self.body), ast.Return(ast.Name("z"))]
        names: dict[str, Any] = {"np": vocabulary}
        text = _text(ast.Module([definition], []))
        exec(compile(text, "<fastgd>", "exec"), names)
        function: Callable[..., Any] = names[self.name]
        return function


def _at_output(statement: ast.stmt) -> bool:
    """Whether an output of a coupled model is replaced."""
    return isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript)


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


# --- decisions ------------------------------------------------------------------------------------


class _OnVectors(Vocabulary):
    """Comparisons by functions that give masks."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        name = f"{COMPARISONS[type(node.ops[0])]}_{self.suffix}"
        return ast.Call(ast.Name(name), [node.left, node.comparators[0]], [])


class Decision(Parsed):
    """A stopping decision as the compilers see it, and as NumPy calls it; see `fastgd.rules.stops`."""

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def text(self, *arguments: str, suffix: str | None = None) -> str:
        """The expression with these arguments; `suffix` is that of C vectors, where comparisons give masks."""
        last = self.definition.body[-1]
        assert isinstance(last, ast.Return)
        assert last.value is not None
        names = dict(zip(self.arguments, arguments, strict=True))
        tree: ast.AST = ast.Expression(copy.deepcopy(last.value))
        if suffix:
            tree = _OnVectors(suffix).visit(tree)
        return _text(_Spelled(names).visit(tree))
