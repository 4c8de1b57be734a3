"""The online half of the published setting: requests arrive one at a time, caches start empty.

At first only the remote data centre holds the models. Serving a request makes its home cloudlet a holder of both parts
of the model and, with ``share``, of the shareable part of every sibling; nothing is evicted. The two parts are
appended together. Decisions where the published description leaves room:

* Source ``last`` pulls from the most recently appended holder even when the home cloudlet holds the part itself, and
  every service appends its home again. Appending only new holders moves the mean total delay by less than 1 %.
* No option is filtered by capacity or accuracy requirement: a uniformly random policy has accuracy 0.70, as reported.
* Learners maximise a reward in [0, 1], ``1 / (1 + penalty)``; MAB alone uses ``1 / penalty``, as published.
* The context is one vector U(0, 100)^N times the round number, as published; here divided by its largest possible
  value 100 T. It says nothing about requests or caches, but its scale is a choice: undivided, a ridge of 1 is no prior
  at all, and ADMS and TSRC then do no better than random arms under the same pull rule.
* Requests come in index order; rounds beyond their number serve requests drawn uniformly from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mecpfm import clock, ranges
from mecpfm.bandits.linear import Linear
from mecpfm.bandits.policy import BanditPolicy
from mecpfm.bandits.restricted import Restricted
from mecpfm.bandits.tabular import Tabular
from mecpfm.errors import InfeasibleError, InputError
from mecpfm.files import require_fits
from mecpfm.kernels import arrays, episode
from mecpfm.published.generate import named_streams
from mecpfm.published.instance import Instance
from mecpfm.published.options import Options, tabulate
from mecpfm.published.policies import POLICIES, LearnerParams, Myopic, PublishedPolicy
from mecpfm.typing import Floats, Ints
from mecpfm.warm import announcing

SOURCES = {"nearest": episode.NEAREST, "last": episode.LAST, "cloud": episode.CLOUD}


@dataclass(frozen=True, eq=False)
class Episode:
    """What happened in each round, arrays of shape (rounds,); delays in s."""

    policy: str
    seed: int
    share: bool
    source: str
    request: Ints
    arm: Ints
    delay: Floats
    cost: Floats
    accuracy: Floats
    penalty: Floats
    regret: Floats
    """Penalty minus the least penalty over all models given the policy's own caches: myopic and empirical."""
    runtime_s: float

    def to_object(self) -> dict[str, Any]:
        """The JSON object of ``--json``."""
        return {
            "setting": "published",
            "policy": self.policy,
            "seed": self.seed,
            "share": self.share,
            "source": self.source,
            "rounds": len(self.arm),
            "total_delay_s": float(self.delay.sum()),
            "average_cost": float(self.cost.mean()),
            "average_accuracy": float(self.accuracy.mean()),
            "total_penalty": float(self.penalty.sum()),
            "total_regret": float(self.regret.sum()),
            "runtime_s": self.runtime_s,
            "decisions": {"request": self.request.tolist(), "model": self.arm.tolist()},
        }


def simulate(
    instance: Instance, policy: str, *, share: bool | None = None, source: str | None = None,
    rounds: int | None = None, seed: int = 0, params: LearnerParams | None = None, **changed: Any,
) -> Episode:  # fmt: skip
    """Serve requests with an online policy.

    Parameters
    ----------
    instance
        The problem; its caches start empty.
    policy
        A name in ``POLICIES``.
    share, source
        The pull rule; by default the one released with the policy.
    rounds
        Number of requests to serve; by default each one once.
    seed
        Of every random stream.
    params
        Parameters of the penalty, the context and the learner; by default the policy's.
    changed
        Fields of ``params`` that are otherwise: ``features=50``.

    Returns
    -------
    Episode
        What happened in each round.

    Raises
    ------
    InputError
        An unknown name, a number out of range, or an accuracy of 0 (its penalty would be infinite).
    InfeasibleError
        A home cloudlet whose queue is unstable.
    """
    ranges.one_of(POLICIES, "policy", policy)
    ranges.seed(seed)
    ranges.count("rounds", rounds)
    rule = POLICIES[policy]
    params, share = replace(params or rule.params, **changed), rule.share if share is None else share
    rule = rule._replace(share=share, source=source or rule.source, params=params)
    return _simulate(instance, policy, rule, rounds, seed)


