"""One clock for all budgets: time over, or Ctrl-C, is a state that a search looks at."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_turn = threading.Lock()
_pauses, _since, _paused_s = 0, 0.0, 0.0


def pause() -> None:
    """Stop the clock, until as many calls of :func:`resume`: kernels are compiled or loaded, which no limit counts."""
    global _pauses, _since
    with _turn:
        if not _pauses:
            _since = time.perf_counter()
        _pauses += 1


def resume() -> None:
    """Let the clock run again."""
    global _pauses, _paused_s
    with _turn:
        _pauses -= 1
        if not _pauses:
            _paused_s += time.perf_counter() - _since


def _running() -> float:
    with _turn:
        return (_since if _pauses else time.perf_counter()) - _paused_s


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """The clock stands still inside."""
    pause()
    try:
        yield
    finally:
        resume()


now: Callable[[], float] = _running
"""Seconds since some moment, without pauses; tests put their own clock here."""

_heard = False
_listening = False
NOTICE = b"mecpfm: interrupted; the best plan so far follows (once more: stop at once)\n"


@dataclass(frozen=True)
class Budget:
    """The time from ``began`` to ``end``, moments of ``now``; without end by default."""

    began: float = 0.0
    end: float = math.inf
    until: Callable[[], bool] | None = None
    """Ends it too, once true: work beside it is done."""

    @classmethod
    def of(cls, seconds: float | None) -> Budget:
        """A budget that begins now; None is no limit."""
        start = now()
        return cls(start, math.inf if seconds is None else start + seconds)

    def left(self) -> float:
        """Seconds left, never below 0: 0 after Ctrl-C, inf without an end."""
        return 0.0 if self.stopped else math.inf if math.isinf(self.end) else max(self.end - now(), 0.0)

    @property
    def stopped(self) -> bool:
        """Whether it ended whatever the time: by Ctrl-C, or by ``until``."""
        return _heard or (self.until is not None and self.until())

    def limit(self) -> float | None:
        """Seconds left as an argument ``time_limit``: None without an end."""
        left = self.left()
        return None if math.isinf(left) else left

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.left() <= 0

    def spent(self) -> float:
        """Share of the budget that has passed, from 0 to 1: 0 without an end, 1 when it is over."""
        left = self.left()
        return 1.0 if left <= 0 else 0.0 if math.isinf(left) else 1 - left / (self.end - self.began)

    def share(self, part: float, most: float = math.inf) -> Budget:
        """The next ``part`` of what is left, but at most ``most`` seconds."""
        start, left = now(), self.left()
        return Budget(start, start + min(part * left, most), self.until)

    def elapsed(self) -> float:
        """Seconds since it began."""
        return now() - self.began

    @property
    def watched(self) -> bool:
        """Whether somebody may end it: a deadline, or a Ctrl-C that is waited for."""
        return watched(None if math.isinf(self.end) else self.end)


FOREVER = Budget()
LOOK_S = 0.1
"""Seconds between two looks at the clock that a search aims at, however slow the machine is at the moment."""


class Pace:
    """Iterations until the next look at the clock: ``most`` without a time limit, else what took ``LOOK_S`` lately."""

    def __init__(self, most: int, budget: Budget) -> None:
        self._most, self._timed, self._looked = most, not math.isinf(budget.end), now()
        self.count = 1 if self._timed else most

    def parts(self, total: int) -> Iterator[int]:
        """How many iterations to do next, until ``total`` are done; the clock is looked at after each part."""
        done = 0
        while done < total:
            part = min(self.count, total - done)
            yield part
            done += part
            self.look()

    def look(self) -> None:
        """So many iterations are done."""
        if self._timed:
            before, self._looked = self._looked, now()
            took = self._looked - before
            if took > LOOK_S:
                self.count = max(self.count // 2, 1)
            elif took < LOOK_S / 4:
                self.count = min(2 * self.count, self._most)


def watched(time_limit: float | None) -> bool:
    """Whether somebody may end a run with this limit: the limit, or a Ctrl-C that is waited for."""
    return _listening or time_limit is not None


def interrupted() -> bool:
    """Whether Ctrl-C was pressed inside ``listening``."""
    return _heard


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Inside, the first Ctrl-C ends every budget instead of raising KeyboardInterrupt; the second raises it.

    Only in the main thread, and only where Ctrl-C is not ignored or somebody else's. The command line solves inside.
    """
    global _heard, _listening
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def hear(*_: object) -> None:
        global _heard
        _heard = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.write(2, NOTICE)  # a logger may be in the middle of a line

    _heard, _listening = False, True
    signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _heard, _listening = False, False
