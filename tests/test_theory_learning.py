"""R3, L1 and L2 of docs/theory_online.md: following one expert and probing others, and why credit by delay fails."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from online_strategies import ALL, scene

from mecpfm.bandits.advice import consult
from mecpfm.bandits.certificate import ledger
from mecpfm.kernels import linear_bandit
from mecpfm.online.ledger import advice, every_feature, known, probed
from mecpfm.online.policy import Policy
from mecpfm.online.simulate import simulate

FEATURES, ROUNDS = 3, 3
CASES = (st.integers(0, 2**32), st.sampled_from([1, 2]), st.sampled_from([0.05, 0.5, 2.0]))


def every_coin(seed, size, rate, rounds=ROUNDS, delayed=True):
    """A drawn instance and its replays for every sequence of probed sets, all equally likely."""
    random = np.random.default_rng(seed)
    x, work = random.choice([-2.0, -1.0, 1.0, 2.0], (rounds, FEATURES)), random.choice([0.0, 0.3, 1.0], rounds)
    late = np.minimum(np.arange(rounds) + random.integers(1, 3 if delayed else 2, rounds), rounds)
    sets = [np.isin(np.arange(FEATURES), one) for one in itertools.combinations(range(FEATURES), size)]
    runs = []
    for coins in itertools.product(sets, repeat=rounds):
        runs.append((np.array(coins), consult(x, work, late, np.array(coins), 0.5, 0.0, 1.0, rate)))
    return x, work, late, runs


@given(*CASES)
@settings(max_examples=40)
def test_following_loses_what_is_proved(seed, size, rate):
    """R3 with all coins enumerated: exact expectations of both sides, for every expert; the delay's term run by run."""
    *_, runs = every_coin(seed, size, rate)
    for _, run in runs:
        assert run.share == size / FEATURES
        assert run.terms()[2] <= run.delay_bound() + 1e-12
        spread = (run.ahead * run.losses).sum()
        assert run.terms()[1] <= rate / (2 * run.share) * spread + 1e-12  # a priori: losses are at most 1
        assert run.bounds()[-1] == pytest.approx(run.best + sum(run.terms()))
    made = np.mean([run.expected for _, run in runs])
    added = np.mean([sum(run.terms()) for _, run in runs])
    totals = np.mean([run.losses.sum(axis=0) for _, run in runs], axis=0)
    assert made <= totals.min() + added + 1e-12
    assert made == pytest.approx(np.mean([(run.ahead * run.losses).sum() + run.terms()[2] for _, run in runs]))
    assert runs[0][1].terms()[0] == pytest.approx(math.log(FEATURES + 1) / rate)


def test_the_estimates_have_a_price():
    """Without its second term the statement is false where the rate is high; with it, it holds."""
    broken = 0
    for seed in range(20):
        *_, runs = every_coin(seed, 1, 50.0)
        made = np.mean([run.expected for _, run in runs])
        least = np.mean([run.losses.sum(axis=0) for _, run in runs], axis=0).min()
        first, second, delay = np.mean([run.terms() for _, run in runs], axis=0)
        broken += made > least + first + delay
        assert made <= least + first + second + delay + 1e-12
    assert broken >= 5


@given(*CASES)
@settings(max_examples=20)
def test_experts_come_close_to_rules(seed, size, rate):
    """R3's second half, no delay, coins enumerated: E L <= min over rules (penalty over p) + E Q / p."""
    x, work, _, runs = every_coin(seed, size, rate, delayed=False)
    share = size / FEATURES
    for j in range(FEATURES):
        pair = np.column_stack([x[:, j], np.ones(ROUNDS)])
        start = np.array([0.0, 0.5])
        weighed = []
        for coins, _ in runs:
            seen = coins[:, j]
            count = int(seen.sum())
            one = ledger(pair[seen], work[seen], np.arange(1, count + 1), start, 0.0, 1.0)[0] if count else None
            weighed.append(one.weighed if one else 0.0)
        gram = pair.T @ pair + np.eye(2) / share
        u = np.linalg.solve(gram, pair.T @ (work - 0.5))
        rule = np.sum((pair @ u + 0.5 - work) ** 2) + u @ u / share
        assert np.mean([run.losses[:, j].sum() for _, run in runs]) <= rule + np.mean(weighed) / share + 1e-12


