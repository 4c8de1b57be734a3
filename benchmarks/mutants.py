"""Whether tests notice changes of what judges and decides: ``python benchmarks/mutants.py published/check``, or all.

One operator, number or ``min`` of the file is changed at a time, in memory; the tests named below run on it, and what
they let pass is printed. Tests are collected once; each change has a fork. Kernels run as Python. ``--every 5`` takes a
fifth of the changes, ``--lines 40-90`` those of some lines.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = {
    "published/check": ["test_check.py"],
    "coupled/check": ["test_coupled_instance.py", "test_coupled_formulation.py", "-k",
                      "not (regimes or archives or trip or units or repeats or hold or many)"],
    "coupled/certificate": ["test_coupled_dual.py", "test_coupled_auto.py", "test_coupled_strength.py",
                            "test_coupled_single.py", "-k",
                            "helps or memory_rows or split or cancellation or overflow or huge or gifts or of_many or "
                            "nothing or ranges or theorem_says or relaxed_families or any_prices_with or schema_two or "
                            "file_says or no_bound or several_models or rows_alone or hides or of_two or "
                            "not_open or apart or half_a_second"],
    "coupled/contradictions": ["test_coupled_instance.py", "test_coupled_pulls.py", "test_coupled_schema.py", "-k",
                               "bad_fields or source or just_fits or deadline"],
    "coupled/ending": ["test_coupled_ending.py", "-k", "three_reasons or no_cost"],
    "coupled/levels": ["test_coupled_levels.py", "-k",
                       "end_at_the or closes or which_nodes or without_a_way or too_large or says_when or dives_are"],
    "coupled/multipliers": ["test_coupled_dual.py", "test_coupled_auto.py", "test_coupled_single.py", "-k",
                            "come_back or is_certified or its_file or schema_two or many_models or file_says"],
    "coupled/proof": ["test_network_change.py", "test_coupled_auto.py", "test_coupled_strength.py",
                      "test_coupled_single.py", "-k",
                      "old_prices or is_the_slope or relaxed_families or are_slopes or any_prices_with or by_name or "
                      "just_fit or library or is_open or everything_changes or memory_rows_lift or half_a_second"],
    "coupled/lp_proof": ["test_coupled_strength.py", "-k",
                         "a_chain or strictly or keep_the or its_own or tampered or carried or are_slopes or left_of"],
    "kernels/coupled_journal": ["test_coupled_polish.py", "-k", "undo or monotone"],
    "kernels/coupled_sets": ["test_coupled_dual.py", "test_coupled_cells.py", "test_coupled_anytime.py", "-k",
                             "best_set or short or gifts or twin or tie or model_is_worth or by_hand or merging"],
    "kernels/coupled_cut": ["test_coupled_cells.py", "test_coupled_dual.py", "test_coupled_anytime.py", "-k",
                            "merging or slow_twin or slope_holds or model_is_worth or short_proof or common_blocks or "
                            "found_from or looks or several_records or leaves_to_order or in_layers"],
    "kernels/coupled_dual": ["test_coupled_cells.py", "test_coupled_dual.py", "-k",
                             "(twin and not subsets) or slope_holds or ascent or short_proof or all_cuts or "
                             "common_blocks or just_paid or lowest or rounding_leaves or must_be or found_from or "
                             "looks or own_prices"],
    "kernels/coupled_pack": ["test_coupled_cells.py", "test_coupled_auto.py", "-k",
                             "knapsack or slow_twin or slope_holds or parts or at_least or closing or common_blocks or "
                             "just_paid or stable_sort or evaluations or must_be or found_from or looks or own_prices"],
    "kernels/coupled_fix": ["test_coupled_cells.py", "-k", "model_is_worth or closing or searched"],
    "kernels/coupled_levels": ["test_coupled_levels.py", "-k",
                               "from_nothing or far_above or closes or which_nodes or without_a_way"],
    "kernels/rounding": ["test_rounding.py", "-k", "draws_follow or outcomes or extreme or sources"],
    "kernels/linear_bandit": ["test_linear_bandits.py", "test_restricted.py", "-k", "not thousands and not mabwiser"],
    "kernels/tabular_bandit": ["test_bandits.py", "-k", "not reset"],
}  # fmt: skip
TESTS |= {
    "kernels/coupled_ascent": TESTS["kernels/coupled_dual"],
    "kernels/coupled_levels_node": TESTS["kernels/coupled_levels"],
    "kernels/coupled_masks": TESTS["kernels/coupled_sets"],
}
MEMORY = 8 << 30
"""Bytes of address space of a fork: a change may well ask for all there is."""
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And, ast.USub: ast.UAdd,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
EXTREME = {"min": "max", "max": "min"}


def changes(tree: ast.Module) -> Iterator[tuple[int, str, ast.Module]]:
    """Line, change in words and changed tree, one change at a time; texts and types of arguments stay."""
    typed = (node for node in ast.walk(tree) if isinstance(node, ast.arg | ast.FunctionDef))
    types_ = [node.annotation if isinstance(node, ast.arg) else node.returns for node in typed]
    unused = {inner for found in types_ if found is not None for inner in ast.walk(found)}
    for at, node in enumerate(ast.walk(tree)):
        for field, new in () if node in unused else replacements(node):
            other = copy.deepcopy(tree)
            place = next(found for i, found in enumerate(ast.walk(other)) if i == at)
            setattr(place, field, new)
            yield node.lineno, f"{ast.unparse(node)} -> {ast.unparse(place)}", ast.fix_missing_locations(other)


def replacements(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Field of a node and what it gets instead."""
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp | ast.UnaryOp) and type(node.op) in SWAPS:
        yield "op", SWAPS[type(node.op)]()
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "operand", ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield "ops", [SWAPS[type(node.ops[0])](), *node.ops[1:]]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EXTREME:
        yield "func", ast.Name(EXTREME[node.func.id], ast.Load())
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        raised = node.value + 1 if node.value + 1 != node.value else 2 * node.value
        yield "value", not node.value if isinstance(node.value, bool) else raised


