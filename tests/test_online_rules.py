"""Every policy against itself spelled out: same decisions, predictions, credits and subsets, request by request."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from online_plain import Plain, features, forward, pairwise
from online_strategies import ALL, EXTRA, scene, scene_of, tiny

from mecpfm.kernels import online_demand, online_edge, online_history, online_policy
from mecpfm.online.policy import DISPATCH, PROBING, Policy
from mecpfm.online.simulate import Run, fresh_edge, fresh_log, simulate

pytestmark = pytest.mark.kernels
BUSY = {"cloudlets": 3, "queue_limit": 3, "dyadic": False, "tight": False, "gap_s": 4.0}


def small(seed, requests, *, variants=1):
    """A busy little world with features that vary and a cap that binds."""
    world = tiny(seed, requests, **BUSY)
    at = scene_of(world, variants=variants, cap_s=float(np.quantile(world.work, 0.9)))
    random = np.random.default_rng(seed)
    return replace(at, shift=random.normal(size=len(at.shift)), scale=random.uniform(0.5, 2, len(at.scale)))


def assert_spelled_out(at, policy, seed=0):
    """Same places, variants, predictions (1e-8 s) and times as the plain policy; returns both."""
    plain, run = Plain(at, policy, seed).run(), Run(at, policy, seed)
    outcome = run.finish()
    log = outcome.log
    assert log.place.tolist() == plain.twin.column("place")
    assert log.variant.tolist() == plain.twin.column("variant")
    np.testing.assert_allclose(log.guess_s, plain.guess, rtol=0, atol=1e-8)
    np.testing.assert_allclose(log.finish_s, plain.twin.column("finish"), rtol=0, atol=1e-9)
    if plain.looks:
        np.testing.assert_allclose(outcome.demand.context, plain.context, rtol=0, atol=1e-9)
        assert outcome.demand.shown.tolist() == plain.shown
    return plain, outcome, run


def wide(at, policy):
    """The policy where the world has at least as many places as it probes and features as it observes."""
    features_ = len(at.shift) + (2 * len(at.world.speed) + 1 if policy.dispatch == "disjoint" else 0)
    observed = policy.observed if policy.observed is None else min(policy.observed, features_ - 1)
    return replace(policy, observed=observed, probes=min(policy.probes, at.world.near.shape[1]))


@pytest.mark.parametrize("name", sorted(ALL))
def test_policies_decide_as_they_do_spelled_out(name):
    """Every policy takes the decisions of its plain version (batch regressions, explicit sums), also with variants."""
    for seed, variants in ((0, 1), (1, 2), (2, 1)):
        at = small(seed, 60, variants=variants)
        assert_spelled_out(at, wide(at, ALL[name]), seed)


MIXED = {
    "costs": Policy(demand="ridge", observed=3, feature_cost_s=0.25, probing="belief", probes=1, probe_cost_s=0.5),
    "wtsrc": Policy(demand="ridge", observed=3, window=10, priced=True),
    "disjoint-credit": Policy(dispatch="disjoint", observed=5, credit="error", window=15),
    "disjoint-probe": Policy(dispatch="disjoint", probing="random", probes=1, sample=True),
    "hybrid-probe": Policy(dispatch="hybrid", probing="tsrc", probes=1, observed=3),
    "queue-probe": Policy(dispatch="shortest-queue", probing="random", probes=1),
    "tsrc-probe": Policy(demand="mean", probing="tsrc", probes=1, priced=True),
    "oracle-probe": Policy(demand="true", probing="belief", probes=1),
    "none": Policy(demand="ridge", observed=0),
}


@pytest.mark.parametrize("name", sorted(MIXED))
def test_unnamed_policies_decide_as_they_do_spelled_out(name):
    """The same for windows, costs, probing and credits in other combinations."""
    for seed in (3, 4, 5):
        at = small(seed, 60, variants=1 + seed % 2)
        assert_spelled_out(at, wide(at, MIXED[name]), seed)


@pytest.mark.parametrize("name", ["nearest", "random", "shortest-queue"])
def test_who_finishes_as_another_arrives_has_made_room(name):
    """With room for one request, a completion at the very moment of an arrival counts as complete (exact times)."""
    ties = 0
    for seed in range(16):
        at = scene_of(tiny(seed, 40, queue_limit=1, tight=False))
        _, outcome, _ = assert_spelled_out(at, ALL[name], seed)
        ties += np.isin(outcome.log.finish_s, at.world.arrival).sum()
    assert ties >= 3


@pytest.mark.parametrize("name", ["structured-tsrc", "structured-tsrc-delay", "structured-wtsrc", "hybrid-tsrc"])
def test_credits_are_counts_of_completed_requests(name):
    """TSRC's counts are sums over completed requests (the last w of WTSRC) of what each showed, and its credit."""
    at, policy = small(6, 80), replace(ALL[name], observed=4)
    if name == "structured-wtsrc":
        policy = replace(policy, window=20)
    plain, outcome, _ = assert_spelled_out(at, policy)
    expected = np.zeros((2, len(at.shift)))
    for shown, credit in plain.credits[-20 if name == "structured-wtsrc" else 0 :]:
        expected[:, shown] += [[1.0], [credit]]
    np.testing.assert_allclose(outcome.demand.sight.counts, expected, rtol=0, atol=1e-9)
    assert outcome.demand.median[0] == pytest.approx(plain.median, abs=1e-9)
    assert outcome.demand.learned[0] == len(plain.known)
    assert 0 < expected[1].sum() < expected[0].sum()


