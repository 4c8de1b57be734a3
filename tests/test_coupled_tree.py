"""Tree rounding: its law by enumeration, Monte Carlo of the code, and what breaks where a rule is left out."""

import itertools
import math

import numpy as np
import pytest
from coupled_law import GONE, OFFERS, instance_of, leaves, nodes, rounding_law
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.coupled import laminar, methods, rounding
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.laminar import forest
from mecpfm.coupled.structure import build
from mecpfm.errors import InputError
from mecpfm.kernels import coupled_rounding as kernels

DRAWS = 4_000
SIGMA = 5.0


def random_tree(random, depth, most):
    """Roots of a random forest with at most ``most`` leaves, numbered from 0, and how many there are."""
    count = itertools.count()

    def grow(level):
        if level == 0 or random.random() < 0.3:
            return next(count)
        return [grow(level - 1) for _ in range(random.integers(1, 4))]

    while True:
        count = itertools.count()
        roots = [grow(random.integers(0, depth)) for _ in range(random.integers(1, 3))]
        if (leaf := next(count)) <= most:
            return roots, leaf


def random_fractions(random, shape):
    """Rows that sum to at most 1, half of them to 1; small ones and zeros among them."""
    x = random.random(shape) ** random.choice([1, 4, 8]) * (random.random(shape) < random.choice([0.5, 1.0]))
    total = x.sum(axis=1, keepdims=True)
    full = np.where(random.random((shape[0], 1)) < 0.5, 1.0, random.random((shape[0], 1)) ** 3)
    return np.where(total > 0, x / np.where(total > 0, total, 1) * full, 0.0)


def case(seed):
    random = np.random.default_rng(seed)
    roots, models = random_tree(random, 3, 4)
    return roots, random_fractions(random, (random.integers(1, 3 if models > 3 else 4), models))


def use_bound(y, inner):
    """What theorem 6 allows for a block with sums y, below so many nodes with children, itself included."""
    return (OFFERS**-inner * math.log((y > 0).sum()) + 1) * y.max()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_theorem_6_by_enumeration(seed):
    """Exact law: marginals are x, no block is used more often than its bound, one with one user as often as x says."""
    roots, x = case(seed)
    law = rounding_law(roots, x)
    for k in range(x.shape[1]):
        found = [sum(p for outcome, p in law.items() if outcome[r] == k) for r in range(len(x))]
        np.testing.assert_allclose(found, x[:, k], atol=1e-9)
    for node, inner in nodes(roots):
        y = x[:, leaves(node)].sum(axis=1)
        if y.any():
            used = sum(p for outcome, p in law.items() if set(outcome) & set(leaves(node)))
            assert used <= use_bound(y, inner) + 1e-9
            assert used == pytest.approx(y.max()) or (y > 0).sum() > 1


def drawn(roots, x, draws=DRAWS):
    """Outcomes (draws, R) of the code: the model of each request, or GONE."""
    instance = instance_of(roots, x)
    view, random = build(instance), np.random.default_rng(0)
    of_option = np.append(view.model, GONE)
    fractions = x[instance.options.request, instance.options.model][view.option]
    bells = laminar.rings(view, fractions)
    return np.array([of_option[kernels.round_tree(*bells, random)] for _ in range(draws)])


def scores(found, chances, draws=DRAWS):
    """Standard errors that frequencies lie off their probabilities; at least one expected draw's worth of error."""
    p = np.asarray(chances)
    return np.abs(found - p) / np.sqrt(np.maximum(p * (1 - p), 1 / draws) / draws)


def marginal_scores(roots, x):
    outcomes = drawn(roots, x)
    return scores(np.stack([(outcomes == k).mean(axis=0) for k in range(x.shape[1])], axis=1), x)


@pytest.mark.parametrize("seed", [13, 16, 19, 22, 26, 32, 33])  # several roots, one of them with children
def test_tree_rounding_draws_from_that_law(seed):
    """Frequencies of all outcomes, of mixed depths, within five standard errors of the law."""
    roots, x = case(seed)
    assert len(roots) > 1 and any(isinstance(node, list) for node in roots)
    law, outcomes = rounding_law(roots, x), drawn(roots, x)
    found = [(outcomes == outcome).all(axis=1).mean() for outcome in law]
    assert sum(found) == pytest.approx(1)
    assert (scores(np.array(found), list(law.values())) <= SIGMA).all()


DEEP = [[[0, 1], [2, 3]], [[4, 5]], 6]


