"""Placement in the loop: every epoch the coupled solver proposes what each cloudlet should hold, the dispatcher routes.

The forecast is persistence: the requests of the last epoch come again, each with the service time that was seen, or
predicted where it is still under way. What the plan asks for is pulled in advance, one transfer after the other on the
cloudlet's link; what it does not ask for is evicted first. Every GB counts, and nothing is ready before it has arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mecpfm import ranges
from mecpfm.coupled import baselines, dual, local_search
from mecpfm.coupled.instance import Blocks, Cloudlets, Instance, Models, Options, Requests, accepted
from mecpfm.coupled.structure import MASK_BITS, build
from mecpfm.errors import InputError
from mecpfm.kernels import arrays, online_edge, online_policy
from mecpfm.online.policy import Policy
from mecpfm.online.simulate import Outcome, Run
from mecpfm.online.world import Scene
from mecpfm.records import Ragged
from mecpfm.typing import Bools, Floats, Ints

PLANNERS = ("polish", "trimcaching")
"""Local search around TrimCaching-Gen's plan, steered by the dual's prices (the coupled setting's, without its dives: a
plan every epoch must be quick), or TrimCaching-Gen alone."""


class Prices(NamedTuple):
    """Prices that outlive an epoch."""

    resources: Floats
    """Of compute (s a s) and memory (s/GB) at each cloudlet, shape (2 C,)."""
    cut: Floats
    """Of each cell's cut, shape (C * F,)."""


@dataclass(frozen=True)
class Planner:
    """How often and by which method of the coupled setting cloudlets are filled."""

    method: str = "polish"
    epoch: int = 500
    """Requests between two plans."""
    steps: int = 200
    """Most steps of the multipliers in an epoch, which begin at the last epoch's."""
    iterations: int = 200
    """Budget of the local search: plans then cost as much as those of 100 iterations that begin from nothing, or less
    (``python benchmarks/trace.py --planner``)."""
    load: float = 0.6
    """Share of an epoch that a cloudlet may be busy in the plan: queues need slack."""

    def __post_init__(self) -> None:
        """Refuse unknown methods and empty epochs."""
        ranges.one_of(PLANNERS, "method", self.method)
        if not (self.epoch >= 1 and 0 < self.load <= 1):
            raise InputError(f"epoch is {self.epoch}, load {self.load}; must be >= 1 and in (0, 1]")


def simulate(scene: Scene, policy: Policy, planner: Planner, seed: int = 0) -> Outcome:
    """A run whose caches are planned anew every epoch."""
    run, count, prices = Run(scene, policy, seed), len(scene.world.work), None
    for stop in range(planner.epoch, count, planner.epoch):
        run.advance(stop)
        wanted, prices = propose(run, planner, prices)
        adopt(run, wanted, run.now)
    return run.finish()


def propose(run: Run, planner: Planner, prices: Prices | None = None) -> tuple[Bools, Prices | None]:
    """Parts that each cloudlet should hold, shape (C, P), from the last epoch's requests.

    And the prices to begin the next epoch with, where the planner has any.
    """
    instance = forecast(run, planner)
    choice, prices = plan(instance, planner, prices)
    chosen = choice[choice >= 0]
    wanted = np.zeros(run.edge.held.shape, dtype=bool)
    for cloudlet, model in zip(instance.options.cloudlet[chosen], instance.options.model[chosen], strict=True):
        wanted[cloudlet, list(instance.models.blocks[model])] = True
    return wanted, prices


def plan(instance: Instance, planner: Planner, prices: Prices | None = None) -> tuple[Ints, Prices | None]:
    """An epoch's plan, as options (R,) or -1, and the prices that it was steered by, for the next epoch's.

    It never costs more than TrimCaching-Gen's. Requests differ from epoch to epoch, so that the prices of cloudlets
    alone are of use to the next.
    """
    greedy = baselines.trimcaching(instance)
    if planner.method == "trimcaching":
        return greedy, None
    view = build(instance, exact_models=MASK_BITS)
    requests, sites = len(view.cells.remote_s), 2 * len(view.cells.capacity_s)
    point, old = dual.start(view.cells), None
    if prices is not None:
        point[requests : requests + sites] = prices.resources
        old = dual.Dual(-np.inf, point, prices.cut, 0, 0.0)
    found = dual.solve(view, warm=old, iterations=planner.steps, memory_row=True)
    best = local_search.improve(view, found, greedy, iterations=planner.iterations)
    return best.choice, Prices(found.point[requests : requests + sites], found.cut)


def forecast(run: Run, planner: Planner) -> Instance:
    """The next epoch as an instance of the coupled problem, if the requests of the last one came again."""
    world, constants = run.scene.world, run.scene.world.constants
    rows, now = np.arange(max(run.next - planner.epoch, 0), run.next), run.now
    lasted = float(world.arrival[rows[-1]] - world.arrival[rows[0]])
    seen = run.log.finish_s[rows] <= now
    work = np.where(seen, world.work[rows], np.maximum(run.log.guess_s[rows], 1.0))
    places = world.near.shape[1]
    request = np.repeat(np.arange(len(rows)), places)
    cloudlet = world.near[world.home[rows]].ravel()
    busy = work[request] / world.speed[cloudlet]
    on_the_way = world.net_s[world.home[rows]].ravel() + world.payload_gb[rows][request] / constants.payload_gb_s
    far = constants.remote_path_s + world.payload_gb[rows] / constants.remote_payload_gb_s
    remote = far + online_policy.congestion_guess(run.learner, now) + work / constants.remote_speed
    models, parts = len(world.base), len(world.part_gb)
    own = parts - models + np.arange(models)
    return Instance(
        blocks=Blocks(size_gb=world.part_gb),
        models=Models(blocks=Ragged.from_lists(np.column_stack([world.base, own]).tolist())),
        cloudlets=Cloudlets(
            memory_gb=world.memory_gb,
            compute_s=accepted(np.full(len(world.speed), planner.load * lasted)),
            pull_s_per_gb=np.full(len(world.speed), 1 / constants.centre_gb_s),
            cached=Ragged.from_lists([np.flatnonzero(row).tolist() for row in run.edge.held]),
        ),
        requests=Requests(remote_delay_s=accepted(remote), remote_accuracy=np.ones(len(rows))),
        options=Options(
            request=request,
            model=world.model[rows][request],
            cloudlet=cloudlet,
            delay_s=accepted(on_the_way + busy),
            compute_s=accepted(busy),
            accuracy=np.ones(len(request)),
        ),
    )


def adopt(run: Run, wanted: Bools, now: float) -> None:
    """Pull what is wanted and missing, backbones first; everything else becomes the first to go."""
    world, edge = run.scene.world, run.edge
    later = np.maximum(edge.used, now)
    edge.uses[:] = np.where(wanted, edge.uses * arrays.exp((edge.used - later) / world.constants.memory_of_use_s), 0.0)
    edge.used[:] = np.where(wanted, later, np.minimum(edge.used, 0.0))
    for cloudlet, part in np.argwhere(wanted & ~edge.held):
        online_edge.evict(world, edge, cloudlet, world.part_gb[part], part, part, now)
        run.prefetched_gb += online_edge.prefetch(world, edge, cloudlet, part, now)
        edge.uses[cloudlet, part] = 1.0  # what was ordered is worth more than what the plan does not ask for
