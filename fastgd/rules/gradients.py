"""Gradients of problems that are given by arrays of numbers, each written once: one component at one point.

A gradient takes ``(i, n, ..., x)``: which component, the number of parameters, the problem's arrays and the point.
A problem of one parameter has no `i`; its `n` is the length of its array. The body is a running total: its first
value, one loop over j that updates it, and the result, in sums, differences, products and quotients. Every backend
adds in that order, so the bits agree. NumPy calls the function on columns of runs with ``i = slice(None)``; the
compilers unroll the loop or put it around the runs (`fastgd.engines.parse_problems`).

An array read with one index has n numbers, one read with two indices is a symmetric matrix (n, n). A problem's
kernel holds the arrays row by row in the order of the arguments.
"""


def quadratic(i, n, h, b, x):
    """Of x'Hx / 2 - b'x: Hx - b."""
    total = h[i, 0] * x[0]
    for j in range(1, n):
        total = total + h[i, j] * x[j]
    return total - b[i]


def polynomial(n, c, x):
    """Horner's rule for c[0] + c[1] x + c[2] x^2 + ...; `c` are the coefficients of the derivative."""
    total = c[n - 1]
    for j in range(n - 2, -1, -1):
        total = total * x[0] + c[j]
    return total
