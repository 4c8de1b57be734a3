import math

import numpy as np
import pytest
from coupled_strategies import instances, small
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.coupled import dual, rounding
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.check import assess_fractional, evaluate
from mecpfm.coupled.guarantee import guaranteed
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.structure import build, owner

DRAWS = 4_000
SIGMA = 5.0
"""A mean of DRAWS indicators stays within SIGMA standard errors of its expectation, for fixed seeds."""


def prepared(seed=6):
    """An instance whose requests have fractions spread over several options, drawn at random."""
    structure = build(small(seed, 12, 2, families=True, per_request=9))
    random = np.random.default_rng(seed)
    x = random.dirichlet(np.ones(4), len(structure.option))[:, 0]
    return structure, rounding.within_one(structure, x)


def frequencies(structure, x, kind, seed=0):
    """Share of draws in which each sorted option is chosen, and in which each label (model, cloudlet) is."""
    random, label = np.random.default_rng(seed), rounding.labels(structure)
    options, used, draw = np.zeros(len(x)), np.zeros(label.max() + 1), rounding.ROUNDINGS[kind](structure, x)
    for _ in range(DRAWS):
        choice = draw(random)
        chosen = choice[choice >= 0]
        options[chosen] += 1 / DRAWS
        used[np.unique(label[chosen])] += 1 / DRAWS
    return options, used


def highest(structure, x):
    """max over requests of x, for every label."""
    label = rounding.labels(structure)
    height = np.zeros(label.max() + 1)
    np.maximum.at(height, label, x)
    return height


def error(p):
    return SIGMA * np.sqrt(np.maximum(p * (1 - p), 1 / DRAWS) / DRAWS)


@pytest.mark.parametrize("kind", ["rounding-independent", "rounding-coupled", "rounding-tree"])
def test_marginals_are_the_fractions(kind):
    """Independent, coupled and tree rounding choose every option with probability exactly x (Monte Carlo)."""
    structure, x = prepared()
    options, _ = frequencies(structure, x, kind)
    assert (np.abs(options - x) <= error(x)).all()


def test_theorem_4_a_label_is_used_at_most_1_plus_ln_n_times_its_fraction():
    """Coupled rounding uses a label with probability at most (1 + ln n) max_r x, n requests having a fraction of it."""
    structure, x = prepared()
    _, used = frequencies(structure, x, "rounding-coupled")
    count = np.bincount(rounding.labels(structure)[x > 0], minlength=len(used))
    limit = np.minimum(1.0, (1 + np.log(np.maximum(count, 1))) * highest(structure, x))
    assert (used <= limit + error(limit)).all()


def shared(requests):
    """All requests have fraction 0.1 of one and the same option: the case that breaks independent rounding."""
    instance = type(small(0, 1, 1, families=True)).model_validate(
        {
            "blocks": {"size_gb": [1.0]},
            "models": {"blocks": [[0]]},
            "cloudlets": {"memory_gb": [9.0], "compute_s": [99.0], "pull_s_per_gb": [1.0], "cached": [[]]},
            "requests": {"remote_delay_s": [9.0] * requests, "remote_accuracy": [1.0] * requests},
            "options": {
                "request": list(range(requests)), "model": [0] * requests, "cloudlet": [0] * requests,
                "delay_s": [1.0] * requests, "compute_s": [1.0] * requests, "accuracy": [1.0] * requests,
            },
        }
    )  # fmt: skip
    return build(instance), np.full(requests, 0.1)


def test_theorem_3_independent_rounding_opens_a_shared_block_far_too_often():
    """For n requests at 0.1, independent rounding pulls with 1 - 0.9^n, coupled within its bound, nested with 0.1."""
    structure, x = shared(40)
    used = {kind: frequencies(structure, x, kind)[1][0] for kind in rounding.ROUNDINGS}
    assert used["rounding-independent"] == pytest.approx(1 - 0.9**40, abs=error(0.99))
    assert used["rounding-coupled"] <= (1 + math.log(40)) * 0.1 + error(0.47)
    assert used["rounding-nested"] == pytest.approx(0.1, abs=error(0.1))


