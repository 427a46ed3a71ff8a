"""Print the coefficients of the polynomials in `fastgd.rules.elementary` (needs mpmath).

Each polynomial interpolates its function at Chebyshev nodes, in 80 digits; its error is within a factor of two of
that of the best polynomial of the same degree. The coefficients are then rounded once to the dtype.
"""

# ruff: noqa: T201  (printing is its job)

import mpmath as mp
import numpy as np

mp.mp.dps = 80
HALF_LOG2 = mp.log(2) / 2 * mp.mpf("1.001")


def removable(function, at_zero):
    """The function with its limit in place of 0/0."""
    return lambda u: at_zero if abs(u) < mp.mpf(10) ** -20 else function(u)


def of_square(function):
    """The function of the square of its argument."""
    return lambda u: function(mp.sqrt(u))


exp_rest = removable(lambda r: (mp.expm1(r) - r) / r**2, mp.mpf(1) / 2)
log_rest = removable(of_square(lambda s: (2 * mp.atanh(s) / s - 2) / s**2), mp.mpf(2) / 3)
tanh_near = removable(of_square(lambda x: x**3 / (x - mp.tanh(x))), mp.mpf(3))
tanh_far = removable(lambda r: mp.expm1(2 * r) / r, mp.mpf(2))
erf_rest = removable(of_square(lambda x: mp.erf(x) / x - 1), 2 / mp.sqrt(mp.pi) - 1)


def erfc_scaled(v):
    """exp(x^2) erfc(x) as a function of v = (x - 2) / (x + 2)."""
    x = 2 * (1 + v) / (1 - v)
    return mp.exp(x**2) * mp.erfc(x)


SQUARE_S = (mp.sqrt(2) - 1) ** 2 / (mp.sqrt(2) + 1) ** 2 * mp.mpf("1.001")
# name: (function, interval, degree in single precision, degree in double precision)
FITS = {
    "exp": (exp_rest, (-HALF_LOG2, HALF_LOG2), 4, 9),
    "log": (log_rest, (0, SQUARE_S), 2, 6),
    "tanh, near 0": (tanh_near, (0, 1), 3, 8),
    "tanh, beyond 1": (tanh_far, (-HALF_LOG2 / 2, HALF_LOG2 / 2), 4, 10),
    "erf": (erf_rest, (0, mp.mpf("0.875") ** 2), 5, 10),
}
ERFC = {"single": (4, 6), "double": (6, 16)}  # end of the interval in x, degree


def interpolated(function, interval, degree):
    """Coefficients, the constant first, and the largest error on a grid."""
    a, b = map(mp.mpf, interval)
    n = degree + 1
    nodes = [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    powers = mp.matrix([[x**k for k in range(n)] for x in nodes])
    solved = mp.lu_solve(powers, mp.matrix([function(x) for x in nodes]))
    points = [a + (b - a) * k / 400 for k in range(401)]
    error = max(abs(mp.polyval(list(solved)[::-1], x) - function(x)) for x in points)
    return list(solved), error


def show(name, dtype, fit):
    """Print the error and the rounded coefficients."""
    coefficients, error = fit
    print(f"{name} {dtype.__name__}: error 2^{float(mp.log(error, 2)):.1f}")
    for c in coefficients:
        print("   ", repr(float(dtype(mp.nstr(c, 30)))))


if __name__ == "__main__":
    for name, (function, interval, single, double) in FITS.items():
        show(name, np.float32, interpolated(function, interval, single))
        show(name, np.float64, interpolated(function, interval, double))
    for dtype, (end, degree) in zip((np.float32, np.float64), ERFC.values(), strict=True):
        interval = [(mp.mpf(x) - 2) / (mp.mpf(x) + 2) for x in ("0.875", end)]
        show("erfc", dtype, interpolated(erfc_scaled, interval, degree))
    for dtype, kept in ((np.float32, 15), (np.float64, 42)):
        high = mp.floor(mp.log(2) * 2**kept) / 2**kept
        print("log 2:", repr(float(high)), repr(float(dtype(mp.nstr(mp.log(2) - high, 30)))))