def test_covariance_reselects_and_replays():
    """After 200 completions Cov(d) looks at the greedy subset of its exploring rounds; its ridge learns from all."""
    at = small(7, 420)
    plain, outcome, _ = assert_spelled_out(at, replace(ALL["structured-cov"], observed=2))
    assert outcome.demand.subset.tolist() == plain.subset != [0, 1]
    assert np.flatnonzero(outcome.demand.explored).tolist() == [j for j, e in enumerate(plain.explored) if e]
    assert 150 < sum(plain.explored) < 400


# Features ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
def test_features_are_those_of_the_completed_requests(seed):
    """``describe`` after any completions in any order equals a recomputation from the list of completed requests."""
    world = tiny(seed, 60, **{**BUSY, "gap_s": 60.0})
    history, random = scene_of(world).history, np.random.default_rng(seed)
    flying, known, out = [], [], np.empty(len(scene_of(world).shift))
    for request in range(60):
        for done in random.permutation(flying)[: random.integers(0, 3)]:
            online_history.observe(history, world.group[done], world.model[done], world.work[done])
            history.marks[0] -= 1
            flying.remove(int(done))
            known.append(int(done))
        group, model = world.group[request], world.model[request]
        online_history.describe(history, world.arrival, request, group, model, world.static[request], out)
        np.testing.assert_allclose(out, features(world, request, known, len(flying)), rtol=1e-12, atol=1e-12)
        history.marks[0] += 1
        flying.append(request)


# Greedy subset -------------------------------------------------------------------------------------------------------
def moments_of(rows, targets, seen, times=1):
    """Counts and sums of products as Cov(d) keeps them, as if the rows had come several times."""
    full = np.column_stack([np.where(seen, rows, 0.0), targets, np.ones(len(rows))])
    shown = np.column_stack([seen, np.ones((len(rows), 2))]).astype(float)
    return times * np.stack([shown.T @ shown, full.T @ full])


def drawn(seed, features_, rows=300):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features_)) @ random.normal(size=(features_, features_)) + random.normal(
        size=features_
    )
    return x, x @ random.normal(size=features_) + 3 + random.normal(size=rows), random


def residual(x, y, subset):
    design = np.column_stack([x[:, list(subset)], np.ones(len(y))])
    return float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [0, 1, 3, 7, 8])
def test_greedy_subset_is_forward_selection_by_least_squares(seed, size):
    """With all pairs seen very often the subset is that of explicit forward selection by least squares."""
    x, y, _ = drawn(seed, 8)
    chosen = []
    for _ in range(size):
        chosen.append(min(set(range(8)) - set(chosen), key=lambda i: residual(x, y, [*chosen, i])))
    seen = np.ones_like(x, dtype=bool)
    assert online_demand.greedy_subset(moments_of(x, y, seen, 1e9), size).tolist() == sorted(chosen)


@pytest.mark.parametrize("seed", range(4))
def test_greedy_subset_is_the_best_one_where_features_are_orthogonal(seed):
    """With uncorrelated features the greedy subset is the best of all subsets of its size (brute force)."""
    random = np.random.default_rng(seed)
    x = np.linalg.qr(np.column_stack([np.ones(200), random.normal(size=(200, 8))]))[0][:, 1:] * 10
    y = x @ random.normal(size=8) + random.normal(size=200)
    for size in (1, 2, 4):
        best = min(combinations(range(8), size), key=lambda subset: residual(x, y, subset))
        found = online_demand.greedy_subset(moments_of(x, y, np.ones_like(x, dtype=bool), 1e9), size)
        assert found.tolist() == list(best)