@announcing(10)
def _simulate(instance: Instance, policy: str, rule: PublishedPolicy, rounds: int | None, seed: int) -> Episode:
    _, models, requests = instance.sizes
    params, rounds = rule.params, requests if rounds is None else rounds
    require_fits(f"{rounds} rounds", 8 * rounds * (params.features + models + 12))
    start, options = clock.now(), tabulate(instance)
    world, caches = open_world(instance, options, share=rule.share, source=rule.source, xi=params.xi)
    random = named_streams(seed)["algorithm"]
    order = _order(requests, rounds, next(random))
    contexts = _contexts(rounds, next(random).random(params.features), divided=rule.divided)
    learner = rule.make(len(world.group), int(next(random).integers(2**63)), params)
    trace = run(learner, world, caches, order, contexts, rule.offset)
    at = order, trace.arm
    delay, power = options.base[at] + trace.pull, options.transmit_power[order]
    return Episode(
        policy, seed, rule.share, rule.source, order, trace.arm, delay, options.own_cost[at] + power * trace.pull,
        instance.accuracy[at], trace.penalty, trace.penalty - trace.least, clock.now() - start,
    )  # fmt: skip


def open_world(
    instance: Instance, options: Options, *, share: bool, source: str, xi: float
) -> tuple[episode.EpisodeWorld, episode.Caches]:
    """The instance as the kernels want it, and caches in which only the data centre holds anything."""
    ranges.one_of(SOURCES, "source", source)
    ranges.within("xi", xi, 0, 1)
    if not instance.accuracy.all():
        j, k = np.argwhere(instance.accuracy == 0)[0]
        raise InputError(f"accuracy[{j}][{k}] is 0; the online penalty -ln a needs it > 0")
    if (stuck := np.flatnonzero(~np.isfinite(options.queue))).size:
        home = instance.requests.home[stuck[0]]
        raise InfeasibleError(
            f"request {stuck[0]}: its home cloudlet {home} receives requests faster than it serves them"
        )
    models, distance = instance.models, instance.distance_s_per_gb
    group = np.unique(models.family, return_inverse=True)[1] if share else np.arange(len(models.family))
    from_cloud = distance[:-1, -1]
    world = episode.EpisodeWorld(
        distance, instance.requests.home, group, models.shared_gb, models.private_gb,
        options.base, arrays.settled(-xi * arrays.log(instance.accuracy)), 1 - xi, SOURCES[source],
    )  # fmt: skip
    return world, episode.Caches(np.tile(from_cloud, (int(group.max()) + 1, 1)), np.tile(from_cloud, (len(group), 1)))


def _order(requests: int, rounds: int, random: np.random.Generator) -> Ints:
    """Requests in index order, then uniform ones."""
    extra = random.integers(0, requests, max(0, rounds - requests))
    return np.concatenate([np.arange(min(rounds, requests)), extra])


def _contexts(rounds: int, uniforms: Floats, *, divided: bool) -> Floats:
    """One vector U(0, 100)^N times the round number, divided by 100 T unless as published; shape (rounds, N)."""
    found = np.outer(np.arange(1, rounds + 1) / rounds, uniforms)
    return found if divided else 100 * rounds * found


def run(
    policy: BanditPolicy, world: episode.EpisodeWorld, caches: episode.Caches, order: Ints, contexts: Floats,
    offset: float = 1.0,
) -> episode.EpisodeLog:  # fmt: skip
    """A whole run of a policy that has just been made or reset: compiled where the policy is one of ours."""
    rounds = len(order)
    trace = episode.EpisodeLog(np.empty(rounds, np.int64), np.empty(rounds), np.empty(rounds), np.empty(rounds))
    common = world, caches, order, offset, trace
    if isinstance(policy, Tabular):
        coins = policy.random.random((rounds, 2))
        episode.run_tabular(*common, policy.tally, coins, policy.explore, policy.bonus)
    elif isinstance(policy, Restricted):
        view = episode.Visibility(policy.rule, policy.observed, policy.keys, policy.counts, policy.history)
        noise, coins = policy.noise(rounds), policy.coin_random.random((rounds, 2))
        episode.run_restricted(
            *common, contexts, policy.state, noise, policy.scale, view, policy.feature_random, coins, policy.explore
        )
    elif isinstance(policy, Linear):
        episode.run_linear(*common, contexts, policy.state, policy.noise(rounds), policy.scale)
    else:
        step_by_step(policy, *common, contexts)
    return trace


def step_by_step(
    policy: BanditPolicy, world: episode.EpisodeWorld, caches: episode.Caches, order: Ints, offset: float,
    trace: episode.EpisodeLog, contexts: Floats,
) -> None:  # fmt: skip
    """The same run through ``select`` and ``update``, for any policy; equal to the compiled run draw for draw."""
    for turn, request in enumerate(order):
        prices = episode.price(world, caches, request)
        context = prices[1] if isinstance(policy, Myopic) else contexts[turn]
        arm = policy.select(context)
        episode.serve(world, caches, request, arm, turn, trace, prices)
        policy.update(arm, context, 1 / (offset + trace.penalty[turn]))
