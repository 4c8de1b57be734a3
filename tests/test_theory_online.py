"""The regret statement of docs/theory_online.md, link by link, on random, adversarial and delayed sequences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from online_ridge import SPEEDS, OnlineRidge, dispatch_bound, error_bound, hindsight, sharpness

from mecpfm.errors import InputError
from mecpfm.kernels import linear_bandit

SLACK = 1 + 1e-9


def sequence(seed, rounds, features, hidden):
    """Features with exact zeros where hidden, demands in [0, top], and top itself."""
    random = np.random.default_rng(seed)
    scale, top = random.choice([0.1, 1, 5]), float(random.choice([0.5, 1, 60]))
    x = scale * random.standard_normal((rounds, features)) * (random.random((rounds, features)) >= hidden)
    return random, x, top * random.random(rounds), top


class Run:
    """A delayed run; ``done[s] > s`` is the first arrival that knows demand s.

    The adversary answers every forecast with the end of [0, top] that is farther away.
    """

    def __init__(self, x, demand, done, ridge, top, adversarial=False, start=None):
        self.model, self.demand = OnlineRidge(x.shape[1], ridge=ridge, top=top, start=start), demand
        self.forecast, self.leverage, self.outstanding = np.empty((3, len(x)))
        for t in range(len(x)):
            for s in np.flatnonzero(done[:t] == t):
                self.model.complete(x[s], self.forecast[s], float(demand[s]))
            self.forecast[t], self.leverage[t] = self.model.arrive(x[t])
            self.outstanding[t] = np.sum(done[:t] > t)
            if adversarial:
                demand[t] = 0.0 if self.forecast[t] > top / 2 else top
        self.errors = (self.forecast - demand) ** 2


RIDGES = st.sampled_from([0.01, 1.0, 30.0])
SHAPE = (st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 6), st.sampled_from([0.0, 0.5, 0.9]), RIDGES)


@given(*SHAPE)
def test_forecaster_equals_its_definition(seed, rounds, features, hidden, ridge):
    """Each forecast is the clipped solution of the written-out normal equations, forecasts standing in for demands."""
    random, x, demand, top = sequence(seed, rounds, features, hidden)
    done = np.arange(rounds) + random.integers(1, 9, rounds)
    start = random.standard_normal(features) * top
    run = Run(x, demand, done, ridge, top, start=start)
    for t in range(rounds):
        before = ridge * np.eye(features) + x[:t].T @ x[:t]
        stands = np.where(done[:t] <= t, demand[:t], run.forecast[:t])
        raw = x[t] @ np.linalg.solve(before, x[:t].T @ stands + ridge * start)
        assert run.forecast[t] == pytest.approx(np.clip(raw, 0, top), abs=1e-7 * top)
        leverage = x[t] @ np.linalg.solve(before + np.outer(x[t], x[t]), x[t])
        assert run.leverage[t] == pytest.approx(leverage, abs=1e-7)
    log_det = np.linalg.slogdet(np.eye(features) + x.T @ x / ridge)[1]
    assert run.model.log_det == pytest.approx(log_det, rel=1e-7, abs=1e-7)
    run.model.reset()
    assert run.model.arrive(x[0]) == (run.forecast[0], run.leverage[0])


@given(*SHAPE)
@settings(max_examples=30)
def test_the_kernel_forecasts_alike(seed, rounds, features, hidden, ridge):
    """The packed kernel, updated by the forecast and corrected by the error, is the forecaster of the theorem."""
    random, x, demand, top = sequence(seed, rounds, features, hidden)
    done = np.arange(rounds) + random.integers(1, 9, rounds)
    run, state = Run(x, demand, done, ridge, top), linear_bandit.fresh(1, features, ridge)
    for t in range(rounds):
        for s in np.flatnonzero(done[:t] == t):
            linear_bandit.correct(state, x[s], 0, demand[s] - run.forecast[s])
        forecast = np.clip(linear_bandit.moments(state, x[t])[0][0], 0, top)
        assert forecast == pytest.approx(run.forecast[t], abs=1e-7 * top)
        linear_bandit.update(state, x[t], 0, run.forecast[t])
    for arm, change in ((1, 0.5), (-1, 0.5), (0, np.nan)):
        with pytest.raises(ValueError, match=r"arm|finite"):
            linear_bandit.correct(state, x[0], arm, change)


@given(*SHAPE)
def test_one_round_raises_the_best_by_a_discounted_error(seed, rounds, features, hidden, ridge):
    """Lemma 1: V_t - V_(t-1) = (1 - q_t) (w_t - r_t)^2 with r_t the unclipped, undelayed ridge forecast."""
    _, x, demand, _ = sequence(seed, rounds, features, hidden)
    precision, right = ridge * np.eye(features), np.zeros(features)
    values = [hindsight(x[:t], demand[:t], ridge) for t in range(rounds + 1)]
    for t in range(rounds):
        r = x[t] @ np.linalg.solve(precision, right)
        precision += np.outer(x[t], x[t])
        right += demand[t] * x[t]
        q = x[t] @ np.linalg.solve(precision, x[t])
        assert values[t + 1] - values[t] == pytest.approx((1 - q) * (demand[t] - r) ** 2, abs=1e-7 * (1 + values[-1]))


@given(*SHAPE)
def test_leverages_add_up_to_at_most_a_logarithm(seed, rounds, features, hidden, ridge):
    """Lemma 2: sum q <= ln det <= sum over features of ln(1 + sum x_i^2 / ridge); hidden ones add nothing."""
    _, x, demand, top = sequence(seed, rounds, features, hidden)
    run = Run(x, demand, np.arange(rounds) + 1, ridge, top)
    assert run.leverage.sum() <= run.model.log_det * SLACK
    assert run.model.log_det <= np.log1p((x**2).sum(axis=0) / ridge).sum() * SLACK + 1e-12


@given(*SHAPE)
def test_doubts_telescope(seed, rounds, features, hidden, ridge):
    """Lemma 3: sum over t > s of (1 - q_t) (x_t' A_(t-1)^-1 x_s)^2 <= q_s."""
    _, x, demand, top = sequence(seed, rounds, features, hidden)
    leverage = Run(x, demand, np.arange(rounds) + 1, ridge, top).leverage
    total = np.zeros(rounds)
    for t in range(rounds):
        cross = x[:t] @ np.linalg.solve(ridge * np.eye(features) + x[:t].T @ x[:t], x[t])
        total[:t] += (1 - leverage[t]) * cross**2
    assert (total <= leverage * SLACK + 1e-12).all()


@given(*SHAPE, st.booleans())
@settings(max_examples=200)
def test_squared_errors_stay_below_the_bound(seed, rounds, features, hidden, ridge, adversarial):
    """O1, undelayed: random demands, and an adversary who sees the forecast."""
    _, x, demand, top = sequence(seed, rounds, features, hidden)
    run = Run(x, demand, np.arange(rounds) + 1, ridge, top, adversarial)
    best, weighed = hindsight(x, run.demand, ridge), run.leverage @ run.errors
    assert run.errors.sum() <= error_bound(best, weighed, 0) * SLACK + 1e-12
    assert weighed <= top**2 * run.model.log_det * SLACK
    assert error_bound(best, weighed, 0) == pytest.approx(best + weighed)


@given(*SHAPE, st.booleans(), st.integers(1, 40))
@settings(max_examples=200)
def test_delayed_errors_stay_below_the_bound(seed, rounds, features, hidden, ridge, adversarial, longest):
    """O2, any completion order: from the learner's own leverages and errors, and from ln det alone."""
    random, x, demand, top = sequence(seed, rounds, features, hidden)
    done, start = np.arange(rounds) + random.integers(1, longest + 1, rounds), random.standard_normal(features) * top
    run = Run(x, demand, done, ridge, top, adversarial, start)
    best, most = hindsight(x, run.demand, ridge, start), run.outstanding.max()
    own, known = error_bound(best, run.leverage @ run.errors, most), error_bound(best, top**2 * run.model.log_det, most)
    assert run.errors.sum() <= own * SLACK + 1e-12
    assert own <= known * SLACK + 1e-12


@given(*SHAPE, st.integers(1, 5))
def test_a_demand_that_never_comes_is_one_outstanding(seed, rounds, features, hidden, ridge, missing):
    """O2 knows no longest delay: requests that never finish only add to D."""
    random, x, demand, top = sequence(seed, rounds, features, hidden)
    done = np.arange(rounds) + 1
    done[random.integers(0, rounds, missing)] = 10 * rounds
    run = Run(x, demand, done, ridge, top)
    assert run.outstanding.max() <= missing
    bound = error_bound(hindsight(x, demand, ridge), run.leverage @ run.errors, run.outstanding.max())
    assert run.errors.sum() <= bound * SLACK + 1e-12


@pytest.mark.parametrize("lag", [5, 20, 40])
def test_the_number_outstanding_is_needed(lag):
    """The first forecasts know nothing: with w = top and one constant feature, O2 without its D would be false."""
    rounds = 120
    x, demand = np.ones((rounds, 1)), np.ones(rounds)
    run = Run(x, demand, np.arange(rounds) + 1 + lag, 1.0, 1.0)
    best, weighed, most = hindsight(x, demand, 1.0), run.leverage @ run.errors, run.outstanding.max()
    assert most == lag
    assert error_bound(best, weighed, 0) < lag < run.errors.sum() <= error_bound(best, weighed, most)


@given(*SHAPE, st.booleans(), st.integers(1, 40))
def test_interleaved_copies_pay_a_logarithm(seed, rounds, features, hidden, ridge, adversarial, longest):
    """O2': D + 1 copies with ridge / (D + 1), each handed a request while it has none outstanding."""
    random, x, demand, top = sequence(seed, rounds, features, hidden)
    done = np.arange(rounds) + random.integers(1, longest + 1, rounds)
    copies = 1 + max(int(np.sum(done[:t] > t)) for t in range(rounds))
    models = [OnlineRidge(features, ridge=ridge / copies, top=top) for _ in range(copies)]
    busy: list[tuple[int, float] | None] = [None] * copies
    error = 0.0
    for t in range(rounds):
        for c, held in enumerate(busy):
            if held and done[held[0]] <= t:
                models[c].complete(x[held[0]], held[1], float(demand[held[0]]))
                busy[c] = None
        c = busy.index(None)
        forecast, _ = models[c].arrive(x[t])
        busy[c] = t, forecast
        if adversarial:
            demand[t] = 0.0 if forecast > top / 2 else top
        error += (forecast - demand[t]) ** 2
    log_det = np.linalg.slogdet(np.eye(features) + x.T @ x / ridge)[1]
    assert error <= (hindsight(x, demand, ridge) + copies * top**2 * log_det) * SLACK + 1e-12


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(2, 6))
def test_dispatch_loses_at_most_the_error(seed, rounds, arms):
    """O3 by brute force over arms: per round |w - f| (1/s_min - 1/s_max), in sum by Cauchy-Schwarz."""
    random = np.random.default_rng(seed)
    speed, known = (
        random.uniform(0.3, 3, (rounds, arms)),
        random.exponential(random.choice([0.1, 1, 30]), (rounds, arms)),
    )
    demand, forecast = random.exponential(10, (2, rounds))
    loss = np.empty(rounds)
    for t in range(rounds):
        true = [known[t, a] + demand[t] / speed[t, a] for a in range(arms)]
        believed = [known[t, a] + forecast[t] / speed[t, a] for a in range(arms)]
        loss[t] = true[believed.index(min(believed))] - min(true)
    spread = 1 / speed.min(axis=1) - 1 / speed.max(axis=1)
    assert (loss <= spread * np.abs(demand - forecast) * SLACK + 1e-12).all()
    assert loss.sum() <= dispatch_bound(spread, float(np.sum((demand - forecast) ** 2))) * SLACK + 1e-12


