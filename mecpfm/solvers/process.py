"""HiGHS in a process of its own, which is ended at a deadline, at Ctrl-C, and with this process.

It is started once (0.5 s) and serves one model after the other; beside a long run a second one does. A run that nobody
waits for any more is told to end over the pipe, so that the process survives; it ends itself where HiGHS does not. It
is no group member, so that Ctrl-C of a terminal does not reach it, and it ends when its standard input does: whichever
way this process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from mecpfm import clock
from mecpfm.clock import Budget
from mecpfm.solvers.model import LinearModel, Solution
from mecpfm.typing import Floats

Tell = Callable[[Floats | None, float], None]
"""Takes an incumbent, or None when there is no new one, and the bound proven so far."""
LOOK_S, GRACE_S = 0.05, 0.3
"""Seconds between two looks at the clock, and those that HiGHS has to end by itself at its limit, or once told."""
LOST = "the solver's process ended by itself; perhaps there was not enough memory"
log = logging.getLogger("mecpfm")
_locks = (threading.Lock(), threading.Lock())
_workers: dict[tuple[int, int], _Worker] = {}
"""By process id, for a fork does not share its parent's, and by lock."""


class _Worker:
    """The other process, and the pipe to it."""

    def __init__(self) -> None:
        self.pipe, theirs = Pipe()
        code = "from mecpfm.solvers import process; process.serve()"
        command = [sys.executable, "-P", "-c", code, str(theirs.fileno())]
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()], process_group=0,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        theirs.close()
        self.up = self.left = False

    @property
    def ready(self) -> bool:
        """Whether it has started."""
        return self.up or self.pipe.poll()

    def receive(self, budget: Budget) -> tuple[str, Any] | None:
        """Next message, or None when time is over."""
        while not self.pipe.poll(LOOK_S):
            if budget.stopped or clock.now() >= budget.end + GRACE_S:
                return None
        message: tuple[str, Any] = self.pipe.recv()
        return message

    def leave(self) -> None:
        """Tell it to end the run, or itself after a grace, and wait for nothing."""
        self.pipe.send(GRACE_S)
        self.left = True

    def idle(self) -> bool:
        """Whether it is ready for a model: a run that was left is over, or it is waited for a moment."""
        budget = Budget.of(0.0)
        with contextlib.suppress(EOFError, OSError):
            while self.left and (message := self.receive(budget)):
                self.left = message[0] == "moment"
        return not self.left

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.pipe.close()


def start(count: int = 1) -> None:
    """Start the process, or both, unless it is there; it gets ready while others work."""
    for number in range(count):
        if (os.getpid(), number) not in _workers:
            _workers[os.getpid(), number] = _Worker()


def busy() -> bool:
    """Whether none of them is free; the second counts once it is ready."""
    return not any(_free(number) for number in range(len(_locks)))


def _free(number: int) -> bool:
    if _locks[number].locked():
        return False
    worker = _workers.get((os.getpid(), number))
    return not number or (worker is not None and worker.ready)


@atexit.register
def stop() -> None:
    """End the processes, if there are any."""
    for number in range(len(_locks)):
        _end(number)


def _end(number: int) -> None:
    if worker := _workers.pop((os.getpid(), number), None):
        worker.end()


def run(model: LinearModel, budget: Budget, tell: Tell, keywords: dict[str, Any]) -> Solution | None:
    """``highs.here`` in the other process; None when it was ended, and what ``tell`` heard is all there is."""
    if budget.over:
        return None
    free = (number for number in range(len(_locks)) if _free(number) and _locks[number].acquire(blocking=False))
    number = next(free, None)
    if number is None:
        number = 0
        _locks[number].acquire()
    try:
        return _run(number, model, budget, tell, keywords)
    except (EOFError, OSError):
        log.warning(LOST)
        _end(number)
        return None
    except BaseException:
        _end(number)
        raise
    finally:
        _locks[number].release()


def _run(number: int, model: LinearModel, budget: Budget, tell: Tell, keywords: dict[str, Any]) -> Solution | None:
    start(number + 1)
    worker = _workers[os.getpid(), number]
    if not worker.idle():
        _end(number)
        start(number + 1)
        worker = _workers[os.getpid(), number]
    worker.up = worker.up or worker.receive(budget) is not None
    if not worker.up or budget.over:
        return None
    worker.pipe.send((replace(model, names=None), {**keywords, "time_limit": budget.limit()}))
    while message := worker.receive(budget):
        kind, content = message
        if kind == "moment":
            tell(*content)
        elif kind == "error":
            raise content
        else:
            solution: Solution = content
            return solution
    if budget.stopped:
        worker.leave()
    else:
        _end(number)
    return None


def serve() -> None:
    """What the other process does: solve what comes until nothing does."""
    from mecpfm.solvers import highs

    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe: Connection[Any, Any] = Connection(int(sys.argv[1]))
    given: queue.SimpleQueue[tuple[LinearModel, dict[str, Any]] | None] = queue.SimpleQueue()
    stopped, idle = threading.Event(), threading.Event()

    def listen() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = pipe.recv()
                if isinstance(message, tuple):
                    stopped.clear()
                    idle.clear()
                    given.put(message)
                    continue
                stopped.set()
                if not idle.wait(message):
                    os._exit(0)
        given.put(None)

    def tell(x: Floats | None, bound: float) -> None:
        pipe.send(("moment", (x, bound)))

    threading.Thread(target=listen, daemon=True).start()
    pipe.send(("up", None))
    with contextlib.suppress(EOFError, OSError):
        while (task := given.get()) is not None:
            model, keywords = task
            answer: tuple[str, Any]
            try:
                answer = "done", highs.here(model, tell=tell, until=stopped.is_set, **keywords)
            except Exception as error:  # it is raised where the model came from
                answer = "error", error
            idle.set()
            pipe.send(answer)


def _end_with_parent() -> None:
    while os.read(0, 1):  # not by the buffer, whose lock its end would find taken
        pass
    os._exit(0)
