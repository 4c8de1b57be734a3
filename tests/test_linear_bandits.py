"""LinUCB and LinTS: the packed inverse against a plain solve, scores against MABWiser, exact sampling."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecpfm.bandits import linear
from mecpfm.bandits.linear import LinTS, LinUCB
from mecpfm.errors import InputError
from mecpfm.kernels import linear_bandit


def past(seed, arms, features, rounds, hidden=0.0):
    """Contexts in [-1, 1] with a share of exact zeros, arms, and rewards."""
    random = np.random.default_rng(seed)
    contexts = random.uniform(-1, 1, (rounds, features)) * (random.random((rounds, features)) >= hidden)
    return contexts, random.integers(0, arms, rounds), random.random(rounds)


def feed(policy, contexts, arms, rewards):
    """Teach a history."""
    for context, arm, reward in zip(contexts, arms.tolist(), rewards.tolist(), strict=True):
        policy.update(arm, context, reward)


def solved(contexts, arms, rewards, probe, arm, ridge):
    """Mean and spread at ``probe`` by a fresh solve of the normal equations."""
    mine = arms == arm
    precision = ridge * np.eye(len(probe)) + contexts[mine].T @ contexts[mine]
    right = np.column_stack([contexts[mine].T @ rewards[mine], probe])
    return probe @ np.linalg.solve(precision, right)


@given(
    st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 12), st.sampled_from([0.0, 0.5, 0.9]), st.floats(0.1, 10)
)
def test_packed_inverse_is_the_inverse(seed, arms, features, hidden, ridge):
    """After any history, masked or not, means and spreads equal a fresh solve for every arm, to 1e-9."""
    history = past(seed, arms, features, 40, hidden)
    policy = LinUCB(arms, features, ridge=ridge)
    feed(policy, *history)
    probe = np.random.default_rng(seed + 1).uniform(-1, 1, features)
    mean, spread = linear_bandit.moments(policy.state, probe)
    expected = np.array([solved(*history, probe, arm, ridge) for arm in range(arms)])
    np.testing.assert_allclose(np.column_stack([mean, spread]), expected, rtol=1e-9, atol=1e-9)


def test_a_corrected_reward_is_as_if_it_had_been_known():
    """A forecast learned and then corrected by its error gives the state of the true reward; by hand for one step."""
    contexts, arms, rewards = past(5, 3, 4, 30, hidden=0.3)
    known, corrected = LinUCB(3, 4).state, LinUCB(3, 4).state
    for context, arm, reward in zip(contexts, arms.tolist(), rewards.tolist(), strict=True):
        linear_bandit.update(known, context, arm, reward)
        linear_bandit.update(corrected, context, arm, 0.25)
        linear_bandit.correct(corrected, context, arm, reward - 0.25)
    np.testing.assert_allclose(corrected, known, rtol=0, atol=1e-12)
    before = corrected.copy()
    for arm, change in ((-1, 0.5), (3, 0.5), (0, math.inf)):
        with pytest.raises(ValueError, match=r"no such arm|must be finite"):
            linear_bandit.correct(corrected, contexts[0], arm, change)
    assert np.array_equal(corrected, before)
    one = LinUCB(1, 1, ridge=0.25).state
    linear_bandit.update(one, np.array([0.5]), 0, 1.0)
    assert one.tolist() == [[2.0], [1.0]]  # 1 / (0.25 + 0.25), and 0.5 times it; the step is exactly 1


def test_inverse_stays_accurate_for_thousands_of_updates():
    """20,000 rank-one updates of one arm keep mean and spread within 1e-9 of a fresh solve."""
    contexts, arms, rewards = past(4, 1, 30, 20_000, hidden=0.3)
    policy = LinUCB(1, 30)
    feed(policy, contexts, arms, rewards)
    mean, spread = linear_bandit.moments(policy.state, contexts[7])
    expected = solved(contexts, arms, rewards, contexts[7], 0, 1.0)
    np.testing.assert_allclose([mean[0], spread[0]], expected, rtol=1e-9)


def test_scores_equal_mabwiser():
    """After the same history LinUCB's scores are those of MABWiser, to 1e-12."""
    mab = pytest.importorskip("mabwiser.mab")
    contexts, arms, rewards = past(1, 4, 7, 200)
    peer = mab.MAB([0, 1, 2, 3], mab.LearningPolicy.LinUCB(alpha=0.7, l2_lambda=2.0))
    peer.fit(arms, rewards, contexts)
    policy = LinUCB(4, 7, alpha=0.7, ridge=2.0)
    feed(policy, contexts, arms, rewards)
    for probe in past(2, 4, 7, 20)[0]:
        mean, spread = linear_bandit.moments(policy.state, probe)
        expected = peer.predict_expectations(probe[None])
        np.testing.assert_allclose(mean + 0.7 * np.sqrt(spread), [expected[k] for k in range(4)], rtol=0, atol=1e-12)
        assert policy.select(probe) == max(expected, key=expected.get)


