"""Where tasks run: here, in processes of this machine, or on a dask.distributed cluster. Nothing waits for ever.

Finished tasks come as they end, failures beside them; what is lost on the way is one line with what to do.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mecpfm import clock
from mecpfm.errors import InputError, InterruptedRunError, MecpfmError
from mecpfm.experiments.store import fingerprint
from mecpfm.extras import require

RESUME = "finished rows are kept: run the same command again"
PATIENCE_S = 600.0
"""Longest time without a finished task before a cluster counts as lost."""
HANDSHAKE_S = 30.0
"""Longest time a worker may take to say who it is."""
WATCH_S = 0.5
HERE_S = 60.0
"""Time for which tasks run one by one in this process: a worker needs seconds to import and to load kernels, and two
that start on an empty cache compile the same ones."""


@dataclass(frozen=True)
class Measured:
    """A task's result and who computed it."""

    result: Any
    fingerprint: dict[str, str]


def signed(function: Callable[[Any], Any], task: Any) -> Any:
    """Run a task and sign its result; runs in the workers."""
    return Measured(function(task), fingerprint())


def run_all(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    patience_s: float = PATIENCE_S,
) -> Generator[tuple[Any, Any]]:
    """Pairs (task, result, or the Exception that it raised), as they end.

    Without a number of ``workers`` tasks run here for ``HERE_S``, and what is left in a process a core.

    Raises
    ------
    InputError
        The cluster cannot be reached, has no workers, or one of them runs other code, libraries or data.
    MecpfmError
        A process died, or the cluster finished nothing for ``patience_s``.
    InterruptedRunError
        Ctrl-C or SIGTERM; the children are ended.
    """
    left = deque(tasks)
    with terminated_as_interrupted(), resumable():
        if workers is None and scheduler is None:
            yield from _here(function, left)
        if not left:
            return
        size = min(workers or os.cpu_count() or 1, len(left))
        with _executor(scheduler, size, patience_s) as executor:
            futures = {executor.submit(signed, function, task): task for task in left}
            try:
                yield from _collect(futures, scheduler, patience_s)
            except BrokenProcessPool:
                raise MecpfmError(
                    f"a worker process died, as when memory runs out; {RESUME}, or with --workers 1"
                ) from None
            finally:
                for future in futures:
                    future.cancel()


def _here(function: Callable[[Any], Any], left: deque[Any]) -> Iterator[tuple[Any, Any]]:
    """Take tasks from ``left`` and run them, while it is not ``HERE_S`` old (compiling apart) or has but one more."""
    begun = clock.now()
    while len(left) == 1 or (left and clock.now() - begun < HERE_S):
        task = left.popleft()
        try:
            result = function(task)
        except Exception as error:
            result = error
        yield task, result


@contextmanager
def resumable() -> Iterator[None]:
    """Ctrl-C inside, wherever it strikes, says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(f"interrupted; {RESUME}") from None


def _collect(futures: dict[Future[Any], Any], scheduler: str | None, patience_s: float) -> Iterator[tuple[Any, Any]]:
    left, who = set(futures), "a process started since" if scheduler is None else f"--scheduler {scheduler}: a worker"
    while left:
        done, left = wait(left, timeout=None if scheduler is None else patience_s, return_when=FIRST_COMPLETED)
        if not done:
            raise MecpfmError(f"the cluster finished nothing in {patience_s:g} s; {RESUME}")
        for future in done:
            try:
                found = future.result()
            except BrokenProcessPool:
                raise
            except CancelledError:
                raise MecpfmError(f"the cluster is gone; {RESUME}") from None
            except Exception as error:
                yield futures[future], error
                continue
            _require_equal(found.fingerprint, who)
            yield futures[future], found.result


def _require_equal(theirs: dict[str, str], who: str) -> None:
    mine = fingerprint()
    if other := [name for name in mine if theirs.get(name) != mine[name]]:
        raise InputError(f"{who} has other {' and '.join(other)} than this one; its rows are refused; {RESUME}")


@contextmanager
def _executor(scheduler: str | None, workers: int, patience_s: float) -> Iterator[Executor]:
    if scheduler is not None:
        with _cluster(scheduler, patience_s) as executor:
            yield executor
        return
    pool = ProcessPoolExecutor(workers, get_context(), _end_with_parent, (os.getpid(),))
    try:
        yield pool
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def get_context() -> Any:
    """Start children from nothing: they inherit no state, on every platform."""
    return multiprocessing.get_context("spawn")


def _end_with_parent(parent: int) -> None:
    """Children end quietly at Ctrl-C, and by themselves when their parent is no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """The first SIGTERM acts as Ctrl-C inside, and goes to the children, as a terminal's Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would stop what ends in order
        for child in multiprocessing.active_children():
            child.terminate()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _cluster(address: str, patience_s: float) -> Iterator[Executor]:
    """Executor on a cluster whose workers have said who they are."""
    require("distributed")
    from distributed import Client

    for name in ["asyncio", *logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):  # their levels are set one by one
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # one line of ours says it
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler {address}: cannot be reached ({error})") from None
    try:
        _shake_hands(client, address, min(patience_s, HANDSHAKE_S))
        yield client.get_executor(pure=False)
    finally:
        with suppress(Exception):  # the scheduler may be gone
            client.close(timeout=2)


def _shake_hands(client: Any, address: str, limit_s: float) -> None:
    """Every worker states code, libraries and data before it gets a task."""
    from distributed import TimeoutError as Late
    from distributed import wait as wait_for

    try:
        client.wait_for_workers(1, timeout=limit_s)
    except (TimeoutError, Late):
        raise InputError(f"--scheduler {address}: has no workers after {limit_s:g} s; start some") from None
    asked = {
        worker: client.submit(fingerprint, workers=[worker], pure=False, allow_other_workers=False)
        for worker in client.scheduler_info(n_workers=-1)["workers"]
    }
    with suppress(TimeoutError, Late):
        wait_for(list(asked.values()), timeout=limit_s)
    for worker, future in asked.items():
        if future.status == "pending":
            raise InputError(f"--scheduler {address}: worker {worker} does not answer within {limit_s:g} s")
        # A worker without this function runs other code as well.
        _require_equal(
            future.result() if future.status == "finished" else {}, f"--scheduler {address}: worker {worker}"
        )