def test_dispatch_bound_is_met():
    """Two arms that tie for the forecast's demand: the loss is the error times the spread, and all rounds alike."""
    speed, forecast, demand = np.array([0.5, 2.0]), 10.0, 16.0
    known = np.array([0.0, forecast / 0.5 - forecast / 2])
    believed, true = known + forecast / speed, known + demand / speed
    loss = true[np.argmin(believed)] - true.min()
    assert loss == pytest.approx(6 * 1.5) == dispatch_bound(np.full(4, 1.5), 4 * 36.0) / 4


@given(st.integers(0, 2**32), st.integers(2, 4), st.floats(0.2, 3))
@settings(max_examples=30)
def test_believed_backlogs_lose_at_most_their_errors(seed, arms, load):
    """O3b: queues whose remaining work is known only by forecasts; every term of the per-round and summed bound."""
    random = np.random.default_rng(seed)
    rounds, speed = 60, random.uniform(0.4, 2.5, arms)
    arrival = np.cumsum(random.exponential(10 / speed.sum() / load, rounds))
    demand = random.exponential(10, rounds)
    forecast = np.maximum(demand + random.normal(0, 5, rounds), 0)
    free, place = np.zeros(arms), np.zeros(rounds, dtype=int)
    start, finish = np.zeros(rounds), np.zeros(rounds)
    error, losses, weight = np.abs(demand - forecast), np.empty(rounds), np.zeros(rounds)
    for t, now in enumerate(arrival):
        true, believed, doubt = np.empty(arms), np.empty(arms), np.empty(arms)
        pull, net = random.exponential(5, arms), random.exponential(1, arms)
        for a in range(arms):
            queue = [j for j in range(t) if place[j] == a and finish[j] > now]
            elapsed = np.array([max(now - start[j], 0.0) for j in queue])
            left, guess = (np.maximum(work[queue] / speed[a] - elapsed, 0).sum() for work in (demand, forecast))
            true[a] = net[a] + max(pull[a], left) + demand[t] / speed[a]
            believed[a] = net[a] + max(pull[a], guess) + forecast[t] / speed[a]
            doubt[a] = error[queue].sum() / speed[a]
        chosen, best = int(np.argmin(believed)), int(np.argmin(true))
        losses[t] = true[chosen] - true[best]
        spread = 1 / speed.min() - 1 / speed.max()
        assert losses[t] <= spread * error[t] + (doubt[chosen] + doubt[best] if chosen != best else 0) + 1e-9
        place[t], start[t] = chosen, max(now + pull[chosen], free[chosen])
        finish[t] = free[chosen] = start[t] + demand[t] / speed[chosen]
        weight[t] += spread
        for j in range(t):
            weight[j] += (finish[j] > now) / speed[place[j]]
    assert losses.sum() <= weight @ error + 1e-9
    assert weight @ error <= np.sqrt(np.sum(weight**2)) * np.sqrt(np.sum(error**2)) * SLACK


