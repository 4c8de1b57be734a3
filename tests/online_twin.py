"""Slow replay of a sequence of decisions, written from the specification: dicts, lists and sorting, no kernel.

A world's arrays are read as plain numbers. A cloudlet serves first come first served, one request at a time; its memory
holds parts; what is missing is pulled at dispatch, from another cloudlet that has it or from the data centre.
"""

import math
from dataclasses import dataclass, field

from mecpfm.kernels.online_records import LRU


@dataclass
class Served:
    """What became of one request."""

    place: int
    variant: int
    start: float
    finish: float
    delay: float
    pull: float
    pulled: float
    congestion: float
    least: float


@dataclass
class Part:
    """A part in a cloudlet's memory."""

    complete: float
    last: float
    asked: list = field(default_factory=list)


class Twin:
    """Queues, memories and the data centre of a world, request by request in the order of arrival."""

    def __init__(self, world, queue_limit):
        self.world, self.rules, self.limit = world, world.constants, queue_limit
        self.cloudlets, self.reach = len(world.speed), world.near.shape[1]
        self.inside = [[] for _ in range(self.cloudlets)]  # finish times of those in system
        self.flying = []  # finish times of own requests at the data centre
        self.last_finish = [0.0] * self.cloudlets
        self.memory = [{} for _ in range(self.cloudlets)]
        self.line = [0.0] * self.cloudlets
        self.served = []

    # What a request asks for -----------------------------------------------------------------------------------------
    def parts_of(self, model):
        """Backbone and own part; backbones are numbered first, one own part a model after them."""
        backbones = len(self.world.part_gb) - len(self.world.base)
        return int(self.world.base[model]), backbones + model

    def cloudlet(self, request, place):
        return int(self.world.near[self.world.home[request], place])

    def service(self, request, variant, speed):
        return float(self.world.work[request]) * (self.rules.small_work if variant else 1.0) / speed

    def clock(self, time):
        """Whoever is done by now has left."""
        self.inside = [[f for f in queue if f > time] for queue in self.inside]
        self.flying = [f for f in self.flying if f > time]

    def full(self, request, place):
        return place < self.reach and len(self.inside[self.cloudlet(request, place)]) >= self.limit

    # Memory ----------------------------------------------------------------------------------------------------------
    def others_hold(self, part, cloudlet):
        return any(part in memory for c, memory in enumerate(self.memory) if c != cloudlet)

    def travel(self, part, cloudlet):
        rate = self.rules.edge_gb_s if self.others_hold(part, cloudlet) else self.rules.centre_gb_s
        return float(self.world.part_gb[part]) / rate

    def ready_at(self, cloudlet, part, now):
        """When a part is or would be complete."""
        if part in self.memory[cloudlet]:
            return self.memory[cloudlet][part].complete
        return max(now, self.line[cloudlet]) + self.travel(part, cloudlet)

    def pull(self, cloudlet, model, now):
        return max(0.0, max(self.ready_at(cloudlet, part, now) for part in self.parts_of(model)) - now)

    def size(self, cloudlet):
        return math.fsum(float(self.world.part_gb[part]) for part in self.memory[cloudlet])

    def worth(self, cloudlet, part, now):
        """Least recently used goes first; or what saves least time per GB, uses fading exponentially."""
        kept = self.memory[cloudlet][part]
        if self.rules.eviction == LRU:
            return kept.last
        return self.uses(kept, now) / (
            self.rules.edge_gb_s if self.others_hold(part, cloudlet) else self.rules.centre_gb_s
        )

    def uses(self, kept, now):
        return math.fsum(math.exp(-(now - at) / self.rules.memory_of_use_s) for at in kept.asked)

    def ask(self, cloudlet, model, now):
        """Have both parts in memory; returns GB pulled."""
        wanted, pulled = self.parts_of(model), 0.0
        times = {part: self.ready_at(cloudlet, part, now) for part in wanted}
        memory = self.memory[cloudlet]
        for part in wanted:
            if part not in memory:
                size = float(self.world.part_gb[part])
                while self.size(cloudlet) + size > self.world.memory_gb[cloudlet] + 1e-9:
                    droppable = sorted((self.worth(cloudlet, p, now), p) for p in memory if p not in wanted)
                    del memory[droppable[0][1]]
                memory[part] = Part(times[part], now)
                pulled += size
            memory[part].last = now
            memory[part].asked.append(now)
        return pulled

    def order(self, cloudlet, part, now):
        """A transfer ahead of any request, one after the other; refused when there is no room. Returns GB pulled."""
        size = float(self.world.part_gb[part])
        if part in self.memory[cloudlet] or self.size(cloudlet) + size > self.world.memory_gb[cloudlet] + 1e-9:
            return 0.0
        self.line[cloudlet] = self.ready_at(cloudlet, part, now)
        self.memory[cloudlet][part] = Part(self.line[cloudlet], now)
        return size

    # Service ---------------------------------------------------------------------------------------------------------
    def begin(self, request, place, now):
        """When service would begin, the pull and the congestion on the way, and the speed."""
        world, rules = self.world, self.rules
        payload = float(world.payload_gb[request])
        if place == self.reach:
            cell = min(int(now / rules.grid_s), len(world.congestion) - 1)
            extra = float(world.congestion[cell])
            way = rules.remote_path_s + payload / rules.remote_payload_gb_s
            return now + way + extra + rules.remote_load_s * len(self.flying), 0.0, extra, rules.remote_speed
        cloudlet = self.cloudlet(request, place)
        net = float(world.net_s[world.home[request], place]) + payload / rules.payload_gb_s
        pull = self.pull(cloudlet, int(world.model[request]), now)
        return max(now + net + pull, self.last_finish[cloudlet]), pull, 0.0, float(world.speed[cloudlet])

    def least(self, request, variants, now):
        """Least time from arrival plus penalty over all that is open."""
        found = []
        for place in range(self.reach + 1):
            if not self.full(request, place):
                for variant in range(variants):
                    start, _, _, speed = self.begin(request, place, now)
                    done = start + self.service(request, variant, speed)
                    found.append(done - float(self.world.arrival[request]) + variant * self.rules.small_penalty_s)
        return min(found)

    def send(self, request, place, variant, held_s, variants=2):
        """Serve a request somewhere with room."""
        assert not self.full(request, place)
        arrival = float(self.world.arrival[request])
        now = arrival + held_s
        least = self.least(request, variants, now)
        start, pull, extra, speed = self.begin(request, place, now)
        finish = start + self.service(request, variant, speed)
        pulled = 0.0
        if place == self.reach:
            self.flying.append(finish)
        else:
            cloudlet = self.cloudlet(request, place)
            pulled = self.ask(cloudlet, int(self.world.model[request]), now)
            self.inside[cloudlet].append(finish)
            self.last_finish[cloudlet] = finish
        self.served.append(Served(place, variant, start, finish, finish - arrival, pull, pulled, extra, least))

    def column(self, name):
        return [getattr(row, name) for row in self.served]


def replay(world, queue_limit, decisions, variants):
    """The twin after a sequence of (place, variant, held_s), one a request."""
    twin = Twin(world, queue_limit)
    for request, (place, variant, held_s) in enumerate(decisions):
        twin.clock(float(world.arrival[request]) + held_s)
        twin.send(request, place, variant, held_s, variants)
    return twin
