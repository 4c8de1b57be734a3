"""Configurations of cloudlets: the master programme over them, its rounding, and what the rounding guarantees."""

import itertools
import math

import numpy as np
import pytest
from coupled_strategies import instances
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.clock import FOREVER
from mecpfm.coupled import auto, drawing, methods
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.check import assess
from mecpfm.coupled.configurations import Pool, joined, master, recombined
from mecpfm.coupled.drawing import NOTHING, Offer
from mecpfm.coupled.formulation import solve_lp
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.solvers import highs

SEEDS = st.integers(0, 2**32 - 1)
EITHER = st.sampled_from([True, False])


def everything(instance):
    """Every configuration: all sets of options of a cloudlet, one a request; what breaks a row the pool leaves out."""
    pool, options = Pool(instance), instance.options
    for c in range(instance.sizes[2]):
        ways = [[-1] for _ in range(instance.sizes[3])]
        for o in np.flatnonzero(options.cloudlet == c).tolist():
            ways[options.request[o]].append(o)
        for choice in itertools.product(*ways):
            pool.add(np.array(choice))
    return pool.gathered()


def tiny(data):
    """An instance small enough for every configuration, and every draw of some."""
    return data.draw(st.one_of(instances(families=families, cloudlets=3) for families in (True, False)))


def some(data, instance):
    """Fractions of a few configurations, spread at will or the optimum of the linear master programme."""
    every = everything(instance)
    random = np.random.default_rng(data.draw(SEEDS))
    if data.draw(EITHER):
        return drawing.fractions(instance, every)[0]
    picked = np.zeros(len(every), dtype=bool)
    for c in range(instance.sizes[2]):
        own = np.flatnonzero(every.cloudlet == c)
        picked[random.permutation(own)[:3]] = True
    x = random.exponential(size=picked.sum()) * random.choice([0.3, 1.0])
    return drawing.rounded(instance, every.only(picked), x)


def draws(part):
    """Every outcome and its probability: a configuration, or none, a cloudlet."""
    lists = []
    for c in range(part.instance.sizes[2]):
        own = np.flatnonzero(part.given.cloudlet == c)
        lists.append([*zip(own.tolist(), part.y[own].tolist(), strict=True), (NOTHING, 1 - part.y[own].sum())])
    for outcome in itertools.product(*lists):
        yield np.array([j for j, _ in outcome]), math.prod(p for _, p in outcome)


def saved(part, chosen):
    """What the plan saves, and what it would save if all blocks of the chosen configurations were pulled, s."""
    instance, choice = part.instance, joined(part.instance, part.given, chosen)
    plan = assess(instance, "", choice)
    assert plan.feasible
    remote = instance.requests.remote_delay_s
    served = np.flatnonzero(choice >= 0)
    spared = (remote[served] - instance.options.delay_s[choice[served]]).sum()
    return remote.sum() - plan.objective, spared - part.given.pull_s[chosen[chosen >= 0]].sum()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_theorem_8_every_outcome_is_feasible_and_the_mean_saves_what_is_guaranteed(data):
    """Exactly, by enumeration of all draws, for optimal and for arbitrary fractions; conditional means do not fall."""
    part = some(data, tiny(data))
    mean = charged = 0.0
    for chosen, chance in draws(part):
        one, whole = saved(part, chosen)
        assert whole <= one + 1e-9
        mean, charged = mean + chance * one, charged + chance * whole
    assert part.guarantee_s <= charged + 1e-9
    assert charged <= mean + 1e-9
    spelled = sum(drawing.expected(offers, 0.0) for offers in part.offers()) - (part.y * part.given.pull_s).sum()
    assert spelled == pytest.approx(charged, abs=1e-9)
    assert saved(part, drawing.derandomized(part))[1] >= charged - 1e-9


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_fractions_keep_their_rows(data):
    """No request and no cloudlet above 1, whatever a solver's tolerance left; nothing below its noise."""
    instance = tiny(data)
    every, random = everything(instance), np.random.default_rng(data.draw(SEEDS))
    part = drawing.rounded(instance, every, random.exponential(size=len(every)) * random.integers(0, 2, len(every)))
    request = instance.options.request[part.given.option]
    assert np.bincount(part.given.cloudlet, part.y, 9).max() <= 1 + 1e-12
    assert np.bincount(request, part.y[part.given.column], 9).max() <= 1 + 1e-12
    assert (part.y > 0).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_master_over_everything_is_the_problem(data):
    """LP <= LP with the cut <= linear master <= optimum = integer master (theorem B(d))."""
    instance = tiny(data)
    every, optimum = everything(instance), solve_nlip(instance).objective
    model, slack = master(instance, every), 1e-5 * (1 + optimum)
    linear, whole = highs.here(model.relaxed()), highs.here(model)
    for cut in (False, True):
        assert solve_lp(instance, cut=cut, solver="highs")[0].bound <= linear.objective + slack
    assert linear.objective <= optimum + slack
    assert whole.objective == pytest.approx(optimum, abs=slack)
    plan = assess(instance, "", joined(instance, every, np.flatnonzero(whole.x[: len(every)] > 0.5)))
    assert plan.objective == pytest.approx(optimum, abs=slack)


