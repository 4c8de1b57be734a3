"""Budgets, interruption and warm-up: time over is a state, wherever it happens to be noticed."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import start, until
from coupled_strategies import small
from strategies import residual

from mecpfm import clock
from mecpfm.clock import FOREVER, Budget, Pace
from mecpfm.coupled import baselines, methods
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.check import assess
from mecpfm.coupled.formulation import linear_model
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.presolve import presolve
from mecpfm.errors import LimitError
from mecpfm.published import methods as published
from mecpfm.published.generate import Recipe as PublishedRecipe
from mecpfm.published.generate import generate as generate_published
from mecpfm.solvers import highs, process

ROUNDINGS = (f"rounding-{kind}" for kind in ("independent", "coupled", "nested", "tree", "configurations"))
ANYTIME = ("auto", "polish", "branch", "no-sharing", *ROUNDINGS, "opening-tree")
SOLVED = ("lp", "lp-cut", "ilp", "cocar", "gap-rounding", "nlip", "dual")
SPARSE = {"auto": 3, "rounding-independent": 8, "rounding-coupled": 8, "rounding-tree": 8}
"""After how many looks one is left out. One of auto's may end, and start anew, the other process; of the roundings,
which differ by how they draw, two are asked at every look."""
MIDDLE = Recipe(requests=40, cloudlets=4, models=12, families=3)


class Fake:
    """A clock that stands until it was looked at so often, then is past every deadline."""

    def __init__(self, looks):
        self.looks, self.seen = looks, 0

    def __call__(self):
        self.seen += 1
        return 0.0 if self.seen <= self.looks else 1e9


def looked_at(monkeypatch, looks):
    fake = Fake(looks)
    monkeypatch.setattr(clock, "now", fake)
    return fake


def test_a_budget_is_a_state(monkeypatch):
    """Nothing is negative or divided by zero: before, at and after the end, also of no time at all."""
    at = [10.0]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    whole, none, free = Budget.of(4.0), Budget.of(0.0), Budget.of(None)
    assert (whole.left(), whole.spent(), whole.over, whole.limit()) == (4.0, 0.0, False, 4.0)
    assert (none.left(), none.spent(), none.over, none.limit()) == (0.0, 1.0, True, 0.0)
    assert (free.left(), free.spent(), free.over, free.limit()) == (math.inf, 0.0, False, None)
    assert (whole.share(0.5).left(), whole.share(1, 3.0).left(), free.share(0.5, 3.0).left()) == (2.0, 3.0, 3.0)
    at[0] = 13.0
    assert (whole.left(), whole.spent(), whole.over, whole.elapsed()) == (1.0, 0.75, False, 3.0)
    at[0] = 15.0
    assert (whole.left(), whole.spent(), whole.over, whole.share(0.5).over) == (0.0, 1.0, True, True)
    assert (whole.watched, free.watched) == (True, False)


@pytest.mark.parametrize("method", [*ANYTIME, *SOLVED])
def test_the_deadline_may_fall_at_every_look(monkeypatch, method):
    """A feasible plan, no dearer than greedy's or the one that the method ends with, and a valid bound, at any look."""
    instance = small(3, 6, 2, families=True, per_request=4) if method == "nlip" else generate(MIDDLE, 1)
    greedy = assess(instance, "greedy", baselines.trimcaching(instance)).objective
    if method == "no-sharing":
        alone = baselines.unshared(instance)
        greedy = assess(alone, "greedy", baselines.trimcaching(alone)).objective
    optimum = methods.solve(instance, "ilp", solver="highs")
    assert optimum.status == "optimal"
    most = max(greedy, methods.solve(instance, method, solver="highs", iterations=75).objective)
    looks, ended = 0, False
    while not ended:
        fake = looked_at(monkeypatch, looks)
        plan, proof = methods.certified(instance, method, solver="highs", time_limit=1.0, iterations=75)
        ended = fake.seen <= looks
        assert plan.feasible
        assert plan.status in ("optimal", "feasible")
        assert (plan.metrics["unshared_delay_s"] if method == "no-sharing" else plan.objective) <= most + 1e-9
        assert 0 <= plan.bound <= optimum.objective + 1e-6
        assert verify(instance, proof) <= plan.bound + 1e-9
        looks += 1 + looks // SPARSE.get(method, 1000)
    assert looks > 2


@pytest.mark.parametrize("method", ["exact", "appro", "lp-dual", "ilp"])
def test_published_deadlines_may_fall_at_every_look(monkeypatch, method):
    """A plan that keeps all rows and a bound below the optimum, or one clear error."""
    instance = generate_published(PublishedRecipe(cloudlets=8, requests=8, models=5), 1)
    published.solve(instance, method, solver="highs")
    optimum = published.solve(instance, "exact").objective
    looks, ended = 0, False
    while not ended:
        fake = looked_at(monkeypatch, looks)
        try:
            plan = published.solve(instance, method, solver="highs", time_limit=1.0)
        except LimitError as error:
            assert "stopped" in str(error)
        else:
            assert plan.feasible
            assert not plan.bound > optimum + 1e-6
        ended = fake.seen <= looks
        looks += 1


