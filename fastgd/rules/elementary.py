"""exp, log, tanh, erf, expm1 and log1p, each written once for every backend.

Each backend's own functions differ in the last bits, and in compiled loops they do not vectorize.
These are straight-line arithmetic, as the update rules are, and so give the same bits everywhere,
within 2 ulp of the true value for every argument, subnormal, infinite and NaN ones included.

There is one for single and one for double precision. They may contain literals, which every
backend rounds to that precision before it computes; an expression of literals alone is not
allowed. Beside the rules' vocabulary they know `np.inf`, `np.nan`, and three functions on the bits
of a number:

``np.pow2(k)``
    2**n, where k is n + 12583039 in single, n + 6755399441056767 in double precision (1.5 times
    2**23 or 2**52, so that n is rounded to an integer, plus the exponent's bias).
``np.exponent(x)``, ``np.mantissa(x)``
    e and m of x = m 2**e with m from sqrt(1/2) to sqrt(2), for positive normal x.

The polynomials' coefficients are printed by ``tools/fit_elementary.py``.
"""

import numpy as np


def exp_single(x):
    """2**n exp(r), |r| <= log(2)/2; two factors for 2**n, so that subnormal results round once."""
    y = np.maximum(-104.0, np.minimum(89.0, x))
    k = y * 1.4426950408889634 + 12583039.0
    n = k - 12583039.0
    r = (y - n * 0.693145751953125) - n * 1.428606765330187e-06
    s = r * r
    q = 0.00836323294788599 * s + 0.16666576266288757
    even = 0.0013926250394433737 * s + 0.04166655242443085
    even = even * s + 0.5
    q = q * r + even
    half = n * 0.5 + 12583039.0
    rest = (n - (half - 12583039.0)) + 12583039.0
    return ((q * s + r) + 1.0) * np.pow2(half) * np.pow2(rest)


def exp_double(x):
    """2**n exp(r), |r| <= log(2)/2; two factors for 2**n, so that subnormal results round once."""
    y = np.maximum(-746.0, np.minimum(710.0, x))
    k = y * 1.4426950408889634 + 6755399441056767.0
    n = k - 6755399441056767.0
    r = (y - n * 0.6931471805598903) - n * 5.497923018708371e-14
    s = r * r
    q = 2.5100472505694996e-08 * s + 2.7557268276905696e-06
    q = q * s + 0.00019841269863171557
    q = q * s + 0.008333333333330039
    q = q * s + 0.16666666666666669
    even = 2.7620201591031547e-07 * s + 2.4801521057868204e-05
    even = even * s + 0.0013888888917367081
    even = even * s + 0.041666666666623824
    even = even * s + 0.5000000000000001
    q = q * r + even
    half = n * 0.5 + 6755399441056767.0
    rest = (n - (half - 6755399441056767.0)) + 6755399441056767.0
    return ((q * s + r) + 1.0) * np.pow2(half) * np.pow2(rest)


def expm1_single(x):
    """2**n (expm1(r) + 1) - 1, with what the rounding of r loses carried along."""
    y = np.maximum(-20.0, np.minimum(89.0, x))
    k = y * 1.4426950408889634 + 12583039.0
    n = k - 12583039.0
    high = y - n * 0.693145751953125
    low = n * 1.428606765330187e-06
    r = high - low
    lost = (high - r) - low
    s = r * r
    q = 0.00836323294788599 * s + 0.16666576266288757
    even = 0.0013926250394433737 * s + 0.04166655242443085
    even = even * s + 0.5
    q = q * r + even
    half = np.pow2(k - 1.0)
    y = (half * (q * s + lost) + (half * r + (half - 0.5))) * 2.0
    return np.where(np.abs(x) < 1e-08, x, y)


