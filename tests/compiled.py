"""Kernels are compiled before the tests start, in two processes at once.

Else every worker compiles most of them, and the first test that needs one seems slow. Started by conftest.py where
several workers run the whole suite; ``python tests/compiled.py online`` compiles what the named settings need.
"""

import hashlib
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from mecpfm.errors import InputError
from mecpfm.kernels import _cache


def coupled() -> None:
    """The coupled problem by every method, and searches that greedy's plan does not end at once."""
    from coupled_strategies import small

    from mecpfm.coupled import baselines, dual, exchange, methods, split
    from mecpfm.coupled.generate import Recipe, generate
    from mecpfm.coupled.structure import build
    from mecpfm.coupled.table import METHODS

    instance = generate(Recipe(requests=40, cloudlets=4, models=12, families=3), 1)
    for method in METHODS.keys() - {"nlip"}:
        methods.certified(instance, method, solver="highs", iterations=50)
    exchange.improve(build(instance), baselines.trimcaching(instance), iterations=1)
    for seed in range(12):
        for method in ("polish", "auto"):
            methods.certified(small(seed, 6, 2, families=bool(seed % 2)), method, iterations=25)
    split.RECORDS = 0  # as if it were a large one
    dual.solve(build(instance), memory_row=True, iterations=1)


def published() -> None:
    """The paper's problem by every method, and its simulator by every policy."""
    from mecpfm.published import methods, online, policies
    from mecpfm.published.generate import Recipe, generate

    instance = generate(Recipe(cloudlets=8, requests=5, models=4, families=2), seed=3)
    for method in methods.METHODS.keys() - {"nlip"}:
        with suppress(InputError):
            methods.solve(instance, method, solver="highs")
    for policy in policies.POLICIES:
        online.simulate(instance, policy, rounds=20)


def online() -> None:
    """The simulator on a trace and the dispatcher."""
    from online_strategies import scene

    from mecpfm.online import ledger, simulate
    from mecpfm.online.dispatcher import Dispatcher
    from mecpfm.online.policy import POLICIES

    place = scene(200)
    ledger.ledger(simulate.simulate(place, POLICIES["structured-full"], 0))
    Dispatcher(place, policy="structured-full", seed=0)


def compile_all() -> None:
    """Both halves at once, unless these kernels have been compiled here before."""
    keys = "".join(map(_cache.key, sorted(Path(_cache.__file__).parent.glob("*.py"))))
    done = _cache.BASE / f"tests-{hashlib.sha256(keys.encode()).hexdigest()[:16]}"
    if not done.exists():
        print("compiling kernels, once: less than a minute", file=sys.stderr)
        halves = [
            subprocess.Popen([sys.executable, __file__, *half]) for half in (("coupled", "published"), ("online",))
        ]
        codes = [half.wait() for half in halves]
        if codes == [0, 0]:
            done.touch()


if __name__ == "__main__":
    settings = {"coupled": coupled, "published": published, "online": online}
    for compile_one in [settings[name] for name in sys.argv[1:]] or [compile_all]:
        compile_one()
