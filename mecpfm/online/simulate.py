"""Run a policy over a scene and report what happened to every request."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mecpfm.errors import InputError
from mecpfm.kernels import linear_bandit, online_edge, online_run
from mecpfm.kernels.episode import Visibility
from mecpfm.kernels.online_demand import FOLLOW, LOOKING, Demand
from mecpfm.kernels.online_events import Events
from mecpfm.kernels.online_history import COUNT, DYNAMIC, SUM
from mecpfm.kernels.online_policy import Learner, Rule
from mecpfm.kernels.online_records import Edge, Log, World
from mecpfm.kernels.online_state import HYBRID_STATE
from mecpfm.online.features import copied
from mecpfm.online.policy import DEMAND, DISPATCH, FEATURES, PROBING, Policy
from mecpfm.online.world import Scene
from mecpfm.typing import Floats

RIDGE = 1.0
FOLLOW_RATE = 0.1
"""Rate of ``follow-probe`` times the square of the interval that holds the demands."""
FOLLOW_STREAM = 1_000
"""Its coins' stream, which no part of a scene draws from: probes do not depend on the requests."""
NARROWEST_S = 1e-3
"""Least width of the interval that holds the demands."""
LONGEST_S = 1e6
"""Most that looking and probing may hold a request up."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run wrote down; arrays of shape (T,) in ``log`` (:class:`~mecpfm.kernels.online_records.Log`)."""

    scene: Scene
    policy: Policy
    log: Log
    demand: Demand
    learner: Learner
    held_s: float
    """How long looking and probing hold a request up, s."""
    prefetched_gb: float

    @property
    def loss_s(self) -> Floats:
        """Delay plus the penalty of small variants, s, shape (T,)."""
        return np.asarray(self.log.delay_s + self.scene.setting.small_penalty_s * self.log.variant)

    @property
    def target_s(self) -> Floats:
        """What forecasters predict: service times, capped, s, shape (T,)."""
        return np.minimum(self.scene.world.work, self.scene.cap_s)

    @property
    def squared_error(self) -> Floats:
        """Of the forecasts, capped as well, s^2, shape (T,)."""
        return np.square(np.minimum(self.log.guess_s, self.scene.cap_s) - self.target_s)

    def metrics(self) -> dict[str, float]:
        """Means over requests; regret is against the best place in the same state, its demand and congestion known."""
        log, setting = self.log, self.scene.setting
        small = log.variant.mean()
        return {
            "loss_s": float(self.loss_s.mean()),
            "delay_s": float(log.delay_s.mean()),
            "delay_p95_s": float(np.quantile(log.delay_s, 0.95)),
            "accuracy": float(1 - small * (1 - setting.small_accuracy)),
            "regret_s": float((self.loss_s - log.least_s).mean()),
            "edge_share": float((log.place < setting.reach).mean()),
            "pulled_gb": float(log.pulled_gb.sum() + self.prefetched_gb),
            "demand_r2": r2(self),
        }


def r2(outcome: Outcome) -> float:
    """Share of the variance of the capped service times that the predictions explained; NaN where there is none."""
    if outcome.policy.dispatch != "structured":
        return math.nan
    spread = float(np.square(outcome.target_s - outcome.target_s.mean()).sum())
    return float(1 - outcome.squared_error.sum() / spread) if spread else math.nan


class Run:
    """A policy on its way through a scene; ``advance`` serves the next requests, ``finish`` lets all complete."""

    def __init__(self, scene: Scene, policy: Policy, seed: int = 0) -> None:
        self.scene, self.policy = scene, policy
        self.features, self.arms = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
        if policy.demand == "follow":
            self.features = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(FOLLOW_STREAM,)))
        world = scene.world
        if policy.probes > world.near.shape[1]:
            raise InputError(f"probes is {policy.probes}; must be <= reach = {world.near.shape[1]}")
        self.edge, self.log = fresh_edge(world, scene.setting.queue_limit), fresh_log(len(world.work))
        if scene.held is not None:
            for cloudlet, part in np.argwhere(scene.held):
                online_edge.hold(world, self.edge, cloudlet, part, 0.0)
        self.history = copied(scene.history)
        self.demand = _demand(scene, policy, self.features)
        self.learner, self.rule = _learner(scene, policy), _rule(scene, policy, self.demand)
        if not self.rule.held_s <= LONGEST_S:
            raise InputError(f"features and probes cost {self.rule.held_s:g} s a request; must be <= {LONGEST_S:g} s")
        self.next, self.prefetched_gb = 0, 0.0

    def advance(self, stop: int, until: float = -math.inf) -> None:
        """Serve requests up to ``stop - 1``, the last one at ``now``, and let complete what is due by ``until``, s."""
        common = self.scene.world, self.edge, self.log, self.history, self.demand, self.rule, self.learner
        online_run.run(*common, self.features, self.arms, self.next, stop, until)
        self.next = stop

    @property
    def now(self) -> float:
        """When the last request was sent, s."""
        return float(self.scene.world.arrival[self.next - 1]) + self.rule.held_s

    def finish(self) -> Outcome:
        """Serve what is left, let everything complete and return what happened."""
        self.advance(len(self.scene.world.work), math.inf)
        found = self.log, self.demand, self.learner, self.rule.held_s, self.prefetched_gb
        return Outcome(self.scene, self.policy, *found)


