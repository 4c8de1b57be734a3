"""The ledger of delayed ridge (E0, O2, R1) and the bounds from a run's own data (C3, C4), by definition and by draw."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from online_ridge import hindsight
from online_strategies import ALL, scene
from test_theory_online import SHAPE, SLACK, Run, sequence

from mecpfm.bandits import certificate
from mecpfm.bandits.certificate import best_subset, hidden_bound, least_squares, ledger, risk_bound
from mecpfm.errors import InputError
from mecpfm.kernels import delayed_ridge
from mecpfm.online.ledger import account, every_feature, growth, known, sentence
from mecpfm.online.ledger import ledger as ledger_of
from mecpfm.online.simulate import simulate


def delayed(seed, rounds, features, hidden, ridge, adversarial=False, longest=20):
    """A drawn sequence with delays, some never ending, run by the plain forecaster."""
    random, x, demand, top = sequence(seed, rounds, features, hidden)
    late = np.arange(rounds) + random.integers(1, longest + 1, rounds)
    late[random.random(rounds) < 0.1] = rounds + 1
    start = random.standard_normal(features) * top
    return x, top, np.minimum(late, rounds), start, Run(x, demand, late, ridge, top, adversarial, start)


@given(*SHAPE, st.booleans())
@settings(max_examples=60)
def test_replay_equals_its_definition(seed, rounds, features, hidden, ridge, adversarial):
    """Forecasts with and without delay, leverages and what of them is lost while outstanding, from normal equations."""
    x, top, late, start, run = delayed(seed, rounds, features, hidden, ridge, adversarial)
    found = delayed_ridge.replay(x, run.demand, late, start, 0.0, top, ridge)
    before = [ridge * np.eye(features) + x[:t].T @ x[:t] for t in range(rounds + 1)]
    for t in range(rounds):
        y = np.linalg.solve(before[t], x[t])
        prompt = y @ (x[:t].T @ run.demand[:t] + ridge * start)
        flying = [s for s in range(t) if late[s] > t]
        assert found.prompt[t] == pytest.approx(prompt, rel=1e-7, abs=1e-7 * top)
        assert found.outstanding[t] == len(flying)
        cross = np.array([(run.forecast[s] - run.demand[s]) * (y @ x[s]) for s in flying])
        weight = (1 - run.leverage[t]) * len(flying)
        assert found.weighed[t] == pytest.approx(weight * np.sum(cross**2), rel=1e-6, abs=1e-9 * top**2)
        last = min(late[t] - 1, rounds - 1)
        lost = x[t] @ (np.linalg.solve(before[t + 1], x[t]) - np.linalg.solve(before[last + 1], x[t]))
        assert found.waiting[t] == pytest.approx(lost, rel=1e-6, abs=1e-8)
    np.testing.assert_allclose(found.forecast, run.forecast, rtol=1e-7, atol=1e-7 * top)
    np.testing.assert_allclose(found.leverage, run.leverage, rtol=1e-7, atol=1e-8)
    assert found.log_det[-1] == pytest.approx(run.model.log_det, rel=1e-7, abs=1e-7)


@given(*SHAPE, st.booleans())
@settings(max_examples=100)
def test_the_ledger_is_exact(seed, rounds, features, hidden, ridge, adversarial):
    """E0: the errors are V + Q + C + Omega - K, with V solved directly; C1: the best rule is least squares."""
    x, top, late, start, run = delayed(seed, rounds, features, hidden, ridge, adversarial)
    found, _ = ledger(x, run.demand, late, start, 0.0, top, ridge)
    scale = 1e-7 * (1 + run.errors.sum() + rounds * top**2)
    assert found.squared == pytest.approx(run.errors.sum(), abs=scale)
    assert found.ridged == pytest.approx(hindsight(x, run.demand, ridge, start), abs=scale)
    assert found.squared == pytest.approx(found.best + found.learning + found.delay - found.clipping, abs=scale)
    solution = np.linalg.lstsq(x, run.demand, rcond=None)[0]
    assert found.best == pytest.approx(np.sum((x @ solution - run.demand) ** 2), abs=scale)
    assert found.regret == found.squared - found.best
    assert found.clipping >= -scale
    assert found.constant == pytest.approx(rounds * np.var(run.demand), abs=scale)


@given(*SHAPE, st.booleans())
@settings(max_examples=100)
def test_what_waits_is_bounded_step_by_step(seed, rounds, features, hidden, ridge, adversarial):
    """O2: p <= q, Omega <= W <= D P <= D Q, and the errors stay below every bound of the chain."""
    x, top, late, start, run = delayed(seed, rounds, features, hidden, ridge, adversarial)
    found, replay = ledger(x, run.demand, late, start, 0.0, top, ridge)
    assert (replay.waiting <= replay.leverage * SLACK + 1e-12).all()
    small = 1e-9 * top**2
    chain = [
        found.omega, found.crossed, found.outstanding * found.doubted, found.outstanding * found.weighed,
        found.outstanding * top**2 * found.log_det,
    ]  # fmt: skip
    assert all(low <= high * SLACK + small for low, high in itertools.pairwise(chain))
    bounds = [found.squared, *(found.bound(omega) for omega in chain)]
    assert found.bound() == found.bound(found.omega)
    assert all(low <= high * SLACK + small for low, high in itertools.pairwise(bounds))


def test_the_links_are_needed():
    """With one constant feature and late demands: Omega is above P without its D, and the bound false without Omega."""
    rounds, lag = 120, 40
    late = np.minimum(np.arange(rounds) + 1 + lag, rounds)
    found, _ = ledger(np.ones((rounds, 1)), np.ones(rounds), late, np.zeros(1), 0.0, 1.0)
    assert found.outstanding == lag
    assert found.doubted < found.omega
    assert found.bound(0.0) < found.squared <= found.bound()
    assert found.doubted < found.weighed


@pytest.mark.parametrize("name", ["structured-full", "structured-tsrc", "structured-cov", "priced-random-ei", "held"])
def test_the_replay_is_the_simulators_run(name):
    """Forecasts of the simulator, its masks, delays and costs, come out of the replay; all features of the unmasked."""
    outcome = simulate(scene(400, seed=3), ALL[name], 3)
    start = np.zeros(outcome.demand.context.shape[1])
    start[-1] = outcome.scene.history.total[0] / outcome.scene.history.total[1]
    limits = outcome.demand.least, outcome.demand.cap
    _, replay = ledger(outcome.demand.context, outcome.target_s, known(outcome), start, *limits)
    np.testing.assert_allclose(replay.forecast, outcome.log.guess_s, rtol=0, atol=1e-8)
    assert replay.outstanding.max() > 2
    every, seen = every_feature(outcome), outcome.demand.context
    assert (every[seen != 0] == seen[seen != 0]).all()
    assert np.count_nonzero(every) > np.count_nonzero(seen) or name == "structured-full"
    assert ledger_of(outcome)[0].squared == pytest.approx(np.sum((outcome.log.guess_s - outcome.target_s) ** 2))


def test_the_account_says_what_it_knows():
    """Full, masked, following, without a rule, without a forecast: fields, their sums, and the line for people."""
    runs = {
        name: simulate(scene(400, seed=3), replace(ALL[name]), 3)
        for name in ("structured-full", "structured-tsrc", "follow-probe", "structured-mean", "ucb1")
    }
    found = {name: account(outcome) for name, outcome in runs.items()}
    full, masked, followed, mean = (
        found[name] for name in ("structured-full", "structured-tsrc", "follow-probe", "structured-mean")
    )
    assert found["ucb1"] is None
    assert full["best_of"] == "linear rule in hindsight" and "subset" not in full
    assert masked["best_of"] == "linear rule in hindsight on what was shown" and len(masked["subset"]) == 4
    assert "best_s2" not in mean and followed["best_of"] == "expert on one feature"
    for one in (full, masked):
        parts = one["learning_s2"] + one["delay_s2"] - one["clipping_s2"]
        assert one["regret_s2"] == pytest.approx(parts) == pytest.approx(one["forecast_s2"] - one["best_s2"])
        assert one["forecast_s2"] <= one["bound_s2"]
    assert full["best_s2"] < masked["subset_s2"] < masked["constant_s2"]
    assert followed["seen_regret_s2"] >= followed["regret_s2"]
    for one in (full, masked, followed, mean):
        assert one["forecast_s2"] < one["risk_s2"]
    line = sentence(masked, 16)
    assert line.startswith(f"forecast {masked['forecast_s2']:.1f} s²; best linear rule in hindsight on what was shown ")
    assert f"(on the best 4 of 16 features {masked['subset_s2']:.1f}); regret" in line
    assert f"conditional risk <= {masked['risk_s2']:.1f} (95 %)" in line and "exact: learning" in line
    assert "by what was seen <= " in sentence(followed, 16)
    assert sentence(mean, 16).count(";") == 2


def test_growth_ends_at_the_account():
    """Means over the first t requests: at the last one those of the account; before, those of a shorter run."""
    for name in ("structured-full", "follow-probe"):
        outcome = simulate(scene(400, seed=3), ALL[name], 3)
        found, whole = growth(outcome), account(outcome)
        for curve, field in (("measured", "forecast_s2"), ("bound", "bound_s2"), ("constant", "constant_s2")):
            assert found[curve][-1] == pytest.approx(whole[field])
            assert len(found[curve]) == 400
        assert (found["constant"] >= -1e-9).all()
        if name == "structured-full":
            assert (found["measured"] <= found["bound"] * SLACK).all()
            ledger_, replay = ledger_of(outcome)
            o2, r1 = certificate.bounds(replay, outcome.target_s, ledger_.penalty, 2.0)
            assert (o2[-1], r1[-1]) == pytest.approx((ledger_.bound(), ledger_.expected_bound(2.0)))


# Best rules ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
def test_the_best_subset_is_the_best(seed):
    """Against least squares on every subset, with a copied and an empty column."""
    random = np.random.default_rng(seed)
    x = np.column_stack([random.normal(size=(60, 5)), np.ones(60)])
    x[:, 3], x[:, 1] = 2 * x[:, 0], 0.0
    work = x @ random.normal(size=6) + random.normal(size=60)

    def left(columns):
        return float(np.sum((x[:, columns] @ np.linalg.lstsq(x[:, columns], work, rcond=None)[0] - work) ** 2))

    assert least_squares(x, work) == pytest.approx(left(list(range(6))))
    for size in range(6):
        value, chosen = best_subset(x, work, size)
        assert value == pytest.approx(min(left([*s, 5]) for s in itertools.combinations(range(5), size)))
        assert value == pytest.approx(left([*chosen, 5])) and len(chosen) == size
    assert best_subset(x, work, 6) is None
    assert best_subset(np.ones((3, 101)), np.ones(3), 50) is None


# R1 ------------------------------------------------------------------------------------------------------------------
TRUTH, NOISE = np.array([2.0, 2.0, 30.0]), 8.0


def stochastic(seed, rounds, bent=0.0, lag=20):
    """Noise +-8 around a linear rule (bent: off by as much); long ones stay 2 lag rounds, short ones one."""
    random = np.random.default_rng(seed)
    x = np.column_stack([random.uniform(-1, 1, (rounds, 2)), np.ones(rounds)])
    mean = x @ TRUTH + bent * np.sign(x[:, 0]) * np.sign(x[:, 1])
    noise = random.choice([-NOISE, NOISE], rounds)
    late = np.minimum(np.arange(rounds) + np.where(noise > 0, 2 * lag, 1), rounds)
    found, run = ledger(x, mean + noise, late, np.zeros(3), 0.0, 60.0)
    truth = np.sum((1 - run.leverage) * (mean - run.prompt) ** 2)
    known_ = run.leverage.sum() * NOISE**2 + rounds * bent**2 + TRUTH @ TRUTH
    return found.squared, found.ridged, found.weighed, found.omega, known_, truth


@pytest.mark.parametrize("bent", [0.0, 3.0])
def test_in_expectation_the_delay_adds_up(bent):
    """R1 over 200 seeds, delays depending on demands, and its step (i), which is met within a quarter where b = 0."""
    squared, best, weighed, omega, known_, truth = np.mean([stochastic(s, 300, bent) for s in range(200)], axis=0)
    assert truth <= known_ and (bent or truth > 0.75 * known_)
    assert squared <= best + weighed + 2 * np.sqrt(known_ * omega) + omega
    assert squared > best + weighed + 0.25 * omega  # the delay does cost


def test_what_the_delay_costs_does_not_grow_with_the_root():
    """Where the rule is right, four times the rounds change what is lost beyond V by less than a quarter."""
    lost = [np.mean([np.subtract(*stochastic(s, rounds)[:2]) for s in range(60)]) for rounds in (400, 1600)]
    assert lost[0] > 0 and abs(lost[1] / lost[0] - 1) < 0.25  # a root would double it


def test_expected_bound_is_the_formula():
    """Values of the run for expectations, V / T for the variance."""
    x, top, late, start, run = delayed(1, 60, 3, 0.0, 1.0)
    found, replay = ledger(x, run.demand, late, start, 0.0, top)
    truth = found.ridged / 60 * found.log_det + 60 * 2.0 + np.sum((replay.rule - start) ** 2)
    expected = found.ridged + found.weighed + 2 * np.sqrt(truth * found.omega) + found.omega
    assert found.expected_bound(2.0) == pytest.approx(expected)
    assert found.expected_bound() < found.expected_bound(2.0) < found.expected_bound(2.0, found.crossed)


# C3, C4 --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("chance", [0.02, 0.3, 0.5])
def test_conditional_risk_is_covered(chance):
    """C3: errors of 0 or top^2 whose chance moves with the past; at most 5 % of 400 runs lie above, few far below."""
    random, top, rounds = np.random.default_rng(7), 3.0, 800
    hits = np.zeros((400, rounds))
    risk, worst = np.zeros(400), hits.copy()
    for t in range(rounds):
        now = chance * (1.0 if t == 0 else np.where(hits[:, t - 1] > 0, 0.5, 1.5))
        hits[:, t] = random.random(400) < now
        risk += now
        worst[:, t] = risk
    bound = np.array([risk_bound(top**2 * one.sum(), rounds, top) for one in hits])
    assert np.mean(top**2 * risk > bound) <= 0.05
    assert np.median(bound) <= top**2 * (1.5 * np.median(risk) + 30)
    assert np.mean(top**2 * risk > [top**2 * one.sum() for one in hits]) > 0.3  # errors alone are no bound


def test_hidden_losses_are_covered():
    """C4: losses that answer old coins, five experts of which two are probed; at most 5 % of 200 runs miss any."""
    random, rounds, experts, share, misses, slack = np.random.default_rng(11), 300, 5, 0.4, 0, []
    for _ in range(200):
        losses, seen = np.zeros((rounds, experts)), np.zeros((rounds, experts), dtype=bool)
        for t in range(rounds):
            hidden = ~seen[t - 1] if t else np.ones(experts, dtype=bool)
            losses[t] = random.random(experts) ** 4 * np.where(hidden, 1.0, 0.3)
            seen[t, random.choice(experts, 2, replace=False)] = True
        least, total = hidden_bound(np.where(seen, losses, np.nan), seen, share, 1.0), losses.sum(axis=0)
        misses += (least > total).any()
        slack.append((least / total).mean())
    assert misses <= 0.05 * 200
    assert 0.4 < np.mean(slack) < 1


def test_wrong_numbers_are_refused():
    """Demands outside the interval, no requests, probabilities and widths out of range."""
    one = np.ones((1, 1))
    with pytest.raises(InputError, match=r"must lie in \[0, 1\]"):
        ledger(one, np.array([1.5]), np.array([1]), np.zeros(1), 0.0, 1.0)
    with pytest.raises(InputError, match="there must be one"):
        ledger(np.ones((0, 1)), np.ones(0), np.zeros(0, dtype=np.int64), np.zeros(1), 0.0, 1.0)
    with pytest.raises(InputError, match="ridge"):
        ledger(one, np.ones(1), np.array([1]), np.zeros(1), 0.0, 1.0, 0.0)
    with pytest.raises(InputError, match="delta is 1"):
        risk_bound(1.0, 10, 1.0, 1.0)
    with pytest.raises(InputError, match="top"):
        risk_bound(1.0, 10, 0.0)
    with pytest.raises(InputError, match="share is 0"):
        hidden_bound(one, one > 0, 0.0, 1.0)


def test_known_from_counts_ties_and_never():
    """Done at the moment of an arrival is known to it; what never ends is known to none; nobody knows itself."""
    arrival, finish = np.array([0.0, 1.0, 1.0, 4.0]), np.array([1.0, 1.0, np.inf, 9.0])
    assert certificate.known_from(arrival, finish).tolist() == [1, 2, 4, 4]