def test_the_policy_is_the_replay():
    """``follow-probe`` in the simulator: its forecasts are those of the expert it names, its records those of R3."""
    outcome = simulate(scene(400, seed=5), ALL["follow-probe"], 5)
    x, shown = every_feature(outcome), outcome.demand.shown
    found = advice(outcome, x)
    rows = np.arange(len(shown))
    np.testing.assert_allclose(found.forecasts[rows, shown[:, -1]], outcome.log.guess_s, rtol=0, atol=1e-8)
    seen = np.column_stack([probed(outcome), np.ones(len(shown), dtype=bool)])
    records = (found.losses * seen / found.seen).sum(axis=0)
    np.testing.assert_allclose(outcome.demand.losses, records, rtol=1e-9)
    for t, now in itertools.product((1, 120, 399), (True, False)):
        told, into = (known(outcome) <= t, found.weights) if now else (True, found.ahead)
        record = (found.losses * seen / found.seen)[(rows < t) & told].sum(axis=0)
        chance = np.exp(-outcome.demand.rate * (record - record.min()))
        np.testing.assert_allclose(into[t], chance / chance.sum(), rtol=1e-9)
    assert (np.sort(shown[:, :-1], axis=1) == shown[:, :-1]).all()
    assert (np.diff(shown[:, :-1], axis=1) > 0).all()
    assert known(outcome).max() == len(shown) and outcome.target_s.max() <= outcome.demand.cap
    often = seen[:, :-1].mean(axis=0)
    assert abs(often - found.share).max() < 4 * np.sqrt(found.share * (1 - found.share) / len(shown))
    assert np.mean(found.weights[rows, shown[:, -1]]) > np.mean(found.weights)


def test_probes_do_not_hang_on_the_requests():
    """The same probes whatever the window, the arms' draws and the policy's price; others for another seed."""
    outcomes = [
        simulate(scene(200, seed=place), policy, seed)
        for place, seed, policy in (
            (0, 0, ALL["follow-probe"]),
            (1, 0, ALL["follow-probe"]),
            (0, 0, Policy(demand="follow", features="random", observed=4, priced=True)),
            (0, 1, ALL["follow-probe"]),
        )
    ]
    first, *same, other = (one.demand.shown[:, :-1] for one in outcomes)
    assert all((first == one).all() for one in same)
    assert (first != other).any()


# L1 ------------------------------------------------------------------------------------------------------------------
TOP, CUT = 60.0, 120.0


def game(deciding, features, size, credit, seed, rounds):
    """L1's instance under TSRC: delay lost, and in which rounds the deciding feature was shown.

    Every draw is the same whatever the deciding feature is.
    """
    coins, keys = np.random.default_rng((seed, 1)), np.random.default_rng((seed, 2))
    counts, ring = np.zeros((2, features)), np.zeros((0, 1 + size))
    state, lost, hit, median = linear_bandit.fresh(1, features + 1, 1.0), 0.0, np.zeros(rounds, dtype=bool), 0.0
    for t in range(rounds):
        shown = linear_bandit.reveal(keys.beta(1 + counts[1], 1 + counts[0] - counts[1]), size)
        x, sign, busy = coins.choice([-1.0, 1.0], features), coins.choice([-1.0, 1.0]), coins.random() < 0.5
        x[deciding] = sign
        work = TOP / 2 * (1 + sign)
        seen = np.append(linear_bandit.masked(x, shown), 1.0)
        guess = min(max(linear_bandit.moments(state, seen)[0][0], 0.0), TOP)
        reward = 1 - work / CUT
        if busy:
            arms = (CUT + work, CUT + TOP / 4 + work / 2)
            arm = int(CUT + guess > CUT + TOP / 4 + guess / 2)
            lost += arms[arm] - min(arms)
            reward = 1 - min(arms[arm] / CUT, 1.0)
        if credit == "error":
            reward = float(abs(guess - work) < median)
        median += 0.3 if abs(guess - work) > median else -0.3
        linear_bandit.credit(counts, ring, t, shown, reward)
        linear_bandit.update(state, seen, 0, work)
        hit[t] = deciding in shown
    return lost / rounds, hit


