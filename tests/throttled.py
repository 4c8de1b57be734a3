"""Run a command as on a slow machine: its processes are stopped and go on in turn.

    python tests/throttled.py 0.05 mecpfm notebooks 07_coupled

gives it a twentieth of the time of every core. No rights and no limits of the system are needed.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

import psutil

TURN_S = 0.2


def tree(process: psutil.Process) -> list[psutil.Process]:
    """The process and all its children; none once it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def throttled(command: list[str], share: float) -> int:
    """Exit code of the command, which has ``share`` of the time."""
    run = subprocess.Popen(command)
    process = psutil.Process(run.pid)
    stopped: list[psutil.Process] = []
    while run.poll() is None:
        for one in tree(process):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.suspend()
                stopped.append(one)
        time.sleep(TURN_S * (1 - share))
        for one in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()
        stopped.clear()
        time.sleep(TURN_S * share)
    return run.returncode


if __name__ == "__main__":
    sys.exit(throttled(sys.argv[2:], float(sys.argv[1])))
