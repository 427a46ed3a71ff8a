"""From a rule's source to the text of device functions, and from text to kernels.

A text is written for one dtype. Its ``*`` is spelled `np.mul`, which no compiler fuses with a sum, and its literals are
numbers of the dtype: so the bits are those of the CPU.
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
# Rows of a table begin with the first of the units of work that belong to them: whose is this one?
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
    """What a generated module begins with."""
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
    """As `exact`, of a function's text."""
    (definition,) = (n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef))
    return exact(definition, name)


def rule_text(rule: Rule, name: str = "rule") -> str | None:
    """A rule as a device function; None where its source cannot be had (`rule_itself` then)."""
    if isinstance(rule, UserRule):
        return None if rule.text is None else exact_text(rule.text, name)
    return exact(rule.definition, name)


def elementary_text(function: ElementaryFunction) -> str:
    """An elementary function as a device function under its name without the precision."""
    return exact(function.definition, function.name)


def kernel_module(char: str, text: str, given: dict[str, Any] | None = None) -> ModuleType:
    """The module of a text whose kernels say ``@cuda.jit(cache=CACHE)``; `given` are objects that it refers to."""
    return generated_module(header(char) + text, given)