@pytest.mark.parametrize(("features", "size"), [(4, 1), (5, 2)])
def test_credit_by_delay_learns_nothing(features, size):
    """L1: the sets shown are the same whichever feature decides, so the loss is linear; credit by error finds it."""
    rounds, least, lost = 1_000, (1 - size / features) * TOP / 16, []
    for seed in range(4):
        runs = [game(deciding, features, size, "delay", seed, rounds) for deciding in range(features)]
        assert (np.sum([hit for _, hit in runs], axis=0) == size).all()
        lost.append(np.mean([loss for loss, _ in runs]))
    assert np.mean(lost) >= least - 3 * np.std(lost) / 2
    found = [game(deciding, features, size, "error", 0, 2 * rounds) for deciding in range(features)]
    assert np.mean([hit[rounds:].mean() for _, hit in found]) > 0.95
    assert np.mean([loss for loss, _ in found]) < least / 4


# L2 ------------------------------------------------------------------------------------------------------------------
def searched(features, size, gain, noise, rounds, seed, greedy):
    """Share of rounds in which the one useful feature is hidden: sampling means (a good learner) or at random."""
    random = np.random.default_rng(seed)
    useful, count, total, hidden = random.integers(features), np.zeros(features), np.zeros(features), 0
    for _ in range(rounds):
        keys = random.standard_normal(features)
        if greedy:  # posterior of a mean with a wide prior
            width = noise / np.sqrt(count + (noise / gain) ** 2 / 100)
            keys = total / np.maximum(count, 1) + keys * width
        shown = np.argsort(-keys)[:size]
        saved = gain * (useful in shown) + noise * random.standard_normal()
        count[shown] += 1
        total[shown] += saved
        hidden += useful not in shown
    return hidden / rounds


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize(("features", "size"), [(8, 1), (10, 3)])
def test_credit_by_delay_needs_a_horizon(features, size, greedy):
    """L2: up to N sigma^2 / (4 d Delta^2) rounds even a learner that samples means hides the feature mostly."""
    gain, noise = 1.0, 5.0
    horizon = int(features * noise**2 / (4 * size * gain**2))
    hidden = [searched(features, size, gain, noise, horizon, seed, greedy) for seed in range(300)]
    least = 1 - size / features - gain / (2 * noise) * math.sqrt(size * horizon / features)
    assert least == pytest.approx(0.75 - size / features, abs=0.01)
    assert np.mean(hidden) >= least - 3 * np.std(hidden) / math.sqrt(300)
    assert np.mean(hidden) <= 1 - size / features + 0.05


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(2, 5))
@settings(max_examples=50)
def test_pinsker_along_the_rounds(seed, rounds, features):
    """L2's proof on coins: |E_j n_j - E_0 n_j| <= T sqrt(KL / 2), KL = E_0 n_j kl, any adaptive rule, enumerated."""
    random = np.random.default_rng(seed)
    rule = {past: int(random.integers(features)) for r in range(rounds) for past in itertools.product((0, 1), repeat=r)}
    low, high = 0.4, 0.6
    kl = low * math.log(low / high) + (1 - low) * math.log((1 - low) / (1 - high))

    def times(useful, counted):
        mean = 0.0
        for said in itertools.product((0, 1), repeat=rounds):
            chance, count = 1.0, 0
            for t in range(rounds):
                shown = rule[said[:t]]
                good = high if shown == useful else low
                chance *= good if said[t] else 1 - good
                count += shown == counted
            mean += chance * count
        return mean

    for j in range(features):
        before = times(-1, j)
        assert times(j, j) <= before + rounds * math.sqrt(before * kl / 2) + 1e-12
    assert sum(times(-1, j) for j in range(features)) == pytest.approx(rounds)
