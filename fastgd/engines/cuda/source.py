"""Text of device functions from the source of rules, and kernels from text.

A text is written for one dtype. It spells ``*`` as `np.mul`, which no compiler fuses with a sum, and makes literals
numbers of the dtype, so that the bits are those of the CPU.
"""

from __future__ import annotations

import ast
import copy
from types import ModuleType
from typing import Any

from fastgd.engines.numba.modules import generated_module
from fastgd.engines.parse import ElementaryFunction, Rule
from fastgd.engines.user_rules import UserRule

# `load`, `store` are of the kernel's dtype; `word` reads a table of 64-bit integers.
_HEADER = '''\
"""Written by fastgd.engines.cuda.source; safe to delete."""
import math

from numba import cuda

from fastgd.engines.cuda.memory import REALS, memory
from fastgd.engines.cuda.vocabulary import vocabulary

np = vocabulary("{char}")
REAL = REALS["{char}"]
load, store = memory("{char}").load, memory("{char}").store
load_wide, store_wide = memory("{char}").load_wide, memory("{char}").store_wide
load_double, store_double = memory("d").load, memory("d").store
word, store_word = memory("q").load, memory("q").store
'''
DEVICE = "@cuda.jit(device=True)\n"
# Each row of a table begins with the number of its first unit of work: find the row of a unit.
HOLDER = f"""
{DEVICE}def holder(table, words, rows, unit):
    low, high = 0, rows
    while high - low > 1:
        middle = (low + high) >> 1
        if word(table, middle * words) <= unit:
            low = middle
        else:
            high = middle
    return low


"""


class Exact(ast.NodeTransformer):
    """``a * b`` as ``np.mul(a, b)``, so that no product is fused with a sum; literals as numbers of the dtype."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Mult):
            return ast.Call(ast.Attribute(ast.Name("np"), "mul"), [node.left, node.right], [])
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return ast.Call(ast.Name("REAL"), [node], [])
        return node


class ExactInLoops(Exact):
    """The same in loops, which count and index with integers."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return super().visit_Constant(node) if isinstance(node.value, float) else node


def header(char: str) -> str:
    """The first lines of a generated module."""
    return _HEADER.format(char=char)


def exact(definition: ast.FunctionDef, name: str) -> str:
    """A function of straight-line arithmetic as a device function that gives the CPU's bits."""
    tree = copy.deepcopy(definition)
    tree.name, tree.decorator_list, tree.returns = name, [], None
    if ast.get_docstring(tree):
        tree.body = tree.body[1:]
    tree.body = [Exact().visit(statement) for statement in tree.body]
    return f"{DEVICE}{ast.unparse(ast.fix_missing_locations(tree))}\n\n"


def exact_text(text: str, name: str) -> str:
    """As `exact`, for the text of a function."""
    (definition,) = (n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef))
    return exact(definition, name)


def rule_text(rule: Rule, name: str = "rule") -> str | None:
    """A rule as a device function; None if its source is not available (use `rule_itself` then)."""
    if isinstance(rule, UserRule):
        return None if rule.text is None else exact_text(rule.text, name)
    return exact(rule.definition, name)


def elementary_text(function: ElementaryFunction) -> str:
    """An elementary function as a device function, named without the precision."""
    return exact(function.definition, function.name)


def kernel_module(char: str, text: str, given: dict[str, Any] | None = None) -> ModuleType:
    """The module of a text whose kernels have the decorator ``@cuda.jit(cache=CACHE)``; `given` are objects it uses."""
    return generated_module(header(char) + text, given)
