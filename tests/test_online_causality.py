"""What a policy may know: nothing that is not complete; and what random numbers are shared."""

from dataclasses import replace

import numpy as np
import pytest
from online_strategies import ALL, scene, scene_of, tiny, trace

from mecpfm.kernels.online_records import World
from mecpfm.online.setting import BASE, SCENARIOS
from mecpfm.online.simulate import Run, simulate
from mecpfm.online.world import SURVEY, TUNING, build

RANDOM = {"random", "follow-probe", "epsilon-0.5", "disjoint-lints", "hybrid-tsrc", "structured-random-ei", "belief"}


def with_another_future(at, log, time, seed, held_s=0.0):
    """The same scene where all that completes after a time takes longer and congests more, and later work is new."""
    random, world = np.random.default_rng(seed), at.world
    late = log.finish_s > time
    coming = world.arrival + held_s > time
    work = np.where(late, world.work * random.uniform(1.1, 4.0, len(late)), world.work)
    work[coming] = random.permutation(work[coming])
    # Congestion cells that a request saw which is complete by then stay as they are.
    cell = np.minimum(((world.arrival + held_s) / world.constants.grid_s).astype(int), len(world.congestion) - 1)
    known = np.isin(np.arange(len(world.congestion)), cell[~late & (log.place == at.setting.reach)])
    congestion = np.where(known, world.congestion, world.congestion * random.uniform(1.1, 4.0, len(known)))
    return replace(at, world=world._replace(work=work, congestion=congestion)), late


def differing(one, other, rows):
    """How many of these requests were sent elsewhere or predicted otherwise."""
    changed = (one.place != other.place) | (one.variant != other.variant) | (one.guess_s != other.guess_s)
    return int(changed[rows].sum())


def busy_scene(name):
    """Half the policies see one variant, half two."""
    return scene(300, variants=1 + len(name) % 2, load=1.1, queue_limit=5)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"structured-oracle", "priced-oracle"}))
def test_decisions_depend_on_what_is_complete_only(name):
    """Another future (work, congestion of all that is not complete at t) leaves every decision before t as it was.

    Requests that are held up for their features are decided later, and on what is complete by then only.
    """
    at, policy = busy_scene(name), ALL[name]
    run = Run(at, policy, seed=3)
    held_s = run.rule.held_s
    assert (held_s > 0) == (name == "held")
    log = run.finish().log
    for share in (0.3, 0.6, 0.9):
        time = float(np.quantile(at.world.arrival, share))
        changed, late = with_another_future(at, log, time, int(100 * share), held_s)
        other = simulate(changed, policy, seed=3).log
        before = at.world.arrival + held_s <= time
        assert late[before].sum() > 3  # requests under way at t: the ones that could leak
        assert (other.finish_s[late & before] > time).all()
        assert differing(log, other, before) == 0
        assert np.array_equal(log.finish_s[~late], other.finish_s[~late])
        if share == 0.3 and name not in ("remote", "random", "shortest-queue", "nearest"):
            assert differing(log, other, ~before) > 0  # the future does matter, later


@pytest.mark.parametrize("name", ["structured-oracle", "priced-oracle"])
def test_oracles_do_look_ahead(name):
    """The same change of the future does change an oracle's earlier decisions: the test above can fail."""
    at = busy_scene(name)
    log = simulate(at, ALL[name], seed=3).log
    time = float(np.quantile(at.world.arrival, 0.9))
    changed, _ = with_another_future(at, log, time, seed=5)
    assert differing(log, simulate(changed, ALL[name], seed=3).log, at.world.arrival <= time) > 0


@pytest.mark.kernels
@pytest.mark.parametrize("name", ["ucb1", "disjoint-linucb", "hybrid-lints", "structured-cov", "priced-tsrc", "credit"])
def test_decisions_in_tiny_worlds_depend_on_what_is_complete_only(name):
    """The same in tiny worlds, where ties in time abound and every request's completion is a possible t."""
    for seed in range(3):
        at = scene_of(tiny(seed, 25, cloudlets=3, dyadic=False))
        if ALL[name].probes > at.world.near.shape[1]:
            continue
        log = simulate(at, ALL[name], seed=1).log
        for time in np.sort(log.finish_s)[3:20:8]:
            changed, _ = with_another_future(at, log, float(time), seed)
            other = simulate(changed, ALL[name], seed=1).log
            assert differing(log, other, at.world.arrival <= time) == 0


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_seed_fixes_every_byte(name):
    """The same seed writes the same bytes; another seed changes what random policies do, and no others' decisions."""
    at = scene(200, variants=2)
    one, same, other = (simulate(at, ALL[name], seed=seed).log for seed in (1, 1, 2))
    assert all(x.tobytes() == y.tobytes() for x, y in zip(one, same, strict=True))
    differ = differing(one, other, slice(None)) > 0
    if name in RANDOM:
        assert differ
    if not uses_chance(ALL[name]):
        assert not differ


