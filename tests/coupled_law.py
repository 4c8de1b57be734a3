"""Exact law of tree rounding and of tree opening on tiny trees, by other means than drawing.

A tree is a list of children, a leaf the number of its model; ``x`` (R, K) are the fractions, at one cloudlet.
"""

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from mecpfm.coupled.instance import Instance

Node = Any
Law = dict[tuple[int, ...], float]
OFFERS = 1 - math.exp(-1)
FREE, GONE = -1, -2


def leaves(node: Node) -> list[int]:
    return [node] if isinstance(node, int) else [leaf for child in node for leaf in leaves(child)]


def nodes(roots: list[Node], inner: int = 0) -> list[tuple[Node, int]]:
    """Every node and the number of nodes with children on the way to it, itself included."""
    found = []
    for node in roots:
        within = inner + (not isinstance(node, int))
        found += [(node, within), *([] if isinstance(node, int) else nodes(node, within))]
    return found


def instance_of(roots: list[Node], x: NDArray[np.float64], **cloudlet: list[float]) -> Instance:
    """A block of 1 GB a node, an option for every positive fraction; more compute and memory than anyone needs."""
    sets = [leaves(node) for node, _ in nodes(roots)]
    request, model = np.nonzero(x)
    roomy = {"memory_gb": [1e6], "compute_s": [1e6], "pull_s_per_gb": [1.0], "cached": [[]]}
    return Instance.model_validate(
        {
            "blocks": {"size_gb": [1.0] * len(sets)},
            "models": {"blocks": [[b for b, s in enumerate(sets) if k in s] for k in range(x.shape[1])]},
            "cloudlets": roomy | cloudlet,
            "requests": {"remote_delay_s": [9.0] * len(x), "remote_accuracy": [1.0] * len(x)},
            "options": {
                "request": request, "model": model, "cloudlet": [0] * len(model), "delay_s": [1.0] * len(model),
                "compute_s": [1.0] * len(model), "accuracy": [1.0] * len(model),
            },
        }
    )  # fmt: skip


def rounding_law(roots: list[Node], x: NDArray[np.float64]) -> Law:
    """Probability of each outcome (model of each request, or GONE) of tree rounding."""
    rings = [(offer, p * rate) for node in roots for offer, p, rate in _rings(node, x, 1.0)]
    return _evolve(len(x), rings, _leave(np.maximum(0, 1 - x.sum(axis=1))), endless=True)


def _rings(node: Node, x: NDArray[np.float64], above: float) -> list[tuple[tuple[int, ...], float, float]]:
    """Offers of an open node, their probabilities, and the rate at which a parent with largest sum ``above`` rings."""
    y = x[:, leaves(node)].sum(axis=1)
    high = y.max()
    if not high:
        return []
    if isinstance(node, int):
        cuts = [0.0, *sorted({*x[:, node]} - {0.0})]
        law = {
            tuple(node if value >= b else FREE for value in x[:, node]): (b - a) / high
            for a, b in itertools.pairwise(cuts)
        }
        return [(offer, p, high / above) for offer, p in law.items()]
    rings = [(offer, p * rate) for child in node for offer, p, rate in _rings(child, x, high)]
    law = {}
    for state, p in _evolve(len(x), rings, _leave(1 - y / high), endless=False).items():
        offer = tuple(one if one >= 0 else FREE for one in state)
        law[offer] = law.get(offer, 0.0) + p
    return [(offer, p, high / above / OFFERS) for offer, p in law.items()]


def _leave(rate: NDArray[np.float64]) -> list[tuple[tuple[int, ...], float]]:
    """Who leaves at once, and at which rate: one threshold for all."""
    cuts = [0.0, *sorted({*rate} - {0.0})]
    return [(tuple(np.flatnonzero(rate >= b)), b - a) for a, b in itertools.pairwise(cuts)]


def _evolve(count: int, rings: Any, leave: Any, *, endless: bool) -> Law:
    """Law after one unit of time, or at the end, of a Markov chain in which all requests are free at first."""
    leaving = [(tuple(GONE if r in who else FREE for r in range(count)), rate) for who, rate in leave]
    first = (FREE,) * count
    states, todo, rates = {first: 0}, [first], []
    while todo:
        state = todo.pop()
        for offer, rate in (*rings, *leaving):
            after = tuple(new if old == FREE else old for old, new in zip(state, offer, strict=True))
            if after not in states:
                states[after] = len(states)
                todo.append(after)
            if after != state:
                rates.append((states[state], states[after], rate))
    q = np.zeros((len(states), len(states)))
    for i, j, rate in rates:
        q[i, j] += rate
        q[i, i] -= rate
    if not endless:
        return dict(zip(states, expm(q)[0], strict=True))
    passing = np.flatnonzero(np.diagonal(q) < 0)
    visits = np.zeros(len(states))
    if len(passing):
        visits[passing] = np.linalg.solve(-q[np.ix_(passing, passing)].T, np.eye(len(states))[0, passing])
    final = np.diagonal(q) == 0
    return {s: p for s, p, ends in zip(states, visits @ q + (len(passing) == 0), final, strict=True) if ends}


def openings(parent: NDArray[np.int64], u: NDArray[np.float64]) -> Any:
    """Every set of open nodes (V,) with its probability, where a node opens with u below an open parent."""
    for bits in itertools.product((False, True), repeat=len(u)):
        opened, p = np.array(bits), 1.0
        for v, above in enumerate(parent.tolist()):
            chance = u[v] if above < 0 else opened[above] * u[v] / max(u[above], 1e-300)
            p *= chance if opened[v] else 1 - chance
        if p > 0:
            yield p, opened
