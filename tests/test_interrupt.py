"""Ctrl-C through the real command: whichever method, whenever, a complete answer and exit code 0."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mecpfm.coupled import baselines
from mecpfm.coupled.check import assess
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.published.generate import Recipe as PublishedRecipe
from mecpfm.published.generate import generate as generate_published

SEARCHING = ("auto", "branch", "ilp", "lp-cut", "cocar", "gap-rounding", "rounding-nested")
"""One of each kind; that any method ends at every look at the clock is asked in test_clock.py."""
READING, SOLVING, PROGRESS, COMPILING = "reading", "using HiGHS", "iterations: cost", "compiling kernels"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """A coupled instance that no method solves in a minute, and a published one."""
    folder = tmp_path_factory.mktemp("interrupt")
    generate(Recipe(requests=400), 0).write(folder / "coupled.npz")
    generate_published(PublishedRecipe(cloudlets=100, requests=100, models=30), 0).write(folder / "published.json")
    return folder


def interrupted(path: Path, method: str, line: str, wait_s: float = 0.0, **variables: str):
    """Outcome of a run that gets SIGINT ``wait_s`` after a line on stderr: exit code, JSON and the rest of stderr."""

    def listen() -> None:  # a shell that runs the tests in the background has its children ignore Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)

    words = [sys.executable, "-m", "mecpfm", "-v", "solve", str(path), "--method", method, "--json"]
    budget = ["--iterations", str(10**9)] if path.suffix == ".npz" else []
    pipe, env = subprocess.PIPE, {**os.environ, **variables}
    with subprocess.Popen(
        [*words, *budget], stdout=pipe, stderr=pipe, text=True, preexec_fn=listen, env=env
    ) as process:
        assert process.stderr is not None
        seen = []
        while not seen or line not in seen[-1]:
            seen.append(process.stderr.readline())
            assert seen[-1], seen
        time.sleep(wait_s)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=600)
    return process.returncode, json.loads(stdout), stderr


@pytest.mark.parametrize(
    ("method", "line", "wait_s"),
    [
        *((method, READING, 0.0) for method in (*SEARCHING, "no-sharing")),
        *((method, SOLVING, wait_s) for method, wait_s in (("ilp", 0.0), ("lp-cut", 0.0), ("ilp", 1.0))),
        *((method, PROGRESS, wait_s) for method, wait_s in (("auto", 0.0), ("polish", 0.0), ("auto", 0.5))),
    ],
)
def test_a_coupled_search_gives_its_best_plan_so_far(paths, method, line, wait_s):
    """While it reads, compiles, bounds, searches or HiGHS runs: no worse than greedy's plan, with a bound."""
    code, plan, stderr = interrupted(paths / "coupled.npz", method, line, wait_s)
    assert code == 0, stderr
    instance = Instance.read(paths / "coupled.npz")
    greedy = assess(instance, "greedy", baselines.trimcaching(instance)).objective
    assert plan["feasible"]
    assert plan["status"] == "interrupted"
    assert 0 <= plan["bound"] <= plan["objective"]
    assert plan["objective"] <= greedy + 1e-9 or method in ("no-sharing", "gap-rounding")
    assert "interrupted; the best plan so far follows" in stderr


@pytest.mark.parametrize("method", ["popularity", "dual", "remote"])
def test_a_coupled_baseline_ends_with_its_plan(paths, method):
    """They are done in no time; only their bound is shorter."""
    code, plan, stderr = interrupted(paths / "coupled.npz", method, READING)
    assert code == 0, stderr
    assert plan["status"] == "interrupted"
    assert 0 < plan["bound"] <= plan["objective"]


@pytest.mark.parametrize("method", ["lp", "exact", "appro", "nbs"])
def test_a_published_method_gives_a_plan(paths, method):
    """Its own, or greedy's where it has none yet."""
    code, plan, stderr = interrupted(paths / "published.json", method, READING)
    assert code == 0, stderr
    assert plan["status"] in ("interrupted", "optimal", "infeasible")
    assert plan["feasible"] or method == "nbs"


def test_interrupting_the_compilation(paths, tmp_path):
    """With a cold cache, at the line that says so."""
    code, plan, stderr = interrupted(
        paths / "published.json", "exact", COMPILING, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_DISABLE_JIT="0"
    )
    assert code == 0, stderr
    assert plan["feasible"]