def alone(cloudlets, requests, pull=0.0, *, triangle=False):
    """Unit compute and memory; every request at every cloudlet, or the two of three that a model of two holds."""
    pairs = [(r, c) for r in range(requests) for c in range(cloudlets) if not triangle or r != c]
    request, cloudlet = np.array(pairs).T
    return Instance(
        blocks={"size_gb": [1.0]},
        models={"blocks": [[0]]},
        cloudlets={
            "memory_gb": [1.0] * cloudlets, "compute_s": [2.0] * cloudlets, "pull_s_per_gb": [pull] * cloudlets,
            "cached": [[] for _ in range(cloudlets)],
        },
        requests={"remote_delay_s": [1.0] * requests, "remote_accuracy": [1.0] * requests},
        options={
            "request": request, "model": [0] * len(pairs), "cloudlet": cloudlet, "delay_s": [0.0] * len(pairs),
            "compute_s": [1.0] * len(pairs), "accuracy": [1.0] * len(pairs),
        },
    )  # fmt: skip


@pytest.mark.parametrize("cloudlets", [1, 2, 3, 5])
def test_the_guarantee_is_sharp(cloudlets):
    """One request, 1/N of it at each of N cloudlets: the mean is the guarantee, 1 - (1 - 1/N)^N; one choice gives 1."""
    part = drawing.rounded(alone(cloudlets, 1), everything(alone(cloudlets, 1)), np.full(cloudlets, 1 / cloudlets))
    mean = sum(chance * saved(part, chosen)[0] for chosen, chance in draws(part))
    assert part.guarantee_s == pytest.approx(1 - (1 - 1 / cloudlets) ** cloudlets)
    assert mean == pytest.approx(part.guarantee_s)
    assert saved(part, drawing.derandomized(part))[0] == 1


def test_the_linear_master_may_be_below_the_optimum():
    """Three requests, each served at two of three cloudlets that take two of them, pulls of 1: 1.5 pulls against 2."""
    instance = alone(3, 3, pull=1 / 2, triangle=True)
    every = everything(instance)
    assert highs.here(master(instance, every).relaxed()).objective == pytest.approx(0.75)
    assert solve_nlip(instance).objective == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_recombining_everything_finds_the_optimum(data):
    """From any cost above it; nothing from the optimum's own cost, nor from an empty pool."""
    instance = tiny(data)
    every, optimum = everything(instance), solve_nlip(instance).objective
    more = optimum + data.draw(st.sampled_from([1e-3, 0.25, 9.0]))
    found = recombined(instance, every, more)
    assert assess(instance, "", found).objective == pytest.approx(optimum, abs=1e-6 * (1 + optimum))
    assert recombined(instance, every, optimum) is None
    assert recombined(instance, Pool(instance).gathered(), instance.requests.remote_delay_s.sum()) is None