@given(st.integers(0, 2**32))
@settings(max_examples=10)
def test_rare_ties_make_the_loss_quadratic(seed):
    """O3c: exponential backlogs come within g of each other with probability at most kappa g."""
    random = np.random.default_rng(seed)
    speed, rounds, mean = SPEEDS, 4000, 60.0
    error, demand = random.normal(0, 4, rounds), random.uniform(20, 40, rounds)
    known = random.exponential(mean, (rounds, len(speed)))
    true, believed = known + demand[:, None] / speed, known + (demand + error)[:, None] / speed
    loss = true[np.arange(rounds), believed.argmin(axis=1)] - true.min(axis=1)
    spread, kappa = 1 / speed.min() - 1 / speed.max(), (len(speed) - 1) / mean
    gap = np.diff(np.sort(true, axis=1)[:, :2], axis=1)[:, 0]
    assert (loss <= np.where(gap <= spread * np.abs(error), spread * np.abs(error), 0) + 1e-9).all()
    assert 0 < loss.sum() <= kappa * spread**2 * np.sum(error**2)
    for g in (0.5, 1.0, 2.0, 5.0):
        assert (gap <= g).mean() <= kappa * g + 4 * np.sqrt(kappa * g / rounds)
    pair = np.abs(np.diff(random.exponential(mean, (20 * rounds, 2)), axis=1))
    assert (pair <= 2.0).mean() == pytest.approx(2.0 / mean, rel=0.15)  # two arms alike: kappa = 1 / mean is met