def test_sampling_the_score_is_sampling_the_parameters():
    """The scalar draw of LinTS has mean and variance of c' mu~ for mu~ from the full normal, by its Cholesky factor."""
    contexts, arms, rewards = past(6, 1, 5, 60)
    policy = LinTS(1, 5, v=0.4)
    feed(policy, contexts, arms, rewards)
    mean, spread = linear_bandit.moments(policy.state, contexts[0])
    factor = np.linalg.cholesky(0.4**2 * np.linalg.inv(np.eye(5) + contexts.T @ contexts))
    centre = np.linalg.solve(np.eye(5) + contexts.T @ contexts, contexts.T @ rewards)
    draws = (centre + np.random.default_rng(0).standard_normal((20_000, 5)) @ factor.T) @ contexts[0]
    deviation = 0.4 * math.sqrt(spread[0])
    assert abs(draws.mean() - mean[0]) < 4 * deviation / math.sqrt(20_000)
    assert draws.std() == pytest.approx(deviation, rel=0.02)


def test_thompson_sampling_plays_an_arm_as_often_as_it_is_best():
    """Two arms with means 0 and m and equal spread s: arm 1 wins with probability Phi(m / (v s sqrt 2))."""
    policy = LinTS(2, 1, v=1.0, ridge=1.0, seed=8)
    policy.state[1] = [0.0, 0.5]  # the means; both inverses are 1
    share = np.mean([policy.select(np.ones(1)) for _ in range(20_000)])
    assert share == pytest.approx(0.5 * (1 + math.erf(0.5 / 2)), abs=4 * 0.5 / math.sqrt(20_000))


def test_block_length_changes_nothing(monkeypatch):
    """Normals come from one sequential stream: blocks of 1, 7 or 256 rounds give the same arms."""

    def arms(block):
        monkeypatch.setattr(linear, "BLOCK", block)
        policy = LinTS(5, 4, v=1.0, seed=2)
        contexts, _, rewards = past(3, 5, 4, 300)
        played = []
        for context, reward in zip(contexts, rewards, strict=True):
            played.append(policy.select(context))
            policy.update(played[-1], context, reward)
        return played

    assert arms(1) == arms(7) == arms(256)
    assert len(set(arms(7))) == 5


def test_ties_go_to_the_lowest_arm():
    """Arms with equal scores: LinUCB plays the lowest index."""
    policy = LinUCB(3, 2)
    context = np.array([1.0, 0.0])
    assert policy.select(context) == 0
    policy.update(0, context, -1.0)
    assert policy.select(context) == 1


def test_wrong_input_is_refused_and_changes_nothing():
    """A wrong context, an unknown arm and a reward that is not finite leave the state as it was; lists are contexts."""
    policy = LinUCB(2, 3)
    before = policy.state.copy()
    bad = [(0, np.ones(2), 0.5), (2, np.ones(3), 0.5), (-1, np.ones(3), 0.5), (0, np.ones(3), math.inf)]
    bad += [(0, np.array([0, math.nan, 1]), 0.5), (0, ["a", 0, 1], 0.5), (0.5, np.ones(3), 0.5)]
    for arm, context, reward in bad:
        with pytest.raises(InputError, match=r"shape|arm|finite|numbers"):
            policy.update(arm, context, reward)
    for context in (np.ones(4), [1.0, 0], np.array([math.nan, 0, 0])):
        with pytest.raises(InputError, match="context"):
            policy.select(context)
    assert policy.select([1.0, 0, 0]) == 0
    assert np.array_equal(policy.state, before)