def put(module: types.ModuleType, tree: ast.Module) -> None:
    """Put a changed module into the place of one that others have imported: functions in place, the rest by name."""
    before = dict(vars(module))
    exec(compile(tree, str(module.__file__), "exec"), vars(module))
    for name, value in list(vars(module).items()):
        old = before.get(name)
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
            for field in ("__code__", "__defaults__", "__kwdefaults__"):
                setattr(old, field, getattr(value, field))
        elif old is not value:
            for user in list(sys.modules.values()):
                if vars(user).get(name) is old:
                    setattr(user, name, value)


class Loop:
    """In place of pytest's loop over the tests: all of them for each change, quick ones first, until one fails."""

    def __init__(self, name: str, every: int, lines: range) -> None:
        self.name, self.every, self.lines = name, every, lines

    def pytest_collection(self) -> None:
        """Neither more examples after a failure nor any from former runs."""
        from hypothesis import Phase, settings

        settings.register_profile("mutants", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate])
        settings.load_profile("mutants")

    def pytest_runtestloop(self, session) -> bool:
        """Print each change that passes, then how many there were."""
        module = importlib.import_module(f"mecpfm.{self.name.replace('/', '.')}")
        tree = ast.parse(Path(module.__file__).read_text())
        took = attempt(module, tree, [(600.0, item) for item in session.items])
        assert took, f"{self.name}: its tests fail without a change"
        pairs = sorted(zip(took, session.items, strict=True), key=lambda pair: pair[0])
        items = [(2 + 3 * seconds, item) for seconds, item in pairs]
        assert attempt(module, tree, items), f"{self.name}: its tests fail, or take longer, in another order"
        chosen = [change for change in changes(tree) if change[0] in self.lines][:: self.every]
        survived = 0
        for i, (line, words, other) in enumerate(chosen):
            if attempt(module, other, items):
                survived += 1
                print(f"{self.name}.py:{line}: {words}", file=sys.__stderr__, flush=True)
            if i % 20 == 0:
                print(f"({i} of {len(chosen)})", file=sys.__stderr__, flush=True)
        print(
            f"{self.name}: {len(chosen) - survived} of {len(chosen)} changes noticed", file=sys.__stderr__, flush=True
        )
        return True


def attempt(module: types.ModuleType, tree: ast.Module, items: list) -> list[float]:
    """CPU seconds of each test on a changed module; nothing if one fails, or takes longer than stands beside it."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        items[0][1].config.pluginmanager.unregister(name="terminalreporter")
        took = []
        try:
            put(module, tree)
            for i, (limit_s, item) in enumerate(items):
                following = items[i + 1][1] if i + 1 < len(items) else None
                start = time.process_time()
                signal.setitimer(signal.ITIMER_PROF, limit_s)  # its signal ends the fork
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                if item.session.testsfailed:
                    os._exit(1)
                took.append(time.process_time() - start)
            os.write(into, json.dumps(took).encode())
        except BaseException:
            os._exit(1)
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as pipe:
        told = pipe.read()
    failed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    return [] if failed else json.loads(told)


def main() -> None:
    """Each file in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(TESTS), metavar="name", help=", ".join(TESTS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--lines", default="1-100000", help="first-last")
    wanted = parser.parse_args()
    if len(wanted.names) > 1:
        for name in wanted.names:
            subprocess.run([sys.executable, __file__, name, "--every", str(wanted.every)], check=True)
        return
    (name,) = wanted.names
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    os.chdir(ROOT / "tests")
    first, last = map(int, wanted.lines.split("-"))
    options = ["-q", "-p", "no:cacheprovider", *TESTS[name]]
    sys.exit(pytest.main(options, plugins=[Loop(name, wanted.every, range(first, last + 1))]))


if __name__ == "__main__":
    main()