@pytest.mark.parametrize(("lag", "ratio"), [(0, 1.1), (10, 1.4)])
def test_bounds_are_not_vacuous_on_typical_data(lag, ratio):
    """After 5,000 requests the bound is a small factor of what is measured, and regret a small part of the error."""
    found = sharpness(lag, 0)
    assert found.best <= found.squared <= min(found.bound, 1.2 * found.best)
    assert found.bound <= ratio * found.squared
    assert found.squared <= found.expected <= found.bound <= found.doubted * SLACK
    assert found.doubted <= found.constant
    assert found.bound <= found.worst_case
    assert 0 < found.loss <= found.loss_bound


def test_wrong_input_is_refused():
    """A demand outside [0, top], features of another length, and parameters out of range."""
    model = OnlineRidge(2, top=5.0)
    for demand in (-0.1, 5.1, np.nan):
        with pytest.raises(InputError, match=r"demand is .*; must be in \[0, top = 5\]"):
            model.complete(np.ones(2), 1.0, demand)
    with pytest.raises(InputError, match="features have shape"):
        model.arrive(np.ones(3))
    with pytest.raises(InputError, match="finite"):
        model.arrive(np.array([1.0, np.inf]))
    with pytest.raises(InputError, match="features have shape"):
        OnlineRidge(2, start=np.zeros(3))
    for bad in ({"features": 0}, {"features": 1, "ridge": 0.0}, {"features": 1, "top": np.inf}):
        with pytest.raises(InputError, match="must be"):
            OnlineRidge(**bad)
    assert model.log_det == 0 == model.theta.sum()
