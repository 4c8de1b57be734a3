"""Tree opening: tails by enumeration, draws and loads of the code, and the cuts that the tails need."""

import math

import numpy as np
import pytest
from coupled_law import openings
from coupled_strategies import instances, is_laminar, small
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mecpfm.coupled import generalized_assignment, rounding
from mecpfm.coupled.formulation import linear_model, solve_ilp, solve_lp
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.laminar import Forest
from mecpfm.coupled.opening import DELTA, Opening, least, opening
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.structure import build
from mecpfm.solvers import highs

DRAWS = 4_000
SIGMA = 5.0


def tails(parent, u, x, work, gb, alpha, delta):
    """Exact: mean and tail of a request's sum, of the load and of the memory, as multiples of what they may be.

    ``x`` (R, V) are fractions at nodes, ``work`` (R, V) compute over what there is, ``gb`` (V,) sizes over the memory.
    """
    mean, tail = np.zeros(len(x) + 2), np.zeros(len(x) + 2)
    for p, opened in openings(parent, u):
        part = np.where(opened, x / np.where(u > 0, u, 1), 0)
        served, load, memory = 1 - x.sum(axis=1) + part.sum(axis=1), (work * part).sum(), (gb * opened).sum() / alpha
        mean += p * np.array([*served, load, memory])
        high = 1 + delta
        tail += p * np.array([*(served < 1 - delta - 1e-9), load >= high + 1e-9, memory >= high + 1e-9])
    return mean, tail


def bounds(alpha, depth, delta):
    """Chernoff bounds of theorem 7: of a request that misses delta, and of a load that is delta too much."""
    return math.exp(-alpha * delta**2 / (2 * depth)), math.exp(-2 * alpha / depth * (math.sqrt(1 + delta) - 1) ** 2)


def random_opening(seed):
    """A forest of at most seven nodes at one cloudlet, fractions at its nodes, and the memory they ask for."""
    random = np.random.default_rng(seed)
    parent = np.array([random.integers(-1, v) for v in range(random.integers(1, 8))])
    depth = np.zeros(len(parent), dtype=int)
    for v, above in enumerate(parent):
        depth[v] = 1 if above < 0 else depth[above] + 1
    x = random.random((random.integers(1, 4), len(parent))) ** random.choice([1, 4])
    x *= random.random(x.shape) < random.choice([0.4, 1.0])
    x /= np.maximum(x.sum(axis=1, keepdims=True), 1) * random.choice([1, 3], (len(x), 1))
    return parent, int(depth.max()), x, random.random(x.shape), random.random(len(parent)) ** 3, random


def least_openings(parent, x, work, gb, memory_gb):
    request, node = np.nonzero(x)
    zeros = np.zeros(len(node), dtype=int)
    items = generalized_assignment.Items(request, zeros, zeros * 1.0, work[request, node], np.ones(len(x)))
    tree = Forest(parent, np.arange(0), np.arange(0), gb)
    return least(tree, items, node, x[request, node], np.ones(1), np.array([memory_gb]))[0]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_theorem_7_tails_by_enumeration(seed):
    """Exact law, z the least the rows allow: means as they should be, every tail below its bound."""
    parent, depth, x, g, gb, random = random_opening(seed)
    assume(x.any())
    work = g / max((g * x).sum() * random.choice([1, 1.5]), 1e-9)
    memory = next(
        m for m in 2.0 ** np.arange(-3, 40) if ((gb * (z := least_openings(parent, x, work, gb, m))).sum() <= m
        and z.max() < 1 - 1e-9) or m > 1e9
    )  # fmt: skip
    z = least_openings(parent, x, work, gb, memory)
    alpha, delta = random.choice([1.0, 2.0, 4.0, 8.0]), random.choice([0.1, 1 / 3, 0.6, 0.9])
    mean, tail = tails(parent, np.minimum(1, alpha * z), x, work, gb / memory, alpha, delta)
    np.testing.assert_allclose(mean[: len(x)], 1)
    assert mean[-2] == pytest.approx((work * x).sum())
    assert mean[-1] <= 1 + 1e-9
    low, high = bounds(alpha, depth, delta)
    assert (tail[: len(x)] <= low + 1e-12).all()
    assert (tail[-2:] <= high + 1e-12).all()
    assert delta > 1 / 3 or high <= math.exp(-alpha * delta**2 / (3 * depth))