@pytest.mark.parametrize("seed", range(4))
def test_greedy_subset_trusts_pairs_as_often_as_they_were_seen(seed):
    """With three of eight features a round the subset is that of explicit forward selection on shrunk covariances."""
    x, y, random = drawn(seed, 8, rows=60)
    seen = np.zeros_like(x, dtype=bool)
    for row in seen:
        row[random.choice(8, 3, replace=False)] = True
    seen[:, 0] &= ~seen[:, 1]
    moments = moments_of(x, y, seen)
    assert moments[0, 0, 1] == 0 < moments[0, 0, 0]
    for size in (1, 2, 3):
        assert online_demand.greedy_subset(moments, size).tolist() == forward(*pairwise(x, y, seen), size)


def test_greedy_subset_passes_over_constant_features():
    """A feature without variance is chosen last, whatever its value."""
    x, y, _ = drawn(0, 5)
    x[:, 2] = 7.0
    assert 2 not in online_demand.greedy_subset(moments_of(x, y, np.ones_like(x, dtype=bool)), 4)


# Delay model by hand -------------------------------------------------------------------------------------------------
def by_hand():
    """Three requests in the queue of one cloudlet of speed 2, predicted at 8, 6 and 4 s of work; the last is small."""
    world = tiny(0, 6, cloudlets=1)._replace(
        speed=np.array([2.0]), near=np.zeros((1, 1), dtype=np.int64), net_s=np.zeros((1, 1)),
        home=np.zeros(6, dtype=np.int64),
    )  # fmt: skip
    edge, log = fresh_edge(world, 4), fresh_log(6)
    log.guess_s[:3], log.variant[2] = [8.0, 6.0, 4.0], 1
    edge.queue[0], edge.first[0], edge.waiting[0] = [2, 5, 0, 1], 2, 3
    log.start_s[0] = 10.0
    return world, edge, log


@pytest.mark.parametrize(("now", "first"), [(11.0, 3.0), (12.9, 1.1), (13.5, 1.0), (50.0, 1.0), (9.0, 5.0)])
def test_backlog_is_what_is_predicted_and_not_yet_done(now, first):
    """Waiting requests count in full, the running one with what is left (a quarter at least), small ones reduced."""
    world, edge, log = by_hand()
    expected = first + 6.0 / 2 + 4.0 * world.constants.small_work / 2
    assert online_policy.backlog_guess(world, edge, log, 0, now) == pytest.approx(expected, rel=1e-14)
    edge.waiting[0] = 0
    assert online_policy.backlog_guess(world, edge, log, 0, now) == 0.0


@pytest.mark.parametrize(("load", "used"), [(0.5, 0.5), (0.9, 0.9), (3.0, 0.9)])
def test_price_is_lam_over_two_idle_shares_times_the_area(load, used):
    """``lam / (2 (1 - rho)) (2 b x + x^2)`` with rho at most 0.9, both faded by exp(-age / 300)."""
    at = small(0, 5)
    learner = Run(at, Policy(demand="mean", priced=True)).learner
    learner.rate[:, 0] = 0.2, load, 40.0
    world = at.world
    expected = 0.2 / (2 * (1 - used)) * (2 * 7.0 * 3.0 + 9.0)
    assert online_policy.price_s(world, learner, 0, 7.0, 3.0, 40.0) == pytest.approx(expected, rel=1e-12)
    fade = np.exp(-1.0)
    expected = 0.2 * fade / (2 * (1 - min(load * fade, 0.9))) * (2 * 7.0 * 3.0 + 9.0)
    assert online_policy.price_s(world, learner, 0, 7.0, 3.0, 340.0) == pytest.approx(expected, rel=1e-12)


def test_congestion_guess_fades_from_the_last_to_the_mean():
    """Nothing seen: 0; just seen: the last; after 600 s: 1/e of the way off the mean."""
    learner = Run(small(0, 5), Policy(demand="mean")).learner
    assert online_policy.congestion_guess(learner, 5.0) == 0.0
    learner.remote[:] = 30.0, 100.0, 80.0, 4
    assert online_policy.congestion_guess(learner, 100.0) == pytest.approx(30.0)
    assert online_policy.congestion_guess(learner, 700.0) == pytest.approx(20.0 + 10.0 / np.e)


