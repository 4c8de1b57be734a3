"""The same bits on every machine: own elementary functions, no others, and no decision left to rounding."""

import ast
import hashlib
import math
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecpfm.kernels import arrays, elementary

PACKAGE = Path(__file__).parents[1] / "mecpfm"
NUMPY = {
    *"exp exp2 expm1 log log1p log2 log10 sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh hypot cbrt".split(),
    *"power float_power pow geomspace logspace interp dot vdot inner matmul einsum tensordot linalg polyfit".split(),
    *"convolve correlate corrcoef cov logaddexp".split(),
}
MATH = {*"exp exp2 expm1 log log1p log2 log10 sin cos tan pow hypot atan atan2 tanh gamma lgamma erf".split()}
DRAWS = {*"uniform standard_normal normal exponential standard_exponential beta gamma lognormal geometric pow".split()}
EXCEPT = {
    # Sums of 0 and 1, of integers, or of sizes, each exactly once: no product is rounded.
    "coupled/baselines.py": {"@"},
    "coupled/certificate.py": {"@"},
    "coupled/presolve.py": {"@"},
    "coupled/formulation.py": {"@"},
    "coupled/laminar.py": {"@"},
    "coupled/local_search.py": {"@"},
    "coupled/structure.py": {"@"},
    # Compared with a tolerance far above rounding.
    "coupled/configurations.py": {"@"},
    "coupled/assignment.py": {"@"},
    # How many plans an exhaustive search has: only printed, to one decimal, in an error.
    "coupled/brute_force.py": {"math.log10"},
    "published/brute_force.py": {"math.log10"},
    # Pictures, to a tenth of a pixel.
    "network/picture.py": {"math.cos", "math.sin"},
    # Where the draws are settled.
    "kernels/arrays.py": {".standard_normal"},
    # Keys and scores, of which the largest counts: two continuous draws within a last bit do not occur.
    "kernels/episode.py": {".beta"},
    "kernels/online_policy.py": {".beta", ".standard_normal"},
    "kernels/online_run.py": {".standard_normal"},
    "bandits/restricted.py": {".beta"},
    "bandits/linear.py": {".standard_normal"},
    # Computed once, from the real trace, for a committed table.
}


def forbidden(tree: ast.AST) -> set[str]:
    """What of a file differs between machines: functions, powers that are no small integers, products, draws."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="np" | "math" as module), attr=name):
                if name in (NUMPY if module == "np" else MATH):
                    found.add(f"{module}.{name}")
            case ast.Call(func=ast.Attribute(value=owner, attr=name)):
                if name in DRAWS and getattr(owner, "id", "") != "arrays":
                    found.add(f".{name}")
            case ast.BinOp(op=ast.MatMult()) | ast.AugAssign(op=ast.MatMult()):
                found.add("@")
            case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=2)):
                pass
            case ast.BinOp(op=ast.Pow(), left=ast.Constant(), right=ast.Constant() | ast.UnaryOp()):
                pass
            case ast.BinOp(op=ast.Pow()) | ast.AugAssign(op=ast.Pow()):
                found.add("**")
    return found


def test_nothing_that_differs_between_machines_is_called():
    """Only figures/ and the named exceptions use NumPy's, the C library's or BLAS's own functions."""
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("figures/"):
            assert forbidden(ast.parse(path.read_text())) == EXCEPT.get(name, set()), name


@pytest.mark.parametrize(
    "line",
    ["np.exp(x)", "np.linalg.norm(x)", "x ** 0.5", "x ** y", "x **= 3", "a @ b", "math.log(x)", "random.uniform(0, 1)"],
)
def test_the_search_finds_them(line):
    """Each kind is found; squares and constants are not."""
    assert forbidden(ast.parse(line))
    assert not forbidden(ast.parse("x ** 2 + 2.0**-40 + 10**9 + arrays.uniform(random, 0, 1) + np.sqrt(x)"))


def exact(name: str, x: float) -> Decimal:
    """The function's value to 40 digits, from the decimal module or a Taylor series."""
    with localcontext() as context:
        context.prec = 60 + (abs(math.frexp(x)[1]) if name in ("expm1", "log1p") else 0)
        d = Decimal(x)
        if name in ("exp", "log"):
            return d.exp() if name == "exp" else d.ln()
        if name in ("expm1", "log1p"):
            return d.exp() - 1 if name == "expm1" else (1 + d).ln()
        first = 1 if name == "sin" else 0
        terms = [d if first else Decimal(1)]
        for n in range(first, 160, 2):
            terms.append(-terms[-1] * d * d / ((n + 1) * (n + 2)))
        return sum(terms)


RANGES = {
    "exp": (-700, 700, 1),
    "expm1": (-20, 20, 4),
    "log": (1e-300, 1e300, 1),
    "log1p": (-0.999999, 1e9, 2),
    "sin": (-12, 12, 1),
    "cos": (-12, 12, 1),
}