def test_theorem_5_nested_rounding_opens_a_block_as_often_as_its_largest_fraction():
    """Nested rounding opens a block with probability at most max x over the models that contain it, per cloudlet."""
    structure, x = prepared()
    random, label = np.random.default_rng(1), rounding.labels(structure)
    models = len(structure.family)
    member = structure.blocks.toarray() > 0
    opened = np.zeros((len(structure.cells.capacity_s), member.shape[1]))
    draw = rounding.nested(structure, x)
    for _ in range(DRAWS):
        choice = draw(random)
        used = np.zeros_like(opened, dtype=bool)
        for pair in np.unique(label[choice[choice >= 0]]).tolist():
            used[pair // models] |= member[pair % models]
        opened += used / DRAWS
    height = np.zeros((opened.shape[0], models))
    height.flat[: label.max() + 1] = highest(structure, x)
    limit = (height[:, :, None] * member[None]).max(axis=1)
    assert (opened <= limit + error(limit)).all()


def table(models, compute_s, option, own=0):
    """Models of 1 GB at a cloudlet of 1 GB, ``own`` of 0 GB elsewhere, and rows (request, model, x) within the LP."""
    request, model, x = map(np.array, zip(*option, strict=True))
    count = request.max() + 1
    instance = Instance.model_validate(
        {
            "blocks": {"size_gb": [1.0] * models + [0.0] * own},
            "models": {"blocks": [[k] for k in range(models + own)]},
            "cloudlets": {
                "memory_gb": [1.0, 99.0], "compute_s": [compute_s, 99.0],
                "pull_s_per_gb": [0.0, 0.0], "cached": [[], []],
            },
            "requests": {"remote_delay_s": [9.0] * count, "remote_accuracy": [1.0] * count},
            "options": {
                "request": request, "model": model, "cloudlet": (model >= models).astype(int),
                "delay_s": [1.0] * len(x), "compute_s": [1.0] * len(x), "accuracy": [1.0] * len(x),
            },
        }
    )  # fmt: skip
    assert not assess_fractional(instance, "lp", x, cut=True, bound=0, status="feasible", solver="none").violations
    return instance, x


CROWD = table(1, 1.9, [(r, 0, 0.1 if r else 1.0) for r in range(10)])
"""One request always, nine at 0.1, of one model: compute 1.9 s on average."""
SPREAD = table(8, 40.0, [(r, k, 1 / 8) for r in range(40) for k in range(8)])
"""Every request takes each of eight models of 1 GB with 1/8: memory 1 GB by the LP, which opens 1/8 of each."""
APART = table(4, 16.0, [o for r in range(16) for o in ((r, r // 4, 0.25), (r, 4 + r, 0.75))], own=16)
"""Each of four models of 1 GB serves four requests with 1/4, which otherwise go ways of their own."""
APART_GB = 4 - 4 * np.prod([3 * j / (3 * j + 1) for j in range(1, 5)])
"""A label rings in time at rate 1/4; the last of four requests leaves at the maximum of four clocks of rate 3/4."""


@pytest.mark.parametrize(
    ("kind", "case", "compute_s", "memory_gb"),
    [
        ("rounding-nested", CROWD, 10.0, 1.0), ("rounding-independent", CROWD, 1.9, 1.0),
        ("rounding-coupled", CROWD, 1.9, 1.0), ("rounding-tree", CROWD, 1.9, 1.0),
        ("rounding-independent", SPREAD, 40.0, 8 - 8 * (7 / 8) ** 40),
        ("rounding-coupled", SPREAD, 40.0, 1.0), ("rounding-nested", SPREAD, 5.0, 1 / 8),
        ("rounding-coupled", APART, 4.0, APART_GB), ("rounding-tree", APART, 4.0, APART_GB),
        ("rounding-independent", APART, 4.0, 4 - 4 * 0.75**4), ("rounding-nested", APART, 4.0, 1.0),
    ],
)  # fmt: skip
def test_each_rounding_breaks_a_capacity_on_average(kind, case, compute_s, memory_gb):
    """Mean compute and memory at the first cloudlet, where the LP keeps its rows and 1 GB, are those found by hand."""
    instance, x = case
    structure, random = build(instance), np.random.default_rng(0)
    loads, draw = np.empty((DRAWS, 2)), rounding.ROUNDINGS[kind](structure, x[structure.option])
    for load in loads:
        choice = draw(random)
        option = structure.option[choice[choice >= 0]]
        here = option[instance.options.cloudlet[option] == 0]
        load[:] = len(here), len(np.unique(instance.options.model[here]))
    spread = SIGMA * np.maximum(loads.std(axis=0), 0.02) / np.sqrt(DRAWS)
    assert (np.abs(loads.mean(axis=0) - [compute_s, memory_gb]) <= spread).all()


@pytest.mark.parametrize("kind", list(rounding.ROUNDINGS))
def test_guarantees_hold_on_average(kind):
    """The mean cost of draws that nothing repaired is at most what is guaranteed, and any cost of a tree opening."""
    instance = small(39, 12, 2, families=True, per_request=9)
    structure, x = prepared(39)
    most = guaranteed(structure, x, kind)
    if kind == "rounding-nested":
        assert math.isnan(most)
        return
    random, costs, draw = np.random.default_rng(3), np.empty(600), rounding.ROUNDINGS[kind](structure, x)
    for i in range(len(costs)):
        choice = draw(random)
        costs[i] = evaluate(instance, structure.option[choice[choice >= 0]], np.ones((choice >= 0).sum()))[0]
    assert costs.mean() <= most + SIGMA * costs.std() / np.sqrt(len(costs))
    assert kind != "opening-tree" or costs.max() <= most
    # Independent draws reach theirs, so that nothing smaller would do.
    assert kind != "rounding-independent" or costs.mean() >= most - SIGMA * costs.std() / np.sqrt(len(costs))


@pytest.mark.parametrize("kind", list(rounding.ROUNDINGS))
@settings(max_examples=10)
@given(data=st.data())
def test_repaired_roundings_are_feasible_and_bounded(kind, data):
    """Every rounding method returns a feasible plan between the optimum and serving all remotely."""
    instance = data.draw(instances(families=True, requests=5, cloudlets=2, per_request=4))
    plan = rounding.solve(instance, kind, draws=3)
    assert plan.feasible
    optimum = solve_nlip(instance).objective
    assert optimum - 1e-9 <= plan.objective <= instance.requests.remote_delay_s.sum() + 1e-9
    assert plan.bound <= optimum + 1e-9


def test_roundings_depend_on_the_seed_only():
    """Equal seeds give equal plans; the dual's average, used where the LP is too large, sums to at most 1."""
    instance = small(9, 20, 3, families=True, per_request=9)
    one, two = (rounding.solve(instance, "rounding-coupled", seed=4) for _ in range(2))
    assert one.decisions == two.decisions
    structure = build(instance)
    used = dual.explore(structure, dual.solve(structure)).used
    assert (used >= 0).all()
    assert np.bincount(owner(structure), used).max() <= 1 + 1e-9