def uses_chance(policy):
    """Whether a policy draws any random number that matters."""
    linear = policy.dispatch in ("disjoint", "hybrid")
    looks = linear or policy.demand in ("ridge", "covariance", "follow")
    return (
        policy.dispatch == "random" or policy.explore > 0 or policy.sample or policy.probing not in ("all", "nearest")
        or (looks and policy.observed is not None)
    )  # fmt: skip


def test_runs_leave_the_scene_alone():
    """A run changes nothing in its scene: a second policy starts from the same history and world."""
    at = build(replace(BASE, requests=100), trace(), 5, real_sites=False)
    before = [array.copy() for array in (*at.history, *at.world[:-1])]
    simulate(at, ALL["priced-tsrc"])
    assert all(np.array_equal(x, y) for x, y in zip(before, (*at.history, *at.world[:-1]), strict=True))


FIELDS = [field for field in World._fields if field != "constants"]
CHANGES = {
    "load 0.5": {"arrival", "congestion"},
    "load 1.1": {"arrival", "congestion"},
    "8 cloudlets": {"arrival", "home", "near", "net_s", "speed", "memory_gb", "congestion"},
    "16 cloudlets": {"arrival", "home", "near", "net_s", "speed", "memory_gb", "congestion"},
    "slow links": set(),
    "remote 60 s": {"congestion"},
    "variants": {"arrival", "congestion"},
    "LLM": {"congestion"},  # on the same trace: the other one is not the network's matter
}
MEDIANS = {"remote 60 s": 3.0, "LLM": 0.25}
"""Congestion in multiples of the base's."""


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_scenarios_share_what_they_do_not_change(name):
    """Common random numbers: a scenario's world differs from the base world only where the scenario says so."""
    base, other = (
        build(replace(SCENARIOS[s], requests=400), trace(), 7, real_sites=False).world for s in ("base", name)
    )
    differ = {f for f in FIELDS if not np.array_equal(getattr(base, f), getattr(other, f))}
    assert differ == CHANGES[name]
    if name in MEDIANS:
        np.testing.assert_allclose(other.congestion, MEDIANS[name] * base.congestion, rtol=2**-22)  # single precision
    elif "congestion" in differ:  # one path of which each scenario needs another length
        shared = min(len(base.congestion), len(other.congestion))
        assert np.array_equal(base.congestion[:shared], other.congestion[:shared])
    if "load" in name or name == "variants":
        ratio = SCENARIOS["base"].load / SCENARIOS[name].load
        np.testing.assert_allclose(other.arrival, base.arrival * ratio, rtol=1e-12)


def test_scenarios_are_all_compared():
    """Every scenario but the base stands in the table above."""
    assert set(CHANGES) == set(SCENARIOS) - {"base"}


def test_tuning_and_reporting_never_share_a_request():
    """Windows of the two parts lie on their own sides of row 11,000, after the survey, for any seed."""
    setting = replace(BASE, requests=400)
    tune = [build(setting, trace(), seed, "tune", real_sites=False).first for seed in range(6)]
    report = [build(setting, trace(), seed, "report", real_sites=False).first for seed in range(6)]
    assert min(tune) >= SURVEY
    assert max(tune) + 400 <= TUNING <= min(report)
    assert max(report) + 400 <= len(trace().time_s)
    assert len(set(tune)) > 3 and len(set(report)) > 3


@pytest.mark.parametrize("load", [0.5, 1.1])
def test_load_is_work_over_capacity(load):
    """All work that arrives is ``load`` times what all cloudlets can do over the span of the arrivals."""
    world = build(replace(BASE, requests=500, load=load), trace(), 2, real_sites=False).world
    assert world.work.sum() == pytest.approx(load * world.speed.sum() * (world.arrival[-1] - world.arrival[0]))
    assert (np.diff(world.arrival) >= 0).all()


def test_the_past_is_known_and_the_future_is_not():
    """A scene's history and cap are those of the rows before its window, and so are the scales of static features.

    Later work sets the load, hence the factor of all times, hence the scales of features that are times.
    """
    past, setting = trace(), replace(BASE, requests=300)
    at = build(setting, past, 4, real_sites=False)
    random = np.random.default_rng(0)
    work = past.work_s.copy()
    work[at.first :] = 2 * random.permutation(work[at.first :])
    other = build(setting, past._replace(work_s=work), 4, real_sites=False)
    assert all(np.array_equal(x, y) for x, y in zip(at.history, other.history, strict=True))
    fixed = past.static.shape[1]
    assert np.array_equal(at.shift[:fixed], other.shift[:fixed])
    assert np.array_equal(at.scale[:fixed], other.scale[:fixed])
    assert at.world.arrival[-1] < other.world.arrival[-1]
    assert at.cap_s == other.cap_s == np.quantile(np.clip(past.work_s[:SURVEY], *setting.work_s), 0.99)
    clipped = np.clip(past.work_s[: at.first], *setting.work_s)
    assert at.history.total[0] == pytest.approx(clipped.sum())
    assert at.history.total[1] == at.first
