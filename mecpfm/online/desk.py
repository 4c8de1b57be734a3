"""Open tickets, clock and commands of a dispatcher, in numbers only; names are :mod:`.dispatcher`'s business."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from mecpfm.errors import InputError
from mecpfm.kernels.online_live import ARRIVED, COMMAND, COMPLETE, DECIDE, FORGET, NOW, ROW, SECONDS, SERVICE
from mecpfm.online.rows import InFlight

BACK_S = 1.0
"""Calls may come out of order by so much; a clock that steps back farther was set anew."""


class Desk:
    """Rows, and which ticket has which of them."""

    def __init__(self, rows: InFlight, patience_s: float) -> None:
        self.rows, self.patience_s = rows, patience_s
        self.near: list[list[int]] = [[*row, -1] for row in rows.world.near.tolist()]
        """Cloudlets of each home, -1 (the data centre) last."""
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
        rows, world = self.rows, self.rows.world
        self.serve = rows.serve()
        # Python reads and writes single numbers through memoryviews in half the time that arrays take.
        view: Callable[[Any], Any] = memoryview
        self.box, self.count, self.guess_s = view(rows.line.box), view(rows.line.count), view(rows.log.guess_s)
        self.home, self.model, self.group = view(world.home), view(world.model), view(world.group)
        self.payload_gb, self.static = view(world.payload_gb), view(world.static.reshape(-1))
        self.room = len(rows.line.arrival)

    def decide(
        self, home: int, group: int, model: int, payload_gb: float, static: Sequence[float], now: float
    ) -> tuple[int, int, int, float]:
        """Number, place and variant of a request, and its predicted service time at speed 1 (0: none), s."""
        if self.now <= now + self.offset < self.due:
            self.now = now = now + self.offset
        else:
            now = self.time(now)
        if not self.free:
            self.more()
        if self.count[ARRIVED] == self.room and self.rows.make_room():
            self.connect()
        row, box = self.free.pop(), self.box
        self.home[row], self.model[row], self.group[row], self.payload_gb[row] = home, model, group, payload_gb
        at = row * len(static)
        for value in static:
            self.static[at] = value
            at += 1
        box[COMMAND], box[ROW], box[NOW] = DECIDE, row, now
        next(self.serve)
        variant, place = divmod(int(box[NOW]), len(self.near[home]))
        given, self.next = self.next, self.next + 1
        self.open[given] = row
        if self.due > now + self.patience_s:
            self.due = now + self.patience_s
        return given, place, variant, self.guess_s[row]

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
            sent = {given: float(self.rows.world.arrival[row]) for given, row in self.open.items()}
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
        return self.near[int(self.home[row])][int(self.rows.log.place[row])]

    def more(self) -> None:
        """Twice as many rows."""
        before = self.rows.count
        self.rows.double()
        self.free.extend(range(self.rows.count - 1, before - 1, -1))
        self.connect()