def test_the_load_needs_the_cut():
    """Twenty requests with 0.05 of a block, which are all of the compute: z = 0.05 by their rows, 1 by the cut."""
    parent, x, work = np.array([-1]), np.full((20, 1), 0.05), np.ones((20, 1))
    with_cut = least_openings(parent, x, work, np.zeros(1), 1.0)
    assert with_cut == pytest.approx(1)
    for z, holds in ((with_cut, True), (np.array([0.05]), False)):
        _, tail = tails(parent, np.minimum(1, 16 * z), x, work, np.zeros(1), 16, 0.24)
        assert (tail[-2] <= bounds(16, 1, 0.24)[1]) == holds


def test_the_memory_needs_its_cut():
    """Eight blocks of 1 GB below one at 0.05, memory 0.4 GB on average: once the upper is open, all are, 8 GB."""
    parent, x, gb = np.array([-1] + [0] * 8), np.eye(9)[1:] * 0.05, np.array([0.0] + [1.0] * 8)
    with_cut, without = (least_openings(parent, x, 0 * x, gb, m) for m in (1.0, 1e9))
    assert with_cut[0] == pytest.approx(0.4) and without[0] == pytest.approx(0.05)
    low = 0.4  # what the memory row asks for, GB
    for z, memory, holds in ((with_cut, 1.0, True), (without, low, False)):
        _, tail = tails(parent, np.minimum(1, 14 * z), x, 0 * x, gb / memory, 14, 0.42)
        assert (tail[-1] <= bounds(14, 2, 0.42)[1]) == holds


def prepared(seed=39):
    """Two families of a backbone and two private blocks, at two cloudlets."""
    structure = build(small(seed, 12, 2, families=True, per_request=9))
    x = np.random.default_rng(seed).dirichlet(np.ones(4), len(structure.option))[:, 0]
    x[::3] *= 0.1
    return structure, rounding.within_one(structure, x)


def test_draws_have_the_fractions_as_means():
    """Blocks open with probability u, fractions are x on average: within five standard errors."""
    structure, x = prepared()
    of, random = Opening.of(structure, x), np.random.default_rng(0)
    u = np.minimum(1, 1.5 * of.z)
    assert (u[u > 0] < 1).any()
    drawn = [of.draw(1.5, random) for _ in range(DRAWS)]
    opened, part = (np.array(one) for one in zip(*drawn, strict=True))
    parent = of.forest.parent
    assert (parent >= 0).any()
    assert (opened[:, :, parent >= 0] <= opened[:, :, parent[parent >= 0]]).all()
    assert (np.abs(opened.mean(axis=0) - u) <= SIGMA * np.sqrt(np.maximum(u * (1 - u), 1 / DRAWS) / DRAWS)).all()
    spread = np.maximum(part.std(axis=0), 1e-3) / math.sqrt(DRAWS)
    assert (np.abs(part.mean(axis=0) - of.x) <= SIGMA * spread).all()


