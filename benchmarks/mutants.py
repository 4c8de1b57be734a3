"""Whether tests notice changes of what judges plans: ``python benchmarks/mutants.py published/check``, or all.

One operator or number of the file is changed at a time, in memory; the tests named below run on it, and what they let
pass is printed. Each change has a fork: libraries are imported once. ``--every 5`` takes a fifth of the changes.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import highspy  # noqa: F401  loaded before the forks
import numba  # noqa: F401
import pandas  # noqa: F401
import pydantic  # noqa: F401
import pytest
import scipy.sparse.csgraph
import scipy.stats  # noqa: F401

ROOT = Path(__file__).parents[1]
TESTS = {
    "published/check": ["test_check.py"],
    "coupled/check": ["test_coupled_instance.py", "test_coupled_formulation.py", "-k", "checker or fractions or equal"],
    "coupled/certificate": ["test_coupled_dual.py", "-k", "certif or multiplier or verif"],
}
LIMIT_S = 600
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And, ast.USub: ast.UAdd,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


def changes(tree: ast.Module) -> Iterator[tuple[int, str, ast.Module]]:
    """Line, change in words and changed tree, one change at a time; texts stay."""
    for at, node in enumerate(ast.walk(tree)):
        for field, new in replacements(node):
            other = copy.deepcopy(tree)
            place = next(found for i, found in enumerate(ast.walk(other)) if i == at)
            setattr(place, field, new)
            yield node.lineno, f"{ast.unparse(node)} -> {ast.unparse(place)}", ast.fix_missing_locations(other)


def replacements(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Field of a node and what it gets instead."""
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.UnaryOp) and type(node.op) in SWAPS:
        yield "op", SWAPS[type(node.op)]()
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield "ops", [SWAPS[type(node.ops[0])](), *node.ops[1:]]
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        yield "value", not node.value if isinstance(node.value, bool) else node.value + 1


def passes(name: str, tree: ast.Module) -> bool:
    """Whether the tests pass on a changed module; more time than any test takes counts as noticed."""
    child = os.fork()
    if child == 0:
        signal.alarm(LIMIT_S)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        try:
            load(name, tree)
            os.chdir(ROOT / "tests")
            code = pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", *TESTS[name]])
        except BaseException:
            code = 1
        os._exit(int(code))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def load(name: str, tree: ast.Module) -> None:
    """Put the module into place before anybody imports it."""
    full = f"mecpfm.{name.replace('/', '.')}"
    parent, _, last = full.rpartition(".")
    spec = importlib.util.find_spec(full)
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module
    exec(compile(tree, spec.origin, "exec"), module.__dict__)
    setattr(sys.modules[parent], last, module)


def main() -> None:
    """Print each change that passes, then how many there were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(TESTS), metavar="name", help=", ".join(TESTS))
    parser.add_argument("--every", type=int, default=1)
    wanted = parser.parse_args()
    for name in wanted.names:
        tree = ast.parse((ROOT / "mecpfm" / f"{name}.py").read_text())
        assert passes(name, tree), f"{name}: its tests fail without a change"
        chosen = list(changes(tree))[:: wanted.every]
        survived = 0
        for i, (line, words, other) in enumerate(chosen):
            print(f"{name}: {i} of {len(chosen)}", file=sys.stderr, flush=True)
            if passes(name, other):
                survived += 1
                print(f"{name}.py:{line}: {words}", flush=True)
        print(f"{name}: {len(chosen) - survived} of {len(chosen)} changes noticed", flush=True)


if __name__ == "__main__":
    main()