def test_recombining_branches_where_the_linear_master_is_not_whole():
    """The triangle: 0.75 s by fractions, 1 s by one configuration of two requests and one of the third, or remote."""
    instance = alone(3, 3, pull=1 / 2, triangle=True)
    found = recombined(instance, everything(instance), 3.0)
    assert assess(instance, "", found).objective == pytest.approx(1.0)


def test_two_plans_make_a_better_one():
    """Each serves well at one of two cloudlets; the default takes the better half of either, whoever showed them."""
    instance = alone(2, 4).change(options={"delay_s": {0: 0.5, 2: 0.5, 5: 0.5, 7: 0.5}})
    state = auto.begin(instance)
    state.choice, state.cost = np.full(4, -1), 4.0
    state.pool = Pool(instance)
    for choice in ([1, 3, 4, -1], [-1, 3, 4, 6]):
        state.pool.add(np.array(choice))
    state._recombine(FOREVER)
    assert (state.cost, state.choice.tolist()) == (0.0, [1, 3, 4, 6])


def test_the_linear_master_may_be_above_the_lp_with_the_cut():
    """Compute for one and a half of two requests: the LP serves as much, no configuration more than one."""
    instance = alone(1, 2).change(cloudlets={"compute_s": {0: 1.5}})
    assert solve_lp(instance, cut=True, solver="highs")[0].bound == pytest.approx(0.5)
    assert highs.here(master(instance, everything(instance)).relaxed()).objective == pytest.approx(1.0)


def test_expected_best_by_hand():
    """Offers of one cloudlet exclude each other, those of two are independent; a floor counts where nothing came."""
    offers = [Offer(4.0, 0, 0.5), Offer(3.0, 1, 0.5), Offer(2.0, 0, 0.5)]
    assert drawing.expected(offers, 0.0) == 4 * 0.5 + 3 * 0.25 + 2 * 0.25
    assert drawing.expected(offers, 2.5) == 4 * 0.5 + 3 * 0.25 + 2.5 * 0.25
    assert drawing.expected([], 1.5) == 1.5


def test_draws_follow_the_fractions():
    """Frequencies of each configuration, also of none, within five standard errors."""
    instance = alone(2, 2)
    every = everything(instance)
    part = drawing.rounded(instance, every, np.array([0.1, 0.3, 0.2] * 2))
    random, count = np.random.default_rng(0), 4_000
    found = np.array([drawing.draw(part, random) for _ in range(count)])
    for j, y in enumerate(part.y):
        assert (found == j).any(axis=1).mean() == pytest.approx(y, abs=5 * math.sqrt(y * (1 - y) / count))
    assert ((found[:, 0] == 0) & (found[:, 1] == 3)).mean() == pytest.approx(0.01, abs=5 * math.sqrt(0.01 / count))


def test_a_pool_takes_what_is_feasible_and_useful_once():
    """Options no faster than remote go; a set beyond its cloudlet's rows is no configuration; pulls count once."""
    instance = alone(1, 3, pull=2.0)
    pool = Pool(instance)
    for choice in ([0, 1, -1], [0, 1, -1], [0, 1, 2], [-1, -1, -1]):
        pool.add(np.array(choice))
    every = pool.gathered()
    assert (len(pool), len(every)) == (2, 1)
    assert (every.cloudlet.tolist(), every.pull_s.tolist(), every.option.tolist()) == ([0], [2.0], [0, 1])
    slow = Pool(instance.change(requests={"remote_delay_s": {0: 0.0}}))
    slow.add(np.array([0, 1, -1]))
    assert slow.gathered().option.tolist() == [1]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_method_saves_what_it_guarantees(data):
    """Feasible without repair, between optimum and all remote; the guarantee is below what the plan saves."""
    instance = tiny(data)
    plan = methods.solve(instance, drawing.NAME, iterations=50, seed=data.draw(st.integers(0, 9)))
    optimum, remote = solve_nlip(instance).objective, instance.requests.remote_delay_s.sum()
    assert plan.feasible
    assert optimum - 1e-9 <= plan.objective <= remote + 1e-9
    assert plan.metrics[drawing.GUARANTEE] <= remote - plan.objective + 1e-9
    assert plan.to_object()["guaranteed_saving_s"] == plan.metrics[drawing.GUARANTEE]
    assert plan.bound <= optimum + 1e-6 * (1 + optimum)


