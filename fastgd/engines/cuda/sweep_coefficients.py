"""Coefficients of sweeps on the card: what never moves by run, what moves by step, and the little that sees the rate.

Whatever does not depend on the rate is evaluated on the host, in double and with libm's powers, once for all runs that
share their other hyperparameters. What is left, quotients and products with the rate, is computed on the card in
double, in the order of the formula. So the bits are the CPU's. A function that cannot be taken apart so (a user's with
branches, or with a power of the rate) is tabulated whole, run by run.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.layout import SHARED
from fastgd.engines.numba.modules import HEADER, coefficients_text, generated_module, in_numba
from fastgd.engines.parse import CoefficientFunction
from fastgd.engines.protocol.sweeps import Descents
from fastgd.engines.registry import COEFFICIENTS
from fastgd.engines.user_rules import UserCoefficients

Doubles = NDArray[np.float64]
_ARITHMETIC = (ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Compare, ast.BoolOp)


@dataclass(frozen=True)
class Layout:
    """What a kernel is told of coefficients, of those of `prepare` first.

    Number k is a constant of the run (`fixed`), a column of the table of its group (`tabled`), or assigned by `lines`,
    which read the rate `lr` and the table's `terms`.
    """

    fixed: tuple[int, ...]
    tabled: tuple[int, ...]
    lines: tuple[str, ...]
    terms: int
    scheduled: bool

    @property
    def moves(self) -> bool:
        """Whether any is not a constant of its run."""
        return bool(self.tabled or self.lines)


class _NotApart(Exception):
    """The function is no straight line, or does more with the rate than the card can do exactly."""


class _OnCard(ast.NodeTransformer):
    """An expression that sees the rate: products spelled out, parts that do not see it replaced by terms."""

    def __init__(self, part: _Part) -> None:
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
            raise _NotApart
        self.generic_visit(node)
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Mult):
                return ast.Call(ast.Name("wide.mul"), [node.left, node.right], [])
            if not isinstance(node.op, ast.Add | ast.Sub | ast.Div):
                raise _NotApart
        return node


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


class _Part:
    """One coefficient function taken apart; coefficients and terms are counted on from those of the part before."""

    def __init__(
        self, function: CoefficientFunction, *, first: int, first_term: int, scheduled: bool
    ) -> None:
        self.function, self.first_term = function, first_term
        self.prefix = f"v{first}_"
        self.terms: list[str] = []
        self.host: list[str] = []  # statements of the host
        self.lines: list[str] = []  # those of the card
        *assignments, last = _body(function)
        results = _results(last, function.count + function.carries)
        self.sees_rate = _depending(assignments, {"lr"})
        moving = _depending(assignments, {"t", "carry"} | ({"lr"} if scheduled else set()))
        for statement in assignments:
            self._statement(statement)
        self.carry = ast.unparse(results.pop(0)) if function.carries else "carry"
        if "carry" in self.sees_rate:
            raise _NotApart
        self.fixed: list[int] = []
        self.tabled: list[int] = []
        self.columns: list[str] = []
        on_card = []
        for k, value in enumerate(results, first):
            if not _names(value) & moving:
                self.fixed.append(k)
            elif _names(value) & self.sees_rate:
                on_card.append(f"c{k} = REAL({self._on_card(value)})")
            else:
                self.tabled.append(k)
                self.columns.append(ast.unparse(value))
        self.lines += on_card
        if not on_card:  # then nobody reads what was prepared for it
            self.lines, self.terms = [], []

    def _statement(self, statement: ast.stmt) -> None:
        target, value = _assignment(statement)
        if target in self.sees_rate:
            self.lines.append(f"{self.prefix}{target} = {self._on_card(value)}")
        else:
            self.host.append(ast.unparse(statement))

    def _on_card(self, value: ast.expr) -> str:
        return ast.unparse(ast.fix_missing_locations(_OnCard(self).visit(copy.deepcopy(value))))

    def term(self, node: ast.expr) -> str:
        """The name under which the card finds a value of the host; evaluated where it stands."""
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
        raise _NotApart
    else:
        found = ast.parse(function.text).body[0]
        assert isinstance(found, ast.FunctionDef)
        definition = found
    return definition.body[1:] if ast.get_docstring(definition) else definition.body


def _results(last: ast.stmt, count: int) -> list[ast.expr]:
    if not (isinstance(last, ast.Return) and isinstance(last.value, ast.Tuple)):
        raise _NotApart
    if len(last.value.elts) != count or any(isinstance(e, ast.Starred) for e in last.value.elts):
        raise _NotApart
    return list(last.value.elts)


def _assignment(statement: ast.stmt) -> tuple[str, ast.expr]:
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        raise _NotApart
    (target,) = statement.targets
    if not isinstance(target, ast.Name):
        raise _NotApart
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


# --- the host's loops ---------------------------------------------------------------------------------

_FIXED = """
@njit(error_model="numpy", cache=CACHE)
def fixed(hyper, out):
    for l in range(hyper.shape[1]):
        RESULTS, = FUNCTION(1.0, ARGUMENTS)
        STORES