def expm1_double(x):
    """2**n (expm1(r) + 1) - 1, with what the rounding of r loses carried along."""
    y = np.maximum(-40.0, np.minimum(710.0, x))
    k = y * 1.4426950408889634 + 6755399441056767.0
    n = k - 6755399441056767.0
    high = y - n * 0.6931471805598903
    low = n * 5.497923018708371e-14
    r = high - low
    lost = (high - r) - low
    s = r * r
    q = 2.5100472505694996e-08 * s + 2.7557268276905696e-06
    q = q * s + 0.00019841269863171557
    q = q * s + 0.008333333333330039
    q = q * s + 0.16666666666666669
    even = 2.7620201591031547e-07 * s + 2.4801521057868204e-05
    even = even * s + 0.0013888888917367081
    even = even * s + 0.041666666666623824
    even = even * s + 0.5000000000000001
    q = q * r + even
    half = np.pow2(k - 1.0)
    y = (half * (q * s + lost) + (half * r + (half - 0.5))) * 2.0
    return np.where(np.abs(x) < 1e-17, x, y)


def log_single(x):
    """Sum of e log(2) and log(1 + f), the latter as 2 atanh(f / (2 + f))."""
    y = np.where(x < 1.1754943508222875e-38, x * 33554432.0, x)
    e = np.exponent(y)
    e = np.where(x < 1.1754943508222875e-38, e - 25.0, e)
    f = np.mantissa(y) - 1.0
    s = f / (f + 2.0)
    z = s * s
    q = 0.29580986499786377 * z + 0.3998875916004181
    q = q * z + 0.6666668653488159
    h = f * f * 0.5
    y = e * 0.693145751953125 - ((h - (s * (h + q * z) + e * 1.428606765330187e-06)) - f)
    y = np.where(x < np.inf, y, x)
    y = np.where(x <= 0.0, -np.inf, y)
    return np.where(x < 0.0, np.nan, y)


def log_double(x):
    """Sum of e log(2) and log(1 + f), the latter as 2 atanh(f / (2 + f))."""
    y = np.where(x < 2.2250738585072014e-308, x * 18014398509481984.0, x)
    e = np.exponent(y)
    e = np.where(x < 2.2250738585072014e-308, e - 54.0, e)
    f = np.mantissa(y) - 1.0
    s = f / (f + 2.0)
    z = s * s
    w = z * z
    q = 0.15331611722055008 * w + 0.22222211089379496
    q = q * w + 0.3999999999989889
    even = 0.14617807153417325 * w + 0.1818289243253687
    even = even * w + 0.28571428626253836
    even = even * w + 0.666666666666667
    q = q * z + even
    h = f * f * 0.5
    y = e * 0.6931471805598903 - ((h - (s * (h + q * z) + e * 5.497923018708371e-14)) - f)
    y = np.where(x < np.inf, y, x)
    y = np.where(x <= 0.0, -np.inf, y)
    return np.where(x < 0.0, np.nan, y)


def log1p_single(x):
    """log(u), u = 1 + x, and what the rounding of u loses."""
    u = x + 1.0
    y = np.log(u)
    corrected = y + (x - (u - 1.0)) / u
    y = np.where(x > -1.0, np.where(x < np.inf, corrected, y), y)
    return np.where(np.abs(x) < 1e-08, x, y)


def log1p_double(x):
    """log(u), u = 1 + x, and what the rounding of u loses."""
    u = x + 1.0
    y = np.log(u)
    corrected = y + (x - (u - 1.0)) / u
    y = np.where(x > -1.0, np.where(x < np.inf, corrected, y), y)
    return np.where(np.abs(x) < 1e-17, x, y)


def tanh_single(x):
    """The result is c - c^3 / d, where c is x cut off at 1 and -1.

    For |x| < 1, d is x^3 / (x - tanh(x)), a polynomial in x^2; beyond, it is (exp(2 |x|) + 1) / 2, where 2 |x| is
    n log(2) + 2 r. The quotient is at most a third of the result, so that its errors hardly count.
    """
    a = np.abs(x)
    b = np.minimum(10.0, a)
    k = b * 2.8853900817779268 + 12583038.0
    r = b - (k - 12583038.0) * 0.3465735912322998
    q = 0.2676234543323517 * r + 0.6700170040130615
    q = q * r + 1.3333261013031006
    q = q * r + 1.9999747276306152
    q = q * r + 2.0
    half = np.pow2(k)
    far = q * (half * r) + (half + 0.5)
    c = np.maximum(-1.0, np.minimum(1.0, x))
    u = c * c
    q = 0.00023111638438422233 * u - 0.00570029579102993
    q = q * u + 1.1999971866607666
    q = q * u + 3.0
    return c - (u * c + 0.0) / np.where(a < 1.0, q, far)


