"""Lower bounds L1 to L6 of docs/theory_coupled.md: the instance of each reduction has the optimum of its source."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.instance import Instance

SEEDS = st.integers(0, 2**32 - 1)


def one_cloudlet(sizes, models, accepts, remote, *, memory=1e9, pull=1.0):
    """Requests that take any of some models at one cloudlet without delay and compute; blocks cost their size.

    ``models`` lists blocks, ``accepts`` lists models, one entry a request; ``remote`` is every request's delay, s.
    """
    count = len(accepts)
    request = np.repeat(np.arange(count), [len(some) for some in accepts])
    model = np.array([k for some in accepts for k in some], dtype=np.int64)
    nothing = np.zeros(len(model))
    return Instance.model_validate(
        {
            "blocks": {"size_gb": np.array(sizes, dtype=float)},
            "models": {"blocks": models},
            "cloudlets": {"memory_gb": [float(memory)], "compute_s": [0.0], "pull_s_per_gb": [pull], "cached": [[]]},
            "requests": {"remote_delay_s": np.full(count, float(remote)), "remote_accuracy": np.ones(count)},
            "options": {
                "request": request, "model": model, "cloudlet": np.zeros(len(model), dtype=np.int64),
                "delay_s": nothing, "compute_s": nothing, "accuracy": np.ones(len(model)),
            },
        }
    )  # fmt: skip


def some_sets(random, elements, count):
    """Sets that cover all elements, as rows (count, elements)."""
    holds = random.random((count, elements)) < 0.45
    holds[random.integers(count, size=elements), np.arange(elements)] = True
    return holds


def families(count):
    """Every choice of some of ``count`` things, as index lists."""
    for size in range(count + 1):
        yield from (list(some) for some in itertools.combinations(range(count), size))


def cheapest_cover(holds, weights):
    """Least weight of rows that cover all columns."""
    return min(weights[some].sum() for some in families(len(holds)) if holds[some].any(axis=0).all())


def set_cover(holds, weights, **rest):
    """Every set a model of one block, every element a request."""
    accepts = [np.flatnonzero(column).tolist() for column in holds.T]
    return one_cloudlet(weights, [[s] for s in range(len(weights))], accepts, **rest)


@given(SEEDS)
def test_set_cover_is_a_special_case(seed):
    """L1: one cloudlet without capacities, private blocks: the optimum is the cheapest cover."""
    random = np.random.default_rng(seed)
    holds = some_sets(random, random.integers(1, 6), random.integers(1, 5))
    weights = random.integers(1, 9, len(holds)).astype(float)
    instance = set_cover(holds, weights, remote=1 + weights.sum())
    assert solve_nlip(instance).objective == cheapest_cover(holds, weights)


@given(SEEDS)
def test_group_steiner_trees_are_a_special_case(seed):
    """L2: blocks are the edges of a tree and models its paths from the root, so blocks are laminar."""
    random = np.random.default_rng(seed)
    nodes = int(random.integers(2, 8))
    parent = [-1, *(int(random.integers(v)) for v in range(1, nodes))]  # edge v joins v to its parent
    weights = np.r_[0.0, random.integers(1, 9, nodes - 1)]

    def path(v):
        return [] if v == 0 else [*path(parent[v]), v]

    leaves = [v for v in range(1, nodes) if v not in parent]
    groups = [
        random.choice(leaves, random.integers(1, len(leaves) + 1), replace=False) for _ in range(random.integers(1, 4))
    ]
    models = [[edge - 1 for edge in path(v)] for v in leaves]
    instance = one_cloudlet(
        weights[1:], models, [[leaves.index(v) for v in group] for group in groups], 1 + weights.sum()
    )
    holders = [{k for k, blocks in enumerate(models) if b in blocks} for b in range(nodes - 1)]
    assert all(a <= b or b <= a or not a & b for a in holders for b in holders)

    def joins(edges):  # whether some edges join every group to the root
        return all(any(set(path(v)) <= edges for v in group.tolist()) for group in groups)

    least = min(weights[some].sum() for some in ([e + 1 for e in f] for f in families(nodes - 1)) if joins(set(some)))
    assert solve_nlip(instance).objective == least


@given(SEEDS)
def test_min_rep_is_a_special_case(seed):
    """L3: unit blocks are vertices, models are edges, requests are superedges: the optimum is the least vertices."""
    random = np.random.default_rng(seed)
    side, width = random.integers(1, 3, 2)  # supernodes a side, vertices a supernode
    half = side * width
    edges = [(a, half + b) for a in range(half) for b in range(half) if random.random() < 0.6] or [(0, half)]
    supers = sorted({(a // width, b // width) for a, b in edges})
    of = [[k for k, (a, b) in enumerate(edges) if (a // width, b // width) == pair] for pair in supers]
    instance = one_cloudlet(np.ones(2 * half), [list(edge) for edge in edges], of, 1 + 2 * half)
    least = min(
        len(some) for some in families(2 * half) if all(any(set(edges[k]) <= set(some) for k in pair) for pair in of)
    )
    assert solve_nlip(instance).objective == least


@given(SEEDS)
def test_a_plan_of_finite_ratio_within_memory_is_a_cover(seed):
    """L4, L5: pulls are free and memory holds H unit blocks: the optimum is 0 exactly where H sets cover."""
    random = np.random.default_rng(seed)
    holds = some_sets(random, random.integers(1, 6), random.integers(1, 5))
    weights = np.ones(len(holds))
    least = cheapest_cover(holds, weights)
    for memory in range(len(holds) + 1):
        found = solve_nlip(set_cover(holds, weights, remote=1.0, memory=memory, pull=0.0))
        assert (found.objective == 0) == (memory >= least)
        if found.objective:
            covered = max(holds[some].any(axis=0).sum() for some in families(len(holds)) if len(some) <= memory)
            assert found.objective == holds.shape[1] - covered


@given(SEEDS, st.integers(1, 3), st.integers(1, 2), st.sampled_from([0.125, 0.25, 0.5]))
def test_savings_are_coverage_less_prices(seed, parts, size, h):
    """L6: sets of n / t elements at (n / t)(1 - h) each: savings are what is covered less prices; disjoint, n h."""
    random = np.random.default_rng(seed)
    n = parts * size
    order, count = random.permutation(n), int(random.integers(0, 4))
    holds = np.zeros((parts + count, n), dtype=bool)
    for s in range(parts + count):
        holds[s, order[s * size : (s + 1) * size] if s < parts else random.choice(n, size, replace=False)] = True
    for one, perfect in ((holds, True), (holds[1:], False)):
        if not len(one):
            continue
        prices = np.full(len(one), size * (1 - h))
        saved = n - solve_nlip(set_cover(one, prices, remote=1.0)).objective
        most = max(one[some].any(axis=0).sum() - prices[some].sum() for some in families(len(one)))
        assert saved == pytest.approx(most)
        assert saved == pytest.approx(n * h) if perfect else saved <= n * h + 1e-9


@pytest.mark.parametrize("h", [0.02, 0.1, 0.4])
def test_the_quotient_of_savings_falls_with_h(h):
    """L6: where j of t sets cover at most 1 - (1 - 1/t)^j, savings are h + (1 - h) ln(1 - h) of n, about h^2 / 2."""
    t = 2_000
    j = np.arange(3 * t)
    best = (1 - (1 - 1 / t) ** j - j / t * (1 - h)).max()
    limit = h + (1 - h) * math.log(1 - h)
    assert limit <= best <= limit + 1 / t
    assert h / 2 <= limit / h <= h / 2 / (1 - h)
