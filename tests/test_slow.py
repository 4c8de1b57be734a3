"""A machine at a fraction of its speed: what is asked for still comes out, and within a limit."""

import json
import subprocess
import sys
from pathlib import Path

from mecpfm.coupled.generate import Recipe, generate

THROTTLED = Path(__file__).with_name("throttled.py")


def run(share: float, *command: str) -> subprocess.CompletedProcess[str]:
    """A command that has this share of the time."""
    words = [sys.executable, str(THROTTLED), str(share), sys.executable, *command]
    return subprocess.run(words, capture_output=True, text=True)


def test_a_slow_machine_gets_a_plan(tmp_path):
    """With half of every core, and less time than a start takes, there is a plan with its bound."""
    path = tmp_path / "net.json"
    generate(Recipe(requests=60, cloudlets=6, models=12, families=3), 0).write(path)
    done = run(0.5, "-m", "mecpfm", "solve", str(path), "--method", "polish", "--time-limit", "0.1", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["feasible"]
    assert plan["gap"] >= 0


def test_a_throttled_command_stands_still_and_keeps_its_exit_code():
    """It waits for most of the time: a loop over the clock sees gaps, which a quarter of the time explains."""
    look = "at = [time.monotonic() for _ in range(2 * 10**6)]"
    code = f"import sys, time; {look}; print(max(b - a for a, b in zip(at, at[1:]))); sys.exit(7)"
    done = run(0.25, "-c", code)
    assert done.returncode == 7
    assert float(done.stdout) > 0.1
