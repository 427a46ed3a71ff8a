"""The rules in JavaScript: NumPy's bits, step by step."""

import json
import re
from functools import cache
from importlib.resources import files

import numpy as np
import pytest
from explorer.scripts import from_bits, run, same_bits, ulps

from fastgd.engines.javascript.source import script
from fastgd.engines.javascript.translate import function_text, helpers
from fastgd.engines.registry import (
    COEFFICIENTS,
    ELEMENTARY,
    FUNCTIONS,
    GRADIENTS,
    PREPARE,
    RULES,
    STEEPNESS,
)
from fastgd.engines.vocabulary import bound, numpy_vocabulary
from fastgd.rules import stops
from fastgd.schedules import formulas

NUMBERS = files("fastgd.explorer").joinpath("page", "numbers.js").read_text(encoding="utf-8")
SCRIPT = NUMBERS + script()
STEPS, N = 300, 9


def gradients(seed):
    """Gradients of all sizes, with changes of sign and zeros."""
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(STEPS, N)) * 10.0 ** rng.integers(-9, 4, (STEPS, N))
    g[rng.uniform(size=g.shape) < 0.05] = 0.0
    g[rng.uniform(size=g.shape) < 0.02] *= -0.0
    return g


def coefficients(rule, rng):
    """Numbers as a step has them: shares, a small epsilon, thresholds about the length that they are compared with."""
    special = {"eps": 1e-8, "length": 6.0, "threshold": 5.0, "zero": 0.0, "smallest": 1e-6, "largest": 50.0,
               "up": 1.2, "down": 0.5, "same": 1.0}  # fmt: skip
    return [special.get(name, float(rng.uniform(0.05, 0.95))) for name in rule.coefficients]


def numbers_of(name):
    """Gradients, coefficients, a point and a state for a rule."""
    rule, rng = RULES[name], np.random.default_rng(len(name))
    c, x = coefficients(rule, rng), rng.normal(size=N)
    return gradients(7), c, x, [rng.uniform(0, 1, N) for _ in rule.state]


@cache
def rules_in_javascript():
    """What each rule finds, step by step, in one script."""
    given = {name: [np.asarray(each).tolist() for each in numbers_of(name)] for name in RULES}
    return run(
        f"""{SCRIPT}
        const descent = (name, [g, c, first, state]) => {{
          const x = Float64Array.from(first), s = state.map((each) => Float64Array.from(each)), all = [];
          for (const each of g) {{
            RULES[name](x, each, s, c);
            all.push(...x, ...s.flatMap((each) => [...each]));
          }}
          return bits(all);
        }};
        return Object.fromEntries(Object.entries({json.dumps(given)}).map(([k, v]) => [k, descent(k, v)]));"""
    )


@pytest.mark.parametrize("name", RULES)
def test_a_rule_has_numpys_bits_at_every_step(name):
    g, c, x, state = numbers_of(name)
    function, wanted = bound(RULES[name].function, numpy_vocabulary()), []
    with np.errstate(all="ignore"):
        for each in g:
            x, *state = function(x, each, *state, *map(np.float64, c))
            wanted.append([x, *state])
    assert same_bits(rules_in_javascript()[name], wanted)


@pytest.mark.parametrize("rule", [PREPARE, STEEPNESS], ids=lambda rule: rule.name)
def test_what_stands_around_a_rule_has_numpys_bits(rule):
    rng = np.random.default_rng(3)
    arguments = rng.normal(size=(200, len(rule.arguments)))
    arguments[::7, 0] = 0.0
    found = run(
        f"""{SCRIPT}
        return bits({json.dumps(arguments.tolist())}.flatMap((each) => {rule.name}(...each)))"""
    )
    function = bound(rule.function, numpy_vocabulary())
    assert same_bits(found, [np.asarray(function(*map(np.float64, row))) for row in arguments])


def uses_powers(name):
    return "pow" in COEFFICIENTS[name].function.__code__.co_names


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_the_coefficients_have_the_bits_of_math_and_powers_are_within_one_unit(name):
    function, rng = COEFFICIENTS[name], np.random.default_rng(1)
    hyper = rng.uniform(0.1, 0.99, len(function.hyperparameters)).tolist()
    found = run(
        f"""{SCRIPT}
        const all = [];
        for (let t = 1, carry = 1; t <= {STEPS}; t++) {{
          const numbers = COEFFICIENTS.{name}(t, {json.dumps(hyper)}, carry);
          if ({json.dumps(function.carries)}) carry = numbers[0];
          all.push(...numbers);
        }}
        return bits(all)"""
    )
    carry, wanted = 1.0, []
    for t in range(1, STEPS + 1):
        numbers = function.function(float(t), *([carry] if function.carries else []), *hyper)
        carry = numbers[0]
        wanted.append(numbers)
    if uses_powers(name):  # a unit of a power grows where it is subtracted from 1
        np.testing.assert_allclose(from_bits(found), np.ravel(wanted), rtol=1e-12)
    else:
        assert same_bits(found, wanted)


