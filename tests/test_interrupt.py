"""Ctrl-C through the real command: whichever method, whenever, a complete answer and exit code 0."""

import json
import signal
import time
from pathlib import Path

import pytest
from command import start, until

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


@pytest.fixture(scope="module")
def greedy(paths):
    """The objective of greedy's plan for the coupled one."""
    instance = Instance.read(paths / "coupled.npz")
    return assess(instance, "greedy", baselines.trimcaching(instance)).objective


def interrupted(path: Path, method: str, line: str, wait_s: float = 0.0, **variables: str):
    """Outcome of a run that gets SIGINT ``wait_s`` after a line on stderr: exit code, JSON and the rest of stderr."""
    budget = ["--iterations", 10**9] if path.suffix == ".npz" else []
    run = start(path.parent, "-v", "solve", path, "--method", method, "--json", *budget, **variables)
    until(lambda: line in run.err.read_text() or run.poll() is not None)
    seen = len(run.err.read_text())
    time.sleep(wait_s)
    run.send_signal(signal.SIGINT)
    stdout, stderr = run.communicate()
    assert line in stderr
    return run.returncode, json.loads(stdout), stderr[seen:]


@pytest.mark.parametrize(
    ("method", "line", "wait_s"),
    [
        *((method, READING, 0.0) for method in (*SEARCHING, "no-sharing")),
        *((method, SOLVING, wait_s) for method, wait_s in (("ilp", 0.0), ("lp-cut", 0.0), ("ilp", 1.0))),
        *((method, PROGRESS, wait_s) for method, wait_s in (("auto", 0.0), ("polish", 0.0), ("auto", 0.5))),
    ],
)
def test_a_coupled_search_gives_its_best_plan_so_far(paths, greedy, method, line, wait_s):
    """While it reads, compiles, bounds, searches or HiGHS runs: no worse than greedy's plan, with a bound."""
    code, plan, stderr = interrupted(paths / "coupled.npz", method, line, wait_s)
    assert code == 0, stderr
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
