"""Limits in which one policy must be another, regret, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from online_strategies import ALL, scene, trace

from mecpfm.errors import InputError
from mecpfm.online.policy import DISPATCH, POLICIES, PROBING, Policy, named
from mecpfm.online.setting import BASE, SCENARIOS, Setting, scenario
from mecpfm.online.simulate import Run, simulate
from mecpfm.online.world import TUNING, build, longest


def same(one, other):
    """Whether two logs hold the same bytes."""
    return all(x.tobytes() == y.tobytes() for x, y in zip(one, other, strict=True))


# Limits --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["tsrc", "tsrc-delay", "wtsrc", "random-ei", "random-fix", "cov"])
@pytest.mark.parametrize("priced", ["structured", "priced"])
def test_all_features_are_all_features_however_they_are_chosen(name, priced):
    """With d = N every rule of choosing features is the ridge on all of them, byte for byte."""
    at = scene(300)
    everything = replace(ALL[f"{priced}-{name}"], observed=len(at.shift))
    assert same(simulate(at, everything).log, simulate(at, ALL[f"{priced}-full"]).log)
    assert not same(simulate(at, ALL[f"{priced}-{name}"]).log, simulate(at, ALL[f"{priced}-full"]).log)


@pytest.mark.parametrize("name", ["tsrc", "random-ei", "random-fix", "cov"])
def test_no_feature_is_a_shrunk_mean(name):
    """With d = 0 forecasts are means shrunk to that of the past, in which whoever is under way counts as forecast."""
    at = scene(300)
    log = simulate(at, replace(ALL[f"structured-{name}"], observed=0)).log
    work, past = np.minimum(at.world.work, at.cap_s), at.history.total
    start = min(past[0] / past[1], at.cap_s)
    for request in (0, 1, 10, 150, 299):
        done = log.finish_s[:request] <= at.world.arrival[request]
        counted = np.where(done, work[:request], log.guess_s[:request])
        expected = start + (counted - start).sum() / (request + 1)
        assert log.guess_s[request] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["disjoint", "hybrid", "structured", "priced"])
def test_a_window_that_nothing_leaves_is_no_window(name):
    """WTSRC equals TSRC with an infinite window, and with one longer than the run; a short one differs."""
    at, wtsrc, tsrc = scene(300), ALL[f"{name}-wtsrc"], simulate(scene(300), ALL[f"{name}-tsrc"]).log
    for window in (np.inf, 301):
        assert same(simulate(at, replace(wtsrc, window=window)).log, tsrc)
    assert not same(simulate(at, replace(wtsrc, window=20)).log, tsrc)


@pytest.mark.parametrize("name", ["structured-tsrc", "priced-tsrc", "disjoint-tsrc", "hybrid-tsrc"])
def test_error_and_delay_are_different_credits(name):
    """What features are credited with changes what is looked at."""
    at = scene(300)
    logs = [simulate(at, replace(ALL[name], credit=credit)) for credit in ("error", "delay")]
    assert (logs[0].demand.shown != logs[1].demand.shown).any()


def test_a_bandit_with_certain_exploration_is_random_but_for_its_coins():
    """Epsilon-greedy with epsilon 0 is the running mean's greedy rule; UCB1 without bonus is the same."""
    at = scene(300)
    greedy = simulate(at, ALL["mean-greedy"]).log
    assert same(simulate(at, replace(ALL["epsilon-0.5"], explore=0.0)).log, greedy)
    assert same(simulate(at, replace(ALL["ucb1"], bonus=0.0)).log, greedy)
    assert not same(simulate(at, ALL["ucb1"]).log, greedy)


def test_thompson_sampling_without_spread_is_ucb_without_bonus():
    """With scale 0 sampling and upper bounds are the same greedy linear rule."""
    at = scene(200)
    for name in ("disjoint", "hybrid"):
        logs = [simulate(at, replace(ALL[f"{name}-{kind}"], scale=0.0)).log for kind in ("linucb", "lints")]
        assert same(*logs)


def test_probing_every_place_hides_nothing():
    """With d = K probed every rule of probing decides as one that sees all."""
    at = scene(200)
    for dispatch in ("structured", "shortest-queue", "nearest"):
        policy = Policy(dispatch, "mean" if dispatch == "structured" else "none")
        for probing in set(PROBING) - {"all"}:
            probed = replace(policy, probing=probing, probes=at.setting.reach)
            assert np.array_equal(simulate(at, probed).log.place, simulate(at, policy).log.place)


def test_no_load_no_waiting():
    """At a hundredth of the load nobody waits for anybody at the nearest cloudlet: delay is way, pull and service."""
    at = scene(200, load=0.01)
    log, world = simulate(at, ALL["nearest"]).log, at.world
    service = world.work / world.speed[world.near[world.home, 0]]
    alone = world.net_s[world.home, 0] + world.payload_gb / at.setting.payload_gb_s + log.pull_s + service
    assert (np.abs(log.delay_s - alone) < 1e-9).mean() > 0.97
    assert (log.delay_s >= alone - 1e-9).all()


