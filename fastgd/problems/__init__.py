"""Problems to minimize: least squares, logistic regression, quadratics, polynomials, functions.

A problem gives its gradient in two forms: as the name of a kernel with its data, for compiled loops
(`fastgd.engines.native`, `fastgd.engines.numba`), and as a method on NumPy arrays with the same
operations in the same order, the reference for tests of the kernels.
"""

from fastgd.engines.protocol.sweeps import Kernel
from fastgd.problems.base import Problem
from fastgd.problems.function import Function
from fastgd.problems.linear import LeastSquares
from fastgd.problems.logistic import Logistic
from fastgd.problems.quadratic import Polynomial, Quadratic

__all__ = ["Function", "Kernel", "LeastSquares", "Logistic", "Polynomial", "Problem", "Quadratic"]