@pytest.mark.parametrize("offers", [OFFERS, 1.0])
def test_marginals_need_the_rate_of_offers(monkeypatch, offers):
    """Nodes with children that ring as often as leaves (1 in place of 1 - 1/e) break the marginals."""
    x = random_fractions(np.random.default_rng(3), (12, 7))
    monkeypatch.setattr(laminar, "OFFERS", offers)
    assert (marginal_scores(DEEP, x).max() <= SIGMA) == (offers == OFFERS)


def test_fractions_of_a_thousandth_keep_their_marginals():
    """Rare options and blocks with one or two users, drawn often enough to decide."""
    x = np.zeros((3, 7))
    x[0, :3], x[1, 2:5], x[2, 6] = [0.004, 0.001, 0.3], [0.002, 0.0005, 0.99], 0.001
    outcomes = drawn(DEEP, x, draws=60_000)
    found = np.stack([(outcomes == k).mean(axis=0) for k in range(7)], axis=1)
    assert (scores(found, x, 60_000) <= SIGMA).all()


@pytest.mark.parametrize("requests", [10, 40, 100])
def test_one_backbone_with_private_models_separates(requests):
    """n requests take 0.05 each of a model of their own: only tree rounding knows that they share a backbone.

    The backbone rings at rate a = 0.05 / (1 - 1/e) against 0.95 for going; open, it serves someone but for e^-n.
    """
    x = np.eye(requests) * 0.05
    instance = instance_of([list(range(requests))], x)
    view = build(instance)
    bell = 0.05 / OFFERS * (1 - math.exp(-requests))
    chances = {
        "rounding-tree": bell / (bell + 0.95),
        "rounding-coupled": 0.05 * requests / (0.05 * requests + 0.95),
        "rounding-independent": 1 - 0.95**requests,
    }
    fractions = x[instance.options.request, instance.options.model][view.option]
    for kind, chance in chances.items():
        random, draw = np.random.default_rng(1), rounding.ROUNDINGS[kind](view, fractions)
        used = np.mean([(draw(random) >= 0).any() for _ in range(600)])
        assert scores(used, chance, 600) <= SIGMA, kind
    assert chances["rounding-tree"] <= 0.0769 < use_bound(np.full(requests, 0.05), 1)


def test_the_forest_of_three_levels():
    """Equal sets of models are one node, parents come first, a model of shared blocks alone lies at an inner node."""
    instance = instance_of([[[0, 1], 2]], np.full((1, 3), 0.2))
    content = instance.to_object()
    content["models"]["blocks"] = [[0, 1, 2], [0, 1, 3], [0, 5], [4]]
    content["blocks"]["size_gb"] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    of = forest(build(Instance.model_validate(content)))
    deepest = of.deepest.tolist()
    path = []
    node = deepest[0]
    while node >= 0:
        path.append(of.gb[node])
        node = of.parent[node]
    assert path == [4.0, 2.0, 1.0]
    assert (of.parent < np.arange(len(of.parent))).all()
    assert of.gb[deepest[2]] == 32 and of.gb[deepest[3]] == 16
    content["models"]["blocks"] = [[0, 1], [0, 1, 3], [2], [2, 4, 5]]
    of = forest(build(Instance.model_validate(content)))
    assert of.gb[of.deepest].tolist() == [3.0, 8.0, 4.0, 48.0]
    assert of.parent[of.deepest].tolist() == [-1, of.deepest[0], -1, of.deepest[2]]


def test_a_model_at_an_inner_node_keeps_its_marginal():
    """Full backbone as a model of its own beside two that extend it: marginals hold there too."""
    x = random_fractions(np.random.default_rng(5), (6, 3))
    content = instance_of([[0, 1, 2]], x).to_object()
    content["models"]["blocks"] = [[0], [0, 2], [0, 3]]
    instance = Instance.model_validate(content)
    view, random = build(instance), np.random.default_rng(2)
    fractions = x[instance.options.request, instance.options.model][view.option]
    found, bells = np.zeros(len(fractions) + 1), laminar.rings(view, fractions)
    for _ in range(DRAWS):
        found[kernels.round_tree(*bells, random)] += 1 / DRAWS
    assert (scores(found[:-1], fractions) <= SIGMA).all()


@pytest.mark.parametrize("method", sorted(rounding.TREES))
def test_blocks_that_cross_are_named(method):
    """One line says which blocks cross and what is needed."""
    content = instance_of([[0, 1], 2], np.full((2, 3), 0.3)).to_object()
    content["models"]["blocks"] = [[0, 1], [1, 2], [2]]
    content["blocks"]["size_gb"] = [1.0] * 3
    with pytest.raises(InputError, match=r"blocks 1 and 2 share some models and each has others; .*nested or disjoint"):
        methods.solve(Instance.model_validate(content), method)
