"""The usual test functions of optimization, each written once: ``function(x, grad) -> value``.

A function writes its gradient into `grad`. It is plain Python on arrays of float32 or float64. All of them compute in
double, which in Numba takes the factor 1.0, and round once to the run's precision: so Python, Numba and the kernels
compiled ahead of time give the same bits (of the sine only where all call the same library).

The compilers understand assignments of sums, products and quotients to names and to components of `grad`, loops over
``range``, and ``math.sin`` and ``math.cos`` (`fastgd.engines.parse_functions`). A component of the point is read as
``1.0 * float(x[i])``.
"""

import math


def rosenbrock(x, grad):
    """Rosenbrock (1960), in any dimension."""
    value, carried = 0.0, 0.0
    for i in range(len(x) - 1):
        here = 1.0 * float(x[i])
        rise, rest = 1.0 * float(x[i + 1]) - here * here, 1.0 - here
        value += 100.0 * rise * rise + rest * rest
        grad[i] = carried - 400.0 * here * rise - 2.0 * rest
        carried = 200.0 * rise
    grad[len(x) - 1] = carried
    return value


def beale(x, grad):
    """Beale (1958)."""
    a, b = 1.0 * float(x[0]), 1.0 * float(x[1])
    one, two, three = 1.5 - a + a * b, 2.25 - a + a * b * b, 2.625 - a + a * b * b * b
    grad[0] = 2.0 * (one * (b - 1.0) + two * (b * b - 1.0) + three * (b * b * b - 1.0))
    grad[1] = 2.0 * a * (one + 2.0 * two * b + 3.0 * three * b * b)
    return one * one + two * two + three * three


def himmelblau(x, grad):
    """Himmelblau (1972)."""
    a, b = 1.0 * float(x[0]), 1.0 * float(x[1])
    one, two = a * a + b - 11.0, a + b * b - 7.0
    grad[0] = 4.0 * one * a + 2.0 * two
    grad[1] = 2.0 * one + 4.0 * two * b
    return one * one + two * two


def saddle(x, grad):
    """A saddle between two minima."""
    a, b = 1.0 * float(x[0]), 1.0 * float(x[1])
    grad[0] = 2.0 * a
    grad[1] = b * b * b - 2.0 * b
    return a * a - b * b + b * b * b * b / 4.0


def bumpy(x, grad):
    """A parabola with bumps."""
    a = 1.0 * float(x[0])
    grad[0] = a / 5.0 + 3.0 * math.cos(3.0 * a)
    return a * a / 10.0 + math.sin(3.0 * a)