def simulate(scene: Scene, policy: Policy, seed: int = 0) -> Outcome:
    """A whole run.

    Parameters
    ----------
    scene
        What no policy changes (:func:`mecpfm.online.world.build`).
    policy
        How requests are dispatched.
    seed
        Of the policy's own draws.

    Returns
    -------
    Outcome
        What happened to each request, and what the policy has learned.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from mecpfm.online.policy import named
    >>> from mecpfm.online.setting import scenario
    >>> from mecpfm.online.trace import load
    >>> from mecpfm.online.world import build
    >>> scene = build(replace(scenario("base"), requests=200), load(), seed=0)
    >>> 0 <= simulate(scene, named("nearest")).metrics()["edge_share"] <= 1
    True
    """
    return Run(scene, policy, seed).finish()


def fresh_edge(world: World, queue_limit: int) -> Edge:
    """Empty queues and caches."""
    cloudlets, parts, requests = len(world.speed), len(world.part_gb), len(world.work)
    table = (cloudlets, parts)
    return Edge(
        free=np.zeros(cloudlets), queue=np.zeros((cloudlets, queue_limit), dtype=np.int64),
        first=np.zeros(cloudlets, dtype=np.int64), waiting=np.zeros(cloudlets, dtype=np.int64),
        link=np.zeros(cloudlets), held=np.zeros(table, dtype=bool), ready=np.zeros(table), used=np.zeros(table),
        uses=np.zeros(table), used_gb=np.zeros(cloudlets), holders=np.zeros(parts, dtype=np.int64),
        remote=np.zeros(1, dtype=np.int64),
        events=Events(np.zeros(requests), np.zeros(requests, dtype=np.int64), np.zeros(1, dtype=np.int64)),
    )  # fmt: skip


def fresh_log(requests: int) -> Log:
    """Nothing happened yet."""
    whole = {"place", "variant"}
    columns: list[Any] = [np.zeros(requests, dtype=np.int64 if name in whole else np.float64) for name in Log._fields]
    return Log(*columns)


def _demand(scene: Scene, policy: Policy, random: np.random.Generator) -> Demand:
    world = scene.world
    requests, features = len(world.work), world.static.shape[1] + DYNAMIC
    shift, scale = scene.shift, scene.scale
    if policy.dispatch == "disjoint":
        extra = 2 * len(world.speed) + 1
        features += extra
        shift, scale = np.append(shift, np.zeros(extra)), np.append(scale, np.ones(extra))
    observed = features if policy.observed is None else policy.observed
    if observed > features:
        raise InputError(f"observed is {observed}; must be <= {features} features")
    ring = np.zeros((0 if math.isinf(policy.window) else int(policy.window), 1 + observed))
    rule = FEATURES[policy.features]
    least = scene.setting.work_s[0]
    follow = DEMAND[policy.demand] == FOLLOW
    state = linear_bandit.fresh(features + 1, 2, RIDGE) if follow else linear_bandit.fresh(1, features + 1, RIDGE)
    width = max(scene.cap_s - least, NARROWEST_S)
    state[-1] = usual_s(scene)
    keys = random.random(features) if rule == linear_bandit.FIXED else np.zeros(features)
    return Demand(
        predictor=DEMAND[policy.demand], error_credit=policy.credit == "error", least=least, cap=scene.cap_s,
        shift=shift, scale=scale, sight=Visibility(rule, observed, keys, np.zeros((2, features)), ring),
        state=state, raw=np.zeros(features),
        context=np.zeros((requests, features + 1)), shown=np.zeros((requests, observed), dtype=np.int64),
        explored=np.zeros(requests, dtype=bool), moments=np.zeros((2, features + 2, features + 2)),
        subset=np.arange(observed), median=np.zeros(1),
        learned=np.zeros(1, dtype=np.int64),
        losses=np.zeros(features + 1 if follow else 0), made=np.zeros((requests if follow else 0, observed)),
        rate=FOLLOW_RATE / (width * width),
    )  # fmt: skip


def usual_s(scene: Scene) -> float:
    """What requests took on average before the window: everybody's forecast before anything is learned, s."""
    least, total = scene.setting.work_s[0], scene.history.total
    return float(min(max(total[SUM] / total[COUNT], least), scene.cap_s) if total[COUNT] else least)


def _rule(scene: Scene, policy: Policy, demand: Demand) -> Rule:
    looks = policy.dispatch in ("disjoint", "hybrid") or DEMAND[policy.demand] in LOOKING
    held_s = policy.feature_cost_s * (demand.sight.observed if looks else 0) + policy.probe_cost_s * policy.probes
    return Rule(
        dispatch=DISPATCH[policy.dispatch], variants=scene.setting.variants, explore=policy.explore,
        bonus=policy.bonus, cut_s=policy.cut_s, scale=policy.scale, sample=policy.sample, priced=policy.priced,
        probing=PROBING[policy.probing], probes=policy.probes, held_s=held_s,
    )  # fmt: skip


def _learner(scene: Scene, policy: Policy) -> Learner:
    world, variants = scene.world, scene.setting.variants
    cloudlets, places = world.near.shape
    requests, arms, features = len(world.work), variants * (cloudlets + 1), world.static.shape[1] + DYNAMIC
    size = HYBRID_STATE + features if policy.dispatch == "hybrid" else 1
    models, width = (arms, features + 2 * cloudlets + 2) if policy.dispatch == "disjoint" else (1, size)
    return Learner(
        tally=np.zeros((2, arms)), state=linear_bandit.fresh(models, width, RIDGE),
        context=np.zeros((requests if policy.dispatch == "hybrid" else 1, size)), remote=np.zeros(4),
        rate=np.zeros((3, cloudlets)), belief=np.zeros((4, cloudlets, places)),
        probed=np.zeros((2, cloudlets, places)), seen=np.ones(places, dtype=bool),
        looked=np.zeros((requests if policy.probes else 1, places), dtype=bool),
    )  # fmt: skip