# Regret --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("variants", [1, 2])
def test_regret_is_never_negative_and_nothing_for_the_oracle(name, variants):
    """No request does better than the best place in its state; the myopic oracle always does as well."""
    at = scene(300, variants=variants, load=1.1, queue_limit=4)
    outcome = simulate(at, ALL[name])
    regret = outcome.loss_s - outcome.log.least_s
    assert regret.min() >= -1e-9
    if name == "structured-oracle":
        assert regret.max() <= 1e-9
    else:
        assert regret.max() > 1e-3
    assert outcome.metrics()["regret_s"] == pytest.approx(regret.mean())


def test_metrics_are_those_of_the_log():
    """Means, quantile, accuracy, share of the edge and pulls are sums over the log's rows."""
    outcome = simulate(scene(300, variants=2, load=1.1), ALL["priced-tsrc"])
    log, got = outcome.log, json.loads(json.dumps(outcome.metrics()))
    small = sum(log.variant.tolist()) / 300
    assert 0 < small < 1
    assert got["loss_s"] == pytest.approx(sum(log.delay_s.tolist()) / 300 + 12 * small)
    assert got["delay_s"] == pytest.approx(sum(log.delay_s.tolist()) / 300)
    assert got["accuracy"] == pytest.approx(1 - 0.12 * small)
    assert got["edge_share"] == pytest.approx(sum(p < 5 for p in log.place.tolist()) / 300)
    assert got["pulled_gb"] == pytest.approx(sum(log.pulled_gb.tolist()))
    assert got["delay_p95_s"] == pytest.approx(float(np.percentile(log.delay_s, 95)))
    work, guess = (np.minimum(x, outcome.scene.cap_s) for x in (outcome.scene.world.work, log.guess_s))
    assert got["demand_r2"] == pytest.approx(1 - np.mean((work - guess) ** 2) / np.var(work))
    assert np.isnan(simulate(scene(50), ALL["ucb1"]).metrics()["demand_r2"])


# What is refused -----------------------------------------------------------------------------------------------------
def refused(message, make, *arguments, **options):
    """The call is refused in one line with this text."""
    with pytest.raises(InputError) as caught:
        make(*arguments, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cloudlets": 0}, "cloudlets is 0; must be >= 1"),
        ({"reach": 0}, "reach is 0; must be >= 1"),
        ({"requests": 0}, "requests is 0; must be >= 1"),
        ({"families": -1}, "families is -1; must be >= 1"),
        ({"queue_limit": 0}, "queue_limit is 0; must be >= 1"),
        ({"load": 0.0}, "load is 0.0; must be finite and > 0"),
        ({"load": float("nan")}, "load is nan; must be finite and > 0"),
        ({"load": float("inf")}, "load is inf; must be"),
        ({"edge_gb_s": -1.0}, "edge_gb_s is -1.0; must be finite and > 0"),
        ({"centre_gb_s": 0.0}, "centre_gb_s is 0.0; must be finite and > 0"),
        ({"payload_gb_s": 0.0}, "payload_gb_s is 0.0; must be finite and > 0"),
        ({"remote_payload_gb_s": 0.0}, "remote_payload_gb_s is 0.0; must be finite and > 0"),
        ({"remote_speed": 0.0}, "remote_speed is 0.0; must be finite and > 0"),
        ({"gap_s": 0.0}, "gap_s is 0.0; must be > 0"),
        ({"grid_s": 0.0}, "grid_s is 0.0; must be finite and > 0"),
        ({"congestion_memory_s": 0.0}, "congestion_memory_s is 0.0; must be finite and > 0"),
        ({"memory_of_use_s": 0.0}, "memory_of_use_s is 0.0; must be finite and > 0"),
        ({"small_work": 0.0}, "small_work is 0.0; must be finite and > 0"),
        ({"remote_path_s": -0.1}, "remote_path_s is -0.1; must be"),
        ({"remote_load_s": -0.1}, "remote_load_s is -0.1; must be"),
        ({"congestion_s": -1.0}, "congestion_s is -1.0; must be"),
        ({"speeds": (0.0, 1.0)}, "speeds has 0"),
        ({"work_s": (300.0, 1.0)}, "work_s is (300.0, 1.0); must"),
        ({"work_s": (-1.0, 1.0)}, "work_s is (-1.0, 1.0); must"),
        ({"own_gb": (0.8, 0.1)}, "own_gb is (0.8, 0.1); must"),
        ({"eviction": "fifo"}, "eviction is 'fifo'; must be one of lru, value"),
        ({"reach": 13}, "reach is 13; must be <= cloudlets = 12"),
        ({"variants": 3}, "variants is 3; must be 1 or 2"),
        ({"memory_gb": (9.0, 24.0)}, "memory_gb has 9; the largest model needs 9.8"),
    ],
)
def test_bad_settings_are_named(change, message):
    """A setting that cannot be simulated is refused in one line that names the field and the bound."""
    refused(message, Setting, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dispatch": "best"}, "dispatch is 'best'; must be one of " + ", ".join(DISPATCH)),
        ({"demand": "gpt"}, "demand is 'gpt'; must be one of mean, ridge, covariance, true, none"),
        ({"features": "best"}, "features is 'best'; must be one of tsrc, random, fixed"),
        ({"probing": "some"}, "probing is 'some'; must be one of " + ", ".join(PROBING)),
        ({"credit": "luck"}, "credit is 'luck'; must be one of error, delay"),
        ({"feature_cost_s": -1.0}, "feature_cost_s is -1.0; must be finite and >= 0"),
        ({"probe_cost_s": float("inf")}, "probe_cost_s is inf; must be finite and >= 0"),
        ({"bonus": float("nan")}, "bonus is nan; must be finite and >= 0"),
        ({"scale": -0.1}, "scale is -0.1; must be finite and >= 0"),
        ({"probes": -1}, "probes is -1; must be finite and >= 0"),
        ({"observed": -1}, "observed is -1; must be >= 0"),
        ({"explore": 1.5}, "explore is 1.5; must be in [0, 1]"),
        ({"explore": -0.5}, "explore is -0.5; must be in [0, 1]"),
        ({"window": 0}, "window is 0; must be >= 1"),
        ({"window": -3}, "window is -3; must be >= 1"),
        ({"window": float("nan")}, "window is nan; must be >= 1"),
        ({"probing": "random"}, "probes is 0; must be >= 1 where probing is 'random'"),
        ({"probes": 2}, "probes is 2; must be 0 where probing is 'all'"),
        ({"demand": "none"}, "demand is 'none'; a structured policy needs a prediction"),
    ],
)
def test_bad_policies_are_named(change, message):
    """A policy with an unknown word or a number out of range is refused in one line that names the field."""
    refused(message, Policy, **{"demand": "mean"} | change)