@pytest.mark.parametrize("name", RANGES)
@given(data=st.data())
def test_elementary_functions_against_decimal(name, data):
    """Within as many units in the last place as the docstring says; arrays hold the same bits as numbers."""
    low, high, units = RANGES[name]
    x = data.draw(st.floats(low, high) | st.floats(max(low, -2), 2))
    found, true = getattr(elementary, name)(x), exact(name, x)
    assert abs(Decimal(found) - true) <= units * Decimal(math.ulp(float(true)))
    assert getattr(arrays, name)(np.full((2, 3), x)).tolist() == [[found] * 3] * 2
    assert getattr(arrays, name)(x) == found


@given(x=st.floats(1e-12, 1e12), y=st.floats(-30, 30))
def test_power_against_decimal(x, y):
    """Within ``4 + 2 |y log x|`` units."""
    with localcontext() as context:
        context.prec = 60
        true = (Decimal(y) * Decimal(x).ln()).exp()
    allowed = (4 + 2 * abs(y * math.log(x))) * math.ulp(float(true))
    assert abs(Decimal(arrays.power(x, y)) - true) <= Decimal(allowed)


def test_elementary_functions_at_the_ends():
    """Zeros keep their sign, infinities and what has no value are as in NumPy, without a warning."""
    x = np.array([0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 800.0, -800.0, 5e-324])
    with np.errstate(all="ignore"):
        for name in ("exp", "expm1", "log", "log1p"):
            expected = getattr(np, name)(x)
            found = getattr(arrays, name)(x)
            np.testing.assert_allclose(found, expected, rtol=1e-15)
            assert (np.signbit(found) == np.signbit(expected))[~np.isnan(expected)].all()
    assert arrays.sin(-0.0) == 0 and math.copysign(1, arrays.sin(-0.0)) < 0
    assert arrays.power([0.0, 0.0, 2.0, 1.0], [0.0, 2.0, 1.0, 9.0]).tolist() == [1, 0, 2, 1]
    assert arrays.power(0.0, -1.0) == math.inf


@pytest.mark.parametrize("name", RANGES)
def test_compiled_code_is_not_fused(name, monkeypatch):
    """Compiled, the functions give the bits of plain Python arithmetic: no multiply-add is fused, no sum reordered."""
    low, high, _ = RANGES[name]
    random = np.random.default_rng(1)
    x = np.concatenate([random.uniform(max(low, -30), min(high, 30), 400), random.uniform(max(low, -1), 1, 400)])
    plain = getattr(elementary, name).py_func
    expected = [float(plain(float(value))) for value in x]
    assert getattr(arrays, name)(x).tolist() == expected
    monkeypatch.setattr(arrays, "FEW", 0)  # compiled, however few
    assert getattr(arrays, name)(x).tolist() == expected


def test_bits_are_those_of_every_other_machine():
    """Known bits of functions, sums and draws; where these differ, so will every table."""
    x = np.linspace(0.01, 30, 3001)
    parts = [getattr(arrays, name)(x) for name in RANGES]
    random = np.random.default_rng(5)
    parts += [arrays.power(x, x / 9), arrays.spaced(1, 7, 99), arrays.interpolated(x, [1, 2, 9], [3, 1, 4])]
    parts += [arrays.normal(random, 5000), arrays.uniform(random, -1, 7, 500)]
    columns = np.column_stack([x, np.sqrt(x), x * x])
    parts += [x.cumsum(), columns.sum(axis=0), columns.sum(axis=1), arrays.fitted(columns, parts[2])]
    parts += [np.array([x.sum(), x.std(), arrays.dot(x, x)])]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()
    assert digest == "b56630fd93650737ef043c1a59e058d6184cecd02597184108ce2d0673b3b592"


def test_array_functions_against_numpy():
    """Interpolation, spacing, uniform draws and least squares are NumPy's but for last bits."""
    random = np.random.default_rng(2)
    at, values, x = np.sort(random.random(9)), random.random(9), random.uniform(-0.5, 1.5, 300)
    np.testing.assert_allclose(arrays.interpolated(x, at, values), np.interp(x, at, values), rtol=1e-12)
    np.testing.assert_allclose(arrays.spaced(0.3, 8, 17), np.geomspace(0.3, 8, 17), rtol=1e-14)
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    assert arrays.uniform(ours, [1, 2], [3, 5], (4, 2)).shape == (4, 2)
    np.testing.assert_allclose(arrays.uniform(ours, 1, 3, 9), theirs.uniform(1, 3, 17)[8:], rtol=1e-15)
    columns = random.standard_normal((50, 4))
    np.testing.assert_allclose(
        arrays.fitted(columns, x[:50]), np.linalg.lstsq(columns, x[:50], rcond=None)[0], rtol=1e-10
    )
    np.testing.assert_allclose(arrays.products(columns, columns[:, :2]), columns.T @ columns[:, :2], rtol=1e-10)