"""
_TABULATE = """
@njit(error_model="numpy", cache=CACHE)
def tabulate(first, hyper, rates, carry, out):
    for n in range(out.shape[0]):
        for l in range(out.shape[2]):
            RESULTS, = FUNCTION(first + n + 1.0, ARGUMENTS)
            STORES
"""


def _filled(
    template: str, function: str, results: list[str], arguments: list[str], stores: list[str]
) -> str:
    indent = "\n" + " " * (12 if template is _TABULATE else 8)
    text = template.replace("RESULTS", ", ".join(results)).replace("FUNCTION", function)
    text = text.replace("ARGUMENTS", ", ".join(arguments))
    return text.replace("STORES", indent.join(stores or ["pass"]))


def _evaluated(function: CoefficientFunction, loop: str) -> Any:
    """A loop's module, with the function as `evaluate`."""
    text = coefficients_text(function)
    if text is None:
        return generated_module(HEADER + loop, {"evaluate": in_numba(function.function)})
    return generated_module(HEADER + text + loop)


@lru_cache(maxsize=256)
def _fixed_loop(function: CoefficientFunction) -> Callable[..., None]:
    results = [f"r{k}" for k in range(function.count)]
    arguments = [f"hyper[{k}, l]" for k in range(len(function.hyperparameters))]
    stores = [f"out[{k}, l] = {name}" for k, name in enumerate(results)]
    if function.carries:
        results, arguments = ["carried", *results], ["1.0", *arguments]
    loop = _filled(_FIXED, "evaluate", results, arguments, stores)
    found: Callable[..., None] = _evaluated(function, loop).fixed
    return found


@lru_cache(maxsize=256)
def _whole_loop(function: CoefficientFunction) -> Callable[..., None]:
    """All coefficients, with the rate of each column and step."""
    results = [f"r{k}" for k in range(function.count)]
    stores = [f"out[n, {k}, l] = {name}" for k, name in enumerate(results)]
    others = [f"hyper[{k}, l]" for k in range(1, len(function.hyperparameters))]
    arguments = ["rates[n, l]", *others]
    if function.carries:
        results, arguments = ["carry[l]", *results], ["carry[l]", *arguments]
    loop = _filled(_TABULATE, "evaluate", results, arguments, stores)
    found: Callable[..., None] = _evaluated(function, loop).tabulate
    return found


@lru_cache(maxsize=256)
def _terms_loop(text: str, n_results: int, n_hyper: int) -> Callable[..., None]:
    results = ["carry[l]", *(f"r{k}" for k in range(n_results))]
    stores = [f"out[n, {k}, l] = r{k}" for k in range(n_results)]
    arguments = ["carry[l]", *(f"hyper[{k}, l]" for k in range(1, n_hyper))]
    loop = _filled(_TABULATE, "terms", results, arguments, stores)
    found: Callable[..., None] = generated_module(HEADER + text + loop).tabulate
    return found


def _in_python(function: CoefficientFunction, t: float, carry: Doubles, hyper: Doubles) -> Doubles:
    """One step's coefficients of a function that Numba cannot compile; moves the carry on."""
    out = np.empty((function.count, hyper.shape[1]))
    for run, column in enumerate(hyper.T.tolist()):
        before = [carry[run].item()] if function.carries else []
        found = list(function.function(t, *before, *column))
        if function.carries:
            carry[run] = found.pop(0)
        out[:, run] = found
    return out


def _errors_of_numba() -> tuple[type[Exception], ...]:
    from numba.core.errors import NumbaError, UnsupportedBytecodeError  # noqa: PLC0415

    return NumbaError, UnsupportedBytecodeError


# --- all coefficients of some runs ----------------------------------------------------------------------


@dataclass
class _Source:
    """One coefficient function with the arguments of the runs; `part` is None where it is tabulated whole."""

    function: CoefficientFunction
    hyper: Doubles
    part: _Part | None
    first: int
    by_group: Doubles = field(default_factory=lambda: np.zeros((0, 0)))
    carry: Doubles = field(default_factory=lambda: np.ones(0))


