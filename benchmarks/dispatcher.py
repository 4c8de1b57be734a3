"""Decisions of a dispatcher with their completions a second, from Python: ``python benchmarks/dispatcher.py``.

Medians of seven runs of 20,000 requests on the example network (eight sites, six models, sixty classes of users), one
feature said of each request, ten requests in flight, one thread; compilation is not counted. Time of the processor
stands beside that of the clock, for machines that others use too.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from collections import deque
from pathlib import Path

from mecpfm.network.example import write
from mecpfm.network.folder import read
from mecpfm.network.live import Dispatcher, Ticket
from mecpfm.network.network import Network

SHOWN = ("remote", "nearest", "ucb1", "structured-mean", "structured-full", "priced-cov", "priced-tsrc", "hybrid-lints")
REQUESTS, WARM, RUNS, FLYING = 20_000, 2_000, 7, 10


def serve(agent: Dispatcher, network: Network, count: int, begin: float) -> float:
    """Decide and complete so many requests, one a second from ``begin`` on; when the next one would come, s."""
    users, models = network.users["user"].tolist(), network.models["model"].tolist()
    flying: deque[Ticket] = deque()
    for i in range(count):
        if len(flying) == FLYING:
            agent.complete(flying.popleft(), seconds=9.5)
        flying.append(
            agent.decide(
                user=users[i % len(users)], model=models[i % len(models)], now=begin + i,
                features={"tokens_in": 100.0 + i % 900},
            )
        )  # fmt: skip
    while flying:
        agent.complete(flying.popleft(), seconds=9.5)
    return begin + count


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "net")
        network = read(Path(folder) / "net")
    print(f"{platform.machine()}, Python {platform.python_version()}")
    print(f"{'policy':<16} {'pairs/s':>8} {'slowest .. fastest':>20} {'of processor time':>18}")
    for name in SHOWN:
        agent = Dispatcher(network, policy=name)
        now, clock, busy = serve(agent, network, WARM, 0.0), [], []
        for _ in range(RUNS):
            start, used = time.perf_counter(), time.process_time()
            now = serve(agent, network, REQUESTS, now)
            clock.append(REQUESTS / (time.perf_counter() - start))
            busy.append(REQUESTS / (time.process_time() - used))
        middle, low, high = statistics.median(clock), min(clock), max(clock)
        print(f"{name:<16} {middle:8,.0f} {low:>9,.0f} .. {high:>7,.0f} {statistics.median(busy):>18,.0f}")


if __name__ == "__main__":
    main()
