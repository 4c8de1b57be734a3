"""The online half of the published setting against a plain-Python twin, and its policies against each other."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.bandits.tabular import RandomArm
from mecpfm.errors import InfeasibleError, InputError
from mecpfm.kernels import episode
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.instance import Instance
from mecpfm.published.online import SOURCES, open_world, run, simulate, step_by_step
from mecpfm.published.options import tabulate
from mecpfm.published.policies import POLICIES

SMALL = generate(Recipe(cloudlets=12, models=6, families=2, requests=30), seed=3)
SIZES = st.builds(
    Recipe,
    cloudlets=st.integers(1, 9),
    models=st.integers(1, 6),
    families=st.integers(1, 4),
    requests=st.integers(1, 25),
)
RULES = st.tuples(st.booleans(), st.sampled_from(sorted(SOURCES)))


def twin(instance, arms, order, share, source, xi):
    """Delay, cost, penalty and regret of a sequence of arms: holders in lists, every formula spelled out."""
    c, m, r = instance.cloudlets, instance.models, instance.requests
    cloud, models = len(c.capacity_gb), range(len(m.family))
    shared, private = {k: [cloud] for k in models}, {k: [cloud] for k in models}

    def distance(home, holders):
        if source == "nearest":
            return min(instance.distance_s_per_gb[home, at] for at in holders)
        return instance.distance_s_per_gb[home, holders[-1] if source == "last" else cloud]

    def delay_and_cost(j, k):
        h, size = r.home[j], m.shared_gb[k] + m.private_gb[k]
        inference = m.work_tflop[k] * size / c.processing_tflops[h]
        sent = (r.input_gb[j] + r.input_gb[j] * size * instance.output_ratio[j, k]) / r.rate_gb_per_s[j]
        lam, s = c.arrival_rate_hz[h], c.service_rate_hz[h]
        queue = lam * (1 / s) ** 2 / (2 * (1 - lam / s))
        pull = max(m.shared_gb[k] * distance(h, shared[k]), m.private_gb[k] * distance(h, private[k]))
        access = c.accessing_rate[h] * r.instructions[j] * c.peak_power_w[h]
        power = c.idle_power_w[h] + c.leak_power_w[h]
        return pull + inference + queue + sent, c.transmit_power_w[h] * (pull + sent) + access + power * inference

    rows = []
    for j, arm in zip(order, arms, strict=True):
        both = [delay_and_cost(j, k) for k in models]
        # The accuracy's part enters in single precision, as everything made of a logarithm does.
        worth = [float(np.float32(xi * -math.log(instance.accuracy[j, k]))) for k in models]
        penalty = [worth[k] + (1 - xi) * both[k][0] for k in models]
        rows.append([*both[arm], instance.accuracy[j, arm], penalty[arm], penalty[arm] - min(penalty)])
        private[arm].append(r.home[j])
        for k in models:
            if k == arm or (share and m.family[k] == m.family[arm]):
                shared[k].append(r.home[j])
    return np.array(rows).T


@given(SIZES, st.integers(0, 2**32), RULES, st.integers(1, 60), st.floats(0, 1))
@settings(max_examples=40)
def test_simulator_equals_its_twin(recipe, seed, rule, rounds, xi):
    """Delay, cost, accuracy, penalty and regret of every round equal those of the slow twin, to 1e-12."""
    instance, (share, source) = generate(recipe, seed), rule
    got = simulate(instance, "random", share=share, source=source, rounds=rounds, seed=seed, xi=xi)
    expected = twin(instance, got.arm.tolist(), got.request.tolist(), share, source, xi)
    np.testing.assert_allclose(
        [got.delay, got.cost, got.accuracy, got.penalty, got.regret], expected, rtol=1e-12, atol=1e-11
    )


@pytest.mark.parametrize("name", sorted(POLICIES))
@pytest.mark.parametrize("seed", range(3))
def test_compiled_run_equals_select_and_update(name, seed):
    """A whole compiled run and the same policy asked round by round agree draw for draw and bit for bit."""
    rule, traces = POLICIES[name], []
    order = np.random.default_rng(seed).integers(0, 30, 150)
    contexts = np.random.default_rng(seed + 1).uniform(-1, 1, (150, 12))
    learners = [rule.make(6, seed, replace(rule.params, features=12, observed=4)) for _ in range(2)]
    for whole, learner in zip((True, False), learners, strict=True):
        world, caches = open_world(SMALL, tabulate(SMALL), share=rule.share, source=rule.source, xi=0.98)
        if whole:
            traces.append(run(learner, world, caches, order, contexts, rule.offset))
        else:
            traces.append(episode.EpisodeLog(np.empty(150, np.int64), *np.empty((3, 150))))
            step_by_step(learner, world, caches, order, rule.offset, traces[-1], contexts)
    for one, other in zip(*traces, strict=True):
        assert np.array_equal(one, other)
    for field in ("state", "tally", "counts", "history"):
        if hasattr(learners[0], field):
            assert np.array_equal(getattr(learners[0], field), getattr(learners[1], field))
    assert len(set(traces[0].arm.tolist())) > 1


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_same_seed_same_trajectory(name):
    """A seed fixes the run; regret is never negative, and 0 throughout for the myopic policy alone."""
    one, other = simulate(SMALL, name, seed=4), simulate(SMALL, name, seed=4)
    assert np.array_equal(one.arm, other.arm)
    assert np.array_equal(one.penalty, other.penalty)
    assert (one.regret >= 0).all()
    assert (one.regret == 0).all() == (name == "myopic")
    assert (one.share, one.source) == (POLICIES[name].share, POLICIES[name].source)


@given(SIZES, st.integers(0, 2**32))
@settings(max_examples=20)
def test_pull_rules_are_ordered(recipe, seed):
    """For one sequence of arms sharing never delays a round, and the nearest holder is never worse than another."""
    instance = generate(recipe, seed)
    delay = {
        (share, source): simulate(instance, "random", share=share, source=source, rounds=40, seed=seed).delay
        for share in (True, False)
        for source in SOURCES
    }
    assert (delay[True, "nearest"] <= delay[False, "nearest"]).all()
    assert np.array_equal(delay[True, "cloud"], delay[False, "cloud"])
    for share in (True, False):
        assert (delay[share, "nearest"] <= delay[share, "last"]).all()
        assert (delay[share, "nearest"] <= delay[share, "cloud"]).all()


def test_second_service_at_a_home_pulls_nothing_from_the_nearest():
    """With one model, nearest source: a home that served before has pull 0, a first service has not."""
    instance = generate(Recipe(cloudlets=5, models=1, families=1, requests=40), seed=1)
    world, caches = open_world(instance, tabulate(instance), share=True, source="nearest", xi=0.98)
    trace = run(RandomArm(1), world, caches, np.arange(40), np.zeros((40, 1)))
    home = instance.requests.home
    known = np.array([home[j] in home[:j] for j in range(40)])
    assert (trace.pull[known] == 0).all()
    assert (trace.pull[~known] > 0).all()


def test_requests_come_in_order_and_then_at_random():
    """The first J rounds serve each request once, later ones are drawn from all; fewer rounds are a prefix."""
    long, short = simulate(SMALL, "ucb1", rounds=90), simulate(SMALL, "ucb1", rounds=10)
    assert long.request[:30].tolist() == list(range(30))
    assert len(set(long.request[30:].tolist())) > 15
    assert short.request.tolist() == list(range(10))
    assert np.array_equal(short.delay, long.delay[:10])


def test_json_object_is_complete():
    """The object of --json survives a round trip and its totals are those of the arrays."""
    got = simulate(SMALL, "ol", seed=2, features=30, observed=10)
    content = json.loads(json.dumps(got.to_object()))
    assert list(content) == [
        "setting", "policy", "seed", "share", "source", "rounds", "total_delay_s", "average_cost", "average_accuracy",
        "total_penalty", "total_regret", "runtime_s", "decisions",
    ]  # fmt: skip
    assert content["total_delay_s"] == pytest.approx(math.fsum(got.delay))
    assert content["average_cost"] == pytest.approx(math.fsum(got.cost) / 30)
    assert content["total_regret"] == pytest.approx(math.fsum(got.regret))
    assert content["decisions"]["model"] == got.arm.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"policy": "best"}, "policy is 'best'; must be one of ol, "),
        ({"source": "far"}, "source is 'far'; must be one of nearest, last, cloud"),
        ({"rounds": 0}, "rounds is 0; must be a whole number in"),
        ({"xi": 1.5}, r"xi is 1.5; must be in \[0, 1\]"),
        ({"features": 0}, "features is 0"),
        ({"observed": 101}, r"observed is 101; must be in \[0, features = 100\]"),
    ],
)
def test_bad_options_are_named(change, message):
    """An unknown name or a number out of range is an InputError that states the bound."""
    with pytest.raises(InputError, match=message):
        simulate(SMALL, **{"policy": "ol"} | change)


def changed(part, field, value):
    """SMALL with the first entry of one array replaced."""
    content = SMALL.to_object()
    at = content[part][field] if field else content[part][0]
    at[SMALL.requests.home[0] if field else 0] = value
    return Instance.model_validate(content)


def test_what_has_no_finite_penalty_is_refused():
    """An accuracy of 0 and a home cloudlet with an unstable queue are named."""
    with pytest.raises(InputError, match=r"accuracy\[0\]\[0\] is 0"):
        simulate(changed("accuracy", None, 0.0), "ol")
    with pytest.raises(InfeasibleError, match="request 0: its home cloudlet"):
        simulate(changed("cloudlets", "arrival_rate_hz", 1e3), "ol")