@given(instance=instances(families=True, requests=8, cloudlets=2, per_request=6), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_theorem_7_of_every_draw_that_stands(instance, seed):
    """Compute at most twice what there is plus an item, delay at most twice that of the fractions, blocks open."""
    structure, random = build(instance), np.random.default_rng(seed)
    share = random.random(len(structure.option)) ** random.choice([1, 6])
    x = rounding.within_one(structure, share * random.choice([0.3, 3.0]))
    choice, of = opening(structure, x)(random), Opening.of(structure, x)
    where = np.append(np.flatnonzero(x > 1e-9), -1)
    item = np.searchsorted(where[:-1], choice[choice >= 0])
    assert (x[choice[choice >= 0]] > 0).all()
    items, slack = of.items, (1 + DELTA) / (1 - DELTA)
    load = np.bincount(items.site[item], items.compute_s[item], len(of.load_s))
    largest = np.zeros(len(of.load_s))
    np.maximum.at(largest, items.site, items.compute_s)
    assert (load <= slack * of.load_s + largest + 1e-9).all()
    rest = 1 - np.bincount(items.request, of.x, len(items.remote_s))
    least_delay = (items.delay_s * of.x).sum() + (rest * items.remote_s).sum()
    assert items.delay_s[item].sum() + items.remote_s[choice < 0].sum() <= slack * least_delay + 1e-9


def test_only_open_blocks_are_used():
    """What a draw assigns lies at open places."""
    structure, x = prepared()
    of, random = Opening.of(structure, x), np.random.default_rng(4)
    for _ in range(200):
        opened, part = of.draw(1.2, random)
        if (of._shares(part) > 0).all():
            item = of.assign(part)
            assert opened[of.items.site[item[item >= 0]], of.node[item[item >= 0]]].all()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_an_assignment_costs_no_more_and_adds_one_item(seed):
    """Shmoys and Tardos on any fractions, several items of a request at a site included."""
    random = np.random.default_rng(seed)
    count, sites = random.integers(1, 9), random.integers(1, 4)
    m = int(random.integers(1, 25))
    items = generalized_assignment.Items(
        random.integers(0, count, m), random.integers(0, sites, m), random.integers(0, 9, m) / 4,
        random.integers(0, 9, m) / 4, random.integers(0, 20, count) / 4,
    )  # fmt: skip
    x = random.random(m) * (random.random(m) < 0.7)
    x /= np.maximum(np.bincount(items.request, x, count), 1)[items.request]
    edge = x > 1e-9
    items, x = items.taken(np.flatnonzero(edge)), x[edge]
    choice = generalized_assignment.assign(items, x)
    item = choice[choice >= 0]
    assert (items.request[item] == np.flatnonzero(choice >= 0)).all()
    rest = 1 - np.bincount(items.request, x, count)
    cost = items.delay_s[item].sum() + items.remote_s[choice < 0].sum()
    assert cost <= (items.delay_s * x).sum() + (items.remote_s * rest).sum() + 1e-6
    largest = np.zeros(sites)
    np.maximum.at(largest, items.site, items.compute_s)
    before, after = (
        np.bincount(items.site[i], items.compute_s[i] * y, sites) for i, y in ((slice(None), x), (item, 1))
    )
    assert (after <= before + largest + 1e-6).all()


def nested_pair():
    """Two models of 0.5 GB each on a common 0.5 GB, memory for one of them, a request each; remote 1 s, edge 0 s."""
    return Instance.model_validate(
        {
            "blocks": {"size_gb": [0.5, 0.5, 0.5]},
            "models": {"blocks": [[0, 1], [0, 2]]},
            "cloudlets": {"memory_gb": [1.0], "compute_s": [9.0], "pull_s_per_gb": [0.0], "cached": [[]]},
            "requests": {"remote_delay_s": [1.0, 1.0], "remote_accuracy": [1.0, 1.0]},
            "options": {
                "request": [0, 1], "model": [0, 1], "cloudlet": [0, 0], "delay_s": [0.0, 0.0],
                "compute_s": [0.0, 0.0], "accuracy": [1.0, 1.0],
            },
        }
    )  # fmt: skip


def test_the_memory_cut_by_hand():
    """Without it the LP serves 2/3 of each request; with it z_1 + z_2 <= z_0, one request at most: the optimum."""
    assert solve_lp(nested_pair(), solver="highs")[0].bound == pytest.approx(2 / 3)
    assert solve_lp(nested_pair(), memory_cut=True, solver="highs")[0].bound == pytest.approx(1)


@given(instance=st.booleans().flatmap(lambda families: instances(families=families)))
@settings(max_examples=60)
def test_the_memory_cut_keeps_the_optimum_and_lifts_the_lp(instance):
    """Any blocks: LP <= LP with it <= optimum = optimum with it; and the least z is no larger than the LP's."""
    small_one = presolve(instance).instance
    optimum, plain = solve_ilp(small_one, solver="highs").objective, solve_lp(small_one, cut=True, solver="highs")[0]
    model = linear_model(small_one, cut=True, memory_cut=True)
    whole, relaxed = highs.solve(model), highs.solve(model.relaxed())
    assert whole.objective == pytest.approx(optimum, abs=1e-6)
    assert plain.bound - 1e-6 <= relaxed.objective <= optimum + 1e-6
    if not is_laminar(small_one):
        return
    structure = build(small_one)
    of = Opening.of(structure, np.clip(relaxed.x[structure.option], 0, 1))
    z = np.zeros((small_one.sizes[0], small_one.sizes[2]))
    uses = sorted({(b, c) for k, c in zip(small_one.options.model, small_one.options.cloudlet, strict=True)
                   for b in small_one.models.blocks[int(k)].tolist()})  # fmt: skip
    z[tuple(np.array(uses, dtype=int).reshape(-1, 2).T)] = relaxed.x[len(relaxed.x) - len(uses) :]
    mine = of.z[:, of.forest.node].T  # by place of the structure
    assert (mine[of.forest.node >= 0] <= z[structure.block][of.forest.node >= 0] + 1e-5).all()