def tanh_double(x):
    """As in single precision; polynomials in two parts, which need not wait for one another."""
    a = np.abs(x)
    b = np.minimum(20.0, a)
    k = b * 2.8853900817779268 + 6755399441056766.0
    r = b - (k - 6755399441056766.0) * 0.34657359027997264
    s = r * r
    q = 0.0002828953143954657 * s + 0.006349185027693288
    q = q * s + 0.0888888891696064
    q = q * s + 0.6666666666651583
    q = q * s + 2.000000000000002
    even = 5.141568047026607e-05 * s + 0.0014109314647040455
    even = even * s + 0.025396825440002917
    even = even * s + 0.2666666666664347
    even = even * s + 1.3333333333333337
    even = even * s + 2.0
    q = q * r + even
    half = np.pow2(k)
    far = q * (half * r) + (half + 0.5)
    c = np.maximum(-1.0, np.minimum(1.0, x))
    u = c * c
    w = u * u
    q = 1.437242798459155e-09 * w + 5.987515750200558e-07
    q = q * w + 0.00025396825298843687
    q = q * w + 1.1999999999999964
    even = -5.819117545017178e-11 * w - 2.9539812709056923e-08
    even = even * w - 1.2203664283177342e-05
    even = even * w - 0.00571428571419056
    even = even * w + 3.0
    q = q * u + even
    return c - (u * c + 0.0) / np.where(a < 1.0, q, far)


def erf_single(x):
    """1 - exp(-x^2) Q((|x| - 2) / (|x| + 2)), and a polynomial where that would cancel."""
    u = x * x
    w = u * u
    q = -0.0006214585155248642 * w - 0.026792947202920914
    q = q * w - 0.3761255443096161
    even = 0.005034370813518763 * w + 0.11282496899366379
    even = even * w + 0.12837915122509003
    q = q * u + even
    near = x * q + x
    a = np.abs(x)
    b = np.minimum(4.0, a)
    v = (b - 2.0) / (b + 2.0)
    w = v * v
    q = 0.006794433109462261 * w - 0.07896605879068375
    q = q * w - 0.4271860420703888
    even = -0.0006461445591412485 * w + 0.0037016780115664005
    even = even * w + 0.24165938794612885
    even = even * w + 0.25539568066596985
    q = q * v + even
    y = 1.0 - np.exp(-(b * b)) * q
    y = np.where(x < 0.0, -y, y)
    return np.where(a < 0.875, near, y)


def erf_double(x):
    """1 - exp(-x^2) Q((|x| - 2) / (|x| + 2)), and a polynomial where that would cancel."""
    u = x * x
    w = u * u
    q = -1.5624735838207127e-07 * w - 1.492102315426167e-05
    q = q * w - 0.0008548322128192329
    q = q * w - 0.026866170637514133
    q = q * w - 0.3761263890318304
    even = 1.0471034556935036e-08 * w + 1.6388270378106895e-06
    even = even * w + 0.00012055145523632907
    even = even * w + 0.005223977545559434
    even = even * w + 0.1128379167091783
    even = even * w + 0.12837916709551256
    q = q * u + even
    near = x * q + x
    a = np.abs(x)
    b = np.minimum(6.0, a)
    v = (b - 2.0) / (b + 2.0)
    w = v * v
    q = 9.787537044347685e-07 * w + 1.4194072432304343e-06
    q = q * w - 2.7578894565291677e-05
    q = q * w + 0.00017436061057696557
    q = q * w - 0.0009819769745779531
    q = q * w + 0.006997461737163595
    q = q * w - 0.07897858101569999
    q = q * w - 0.42718584741395854
    even = -9.129431056231442e-07 * w + 4.03549367788087e-06
    even = even * w - 1.403264171679727e-05
    even = even * w + 2.75343211521683e-05
    even = even * w + 4.3554926573214094e-05
    even = even * w - 0.0008471432225597245
    even = even * w + 0.003732892403734518
    even = even * w + 0.24165819424247126
    even = even * w + 0.25539567631050575
    q = q * v + even
    y = 1.0 - np.exp(-(b * b)) * q
    y = np.where(x < 0.0, -y, y)
    return np.where(a < 0.875, near, y)