def test_value_of_a_part_falls_with_time():
    """A use weighs exp(-age / memory_of_use)."""
    world = tiny(0, 5)
    assert online_edge.decay(world, 0.0) == 1.0
    assert online_edge.decay(world, 32.0) == pytest.approx(np.exp(-2.0))


# What is open --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dispatch", sorted(set(DISPATCH) - {"remote"}))
@pytest.mark.parametrize("probing", sorted(set(PROBING) - {"all"}))
def test_only_probed_places_are_chosen(dispatch, probing):
    """Whatever the rule, a request goes to one of the d places it probed or to the data centre."""
    demand = "mean" if dispatch == "structured" else "none"
    at = scene(60, reach=4, queue_limit=3)
    for probes in (1, 3):
        outcome = simulate(at, Policy(dispatch, demand, probing=probing, probes=probes, explore=0.2))
        place, looked = outcome.log.place, outcome.learner.looked
        assert (looked.sum(axis=1) == probes).all()
        edge = place < 4
        assert looked[np.flatnonzero(edge), place[edge]].all()
        assert edge.sum() > 10


@pytest.mark.parametrize("sample", [False, True])
def test_states_of_places_not_probed_are_not_described(sample):
    """With one of three places probed a disjoint rule sees one queue and one pull: the others' features are 0."""
    at = scene(60, reach=3, cloudlets=4, load=1.1)
    policy = Policy(dispatch="disjoint", probing="random", probes=1, sample=sample)
    outcome = simulate(at, policy)
    state = outcome.demand.context[:, len(at.shift) : len(at.shift) + 8]
    seen = np.zeros((60, 4), dtype=bool)
    for request, looked in enumerate(outcome.learner.looked):
        seen[request, at.world.near[at.world.home[request]][looked]] = True
    assert (state[~np.hstack([seen, seen])] == 0).all()
    assert (state[np.hstack([seen, seen])] != 0).any()


@pytest.mark.parametrize("name", ["random", "ucb1", "nearest", "shortest-queue", "disjoint-lints", "priced-full"])
def test_full_cloudlets_are_never_chosen(name):
    """With room for one request a place is chosen only while empty; all else goes to the data centre."""
    at = scene(80, queue_limit=1, load=1.1)
    log, world = simulate(at, ALL[name]).log, at.world
    busy = np.zeros(len(world.speed))
    for request in np.flatnonzero(log.place < at.setting.reach):
        cloudlet = world.near[world.home[request], log.place[request]]
        assert busy[cloudlet] <= world.arrival[request]
        busy[cloudlet] = log.finish_s[request]
    assert (log.place == at.setting.reach).sum() > 10


@pytest.mark.parametrize(
    ("policy", "held"),
    [
        (Policy(demand="ridge", observed=3, feature_cost_s=0.5), 1.5),
        (Policy(demand="ridge", feature_cost_s=0.25), 4.0),
        (Policy(demand="covariance", observed=2, features="random", feature_cost_s=0.5), 1.0),
        (Policy(demand="ridge", observed=0, feature_cost_s=0.5), 0.0),
        (Policy(demand="mean", feature_cost_s=0.5), 0.0),
        (Policy(demand="true", feature_cost_s=0.5), 0.0),
        (Policy(dispatch="hybrid", observed=4, feature_cost_s=0.5), 2.0),
        (Policy(dispatch="disjoint", observed=4, feature_cost_s=0.5), 2.0),
        (Policy(dispatch="random", feature_cost_s=0.5), 0.0),
        (replace(EXTRA["belief"], probe_cost_s=0.75), 0.75),
    ],
)
def test_looking_takes_its_time(policy, held):
    """A policy that looks at d features for c s each and probes p places holds every request for c d + q p s."""
    at = scene(40)
    outcome = simulate(at, policy)
    world, log, remote = at.world, outcome.log, outcome.log.place == at.setting.reach
    first = int(np.flatnonzero(~remote)[0])
    work = world.work[first] / world.speed[world.near[world.home[first], log.place[first]]]
    net = world.net_s[world.home[first], log.place[first]] + world.payload_gb[first] / at.setting.payload_gb_s
    assert log.delay_s[first] == pytest.approx(held + net + log.pull_s[first] + work, abs=1e-9)
    assert log.pull_s[first] > 0
    assert Run(at, policy).rule.held_s == held