def test_unknown_names_are_answered_with_the_known_ones():
    """A policy or scenario that does not exist is refused with the list of those that do."""
    refused("policy is 'best'; must be one of remote, random, ", named, "best")
    refused("scenario is 'worst'; must be one of base, load 0.5, ", scenario, "worst")
    assert all(named(name) is POLICIES[name] for name in POLICIES)
    assert all(scenario(name) is SCENARIOS[name] for name in SCENARIOS)


def test_more_than_there_is_is_refused():
    """Observing more features than a world has, or probing more places, is refused with the number there is."""
    at = scene(50)
    features = len(at.shift)
    refused(
        f"observed is {features + 1}; must be <= {features} features",
        Run,
        at,
        Policy(demand="ridge", observed=features + 1),
    )
    wide = features + 2 * at.setting.cloudlets + 1
    refused(f"must be <= {wide} features", Run, at, Policy(dispatch="disjoint", observed=wide + 1))
    Run(at, Policy(dispatch="disjoint", observed=wide))
    refused("probes is 6; must be <= reach = 5", Run, at, Policy(demand="mean", probing="belief", probes=6))
    dear = Policy(demand="mean", probing="belief", probes=2, probe_cost_s=1e308)
    refused("features and probes cost inf s a request; must be <= 1e+06 s", Run, at, dear)


def test_a_trace_too_short_is_refused():
    """A window that does not fit is refused with the rows there are; a short trace has two thirds for one window."""
    short = trace()
    assert longest(11_600) == 7_734
    refused(
        "drawn: has 11600 requests; 7735 from row 3866 on are needed", build, replace(BASE, requests=7_735), short, 0
    )
    refused("8001 from row 3866 on are needed", build, replace(BASE, requests=8001), short, 0, "tune")
    assert build(replace(BASE, requests=601), short, 0, real_sites=False).first >= 3_866
    assert build(replace(BASE, requests=600), short, 0, real_sites=False).first == TUNING


def test_a_window_of_one_moment_is_refused():
    """Where all requests of a window arrive together no factor of time gives the load."""
    at_once = trace()._replace(time_s=np.zeros(len(trace().time_s)))
    refused("arrive within 0 s", build, replace(BASE, requests=50), at_once, 0)


def test_a_topology_too_small_is_refused():
    """More cloudlets than the network has nodes are refused with both numbers."""
    at = replace(BASE, requests=100, topology="topozoo/Abilene")
    small = build(replace(at, cloudlets=8), trace(), 0)
    assert small.world.near.shape == (8, at.reach)
    refused("has 11 nodes; 12 cloudlets are wanted", build, at, trace(), 0)
