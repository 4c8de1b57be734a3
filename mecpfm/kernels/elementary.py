"""Elementary functions from ``+ - * /``, square roots and exact scaling alone: the same bits on every machine.

NumPy's and the C library's differ in the last bit from one processor or library to the next (vector instructions,
fused multiply-add). IEEE fixes every operation used here, and Numba without fastmath neither fuses nor reorders them.
The reductions and minimax coefficients are those of Sun's fdlibm (Ng, 1993); errors stay below 2 units in the last
place, of :func:`expm1` below 4 and of :func:`power` below ``4 + 2 |y log x|``.
"""

from __future__ import annotations

import math

import numpy as np

from mecpfm.kernels._jit import inlined, kernel
from mecpfm.typing import Floats

EXP, EXPM1, LOG, LOG1P, SIN, COS = range(6)
LOG2_HIGH, LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""Sum log 2; an integer below 2^20 times the first is exact."""
QUARTER_1, QUARTER_2, QUARTER_3 = 1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21
"""Sum pi / 2; an integer below 2^20 times one of the first two is exact."""
HIGHEST, LOWEST = 709.782712893384, -745.1332191019412
"""The exponential overflows above the first and is 0 below the second."""


@kernel
def exp(x: float) -> float:
    """``e ** x``."""
    if math.isnan(x):
        return x
    if x > HIGHEST:
        return np.inf
    if x < LOWEST:
        return 0.0
    k = np.floor(x * 1.44269504088896338700 + 0.5)
    high, low = x - k * LOG2_HIGH, k * LOG2_LOW
    r = high - low
    t = r * r
    c = 4.13813679705723846039e-08
    c = 6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06 + t * c)
    c = r - t * (1.66666666666666019037e-01 + t * (-2.77777777770155933842e-03 + t * c))
    return math.ldexp(1.0 - ((low - r * c / (2.0 - c)) - high), int(k))


@kernel
def expm1(x: float) -> float:
    """``e ** x - 1``, accurate near 0."""
    if not abs(x) < 0.35:
        return exp(x) - 1.0
    half = 0.5 * x
    s = x * half
    r = -7.93650757867487942473e-05 + s * (4.00821782732936239552e-06 + s * -2.01099218183624371326e-07)
    r = 1.0 + s * (-3.33333333333331316428e-02 + s * (1.58730158725481460165e-03 + s * r))
    t = 3.0 - r * half
    return x - (x * (s * ((r - t) / (6.0 - x * t))) - s)


@kernel
def log(x: float) -> float:
    """Natural logarithm; minus infinity at 0, not a number below."""
    if not x > 0.0:
        return -np.inf if x == 0.0 else np.nan
    if x == np.inf:
        return x
    m, k = math.frexp(x)
    if m < 0.70710678118654752440:
        m, k = 2.0 * m, k - 1
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    even = 2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)
    r = odd + z * (6.666666666666735130e-01 + w * even)
    half = 0.5 * f * f
    return k * LOG2_HIGH - ((half - (s * (half + r) + k * LOG2_LOW)) - f)


@kernel
def log1p(x: float) -> float:
    """``log(1 + x)``, accurate near 0."""
    u = 1.0 + x
    if u == 1.0 or not 0.0 < u < np.inf:
        return x if u == 1.0 else log(u)
    return log(u) + (x - (u - 1.0) if abs(x) < 1.0 else 1.0 - (u - x)) / u


@kernel
def power(x: float, y: float) -> float:
    """``x ** y`` for ``x`` >= 0."""
    if y == 0.0 or x == 1.0:
        return 1.0
    if x == 0.0:
        return 0.0 if y > 0.0 else np.inf
    return x if y == 1.0 else exp(y * log(x))


@inlined
def _sine(r: float, tail: float) -> float:
    """Sine of ``r + tail``, at most pi / 4 away from 0."""
    z = r * r
    c = 2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)
    c = 8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 + z * c)
    v = z * r
    return r - ((z * (0.5 * tail - v * c) - tail) - v * -1.66666666666666324348e-01)


@inlined
def _cosine(r: float, tail: float) -> float:
    """Cosine of ``r + tail``, at most pi / 4 away from 0."""
    z = r * r
    c = -2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)
    c = -1.38888888888741095749e-03 + z * (2.48015872894767294178e-05 + z * c)
    c = z * (4.16666666666666019037e-02 + z * c)
    half = 0.5 * z
    w = 1.0 - half
    return w + (((1.0 - w) - half) + (z * c - r * tail))


@inlined
def _turned(x: float, quarters: int) -> float:
    """Sine of ``x`` plus so many right angles."""
    if not abs(x) < 1e6:
        return np.nan
    n = np.floor(x * 6.36619772367581382433e-01 + 0.5)
    first = x - n * QUARTER_1
    second = first - n * QUARTER_2
    rest = n * QUARTER_3 - ((first - second) - n * QUARTER_2)
    r = second - rest
    tail = (second - r) - rest
    turn = (int(n) + quarters) % 4
    value = _cosine(r, tail) if turn % 2 else _sine(r, tail)
    return -value if turn > 1 else value


@kernel
def sin(x: float) -> float:
    """Sine of less than a million radians."""
    return _turned(x, 0)


@kernel
def cos(x: float) -> float:
    """Cosine of less than a million radians."""
    return _turned(x, 1)


@kernel
def each(which: int, x: Floats, out: Floats) -> None:
    """One function of every number of a flat array."""
    for i in range(len(x)):
        if which == EXP:
            out[i] = exp(x[i])
        elif which == EXPM1:
            out[i] = expm1(x[i])
        elif which == LOG:
            out[i] = log(x[i])
        elif which == LOG1P:
            out[i] = log1p(x[i])
        elif which == SIN:
            out[i] = sin(x[i])
        else:
            out[i] = cos(x[i])


@kernel
def powers(x: Floats, y: Floats, out: Floats) -> None:
    """:func:`power` of two flat arrays."""
    for i in range(len(x)):
        out[i] = power(x[i], y[i])