class Coefficients:
    """The coefficients of some runs, and how a kernel gets them.

    `group` says for each run which column of the tables is its own.
    """

    def __init__(self, runs: Descents) -> None:
        self.runs, self.scheduled = runs, runs.schedules is not None
        given = [(runs.coefficients, runs.hyper)]
        if runs.shared is not None:
            before = np.vstack([runs.hyper[:1], runs.shared[:SHARED]])
            given.insert(0, (COEFFICIENTS["prepare"], before))
        self.sources: list[_Source] = []
        first = first_term = 0
        for function, hyper in given:
            part = self._apart(function, first, first_term)
            self.sources.append(_Source(function, hyper, part, first))
            first += function.count
            first_term += len(part.terms) if part else 0
        self.layout = self._laid_out(first_term)
        self.group, chosen = self._groups()
        self.n_groups = len(chosen)
        self.rate_of = runs.rate_of[chosen] if self.scheduled else None
        for source in self.sources:
            source.by_group = np.ascontiguousarray(source.hyper[:, chosen])
            source.carry = np.ones(self.n_groups)

    def _apart(self, function: CoefficientFunction, first: int, first_term: int) -> _Part | None:
        try:
            return _Part(function, first=first, first_term=first_term, scheduled=self.scheduled)
        except _NotApart:
            return None

    def _laid_out(self, terms: int) -> Layout:
        fixed: list[int] = []
        tabled: list[int] = []
        lines: list[str] = []
        for source in self.sources:
            if source.part is None:
                tabled += range(source.first, source.first + source.function.count)
                continue
            fixed += source.part.fixed
            tabled += source.part.tabled
            lines += source.part.lines
        return Layout(tuple(fixed), tuple(tabled), tuple(lines), terms, self.scheduled)

    def _groups(self) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
        """For each run its group, and a run of each group: those of a group share a column of the tables."""
        rows: list[NDArray[Any]] = []
        for source in self.sources:
            if source.part is None:
                rows += [*source.hyper, *([self.runs.rate_of] if self.scheduled else [])]
            elif source.part.tabled or source.part.terms:
                rows += [*source.hyper[1:]]
        code = np.zeros(self.runs.hyper.shape[1], np.int64)
        for row in rows:
            if (row != row[0]).any():
                values, mine = np.unique(row, return_inverse=True)
                code = np.unique(code * len(values) + mine, return_inverse=True)[1]
        _, chosen, group = np.unique(code, return_index=True, return_inverse=True)
        return group.astype(np.int32), chosen

    def fixed(self) -> Doubles:
        """The constants of all runs (constants, runs), in the layout's order."""
        rows = [np.zeros((0, self.runs.hyper.shape[1]))]
        for source in self.sources:
            if source.part is None or not source.part.fixed:
                continue
            function, hyper = source.function, np.ascontiguousarray(source.hyper)
            out = np.empty((function.count, hyper.shape[1]))
            try:
                _fixed_loop(function)(hyper, out)
            except _errors_of_numba():
                out[:] = _in_python(function, 1.0, np.ones(hyper.shape[1]), hyper)
            rows.append(out[np.array(source.part.fixed) - source.first])
        return np.concatenate(rows)

    def tables(self, first: int, stop: int, rates: Doubles | None) -> tuple[Doubles, Doubles]:
        """Terms and coefficients (steps, columns, groups) of updates first..stop-1, which follow on those before.

        `rates` (steps, schedules) are those of all schedules.
        """
        nothing = np.zeros((stop - first, 0, self.n_groups))
        terms, tabled = [nothing], [nothing]
        for source in self.sources:
            if source.part is None:
                tabled.append(self._whole(source, first, stop, rates))
                continue
            many = len(source.part.terms)
            out = np.empty((stop - first, many + len(source.part.tabled), self.n_groups))
            if out.size:
                hyper = source.by_group
                loop = _terms_loop(source.part.text, out.shape[1], len(hyper))
                loop(first, hyper, _NO_RATES, source.carry, out)
            terms.append(out[:, :many])
            tabled.append(out[:, many:])
        return np.concatenate(terms, axis=1), np.concatenate(tabled, axis=1)

    def _whole(self, source: _Source, first: int, stop: int, rates: Doubles | None) -> Doubles:
        function, hyper = source.function, source.by_group
        out = np.empty((stop - first, function.count, self.n_groups))
        own = np.tile(hyper[0], (stop - first, 1))
        if rates is not None:
            own = np.ascontiguousarray(rates[:, self.rate_of])
        try:
            _whole_loop(function)(first, hyper, own, source.carry, out)
        except _errors_of_numba():
            for n in range(first, stop):
                at = np.vstack([own[n - first], hyper[1:]])
                out[n - first] = _in_python(function, n + 1.0, source.carry, at)
        return out


_NO_RATES = np.zeros((1, 1))
