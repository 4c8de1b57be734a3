"""Open tickets, the clock and the commands of a dispatcher, in numbers only; names are :mod:`.dispatcher`'s business."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mecpfm.errors import InputError
from mecpfm.kernels.online_demand import COVARIANCE, RIDGE
from mecpfm.kernels.online_live import COMMAND, COMPLETE, DECIDE, FORGET, NOW, ROW, SECONDS, SERVICE
from mecpfm.kernels.online_policy import DISJOINT, HYBRID
from mecpfm.online.rows import Rows

BACK_S = 1.0
"""Calls may come out of order by so much; a clock that steps back farther was set anew."""


class Desk:
    """Rows, and which ticket has which of them."""

    def __init__(self, rows: Rows, patience_s: float) -> None:
        self.rows, self.patience_s = rows, patience_s
        self.near: list[list[int]] = rows.world.near.tolist()
        self.looks = rows.rule.dispatch in (DISJOINT, HYBRID) or rows.demand.predictor in (RIDGE, COVARIANCE)
        self.open: dict[int, int] = {}
        """Row of each open ticket, oldest first."""
        self.free = list(range(rows.count - 1, -1, -1))
        self.next = self.given_up = 0
        self.now = self.offset = 0.0
        self.due = math.inf
        """When the next ticket may have to be given up."""
        self.connect()

    def connect(self) -> None:
        """Hand the arrays to the kernel, again whenever some were replaced."""
        self.serve, self.box, self.world, self.guess_s = (
            self.rows.serve(), self.rows.line.box, self.rows.world, self.rows.log.guess_s
        )  # fmt: skip

    def decide(
        self, home: int, group: int, model: int, payload_gb: float, static: Sequence[float], now: float
    ) -> tuple[int, int, int, float]:
        """Number, place and variant of a request, and its predicted service time at speed 1 (0: none), s."""
        now = self.time(now)
        if not self.free:
            self.more()
        line = self.rows.line
        if self.looks and line.count[1] == len(line.arrival) and self.rows.make_room():
            self.connect()
        row, world, box = self.free.pop(), self.world, self.box
        world.home[row], world.model[row], world.group[row], world.payload_gb[row] = home, model, group, payload_gb
        if static:
            world.static[row] = static
        box[COMMAND], box[ROW], box[NOW] = DECIDE, row, now
        next(self.serve)
        variant, place = divmod(int(box[NOW]), len(self.near[home]) + 1)
        given, self.next = self.next, self.next + 1
        self.open[given] = row
        if self.due > now + self.patience_s:
            self.due = now + self.patience_s
        return given, place, variant, float(self.guess_s[row])

    def complete(self, given: int, seconds: float, service_s: float) -> None:
        """Close a ticket and learn from it; ``service_s`` is NaN where nobody measured it."""
        row, box = self.take(given), self.box
        box[COMMAND], box[ROW], box[SECONDS], box[SERVICE] = COMPLETE, row, seconds, service_s
        next(self.serve)
        self.free.append(row)

    def down(self, cloudlet: int) -> tuple[int, ...]:
        """Close a cloudlet, give its tickets up and empty its memory."""
        self.rows.line.closed[cloudlet] = True
        lost = tuple(given for given, row in self.open.items() if self.where(row) == cloudlet)
        self.give_up(lost)
        self.rows.forget(cloudlet)
        return lost

    def time(self, now: float) -> float:
        """The dispatcher's own time, which never steps back; whoever is out of patience is given up."""
        now += self.offset
        if now < self.now:
            if self.now - now > BACK_S:
                self.offset += self.now - now
            now = self.now
        self.now = now
        if now >= self.due:
            sent = {given: float(self.world.arrival[row]) for given, row in self.open.items()}
            self.give_up([given for given, when in sent.items() if when + self.patience_s <= now])
            self.due = min((sent[given] for given in self.open), default=math.inf) + self.patience_s
        return now

    def give_up(self, tickets: Sequence[int]) -> None:
        """Close tickets that teach nothing."""
        for given in tickets:
            row = self.take(given)
            self.box[COMMAND], self.box[ROW] = FORGET, row
            next(self.serve)
            self.free.append(row)
        self.given_up += len(tickets)

    def take(self, given: int) -> int:
        """Row of an open ticket, which is closed."""
        try:
            return self.open.pop(given)
        except (KeyError, TypeError):
            past = isinstance(given, int) and 0 <= given < self.next
            reason = "was completed or given up before" if past else "was never given"
            raise InputError(f"ticket {given!r} {reason}") from None

    def where(self, row: int) -> int:
        """Cloudlet of a request in flight; -1: the data centre."""
        near, place = self.near[int(self.world.home[row])], int(self.rows.log.place[row])
        return near[place] if place < len(near) else -1

    def more(self) -> None:
        """Twice as many rows."""
        before = self.rows.count
        self.rows.double()
        self.free.extend(range(self.rows.count - 1, before - 1, -1))
        self.connect()