def test_greedy_comes_first_whatever_the_limit():
    """No time at all: greedy's plan and a bound that verifies."""
    instance = generate(Recipe(requests=120, cloudlets=8, models=24, families=4), 7)
    greedy = assess(instance, "greedy", baselines.trimcaching(instance)).objective
    for method in ("auto", "polish", "branch", "ilp", "lp", "rounding-nested", "cocar", "gap-rounding"):
        plan, proof = methods.certified(instance, method, time_limit=0.0)
        assert plan.objective <= greedy + 1e-9, method
        assert 0 < plan.bound <= plan.objective
        assert verify(instance, proof) <= plan.bound + 1e-9


def test_the_other_process_gives_the_same_bits():
    """MIP and LP, solved here and in the other process: equal x, bound and duals."""
    model = linear_model(presolve(generate(MIDDLE, 2)).instance, cut=True)
    for one in (model, model.relaxed()):
        here, there = highs.here(one), process.run(one, Budget.of(600.0), lambda *_: None, {})
        assert there is not None
        assert there.status == here.status == "optimal"
        assert (there.x == here.x).all()
        assert (there.objective, there.bound) == (here.objective, here.bound)
        assert (there.duals is None) == (here.duals is None)
        assert here.duals is None or (there.duals == here.duals).all()


def test_a_search_that_is_ended_keeps_its_incumbent(monkeypatch):
    """HiGHS told to ignore its limit is ended at the deadline, and what it told of is the answer."""
    model = linear_model(presolve(generate(Recipe(requests=120, cloudlets=8, models=24), 3)).instance, cut=True)
    moments, at = [], [0.0]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    budget = Budget.of(1.0)

    def tell(x, bound):
        moments.append((x, bound))
        if x is not None:
            at[0] = 9.0  # the deadline passes when the first incumbent arrives

    monkeypatch.setattr(Budget, "limit", lambda _: None)
    assert process.run(model, budget, tell, {}) is None or moments
    found = highs._cut_short(model, [highs.Moment(0.0, *moment) for moment in moments], 1.0)
    assert found.status == "feasible"
    assert residual(model, found.x) < 1e-5
    assert found.bound <= found.objective + 1e-6


def test_a_lost_process_costs_one_call(caplog):
    """The solver's process is killed between two calls: no solution and one line, then a new process."""
    model = linear_model(presolve(generate(MIDDLE, 2)).instance, cut=True)
    assert process.run(model, Budget.of(600.0), lambda *_: None, {}) is not None
    worker = process._workers[os.getpid(), 0].process
    worker.kill()
    worker.wait()
    assert process.run(model, Budget.of(600.0), lambda *_: None, {}) is None
    assert [line.message for line in caplog.records] == [process.LOST]
    assert process.run(model, Budget.of(600.0), lambda *_: None, {}) is not None


def left_at_its_first_incumbent(model):
    """Process id of a run that ends for another reason than time, with its plans and bounds."""
    moments = []
    budget = Budget(end=math.inf, until=lambda: bool(moments))
    assert process.run(model, budget, lambda *moment: moments.append(moment), {}) is None or moments
    return process._workers[os.getpid(), 0].process.pid


def test_a_run_that_nobody_waits_for_leaves_its_process(monkeypatch):
    """The process is told to end the run, and the next model's answer is its own."""
    monkeypatch.setattr(process, "GRACE_S", 600.0)  # however busy the machine is
    process.stop()
    long = linear_model(presolve(generate(Recipe(requests=120, cloudlets=8, models=24), 3)).instance, cut=True)
    model = linear_model(presolve(generate(MIDDLE, 2)).instance, cut=True)
    first = left_at_its_first_incumbent(long)
    found = process.run(model, FOREVER, lambda *_: None, {})
    assert found is not None
    assert found.objective == highs.here(model).objective
    assert process._workers[os.getpid(), 0].process.pid == first
    process.stop()


def test_a_run_that_does_not_end_once_told_is_ended(caplog):
    """A process that stands still is replaced, in silence, and the model goes to the new one."""
    process.stop()
    model = linear_model(presolve(small(3, 8, 3, families=True)).instance, cut=True)  # a pipe takes it unread
    process.start()
    worker = process._workers[os.getpid(), 0]
    worker.up = worker.receive(FOREVER) is not None
    os.kill(worker.process.pid, signal.SIGSTOP)
    worker.pipe.send((model, {}))
    worker.leave()
    assert process.run(model, FOREVER, lambda *_: None, {}) is not None
    assert process._workers[os.getpid(), 0] is not worker
    assert not caplog.records