@pytest.mark.parametrize("function", [e for e in ELEMENTARY if e.real == "d"], ids=lambda e: e.name)
def test_elementary_functions_have_numpys_bits(function):
    rng = np.random.default_rng(5)
    x = np.concatenate(
        [rng.normal(size=400) * 10.0 ** rng.integers(-18, 3, 400), [0.0, -0.0, 1.0, 800.0, -800.0]]
    )
    found = run(f"{SCRIPT}\nreturn bits({json.dumps(x.tolist())}.map(np.{function.name}))")
    assert same_bits(found, getattr(numpy_vocabulary(), function.name)(x))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_pythons_bits_and_the_sine_is_within_one_unit(name):
    points = np.random.default_rng(2).uniform(-5, 5, (300, 1 if name == "bumpy" else 2))
    found = from_bits(
        run(
            f"""{SCRIPT}
            return bits({json.dumps(points.tolist())}.flatMap((x) => {{
              const g = x.map(() => 0);
              return [FUNCTIONS.{name}(x, g), ...g];
            }}))"""
        ),
        (len(points), -1),
    )
    wanted = np.empty_like(found)
    for row, x in zip(wanted, points, strict=True):
        row[0] = FUNCTIONS[name].function(x, row[1:])
    if name == "bumpy":
        np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-15)
    else:
        np.testing.assert_array_equal(found, wanted)


def test_gradients_have_numpys_bits():
    rng = np.random.default_rng(4)
    h, b, x, c = rng.normal(size=(2, 2)), rng.normal(size=2), rng.normal(size=2), rng.normal(size=6)
    found = run(
        f"""{SCRIPT}
        const [h, b, x, c] = {json.dumps([each.tolist() for each in (h, b, x, c)])};
        const two = [0, 1].map((i) => GRADIENTS.quadratic(i, 2, h, b, x));
        return bits([...two, GRADIENTS.polynomial(6, c, x)])"""
    )
    quadratic = GRADIENTS["quadratic"].function
    wanted = [quadratic(i, 2, h, b, x) for i in (0, 1)] + [
        GRADIENTS["polynomial"].function(6, c, x)
    ]
    assert same_bits(found, wanted)


def test_powers_are_within_one_unit_of_maths_and_nearly_always_the_same():
    rng = np.random.default_rng(6)
    pairs = [
        (float(b), float(t)) for b in (0.9, 0.999, 0.5, rng.uniform()) for t in range(1, 2000, 3)
    ]
    pairs += [(0.96, 0.004 * t) for t in range(500)]
    pairs += [
        (float(x), float(y))
        for x, y in zip(rng.uniform(0.01, 50, 500), rng.uniform(-20, 20, 500), strict=True)
    ]
    pairs += [(0.0, 2.0), (1.0, 5.0), (3.0, 0.0), (0.0, 0.0), (2.0, 0.5)]
    found = from_bits(
        run(f"{SCRIPT}\nreturn bits({json.dumps(pairs)}.map(([x, y]) => math.pow(x, y)))")
    )
    wanted = np.array([x**y for x, y in pairs])
    normal = wanted > 1e-270  # below, powers of a falling series count as zero
    assert (ulps(found, wanted)[normal] <= 1).all()
    assert (found == wanted)[normal].mean() > 0.99
    assert (found[~normal] < 1e-269).all()


def test_sines_are_within_one_unit_of_numpys():
    x = np.concatenate(
        [np.linspace(-40, 40, 4001), np.random.default_rng(8).uniform(-1e5, 1e5, 2000)]
    )
    found = run(
        f"{SCRIPT}\nreturn [bits({json.dumps(x.tolist())}.map(math.sin)), bits({json.dumps(x.tolist())}.map(math.cos))]"
    )
    for text, wanted in zip(found, (np.sin(x), np.cos(x)), strict=True):
        assert (ulps(from_bits(text), wanted) <= 1).all()


# --- what is translated, and what is refused ------------------------------------------------------------


def test_a_decision_and_a_loop():
    assert function_text(stops.converged).splitlines()[1] == "  return (slope < tol);"

    def total(x):
        value = 0.0
        for i in range(len(x) - 1, -1, -1):
            value += x[i] if x[i] > 0.0 else -x[i]
        return value

    assert run(f"{function_text(total)}\nreturn total([1, -2, 3])") == 6


def test_helpers_are_found():
    assert list(helpers(formulas.cosine)) == ["_half_cosine"]


def power(x):
    return x**2


def beside(x):
    a, b = x, 1.0
    a, b = b, a
    return a + b


def two_steps(x):
    for i in range(0, 4, 2):
        x = x + i
    return x


def whole(x):
    while x > 0:
        x = x - 1
    return x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (power, "not understood in JavaScript: x ** 2"),
        (beside, "values that use names assigned beside"),
        (two_steps, "range counts by 1 or -1, got 2"),
        (whole, "not understood in JavaScript: while"),
    ],
)
def test_what_is_not_understood_is_named(function, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        function_text(function)
