"""Coefficients of sweeps on the GPU: constants of a run, tables of what moves by step, lines for what sees the rate.

A function that cannot be taken apart (`fastgd.engines.cuda.sweep_parts`), such as a user's with branches or with a
power of the rate, is tabulated whole, run by run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.engines.cuda.sweep_parts import NotApart, Part
from fastgd.engines.layout import SHARED
from fastgd.engines.numba.modules import HEADER, coefficients_text, generated_module, in_numba
from fastgd.engines.parse import CoefficientFunction
from fastgd.engines.protocol.sweeps import Descents
from fastgd.engines.registry import COEFFICIENTS
from fastgd.engines.templates import filled

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Where a kernel finds its coefficients, those of `prepare` first.

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


# --- the host's loops ---------------------------------------------------------------------------------

_FIXED = """
@njit(error_model="numpy", cache=CACHE)
def fixed(hyper, out):
    for l in range(hyper.shape[1]):
        $results, = evaluate($arguments)
        $stores
"""
_TABULATE = """
@njit(error_model="numpy", cache=CACHE)
def tabulate(first, hyper, rates, carry, out):
    for n in range(out.shape[0]):
        for l in range(out.shape[2]):
            $results, = $function($arguments)
            $stores
"""


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
    loop = filled(
        _FIXED,
        results=", ".join(results),
        arguments=", ".join(["1.0", *arguments]),
        stores=stores or ["pass"],
    )
    found: Callable[..., None] = _evaluated(function, loop).fixed
    return found


def _tabulating(function: str, results: list[str], arguments: list[str], stores: list[str]) -> str:
    return filled(
        _TABULATE,
        function=function,
        results=", ".join(results),
        arguments=", ".join(["first + n + 1.0", *arguments]),
        stores=stores or ["pass"],
    )


@lru_cache(maxsize=256)
def _whole_loop(function: CoefficientFunction) -> Callable[..., None]:
    """All coefficients, with the rate of each column and step."""
    results = [f"r{k}" for k in range(function.count)]
    stores = [f"out[n, {k}, l] = {name}" for k, name in enumerate(results)]
    others = [f"hyper[{k}, l]" for k in range(1, len(function.hyperparameters))]
    arguments = ["rates[n, l]", *others]
    if function.carries:
        results, arguments = ["carry[l]", *results], ["carry[l]", *arguments]
    loop = _tabulating("evaluate", results, arguments, stores)
    found: Callable[..., None] = _evaluated(function, loop).tabulate
    return found


@lru_cache(maxsize=256)
def _terms_loop(text: str, n_results: int, n_hyper: int) -> Callable[..., None]:
    results = ["carry[l]", *(f"r{k}" for k in range(n_results))]
    stores = [f"out[n, {k}, l] = r{k}" for k in range(n_results)]
    arguments = ["carry[l]", *(f"hyper[{k}, l]" for k in range(1, n_hyper))]
    loop = _tabulating("terms", results, arguments, stores)
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
    part: Part | None
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

    def _apart(self, function: CoefficientFunction, first: int, first_term: int) -> Part | None:
        try:
            return Part(function, first=first, first_term=first_term, scheduled=self.scheduled)
        except NotApart:
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