def test_a_second_process_solves_beside_a_long_run():
    """While the first has work; it counts as free once it is ready."""
    model = linear_model(presolve(generate(MIDDLE, 2)).instance, cut=True)
    with process._locks[0]:
        process.stop()
        assert process.busy()
        process.start(2)
        process._workers[os.getpid(), 1].up = process._workers[os.getpid(), 1].receive(Budget.of(600.0)) is not None
        assert not process.busy()
        found = process.run(model, Budget.of(600.0), lambda *_: None, {})
    assert found is not None
    assert found.objective == highs.here(model).objective


def test_looks_at_the_clock_keep_pace_with_the_machine(monkeypatch):
    """Half as many iterations where they took long, up to the most where they did not; all at once without a limit."""
    at = [0.0]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    assert Pace(50, FOREVER).count == 50
    pace, counts = Pace(5, Budget.of(10.0)), []
    for took in (0.0, 0.0, 0.0, 0.05, 1.0, 1.0, 1.0):
        at[0] += took
        pace.look()
        counts.append(pace.count)
    assert counts == [2, 4, 5, 5, 2, 1, 1]


def test_parts_make_the_whole(monkeypatch):
    """Without a limit parts of the most and a rest; with one they grow while they take no time, from 1 on."""
    at = [0.0]
    monkeypatch.setattr(clock, "now", lambda: at[0])
    assert list(Pace(50, FOREVER).parts(120)) == [50, 50, 20]
    assert list(Pace(50, FOREVER).parts(0)) == []
    assert list(Pace(5, Budget.of(10.0)).parts(13)) == [1, 2, 4, 5, 1]
    slow = []
    for part in Pace(5, Budget.of(10.0)).parts(9):
        at[0] += part  # 1 s an iteration
        slow.append(part)
    assert slow == [1] * 9


def test_errors_of_the_other_process_arrive_here():
    """An option that HiGHS refuses is refused as it is here."""
    model = linear_model(presolve(generate(MIDDLE, 2)).instance)
    with pytest.raises(ValueError, match="refuses option"):
        process.run(model, Budget.of(600.0), lambda *_: None, {"no_such_option": 1})


def test_the_other_process_ends_with_this_one(tmp_path):
    """Killed in the middle of a solve, nothing of a run is left."""
    path = tmp_path / "instance.npz"
    generate(Recipe(requests=400), 0).write(path)
    code = """
import sys, time
from pathlib import Path
from mecpfm.clock import Budget
from mecpfm.coupled.formulation import linear_model
from mecpfm.coupled.instance import Instance
from mecpfm.solvers import process
process.start()
print(next(iter(process._workers.values())).process.pid, flush=True)
model = linear_model(Instance.read(Path(sys.argv[1])), cut=True)
process.run(model, Budget.of(600.0), lambda *_: print("solving", flush=True), {})
"""
    parent = start(tmp_path, path, code=code)
    until(lambda: "solving\n" in parent.out.read_text() or parent.poll() is not None)
    parent.kill()
    child, said = parent.out.read_text().split(maxsplit=1)
    assert "solving" in said
    until(lambda: not alive(int(child)), 60)


def alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_ctrl_c_is_a_state_inside_and_an_exception_outside():
    """The first one is noted, the second one raised; afterwards all is as before."""
    before = signal.getsignal(signal.SIGINT)
    with clock.listening():
        with clock.listening():
            signal.raise_signal(signal.SIGINT)
        assert clock.interrupted()
        assert clock.FOREVER.over
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert not clock.interrupted()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_clock_stands_still_while_kernels_are_compiled(tmp_path):
    """What a kernel, and those it calls, take to compile in a cold cache takes nothing from a time limit."""
    code = """
import numpy as np
from numba.core import event
from mecpfm import clock
from mecpfm.kernels import ordering
class Watch(event.Listener):
    began, seen = [], []
    def on_start(self, event):
        self.began.append(clock.now())
    def on_end(self, event):
        self.seen.append(clock.now() - self.began.pop())
with event.install_listener("numba:compile", Watch()):
    ordering.ascending(np.array([2.0, 1.0]))
assert Watch.seen, "nothing was compiled"
assert max(Watch.seen) == 0, Watch.seen
"""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr


def test_compiling_is_announced_once(tmp_path):
    """A cold cache: one line on stderr; a warm one: no line."""
    path = tmp_path / "instance.json"
    generate_published(PublishedRecipe(cloudlets=5, requests=3, models=4), 0).write(path)
    words = [sys.executable, "-m", "mecpfm", "solve", str(path), "--method", "nbs", "--json"]
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "NUMBA_DISABLE_JIT": "0"}
    cold, warm = (subprocess.run(words, capture_output=True, text=True, env=env) for _ in range(2))
    assert cold.returncode == warm.returncode == 0
    assert cold.stderr.startswith("mecpfm: compiling kernels, once: about ")
    assert cold.stderr.count("\n") == 1
    assert warm.stderr == ""
    assert json.loads(cold.stdout)["objective"] == json.loads(warm.stdout)["objective"]