def test_a_seed_gives_one_plan():
    """Iterations and no clock: equal plans and guarantees, below the cost of the plans it came from."""
    instance = generate(Recipe(requests=40, cloudlets=5, models=12, families=3), 4)
    one, other = (methods.solve(instance, drawing.NAME, iterations=200, seed=3) for _ in range(2))
    assert (one.decisions, one.metrics, one.bound) == (other.decisions, other.metrics, other.bound)
    assert one.metrics[drawing.GUARANTEE] > 0
    assert one.objective <= methods.solve(instance, "trimcaching").objective


def halves(pull_s_per_gb, options, *choices):
    """Half of each configuration of ``choices``; options (request, model, cloudlet, delay), 3 s remotely.

    Model 0 needs a block of 1 GB, model 1 one of no size; compute does not bind.
    """
    request, model, cloudlet, delay_s = zip(*options, strict=True)
    sites, count = max(cloudlet) + 1, len(options)
    instance = Instance(
        blocks={"size_gb": [1.0, 0.0]},
        models={"blocks": [[0], [1]]},
        cloudlets={
            "memory_gb": [1.0] * sites, "compute_s": [1.0] * sites, "pull_s_per_gb": pull_s_per_gb,
            "cached": [[] for _ in range(sites)],
        },
        requests={"remote_delay_s": [3.0] * 2, "remote_accuracy": [1.0] * 2},
        options={
            "request": request, "model": model, "cloudlet": cloudlet, "delay_s": delay_s,
            "compute_s": [0.0] * count, "accuracy": [1.0] * count,
        },
    )  # fmt: skip
    pool = Pool(instance)
    for choice in choices:
        pool.add(np.array(choice))
    return drawing.rounded(instance, pool.gathered(), np.full(len(choices), 0.5))


def test_the_mean_with_blocks_unused_is_another_matter():
    """The second cloudlet's pull of 3 is not paid when its only user goes to the first: draws save 1.25, the plan 1.

    What conditional expectations keep, all pulls of drawn configurations charged, is 0.5 on average.
    """
    part = halves([1.0, 3.0], [(0, 0, 0, 2.0), (0, 1, 1, 0.0), (1, 0, 0, 2.0), (1, 0, 1, 2.0)], [0, 2], [1, 3])
    means = [sum(chance * saved(part, chosen)[kind] for chosen, chance in draws(part)) for kind in (0, 1)]
    assert means == [1.25, 0.5]
    assert saved(part, drawing.derandomized(part)) == (1.0, 1.0)


def test_conditional_means_count_what_is_served_already():
    """The second cloudlet is worth 3 - 2.5 for its other request, although the first serves one of its two better."""
    part = halves([0.0, 2.5], [(0, 0, 0, 1.0), (0, 0, 1, 2.0), (1, 0, 1, 0.0)], [0, -1], [1, 2])
    assert drawing.derandomized(part).tolist() == [0, 1]
    assert saved(part, drawing.derandomized(part)) == (2.5, 2.5)


def test_a_pool_keeps_the_newest():
    """What is seen again counts as new."""
    pool = Pool(alone(1, 3), most=2)
    for r in (0, 1, 0, 2):
        pool.add(np.where(np.arange(3) == r, np.arange(3), -1))
    assert pool.gathered().option.tolist() == [0, 2]
