"""The mathematics of the package as the text of a script: everything that a descent in a page needs.

The script defines `RULES` and `COEFFICIENTS` (loops over all parameters, and the numbers of a step), `GRADIENTS`,
`FUNCTIONS`, `STOPS`, and `np`, the vocabulary that they call. What no rule defines stands in the page's own
``numbers.js``, which stands before: `math`, `min` and `max`, and `NUMBERS`, the bits of a number and `copysign`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastgd.engines import layout
from fastgd.engines.javascript.translate import body_lines, declared, expression, function_text
from fastgd.engines.parse import CoefficientFunction, Parsed, Rule, statements_of
from fastgd.engines.protocol.outcomes import Regime, Status
from fastgd.engines.registry import (
    COEFFICIENTS,
    ELEMENTARY,
    FUNCTIONS,
    GRADIENTS,
    PREPARE,
    RULES,
    STEEPNESS,
    STOPS,
)
from fastgd.engines.templates import filled
from fastgd.engines.vocabulary import SCALARS, sign

# Names with a $ belong to the loops; a function of Python cannot have them.
_UPDATE = """
$name($$x, $$g, $$s, $$c) { // one update of all parameters, in place
  const $coefficients;
  for (let $$i = 0; $$i < $$x.length; $$i++) {
    let p = $$x[$$i], $state_read;
    $body
    $write
  }
},
"""
_NUMBERS = """
$name($$t, $$h, carry) { // of update $$t, from the hyperparameters
  const t = $$t, $hyperparameters;
  $body
},
"""
_TABLES: dict[str, Mapping[str, Parsed]] = {
    "GRADIENTS": GRADIENTS,
    "FUNCTIONS": FUNCTIONS,
    "STOPS": STOPS,
}
_BUILT_IN = (
    "abs",
    "where",
)  # what the translator writes as a function or an operator of JavaScript


def script() -> str:
    """The whole text.

    Examples
    --------
    >>> from fastgd.engines.javascript.source import script
    >>> "const RULES = {" in script()
    True
    """
    scalars = {name: f for name, f in {**SCALARS, "sign": sign}.items() if name not in _BUILT_IN}
    vocabulary = scalars | {e.name: e.function for e in ELEMENTARY if e.real == "d"}
    return "\n".join(
        [
            "// Written by fastgd.engines.javascript from the source of fastgd.rules.",
            _constants(),
            _table("np", [*_methods(vocabulary), "...NUMBERS,\n"]),
            function_text(PREPARE.function),
            function_text(STEEPNESS.function),
            _table("RULES", map(_update, RULES.values())),
            _table("COEFFICIENTS", map(_coefficients, COEFFICIENTS.values())),
            *(
                _table(name, _methods({key: parsed.function for key, parsed in functions.items()}))
                for name, functions in _TABLES.items()
            ),
            "",
        ]
    )


def _constants() -> str:
    statuses = {s.name: int(s) for s in (Status.CONVERGED, Status.MAX_ITER, Status.DIVERGED)}
    regimes = [regime.label for regime in Regime]
    return "\n".join(
        [
            f"const WINDOW = {layout.WINDOW}, MEMORY = {layout.MEMORY}, SHARED = {layout.SHARED};",
            f"const RUNNING = {layout.RUNNING};",
            *(f"const {name} = {value};" for name, value in statuses.items()),
            f"const REGIMES = {regimes!r};",
        ]
    )


def _table(name: str, entries: Iterable[str]) -> str:
    return f"const {name} = {{\n{''.join(entries)}}};"


def _methods(functions: Mapping[str, Callable[..., Any]]) -> Iterable[str]:
    for name, function in functions.items():
        yield function_text(function, name).removeprefix("function ") + ",\n"


def _read(names: Iterable[str], array: str) -> str:
    return ", ".join(f"{name} = {array}[{k}]" for k, name in enumerate(names))


def _update(rule: Rule) -> str:
    """A rule as a loop over parameters: their arrays, those of the gradient and of the state, the coefficients."""
    statements, returned = statements_of(rule.definition)
    values = [
        "g = $g[$i]",
        *(f"{name} = $s[{k}][$i]" for k, name in enumerate(rule.state)),
        *rule.locals,
    ]
    write = [f"$x[$i] = {expression(returned[0])};"]
    write += [f"$s[{k}][$i] = {name};" for k, name in enumerate(rule.state)]
    return filled(
        _UPDATE,
        name=rule.name,
        coefficients=_read(rule.coefficients, "$c"),
        state_read=", ".join(values),
        body=body_lines(statements),
        write=write,
    )


def _coefficients(function: CoefficientFunction) -> str:
    return filled(
        _NUMBERS,
        name=function.name,
        hyperparameters=_read(function.hyperparameters, "$h"),
        body=[*declared(function), *body_lines(function.definition.body)],
    )
